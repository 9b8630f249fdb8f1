package insight

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Prediction is what the history says about the outcome of one project.
type Prediction struct {
	Value float64 // the median: as likely exceeded as not, in the outcome's unit
	Low   float64 // between Low and High lies the outcome with a probability of Level
	High  float64
	Level float64

	Base    float64  // the typical outcome of the history, before any input is looked at
	Drivers []Driver // what makes Value of Base; strongest first

	// Confidence is 0 … 1: the share of the base rate's error that the model
	// removed in cross-validation, times n/(n+10) for the length of the history,
	// times the share of the project's inputs that lie within what the history has
	// seen (weighted by their influence). It is 0 for a base rate.
	Confidence float64

	Basis   int    // how many finished projects it is learned from
	Note    string // TooLittleHistory, or empty
	Version string // of the method and the history
}

// Driver is one input's part in a prediction. The model is linear on its learned
// scale, so the parts are exact; they are expressed in the outcome's unit by the
// logarithmic mean (LMDI: Ang 2004), which leaves no remainder: the effects of
// all drivers add up to Value − Base.
type Driver struct {
	Name   string
	Input  string  // what the project has there; empty when missing
	Effect float64 // in the outcome's unit
	Factor float64 // what it multiplies the outcome by, at most 1e100, where that is learned on the logarithm; else 0
}

// Predict predicts for a project with an interval at a level above 0, up to
// HighestLevel. It is an *InputError when the level or an input is not usable.
func (p *Predictor) Predict(in Inputs, level float64) (Prediction, error) {
	if err := checkLevel(level); err != nil {
		return Prediction{}, err
	}
	r, err := p.history.read(in)
	if err != nil {
		return Prediction{}, err
	}
	return p.predict(r, level), nil
}

func (p *Predictor) predict(r record, level float64) Prediction {
	out := Prediction{Level: level, Basis: p.history.rows, Version: p.version}
	if p.encoder == nil {
		low, high := baseInterval(p.measure.all(p.target.Values), p.spread, level)
		out.Value, out.Base, out.Note = p.measure.from(p.base), p.measure.from(p.base), TooLittleHistory
		out.Low, out.High = p.measure.from(low), p.measure.from(high)
		return out
	}
	x := make([]float64, len(p.encoder.features))
	p.encoder.encode(r, x)
	z := p.model.predict(x)
	low, high := interval(p.folds, r, level)
	out.Value, out.Base = p.measure.from(z), p.measure.from(p.model.intercept)
	out.Low, out.High = min(p.measure.from(low), out.Value), max(p.measure.from(high), out.Value)
	out.Drivers = p.drivers(r, x, out.Value, out.Base)
	n := float64(out.Basis)
	out.Confidence = p.skill * n / (n + 10) * p.familiarity(r)
	return out
}

func (p *Predictor) drivers(r record, x []float64, value, base float64) []Driver {
	parts := make([]float64, len(p.history.columns))
	var sum float64
	for i, f := range p.encoder.features {
		part := p.model.weights[i] * x[i]
		parts[f.column] += part
		sum += part
	}
	rate := 1.0 // outcome per unit of the learned scale, between base and value
	switch {
	case math.Abs(sum) > 1e-9*max(1, math.Abs(p.model.intercept)):
		rate = (value - base) / sum
	case p.measure.log:
		rate = base + p.measure.shift
	}
	var drivers []Driver
	for i, part := range parts {
		if part == 0 {
			continue
		}
		d := Driver{Name: p.history.columns[i].name, Input: p.history.columns[i].text(r, i), Effect: part * rate}
		if p.measure.log {
			d.Factor = min(math.Exp(part), largest)
		}
		drivers = append(drivers, d)
	}
	slices.SortStableFunc(drivers, func(a, b Driver) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Effect), math.Abs(a.Effect)), cmp.Compare(a.Name, b.Name))
	})
	return drivers
}

// text is the record's value in a column, for people.
func (c *column) text(r record, at int) string {
	switch {
	case c.numbers != nil && math.IsNaN(r.numbers[at]), c.numbers == nil && r.codes[at] == missingCode:
		return ""
	case c.numbers != nil:
		return strconv.FormatFloat(r.numbers[at], 'g', 6, 64)
	case r.codes[at] == unseenCode:
		return "new"
	}
	return c.levels[r.codes[at]]
}

// familiarity is the share of the model's influence that stands on inputs which
// the project has and the history has seen: a missing or new one, or a number
// beyond the range, does not count.
func (p *Predictor) familiarity(r record) float64 {
	influence, all := p.influence()
	if all == 0 {
		return 1
	}
	var known float64
	for i := range influence {
		if p.seen(r, i) {
			known += influence[i]
		}
	}
	return known / all
}

// influence is how much each column moves the prediction when it changes by what
// is usual in the history, and the sum over all columns.
func (p *Predictor) influence() ([]float64, float64) {
	influence := make([]float64, len(p.history.columns))
	if p.encoder == nil {
		return influence, 0
	}
	var all float64
	for i, f := range p.encoder.features {
		part := math.Abs(p.model.weights[i]) * f.weight()
		influence[f.column] += part
		all += part
	}
	return influence, all
}

// weight is the feature's standard deviation over the history.
func (f *feature) weight() float64 {
	if f.kind == numberFeature {
		return 1
	}
	return math.Sqrt(f.centre * (1 - f.centre))
}

func (p *Predictor) seen(r record, at int) bool {
	if p.history.columns[at].numbers == nil {
		return r.codes[at] >= 0
	}
	v := r.numbers[at]
	return v >= p.lowest[at] && v <= p.highest[at]
}
