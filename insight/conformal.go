package insight

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// HighestLevel is the highest level of an interval: beyond it, one of more than
// ten thousand projects would have to lie outside.
const HighestLevel = 0.9999

func checkLevel(level float64) error {
	if !(level > 0 && level <= HighestLevel) {
		return wrong("level", "must lie between 0 and %v", HighestLevel)
	}
	return nil
}

// keptErrors is how many errors of a fold an interval is made of; of more, as
// many quantiles.
const keptErrors = 500

// fold is a model that never saw some projects, and its errors on them, on the
// learned scale.
type fold struct {
	encoder *encoder
	model   linear
	errors  []float64
}

// interval returns the bounds between which the outcome lies with a probability
// of level, on the learned scale: CV+, the cross-validated jackknife+ (Barber,
// Candès, Ramdas and Tibshirani 2021, "Predictive inference with the jackknife+").
// Each project of the history votes with what the model that never saw it
// predicts for the record, plus and minus its own error with that model; the bounds leave a share of
// 1 − level of the votes outside. Nothing is assumed about the errors but that
// the new project is drawn as the old ones were.
//
// A level that the history is too short for (more than n/(n+1)) gets the bounds of
// a normal distribution's errors.
func interval(folds []fold, r record, level float64) (low, high float64) {
	var below, above []float64
	var squares, n, centre float64
	for i := range folds {
		f := &folds[i]
		x := make([]float64, len(f.encoder.features))
		f.encoder.encode(r, x)
		z := f.model.predict(x)
		for _, e := range f.errors {
			below = append(below, z-math.Abs(e))
			above = append(above, z+math.Abs(e))
			squares += e * e
			centre += z
			n++
		}
	}
	slices.Sort(below)
	slices.Sort(above)
	outside := 1 - level
	last := int(math.Ceil(level * (n + 1) * (1 - 1e-12)))
	if last > len(above) {
		reach := distuv.StudentsT{Mu: 0, Sigma: math.Sqrt(squares / n), Nu: n - 1}.Quantile(1-outside/2) * math.Sqrt(1+1/n)
		return min(centre/n-reach, below[0]), max(centre/n+reach, above[len(above)-1])
	}
	return below[len(below)-last], above[last-1]
}

// thinned returns at most limit values that stand for all, sorted.
func thinned(values []float64, limit int) []float64 {
	values = slices.Sorted(slices.Values(values))
	if len(values) <= limit {
		return values
	}
	kept := make([]float64, limit)
	for i := range kept {
		kept[i] = stat.Quantile((float64(i)+0.5)/float64(limit), stat.LinInterp, values, nil)
	}
	return kept
}

// baseInterval is the interval of a history too short to learn from: the
// outcome's own spread, with a prior for what few projects cannot show yet. It is
// the predictive distribution of a normal sample whose variance has an inverse
// chi-squared prior (Gelman et al., "Bayesian data analysis", 3.3) of weight
// priorWeight and scale spread.
func baseInterval(z []float64, spread, level float64) (low, high float64) {
	n := float64(len(z))
	mean, squares := stat.Mean(z, nil), 0.0
	for _, v := range z {
		squares += (v - mean) * (v - mean)
	}
	freedom := priorWeight + n - 1
	scale := math.Sqrt((priorWeight*spread*spread + squares) / freedom * (1 + 1/n))
	reach := distuv.StudentsT{Mu: 0, Sigma: scale, Nu: freedom}.Quantile((1 + level) / 2)
	return mean - reach, mean + reach
}

// priorWeight is how many projects the prior spread of a short history counts.
const priorWeight = 3
