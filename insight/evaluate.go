package insight

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
)

// exactRows is the number of projects up to which Evaluate leaves out one at a
// time. Longer histories are judged by evaluationFolds folds, or the wait would
// be hours.
const (
	exactRows       = 500
	evaluationFolds = 100
)

// Evaluation is how well a history predicts itself: every project is predicted by
// a predictor that was trained, with all its choices, on the others.
//
// Relative errors are |actual − predicted| / actual, over the projects whose
// outcome is not 0.
type Evaluation struct {
	N     int     // projects judged
	Folds int     // N for leave-one-out
	MdMRE float64 // median of the relative errors
	MMRE  float64 // their mean
	Pred  float64 // PRED(25): the share of projects predicted within 25 % of the actual

	// SA is the standardised accuracy: 1 − MAE / MAE of guessing, where guessing
	// takes another project's outcome at random, in exact expectation (Shepperd and
	// MacDonell 2012). 1 is perfect, 0 no better than guessing.
	SA float64

	Level    float64 // of the intervals
	Coverage float64 // share of the outcomes within their interval
	Width    float64 // median of (high − low) / predicted

	BaselineMdMRE float64 // MdMRE of predicting the median of the others

	Projects []Judged // in the table's order
}

// Judged is one project's outcome against its prediction.
type Judged struct {
	Actual, Predicted, Low, High float64
}

// EvaluateOptions say how to judge.
type EvaluateOptions struct {
	Level    float64               // of the intervals, between 0 and 1
	Folds    int                   // parts to leave out in turn; 0: one project at a time, up to exactRows of them
	Progress func(done, total int) // called as folds are done, from several goroutines; may be nil
}

// Evaluate judges the predictor on a history, in parallel. It is an *InputError
// when fewer than 3 projects have the outcome, or none an outcome other than 0,
// and the context's error when that ends.
func Evaluate(ctx context.Context, d *Dataset, target Target, options EvaluateOptions) (Evaluation, error) {
	if err := checkLevel(options.Level); err != nil {
		return Evaluation{}, err
	}
	if err := target.validate(d.rows); err != nil {
		return Evaluation{}, err
	}
	var rows []int
	for i, v := range target.Values {
		if !math.IsNaN(v) {
			rows = append(rows, i)
		}
	}
	if len(rows) < fewJudged {
		return Evaluation{}, wrong(target.Name, "is known of %d projects; judging needs %d", len(rows), fewJudged)
	}
	judged, folds, err := leaveOut(ctx, d, target, rows, options)
	if err != nil {
		return Evaluation{}, err
	}
	e, err := Judge(judged, options.Level)
	e.Folds = folds
	return e, err
}

// Judge compares predictions with what happened: those of Evaluate, or the stored
// ones of projects that have finished since, all with intervals at one level.
// Folds is 0. It is an *InputError when there are fewer than 3, a number is not
// finite, or every actual outcome is 0.
func Judge(projects []Judged, level float64) (Evaluation, error) {
	if len(projects) < fewJudged {
		return Evaluation{}, wrong("", "there are %d predictions with an outcome; judging needs %d", len(projects), fewJudged)
	}
	zero := true
	for _, p := range projects {
		for _, v := range []float64{p.Actual, p.Predicted, p.Low, p.High} {
			if math.IsNaN(v) || math.Abs(v) > largest {
				return Evaluation{}, wrong("", "a prediction or outcome is not finite")
			}
		}
		zero = zero && p.Actual == 0
	}
	if zero {
		return Evaluation{}, wrong("", "the outcome is 0 everywhere: there is nothing to predict")
	}
	e := Evaluation{N: len(projects), Level: level, Projects: projects}
	e.summarise()
	return e, nil
}

// fewJudged is how many projects a judgement needs at least.
const fewJudged = 3

// leaveOut predicts every project by a predictor that was trained without it.
func leaveOut(ctx context.Context, d *Dataset, target Target, rows []int, options EvaluateOptions) ([]Judged, int, error) {
	folds := len(rows)
	if folds > exactRows {
		folds = evaluationFolds
	}
	if options.Folds > 1 {
		folds = min(folds, options.Folds)
	}
	order := slices.Clone(rows)
	d.canonicalOrder(target.Values, order)
	order = dealt(order, folds)
	bounds := foldBounds(len(order), folds)

	byRow := make([]Judged, d.rows)
	errs := make([]error, folds)
	var done atomic.Int64
	inParallel(allProcessors(), folds, func(k int) {
		if errs[k] = ctx.Err(); errs[k] != nil {
			return
		}
		out := order[bounds[k]:bounds[k+1]]
		rest := target.without(out)
		p, err := train(d, rest, 1)
		if err != nil {
			errs[k] = err
			return
		}
		for _, r := range out {
			got := p.predict(d.at(r), options.Level)
			byRow[r] = Judged{Actual: target.Values[r], Predicted: got.Value, Low: got.Low, High: got.High}
		}
		if now := done.Add(1); options.Progress != nil {
			options.Progress(int(now), folds)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, 0, err
		}
	}
	judged := make([]Judged, len(rows))
	for k, r := range rows {
		judged[k] = byRow[r]
	}
	return judged, folds, nil
}

func (e *Evaluation) summarise() {
	n := float64(len(e.Projects))
	actuals := make([]float64, 0, len(e.Projects))
	for _, p := range e.Projects {
		actuals = append(actuals, p.Actual)
	}
	slices.Sort(actuals)

	var relative, baseline, widths []float64
	var missed float64
	for _, p := range e.Projects {
		missed += math.Abs(p.Actual - p.Predicted)
		if p.Low <= p.Actual && p.Actual <= p.High {
			e.Coverage++
		}
		if p.Predicted != 0 {
			widths = append(widths, (p.High-p.Low)/math.Abs(p.Predicted))
		}
		if p.Actual == 0 {
			continue
		}
		error := math.Abs(p.Actual-p.Predicted) / math.Abs(p.Actual)
		relative = append(relative, error)
		baseline = append(baseline, math.Abs(p.Actual-medianWithout(actuals, p.Actual))/math.Abs(p.Actual))
		e.MMRE += error
		if error <= 0.25 {
			e.Pred++
		}
	}
	e.Coverage /= n
	e.MMRE /= float64(len(relative))
	e.Pred /= float64(len(relative))
	e.MdMRE, e.BaselineMdMRE, e.Width = median(relative), median(baseline), median(widths)
	e.SA = 1
	if guessed := guessing(actuals); guessed > 0 {
		e.SA = 1 - missed/n/guessed
	}
}

// guessing is the expected absolute error of guessing another project's outcome:
// the mean of |a − b| over all ordered pairs, from the sorted outcomes.
func guessing(sorted []float64) float64 {
	n := float64(len(sorted))
	var sum float64
	for i, v := range sorted {
		sum += v * (2*float64(i) - n + 1)
	}
	return 2 * sum / (n * (n - 1))
}

// medianWithout is the median of the sorted values but one of those equal to
// value.
func medianWithout(sorted []float64, value float64) float64 {
	at, _ := slices.BinarySearch(sorted, value)
	pick := func(i int) float64 {
		if i >= at {
			i++
		}
		return sorted[i]
	}
	rest := len(sorted) - 1
	return (pick((rest-1)/2) + pick(rest/2)) / 2
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
