package storage

import (
	"context"
	"errors"
	"math"

	"maestro/insight"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	// The latest prediction of each project that has ended since comes first.
	selectCompared = `SELECT project_id, created_at, compared_at, level,
			predicted_success_score, success_score_low, success_score_high, actual_success_score,
			predicted_duration_days, duration_days_low, duration_days_high, actual_duration_days,
			predicted_cost, cost_low, cost_high, actual_cost
		FROM predictions WHERE tenant_id = $1 AND compared_at IS NOT NULL ORDER BY compared_at DESC, id DESC LIMIT $2`

	selectProjectName = `SELECT name FROM projects WHERE tenant_id = $1 AND id = $2`
)

// Bounds of the card.
const (
	cardFolds    = 20   // parts that the history is left out in, to judge the predictor
	mostCompared = 5000 // recorded predictions that are looked at
)

// judgement names figures about a model.
type judgement struct {
	outcome insight.Outcome
	level   float64
	folds   int
}

// judged is how a model does, or why there is nothing to judge.
type judged struct {
	figures insight.Evaluation
	rows    []int
	reason  string
}

// figures judges the model, once for each way to, when the gate gives the tenant a
// turn. What is known already waits for nothing.
func (m *model) figures(ctx context.Context, turns *gate, tenant tenancy.ID, of judgement) (judged, error) {
	if known, ok := m.known(of); ok {
		return known, nil
	}
	leave, err := turns.enter(ctx, tenant)
	if err != nil {
		return judged{}, err
	}
	defer leave()
	if known, ok := m.known(of); ok { // made by the one before
		return known, nil
	}
	var j judged
	var wrong *insight.InputError
	j.figures, j.rows, err = m.Evaluate(ctx, of.outcome, insight.EvaluateOptions{Level: of.level, Folds: of.folds})
	if errors.As(err, &wrong) {
		j.reason, err = wrong.Reason, nil
	}
	if err == nil {
		m.keep(of, j)
	}
	return j, err
}

func (m *model) known(of judgement) (judged, bool) {
	m.judging.Lock()
	defer m.judging.Unlock()
	j, ok := m.judged[of]
	return j, ok
}

func (m *model) keep(of judgement, j judged) {
	m.judging.Lock()
	defer m.judging.Unlock()
	if len(m.judged) < mostJudgements {
		m.judged[of] = j
	}
}

// judgedLevel is the level of 0.01, 0.02 … 0.99 that is next to one that was asked
// for: levels that nobody tells apart are judged once.
func judgedLevel(level float64) float64 {
	return min(max(math.Round(level*100), 1), 99) / 100
}

// mostJudgements bounds the figures kept of a model; callers choose the level.
const mostJudgements = 50

// PredictorCard returns what is known of the predictor: what it learned from, how
// it does on the tenant's own history, and how its recorded predictions did.
func (t *Tenant) PredictorCard(ctx context.Context) (card tracking.PredictorCard, err error) {
	m, err := t.model(ctx)
	if err != nil {
		return card, err
	}
	card = tracking.PredictorCard{ModelVersion: m.Version(), LeastHistory: insight.LeastHistory, Outcomes: []tracking.OutcomeCard{}}
	compared, err := t.compared(ctx)
	if err != nil {
		return card, err
	}
	for i, outcome := range insight.Outcomes {
		of := tracking.OutcomeCard{Outcome: string(outcome), Basis: int64(m.Basis(outcome)), Recorded: tracking.CalibrationOf(compared[i])}
		card.FinishedProjects = max(card.FinishedProjects, of.Basis)
		of.Note = tracking.NoteOf(of.Basis, insight.LeastHistory)
		if base, ok := m.Base(outcome, tracking.DefaultLevel); ok {
			of.BaseRate = &tracking.BaseRate{Median: base.Value, Low: base.Low, High: base.High, Level: tracking.DefaultLevel}
		}
		if of.Evaluation, of.NotJudged, err = t.judge(ctx, m, judgement{outcome, tracking.DefaultLevel, cardFolds}); err != nil {
			return card, err
		}
		card.Outcomes = append(card.Outcomes, of)
	}
	card.Note = tracking.NoteOf(card.FinishedProjects, insight.LeastHistory)
	return card, nil
}

// EvaluatePredictor judges the predictor on the tenant's latest finished projects,
// leaving out one at a time, at a level rounded to 0.01. Where there is nothing to
// judge it says why. It fails with Unavailable when there is too much to do.
func (t *Tenant) EvaluatePredictor(ctx context.Context, request tracking.EvaluationRequest) (j tracking.Judgement, err error) {
	if err := request.Validate(); err != nil {
		return j, err
	}
	m, err := t.model(ctx)
	if err != nil {
		return j, err
	}
	j.Outcome = request.Outcome
	j.Evaluation, j.NotJudged, err = t.judge(ctx, m, judgement{insight.Outcome(request.Outcome), judgedLevel(request.Level), 0})
	return j, err
}

func (t *Tenant) judge(ctx context.Context, m *model, of judgement) (*tracking.Evaluation, string, error) {
	j, err := m.figures(ctx, t.turns, t.scope.Tenant(), of)
	if err != nil || j.reason != "" {
		return nil, j.reason, err
	}
	f := &j.figures
	e := &tracking.Evaluation{N: f.N, Folds: f.Folds, MdMRE: f.MdMRE, MMRE: f.MMRE, Pred25: f.Pred, SA: f.SA,
		Coverage: f.Coverage, Level: f.Level, Width: f.Width, BaselineMdMRE: f.BaselineMdMRE, Points: []tracking.JudgedProject{}}
	err = t.snapshot(ctx, func(c *conn) error {
		for _, k := range tracking.Spread(f.N, tracking.MostPoints) {
			p := tracking.JudgedProject{ProjectID: m.projects[j.rows[k]].id,
				Actual: f.Projects[k].Actual, Predicted: f.Projects[k].Predicted, Low: f.Projects[k].Low, High: f.Projects[k].High}
			if err := t.nameProject(c, &p); err != nil {
				return err
			}
			e.Points = append(e.Points, p)
		}
		return nil
	})
	return e, "", err
}

// nameProject leaves the name of a project empty that is gone.
func (t *Tenant) nameProject(c *conn, p *tracking.JudgedProject) error {
	err := c.queryRow(selectProjectName, []any{t.scope.Tenant(), p.ProjectID}, func(r row) { p.ProjectName = r.text(0) })
	if errors.Is(err, errNoRow) {
		return nil
	}
	return err
}

// compared reads what was predicted last of the projects that ended last, by
// outcome.
func (t *Tenant) compared(ctx context.Context) (all [len(insight.Outcomes)][]tracking.Compared, err error) {
	type last struct {
		created tenancy.Time
		at      [len(insight.Outcomes)]int // in all; -1: not there
	}
	latest := make(map[tenancy.ID]last)
	err = t.snapshot(ctx, func(c *conn) error {
		err := c.query(ctx, selectCompared, []any{t.scope.Tenant(), mostCompared}, func(r row) error {
			project, created := r.id(0), r.time(1)
			before, seen := latest[project]
			if seen && before.created >= created {
				return nil
			}
			now := last{created: created}
			for i := range insight.Outcomes {
				now.at[i] = -1
				value := r.from(4 + 4*i)
				if value.null(0) || value.null(1) || value.null(2) || value.null(3) || r.null(3) {
					continue
				}
				found := tracking.Compared{ComparedAt: r.time(2), Level: r.float(3), JudgedProject: tracking.JudgedProject{ProjectID: project,
					Predicted: value.float(0), Low: value.float(1), High: value.float(2), Actual: value.float(3)}}
				if seen && before.at[i] >= 0 {
					now.at[i] = before.at[i]
					all[i][now.at[i]] = found
					continue
				}
				now.at[i] = len(all[i])
				all[i] = append(all[i], found)
			}
			latest[project] = now
			return nil
		})
		if err != nil {
			return err
		}
		for i := range all {
			for k := range all[i][:min(len(all[i]), tracking.MostPoints)] {
				if err := t.nameProject(c, &all[i][k].JudgedProject); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return all, err
}
