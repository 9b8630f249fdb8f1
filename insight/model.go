package insight

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Outcome is something that is predicted of a project.
type Outcome string

// The outcomes.
const (
	SuccessScore Outcome = "success_score" // 0 … 100
	DurationDays Outcome = "duration_days" // from start to completion
	Cost         Outcome = "cost"          // in the tenant's unit
)

// Outcomes are all outcomes, in the order in which they are shown.
var Outcomes = [outcomesCount]Outcome{SuccessScore, DurationDays, Cost}

// Model is everything learned from a history. It does not change after it is
// learned and may be used by many goroutines.
type Model struct {
	kinds      *inputKinds
	predictors [outcomesCount]*Predictor // nil where no project has the outcome
	worth      *worth
	shapes     map[string][]TeamGroup
	recent     *Resemblance // of the latest rows, the abandoned among them
	sample     *Dataset     // the projects to judge the predictor by
	samples    [outcomesCount][]float64
	sampled    []int // their rows
	rows       int
	version    string
}

// mostCompared is how many of the projects added first are compared for
// similarity, and mostJudged how many the predictor is judged by. Add the latest
// projects first.
const (
	mostCompared = 10_000
	mostJudged   = 500
)

// Learn learns from the history. It takes the projects in the order in which they
// were added for that from the latest to the earliest.
func (h *History) Learn() (*Model, error) {
	d, kinds, err := h.dataset()
	if err != nil {
		return nil, err
	}
	m := &Model{kinds: kinds, worth: h.worth(), shapes: h.shapes(), rows: h.rows}
	digest := sha256.New()
	var leading *Predictor
	for i, outcome := range Outcomes {
		p, err := train(d, targetOf(outcome, h.outcomes[i]), allProcessors())
		if errors.Is(err, ErrNoHistory) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m.predictors[i] = p
		writeText(digest, p.version)
		if leading == nil {
			leading = p
			p.learnResemblance()
		}
	}
	if leading != nil {
		m.version = methodVersion + "-" + hex.EncodeToString(digest.Sum(nil)[:8])
	}
	m.learnRecent(d, leading)
	m.keepSample(d, h)
	return m, nil
}

// targetOf is how an outcome is learned: cost and duration on the logarithm, so
// that being wrong by half counts the same for small and large projects.
func targetOf(outcome Outcome, values []float64) Target {
	t := Target{Name: string(outcome), Values: orEmpty(values), Scale: ScaleLog}
	if outcome == SuccessScore {
		t.Scale, t.Lower, t.Upper = ScaleIdentity, new(0.0), new(100.0)
	}
	return t
}

func (m *Model) learnRecent(d *Dataset, leading *Predictor) {
	var weights []float64
	if leading != nil {
		weights = leading.weights()
	}
	m.recent = NewResemblance(d.subset(thinRows(min(d.rows, mostCompared), mostCompared)), weights)
}

// keepSample keeps the latest projects that have an outcome.
func (m *Model) keepSample(d *Dataset, h *History) {
	var rows []int
	for row := range d.rows {
		if len(rows) == mostJudged {
			break
		}
		for i := range Outcomes {
			if !math.IsNaN(h.outcomes[i][row]) {
				rows = append(rows, row)
				break
			}
		}
	}
	m.sample, m.sampled = d.subset(rows), rows
	for i := range Outcomes {
		for _, row := range rows {
			m.samples[i] = append(m.samples[i], h.outcomes[i][row])
		}
	}
}

// Cells is the number of inputs learned from: projects times columns.
func (m *Model) Cells() int { return m.rows * len(m.sample.columns) }

// Version names the method and the history: the same for the same finished
// projects. It is empty when there are none.
func (m *Model) Version() string { return m.version }

// Basis is the number of finished projects that have an outcome.
func (m *Model) Basis(outcome Outcome) int {
	if p := m.predictor(outcome); p != nil {
		return p.Basis()
	}
	return 0
}

func (m *Model) predictor(outcome Outcome) *Predictor {
	for i, o := range Outcomes {
		if o == outcome {
			return m.predictors[i]
		}
	}
	return nil
}

// Base is the middle of an outcome's values and the bounds that a share of level
// of them lie between, whatever their inputs; false when no project has it.
func (m *Model) Base(outcome Outcome, level float64) (Prediction, bool) {
	p := m.predictor(outcome)
	if p == nil || checkLevel(level) != nil {
		return Prediction{}, false
	}
	values := slices.Sorted(slices.Values(p.target.Values))
	at := func(share float64) float64 { return stat.Quantile(share, stat.LinInterp, values, nil) }
	return Prediction{Value: median(values), Low: at((1 - level) / 2), High: at((1 + level) / 2), Level: level, Basis: len(values)}, true
}

// Forecast is what the model says of a project, by outcome. An outcome that no
// finished project has is not there.
type Forecast map[Outcome]Prediction

// Leading is the prediction that speaks for the forecast: of success, or where
// that has none of duration, or of cost. It is false when there is none.
func (f Forecast) Leading() (Prediction, bool) {
	for _, outcome := range Outcomes {
		if p, ok := f[outcome]; ok {
			return p, true
		}
	}
	return Prediction{}, false
}

// Predict predicts every outcome of a project, with intervals at a level above 0,
// up to HighestLevel. It is an *InputError when the level or an input is not
// usable.
func (m *Model) Predict(p Plan, level float64) (Forecast, error) {
	if err := checkLevel(level); err != nil {
		return nil, err
	}
	in := m.inputs(&p)
	f := make(Forecast, outcomesCount)
	for i, predictor := range m.predictors {
		if predictor == nil {
			continue
		}
		prediction, err := predictor.Predict(in, level)
		if err != nil {
			return nil, err
		}
		f[Outcomes[i]] = prediction
	}
	return f, nil
}

func (m *Model) inputs(p *Plan) Inputs { return m.kinds.inputs(p, m.worth.impact(p.Artifacts)) }

// Similar returns the finished projects that are most like a plan in what matters
// for the outcome. Rows are those of the history.
func (m *Model) Similar(p Plan, limit int) ([]Neighbour, error) {
	for _, predictor := range m.predictors {
		if predictor != nil {
			return predictor.Similar(m.inputs(&p), limit)
		}
	}
	return nil, nil
}

// SimilarEnded is Similar among the latest 10 000 projects, those that were
// abandoned included.
func (m *Model) SimilarEnded(p Plan, limit int) ([]Neighbour, error) {
	return m.recent.Nearest(m.inputs(&p), limit)
}

// TeamShape groups the finished projects of a problem class by their teams; of
// all classes when class is empty.
func (m *Model) TeamShape(class string) []TeamGroup { return m.shapes[class] }

// Evaluate judges how well the latest 500 finished projects predict each other, by
// leaving out so many parts of them in turn; 0 for one project at a time. It
// returns the rows of the projects judged as well, and an *InputError when fewer
// than 3 have the outcome or none an outcome other than 0.
func (m *Model) Evaluate(ctx context.Context, outcome Outcome, options EvaluateOptions) (Evaluation, []int, error) {
	i := slices.Index(Outcomes[:], outcome)
	if i < 0 {
		return Evaluation{}, nil, wrong(string(outcome), "is no outcome")
	}
	var rows []int
	for k, v := range m.samples[i] {
		if !math.IsNaN(v) {
			rows = append(rows, m.sampled[k])
		}
	}
	e, err := Evaluate(ctx, m.sample, targetOf(outcome, m.samples[i]), options)
	return e, rows, err
}
