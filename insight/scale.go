package insight

import (
	"math"
	"slices"
)

// Scale is what an outcome is measured on while learning.
type Scale string

// The scales. The zero value lets leave-one-out choose.
const (
	ScaleAuto     Scale = ""
	ScaleIdentity Scale = "identity"
	ScaleLog      Scale = "log"
)

// Target is the outcome to predict: one value a project, NaN where it is not
// known. Lower and Upper, when set, are the bounds of what it can be.
type Target struct {
	Name   string
	Values []float64
	Scale  Scale
	Lower  *float64
	Upper  *float64
}

func (t Target) validate(rows int) error {
	if len(t.Values) != rows {
		return wrong(t.Name, "has %d values where the inputs have %d", len(t.Values), rows)
	}
	if t.Lower != nil && t.Upper != nil && *t.Lower >= *t.Upper {
		return wrong(t.Name, "has a lower bound that is not below the upper")
	}
	for _, v := range t.Values {
		switch {
		case math.IsNaN(v):
		case math.Abs(v) > largest:
			return wrong(t.Name, "holds an outcome that is infinite or beyond 1e100")
		case t.Lower != nil && v < *t.Lower, t.Upper != nil && v > *t.Upper:
			return wrong(t.Name, "holds an outcome outside its bounds")
		case t.Scale == ScaleLog && v < 0:
			return wrong(t.Name, "holds a negative outcome, which has no logarithm")
		}
	}
	return nil
}

// without is the target of a history in which some projects' outcomes are not
// known.
func (t Target) without(rows []int) Target {
	t.Values = slices.Clone(t.Values)
	for _, r := range rows {
		t.Values[r] = math.NaN()
	}
	return t
}

// measure is a monotone way from outcomes to the scale that is learned on, and
// back.
//
// The way back takes the median: a model that is right on the logarithm predicts
// the outcome that is as likely exceeded as not, and that is the number with the
// least absolute error. The mean would lie higher (Duan 1983, "Smearing
// estimate") and is not what a plan needs.
type measure struct {
	log   bool
	shift float64 // added before the logarithm; 0 when all outcomes are positive

	// Predictions stay between these on the learned scale: the range of the
	// history, widened by its own width on both sides.
	low, high float64

	// And between these on the outcome's.
	least, most float64
}

// newMeasure fits a measure to the outcomes of a history, of which there is at
// least one.
func newMeasure(target Target, log bool) measure {
	m := measure{log: log, least: -largest, most: largest}
	smallest := slices.Min(target.Values)
	if smallest >= 0 {
		m.least = 0 // what was never negative is a duration, a cost, a count
	}
	if target.Lower != nil {
		m.least = *target.Lower
	}
	if target.Upper != nil {
		m.most = *target.Upper
	}
	if log && smallest <= 0 {
		m.shift = smallUnit(target.Values)
	}
	low, high := m.to(smallest), m.to(slices.Max(target.Values))
	m.low, m.high = low-(high-low), high+(high-low)
	return m
}

func (m measure) to(outcome float64) float64 {
	if m.log {
		return math.Log(outcome + m.shift)
	}
	return outcome
}

func (m measure) from(z float64) float64 {
	z = min(max(z, m.low), m.high)
	if m.log {
		z = math.Exp(z) - m.shift
	}
	return min(max(z, m.least), m.most)
}

func (m measure) all(outcomes []float64) []float64 {
	z := make([]float64, len(outcomes))
	for i, v := range outcomes {
		z[i] = m.to(v)
	}
	return z
}

// smallUnit is what is added to values with zeros among them before taking the
// logarithm: a small positive value of theirs (the 5 % quantile of the positive
// ones), so that the choice of unit changes nothing. It is 1 when none is
// positive.
func smallUnit(values []float64) float64 {
	var positive []float64
	for _, v := range values {
		if v > 0 {
			positive = append(positive, v)
		}
	}
	if len(positive) == 0 {
		return 1
	}
	slices.Sort(positive)
	return positive[len(positive)/20]
}
