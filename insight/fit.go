package insight

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Bounds of the fit. A history of up to manyRows projects is taken as exactly as
// it can be: every fold of the cross-validation prepares its columns anew, and
// the ridge penalty comes from leave-one-out. Beyond that the columns are
// prepared once, and the penalty comes from generalised cross-validation: one
// project in thousands changes neither.
const (
	manyRows     = 2000
	mostFeatures = 128 // features kept: those that go with the outcome most
	fewCodes     = 10  // a number of more values is not tested for being a code
	proofOfCodes = 0.01
)

// pair is the two models of one history: each may be the better one, and which
// only cross-validation tells.
type pair struct {
	encoder *encoder
	ridge   linear
	sparse  linear
}

func (p pair) mixed(share float64) linear { return p.sparse.mixed(p.ridge, share) }

// fitPair fits both models to a history of at most manyRows projects.
func fitPair(d *Dataset, z []float64) (pair, error) {
	draft, err := fitRidge(d, z, nil)
	if err != nil {
		return pair{}, err
	}
	if coded := codedColumns(d, draft.errors); len(coded) > 0 {
		if draft, err = fitRidge(d, z, coded); err != nil {
			return pair{}, err
		}
	}
	return pair{encoder: draft.encoder, ridge: draft.model, sparse: relevance(draft.centred)}, nil
}

// draft is a ridge with its leave-one-out errors.
type draft struct {
	encoder *encoder
	centred *centred
	model   linear
	errors  []float64
}

func fitRidge(d *Dataset, z []float64, coded []int) (draft, error) {
	e := newEncoder(d, z, coded, mostFeatures)
	x := e.matrix(d, 0, d.rows)
	m := newMoments(len(e.features))
	m.add(x, z)
	c := m.centred()
	r, ok := newRidge(c)
	if !ok {
		return draft{}, wrong("", "the inputs cannot be decomposed")
	}
	penalty, errors := r.leaveOneOut(x, z)
	return draft{encoder: e, centred: c, model: r.model(penalty), errors: errors}, nil
}

// codedColumns returns the numeric columns whose values are codes of categories:
// few different values, whose groups differ in the errors of the model that
// takes them for amounts (one-way analysis of variance, at a significance that
// is divided by the number of columns tried).
func codedColumns(d *Dataset, errors []float64) []int {
	type candidate struct {
		column int
		p      float64
	}
	var candidates []candidate
	for i, c := range d.columns {
		if p, ok := groupsDiffer(c.numbers, errors); ok {
			candidates = append(candidates, candidate{i, p})
		}
	}
	var coded []int
	for _, c := range candidates {
		if c.p < proofOfCodes/float64(len(candidates)) {
			coded = append(coded, c.column)
		}
	}
	return coded
}

// groupsDiffer returns the p-value of a one-way analysis of variance of the
// errors between the values of a column, and false when it is no candidate.
func groupsDiffer(numbers, errors []float64) (float64, bool) {
	type group struct{ n, sum float64 }
	groups := make(map[float64]group)
	for _, v := range numbers {
		if math.IsNaN(v) {
			continue
		}
		if groups[v] = (group{}); len(groups) > fewCodes {
			return 0, false
		}
	}
	if len(groups) < 3 {
		return 0, false
	}
	var n, sum, squares float64
	for i, v := range numbers {
		if math.IsNaN(v) {
			continue
		}
		g := groups[v]
		g.n, g.sum = g.n+1, g.sum+errors[i]
		groups[v] = g
		n, sum, squares = n+1, sum+errors[i], squares+errors[i]*errors[i]
	}
	values, _ := countValues(numbers)
	between, degrees := 0.0, -1.0
	for _, v := range sortedKeys(values) {
		if g := groups[v]; g.n >= fewRows {
			between += g.sum * g.sum / g.n
			degrees++
		}
	}
	between -= sum * sum / n
	within := squares - sum*sum/n - between
	if degrees < 2 || within <= 0 || n-degrees-1 < 1 {
		return 0, false
	}
	f := (between / degrees) / (within / (n - degrees - 1))
	return distuv.F{D1: degrees, D2: n - degrees - 1}.Survival(max(f, 0)), true
}

// chooseLog tells whether the outcome is better learned on its logarithm: where
// a ridge's leave-one-out predictions, taken back to the outcome's own unit, have
// the smaller absolute error.
func chooseLog(d *Dataset, target Target) (bool, error) {
	switch target.Scale {
	case ScaleLog:
		return true, nil
	case ScaleIdentity:
		return false, nil
	case ScaleAuto:
	default:
		return false, wrong(target.Name, "has a scale that is not known")
	}
	for _, v := range target.Values {
		if v < 0 {
			return false, nil
		}
	}
	var sums [2]float64
	for i, log := range []bool{false, true} {
		m := newMeasure(target, log)
		z := m.all(target.Values)
		fitted, err := fitRidge(d, z, nil)
		if err != nil {
			return false, err
		}
		for k, e := range fitted.errors {
			sums[i] += math.Abs(m.from(z[k]-e) - target.Values[k])
		}
	}
	return sums[1] < sums[0], nil
}
