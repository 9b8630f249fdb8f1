package insight

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

const (
	// LeastHistory is the number of finished projects from which a model is
	// fitted. Below, the base rate is all that can be said.
	LeastHistory = 10

	// TooLittleHistory is the note of a prediction that is a base rate only.
	TooLittleHistory = "too little history"

	// methodVersion changes whenever the same history could give other numbers.
	methodVersion = "1"

	foldsOfMost = 20 // folds of the cross-validation up to manyRows projects
	foldsOfMany = 5  // and beyond
)

// ErrNoHistory says that no finished project has the outcome: there is no number
// to give.
var ErrNoHistory = errors.New("no finished project has this outcome yet")

// Predictor predicts one outcome of a project from its inputs. It does not
// change after Train and may be used by many goroutines.
type Predictor struct {
	history *Dataset // the projects with an outcome, in fold order
	rows    []int    // where they stood in the dataset given
	target  Target
	measure measure
	version string

	resemblance *Resemblance
	foreseen    []float64 // by row of a long history: what cross-validation predicted
	byOutcome   []int     // the rows in the order of foreseen

	// Of a history that is long enough:
	encoder *encoder
	model   linear
	folds   []fold
	share   float64   // of the sparse model in the mixture
	skill   float64   // share of the base rate's error that the model removes
	lowest  []float64 // smallest and largest number by column
	highest []float64

	// Of one that is not:
	base   float64
	spread float64 // prior spread on the learned scale
}

// Train learns from finished projects. Those without the outcome (NaN) are left
// out; it is ErrNoHistory when none has it, and an *InputError when the target
// cannot be learned from.
func Train(d *Dataset, target Target) (*Predictor, error) {
	p, err := train(d, target, allProcessors())
	if err != nil {
		return nil, err
	}
	p.learnResemblance()
	return p, nil
}

func train(d *Dataset, target Target, workers int) (*Predictor, error) {
	if err := target.validate(d.rows); err != nil {
		return nil, err
	}
	var rows []int
	for i, v := range target.Values {
		if !math.IsNaN(v) {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return nil, ErrNoHistory
	}
	d.canonicalOrder(target.Values, rows)
	count := min(foldsOfMost, len(rows))
	if len(rows) > manyRows {
		count = foldsOfMany
	}
	rows = dealt(rows, count)

	p := &Predictor{history: d.subset(rows), rows: rows, target: target}
	p.target.Values = make([]float64, len(rows))
	for k, r := range rows {
		p.target.Values[k] = target.Values[r]
	}
	p.version = versionOf(p.history, p.target)
	if len(rows) < LeastHistory {
		p.learnBase()
	} else if err := p.learn(count, workers); err != nil {
		return nil, err
	}
	return p, nil
}

// dealt deals rows into folds as cards: sorted by outcome before, every fold gets
// its share of the small and the large. The folds stand one after the other.
func dealt(rows []int, folds int) []int {
	order := make([]int, 0, len(rows))
	for k := range folds {
		for i := k; i < len(rows); i += folds {
			order = append(order, rows[i])
		}
	}
	return order
}

// foldBounds returns where the folds of dealt begin and end.
func foldBounds(rows, folds int) []int {
	bounds := []int{0}
	for k := range folds {
		bounds = append(bounds, bounds[k]+(rows-k+folds-1)/folds)
	}
	return bounds
}

// learnBase keeps the base rate. The prior spread is a factor of e on the
// logarithm, a quarter of the bounds where the outcome has both, and otherwise
// the size of the outcome itself.
func (p *Predictor) learnBase() {
	values := p.target.Values
	log := p.target.Scale == ScaleLog || p.target.Scale == ScaleAuto && p.target.Upper == nil && slices.Min(values) >= 0
	p.measure = newMeasure(p.target, log)
	p.measure.low, p.measure.high = -largest, largest // few outcomes bound nothing
	if log {
		p.measure.low, p.measure.high = -math.Log(largest), math.Log(largest)
	}
	z := p.measure.all(values)
	p.base = stat.Mean(z, nil)
	switch {
	case log:
		p.spread = 1
	case p.target.Lower != nil && p.target.Upper != nil:
		p.spread = (*p.target.Upper - *p.target.Lower) / 4
	default:
		for _, v := range z {
			p.spread = max(p.spread, math.Abs(v))
		}
	}
}

// held is what cross-validation found out about one fold.
type held struct {
	pair   pair
	z      []float64
	ridge  []float64
	sparse []float64
	err    error
}

func (p *Predictor) learn(count, workers int) error {
	sample, target := p.sample()
	log, err := chooseLog(sample, target)
	if err != nil {
		return err
	}
	p.measure = newMeasure(p.target, log)
	z := p.measure.all(p.target.Values)
	var whole pair
	var parts []held
	if p.history.rows <= manyRows {
		whole, parts, err = p.fitFolds(z, count, workers)
	} else {
		whole, parts, err = p.fitLong(z, count, workers)
	}
	if err != nil {
		return err
	}
	p.mix(whole, parts, stat.Mean(z, nil))
	for _, c := range p.history.columns {
		low, high := span(c.numbers)
		p.lowest, p.highest = append(p.lowest, low), append(p.highest, high)
	}
	return nil
}

// sample returns the history itself, or of a long one as many projects as a
// choice needs.
func (p *Predictor) sample() (*Dataset, Target) {
	if p.history.rows <= manyRows {
		return p.history, p.target
	}
	rows := thinRows(p.history.rows, manyRows)
	target := p.target
	target.Values = make([]float64, len(rows))
	for k, r := range rows {
		target.Values[k] = p.target.Values[r]
	}
	return p.history.subset(rows), target
}

// fitFolds fits the whole history and all of it but each fold, every time from
// the raw inputs.
func (p *Predictor) fitFolds(z []float64, count, workers int) (pair, []held, error) {
	bounds := foldBounds(len(z), count)
	parts := make([]held, count)
	var whole pair
	var wholeErr error
	inParallel(workers, count+1, func(k int) {
		if k == count {
			whole, wholeErr = fitPair(p.history, z)
			return
		}
		from, to := bounds[k], bounds[k+1]
		rows := make([]int, 0, len(z))
		outcomes := make([]float64, 0, len(z))
		for i, v := range z {
			if i < from || i >= to {
				rows, outcomes = append(rows, i), append(outcomes, v)
			}
		}
		h := &parts[k]
		if h.pair, h.err = fitPair(p.history.subset(rows), outcomes); h.err == nil {
			h.predict(p.history, z, from, to)
		}
	})
	return whole, parts, firstError(wholeErr, parts)
}

// predict fills in what the models that did not see the rows say about them.
func (h *held) predict(d *Dataset, z []float64, from, to int) {
	x := h.pair.encoder.matrix(d, from, to)
	size := len(h.pair.encoder.features)
	for i := range to - from {
		row := x[i*size : (i+1)*size]
		h.z = append(h.z, z[from+i])
		h.ridge = append(h.ridge, h.pair.ridge.predict(row))
		h.sparse = append(h.sparse, h.pair.sparse.predict(row))
	}
}

func firstError(err error, parts []held) error {
	for i := range parts {
		if err == nil {
			err = parts[i].err
		}
	}
	return err
}

// mix chooses the sparse model, or where the held out projects show that the
// ridge adds to it, the mixture with the least squared error on them (stacking:
// Wolpert 1992; Breiman 1996). Shown means: by more than one standard error, or
// noise would choose (the one-standard-error rule: Breiman et al. 1984). The
// errors of what is chosen are kept for the intervals.
func (p *Predictor) mix(whole pair, parts []held, mean float64) {
	var product, square float64
	for _, h := range parts {
		for i, z := range h.z {
			gap := h.sparse[i] - h.ridge[i]
			product += gap * (z - h.ridge[i])
			square += gap * gap
		}
	}
	p.share = 1
	if share := min(max(product/square, 0), 1); square > 0 && addsToSparse(parts, share) {
		p.share = share
	}
	p.encoder, p.model = whole.encoder, whole.mixed(p.share)
	p.rankRows(parts)
	var missed, base float64
	for _, h := range parts {
		errors := make([]float64, len(h.z))
		for i, z := range h.z {
			errors[i] = z - p.share*h.sparse[i] - (1-p.share)*h.ridge[i]
			missed += math.Abs(errors[i])
			base += math.Abs(z - mean)
		}
		p.folds = append(p.folds, fold{encoder: h.pair.encoder, model: h.pair.mixed(p.share), errors: thinned(errors, keptErrors)})
	}
	if base > 0 {
		p.skill = max(0, 1-missed/base)
	}
}

// Basis is the number of finished projects learned from.
func (p *Predictor) Basis() int { return p.history.rows }

// Version names the method and the history it learned from: the same for the
// same projects in any order.
func (p *Predictor) Version() string { return p.version }

// span returns the smallest and the largest number; +Inf and −Inf of none.
func span(numbers []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range numbers {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// addsToSparse tells whether the mixture's squared error is less than the sparse
// model's by more than a standard error.
func addsToSparse(parts []held, share float64) bool {
	var gains []float64
	for _, h := range parts {
		for i, z := range h.z {
			alone := z - h.sparse[i]
			mixed := z - share*h.sparse[i] - (1-share)*h.ridge[i]
			gains = append(gains, alone*alone-mixed*mixed)
		}
	}
	gain, deviation := stat.MeanStdDev(gains, nil)
	return gain > deviation/math.Sqrt(float64(len(gains)))
}

// rankRows sorts a history that is too long to compare in full by what was
// predicted for its projects.
func (p *Predictor) rankRows(parts []held) {
	if p.history.rows <= manyNeighbours {
		return
	}
	for _, h := range parts {
		for i := range h.z {
			p.foreseen = append(p.foreseen, p.share*h.sparse[i]+(1-p.share)*h.ridge[i])
		}
	}
	p.byOutcome = thinRows(p.history.rows, p.history.rows)
	slices.SortStableFunc(p.byOutcome, func(a, b int) int { return cmp.Compare(p.foreseen[a], p.foreseen[b]) })
}
