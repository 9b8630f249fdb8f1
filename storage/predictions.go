package storage

import (
	"context"
	"encoding/json"
	"strings"

	"maestro/audit"
	"maestro/insight"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const predictionColumns = `id, tenant_id, project_id,
	(SELECT p.name FROM projects p WHERE p.tenant_id = predictions.tenant_id AND p.id = predictions.project_id),
	inputs, predicted_success_score, predicted_duration_days, predicted_cost, level, success_score_low, success_score_high,
	duration_days_low, duration_days_high, cost_low, cost_high, coalesce(confidence, 0.0), recommendation, explanation, model_version, basis,
	created_by, created_at, actual_success_score, actual_duration_days, actual_cost, compared_at`

const (
	selectPrediction = `SELECT ` + predictionColumns + ` FROM predictions WHERE tenant_id = $1 AND id = $2`

	insertPrediction = `INSERT INTO predictions (tenant_id, id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost,
		level, success_score_low, success_score_high, duration_days_low, duration_days_high, cost_low, cost_high,
		confidence, recommendation, explanation, model_version, basis, created_by, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`

	// What is older than the latest $3 of a project, or of no project.
	deleteOldPredictions = `DELETE FROM predictions WHERE tenant_id = $1 AND id IN
		(SELECT id FROM predictions WHERE tenant_id = $1 AND project_id IS $2 ORDER BY created_at DESC, id DESC LIMIT 10 OFFSET $3)`

	// $3 to $5 are the outcome of a project that is completed.
	comparePredictions = `UPDATE predictions SET actual_success_score = $3, actual_duration_days = $4, actual_cost = $5, compared_at = coalesce(compared_at, $6)
		WHERE tenant_id = $1 AND project_id = $2 AND (compared_at IS NULL OR actual_success_score IS DISTINCT FROM $3
			OR actual_duration_days IS DISTINCT FROM $4 OR actual_cost IS DISTINCT FROM $5)`

	compareSuccess = `UPDATE predictions SET actual_success_score = $3 WHERE tenant_id = $1 AND project_id = $2 AND compared_at IS NOT NULL`

	uncomparePredictions = `UPDATE predictions SET actual_success_score = NULL, actual_duration_days = NULL, actual_cost = NULL, compared_at = NULL
		WHERE tenant_id = $1 AND project_id = $2 AND compared_at IS NOT NULL`
)

// mostPredictions is how many predictions of one project are kept, and how many of
// plans: the latest. The project's end compares them all in one write.
const mostPredictions = 1000

var predictionList = listing{
	name:    "predictions",
	columns: predictionColumns,
	from:    "predictions",
	owned:   true,
	order:   "-created_at",
	sorts:   map[string]sortKey{"created_at": {expression: "created_at", kind: sortTime}},
}

// PredictionFilter narrows a list of predictions. Zero fields do not narrow.
type PredictionFilter struct {
	Project      *tenancy.ID
	Compared     *bool // with what happened
	CreatedFrom  *tenancy.Time
	CreatedUntil *tenancy.Time // exclusive
}

func (f *PredictionFilter) conditions() []filter {
	var filters []filter
	if f.Project != nil {
		filters = append(filters, filter{"project_id = %s", *f.Project})
	}
	if f.Compared != nil {
		filters = append(filters, filter{"(compared_at IS NOT NULL) = %s", *f.Compared})
	}
	if f.CreatedFrom != nil {
		filters = append(filters, filter{"created_at >= %s", *f.CreatedFrom})
	}
	if f.CreatedUntil != nil {
		filters = append(filters, filter{"created_at < %s", *f.CreatedUntil})
	}
	return filters
}

// explanation is what is kept of a prediction to be shown.
type explanation struct {
	Intervals       map[insight.Outcome]tracking.PredictedInterval `json:"intervals,omitempty"`
	Note            string                                         `json:"note,omitempty"`
	Recommendations []tracking.Recommendation                      `json:"recommendations,omitempty"`
	Drivers         []tracking.Driver                              `json:"drivers,omitempty"`
	SimilarProjects []tracking.SimilarOutcome                      `json:"similar_projects,omitempty"`
}

// Predict predicts how a project or a plan will go, by what the tenant's finished
// projects teach, and records it. A project that is completed is a conflict. With
// a repeated idempotency key it returns what the first request made, and true.
func (t *Tenant) Predict(ctx context.Context, asked tracking.PredictionRequest, request Idempotency) (p tracking.Prediction, replayed bool, err error) {
	if err := asked.Validate(); err != nil {
		return p, false, err
	}
	p, err = t.forecast(ctx, &asked)
	completed := problem.CodeOf(err) == problem.Conflict
	if err != nil && !completed {
		return p, false, err
	}
	refusal := err
	err = t.write(ctx, func(tx *Tx) error {
		made, found, err := t.replayed(tx, request)
		if err != nil {
			return err
		}
		if found {
			replayed = true
			p, err = t.prediction(tx.conn, made)
			return err
		}
		if completed {
			return refusal
		}
		if p.ProjectID != nil {
			// It may be gone, or completed, since it was read.
			project, err := t.project(tx.conn, *p.ProjectID)
			if err != nil {
				return err
			}
			if err := unfinished(&project); err != nil {
				return err
			}
		}
		if err := tx.requireRoom(t.scope.Tenant()); err != nil {
			return err
		}
		p.ID, p.TenantID, p.CreatedBy, p.CreatedAt = tenancy.NewID(), t.scope.Tenant(), t.author(), tx.Now
		if err := t.insertPrediction(tx, &p, asked.Level); err != nil {
			return err
		}
		if err := t.record(tx, audit.PredictionCreate, p.ID, predictionChanges(&p)); err != nil {
			return err
		}
		return t.remember(tx, request, p.ID)
	})
	return p, replayed, err
}

func unfinished(p *tracking.Project) error {
	if p.Status == tracking.Completed {
		return problem.New(problem.Conflict, "The project is completed: there is nothing left to predict.")
	}
	return nil
}

// forecast is a prediction that is not recorded.
func (t *Tenant) forecast(ctx context.Context, asked *tracking.PredictionRequest) (p tracking.Prediction, err error) {
	var about plan
	err = t.snapshot(ctx, func(c *conn) (err error) {
		about, err = t.plan(ctx, c, &asked.PlanRequest)
		return err
	})
	if err != nil {
		return p, err
	}
	p = tracking.Prediction{ProjectID: asked.ProjectID, Inputs: about.fields, Recommendations: []tracking.Recommendation{}, Drivers: []tracking.Driver{}, SimilarProjects: []tracking.SimilarOutcome{}}
	if about.project != nil {
		if err := unfinished(about.project); err != nil {
			return p, err
		}
		p.ProjectName = &about.project.Name
	}
	m, err := t.model(ctx)
	if err != nil {
		return p, err
	}
	learnable := about.learnable()
	f, err := m.Predict(learnable, asked.Level)
	if err != nil {
		return p, about.refused(err)
	}
	p.ModelVersion = m.Version()
	setForecast(&p, f)
	similar, err := m.Similar(learnable, mostSimilar)
	if err != nil {
		return p, about.refused(err)
	}
	err = t.snapshot(ctx, func(c *conn) error {
		for _, n := range similar {
			s, there, err := t.similarOutcome(c, m.projects[n.Row].id, n.Similarity)
			if err != nil {
				return err
			}
			if there {
				p.SimilarProjects = append(p.SimilarProjects, s)
			}
		}
		const ofEachKind = 3
		advice, err := t.advise(ctx, c, m, &about, f, ofEachKind)
		p.Recommendations = recommendationsOf(advice)
		return err
	})
	p.Recommendation = inOneText(p.Note, p.Recommendations)
	return p, err
}

// inOneText is the note, as a sentence, and the texts of the recommendations.
func inOneText(note string, all []tracking.Recommendation) string {
	var texts []string
	switch note {
	case tracking.NoteNoHistory:
		texts = append(texts, "No finished project yet: there is no number to give (no history).")
	case tracking.NoteTooLittle:
		texts = append(texts, "These are base rates of few finished projects, not a prediction (too little history).")
	}
	for _, r := range all {
		texts = append(texts, r.Text)
	}
	return strings.Join(texts, " ")
}

// setForecast fills in what the model says.
func setForecast(p *tracking.Prediction, f insight.Forecast) {
	leading, ok := f.Leading()
	p.Note, p.Confidence = leading.Note, leading.Confidence
	if !ok {
		p.Note = tracking.NoteNoHistory
	}
	for _, outcome := range insight.Outcomes {
		said, ok := f[outcome]
		if !ok {
			continue
		}
		p.Basis = max(p.Basis, int64(said.Basis))
		value, interval := numbersOf(p, outcome)
		*value = new(said.Value)
		*interval = &tracking.PredictedInterval{Low: said.Low, High: said.High, Level: said.Level, Typical: said.Base,
			Confidence: said.Confidence, Basis: int64(said.Basis), Note: said.Note}
		for _, d := range said.Drivers {
			driver := tracking.Driver{Outcome: string(outcome), Name: d.Name, Input: d.Input, Effect: d.Effect}
			if d.Factor != 0 {
				driver.Factor = new(d.Factor)
			}
			p.Drivers = append(p.Drivers, driver)
		}
	}
}

// numbersOf are a prediction's number and interval of an outcome.
func numbersOf(p *tracking.Prediction, outcome insight.Outcome) (value **float64, interval **tracking.PredictedInterval) {
	switch outcome {
	case insight.SuccessScore:
		return &p.PredictedSuccessScore, &p.SuccessScoreInterval
	case insight.DurationDays:
		return &p.PredictedDurationDays, &p.DurationDaysInterval
	case insight.Cost:
		return &p.PredictedCost, &p.CostInterval
	}
	panic("storage: no outcome " + string(outcome))
}

func (t *Tenant) insertPrediction(tx *Tx, p *tracking.Prediction, level float64) error {
	kept := explanation{Intervals: make(map[insight.Outcome]tracking.PredictedInterval), Note: p.Note,
		Recommendations: p.Recommendations, Drivers: p.Drivers, SimilarProjects: p.SimilarProjects}
	var bounds [2 * len(insight.Outcomes)]*float64
	for i, outcome := range insight.Outcomes {
		if _, interval := numbersOf(p, outcome); *interval != nil {
			kept.Intervals[outcome] = **interval
			bounds[2*i], bounds[2*i+1] = &(*interval).Low, &(*interval).High
		}
	}
	_, err := tx.exec(insertPrediction, p.TenantID, p.ID, p.ProjectID, encodeDocument(p.Inputs), p.PredictedSuccessScore, p.PredictedDurationDays, p.PredictedCost,
		level, bounds[0], bounds[1], bounds[2], bounds[3], bounds[4], bounds[5],
		p.Confidence, p.Recommendation, encodeDocument(kept), p.ModelVersion, p.Basis, p.CreatedBy, p.CreatedAt)
	if err != nil {
		return err
	}
	_, err = tx.exec(deleteOldPredictions, t.scope.Tenant(), p.ProjectID, mostPredictions)
	return err
}

func encodeDocument(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("storage: " + err.Error()) // numbers are finite and texts are UTF-8
	}
	return string(text)
}

// Prediction returns a prediction of the tenant.
func (t *Tenant) Prediction(ctx context.Context, id tenancy.ID) (p tracking.Prediction, err error) {
	err = t.read(ctx, func(c *conn) error {
		p, err = t.prediction(c, id)
		return err
	})
	return p, err
}

func (t *Tenant) prediction(c *conn, id tenancy.ID) (p tracking.Prediction, err error) {
	err = c.queryRow(selectPrediction, []any{t.scope.Tenant(), id}, func(r row) { p = readPrediction(r) })
	return p, notFound(err, "prediction")
}

// Predictions returns one page of the tenant's predictions, the latest first.
func (t *Tenant) Predictions(ctx context.Context, page Page, f PredictionFilter) (list List[tracking.Prediction], err error) {
	list.Items = []tracking.Prediction{}
	list.Next, err = predictionList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: f.conditions()}, func(r row) {
		list.Items = append(list.Items, readPrediction(r))
	})
	return list, err
}

func readPrediction(r row) tracking.Prediction {
	p := tracking.Prediction{
		ID: r.id(0), TenantID: r.id(1), ProjectID: r.nullID(2), ProjectName: r.nullText(3),
		PredictedSuccessScore: r.nullFloat(5), PredictedDurationDays: r.nullFloat(6), PredictedCost: r.nullFloat(7),
		Confidence: r.float(15), Recommendation: r.text(16), ModelVersion: r.text(18), Basis: r.int(19), CreatedBy: r.nullID(20), CreatedAt: r.time(21),
		ActualSuccessScore: r.nullFloat(22), ActualDurationDays: r.nullFloat(23), ActualCost: r.nullFloat(24), ComparedAt: r.nullTime(25),
	}
	// The older system kept inputs of any form: what can be read of them is shown.
	_ = json.Unmarshal([]byte(r.text(4)), &p.Inputs)
	var kept explanation
	if err := json.Unmarshal([]byte(r.text(17)), &kept); err != nil {
		panic("storage: the explanation of a prediction is damaged: " + err.Error())
	}
	for _, outcome := range insight.Outcomes {
		if interval, ok := kept.Intervals[outcome]; ok {
			_, to := numbersOf(&p, outcome)
			*to = &interval
		}
	}
	p.Note = kept.Note
	p.Recommendations, p.Drivers, p.SimilarProjects = orNone(kept.Recommendations), orNone(kept.Drivers), orNone(kept.SimilarProjects)
	return p
}

func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// comparePredictions compares a project's predictions with what happened, for as
// long as it is completed. It belongs behind every change of a project.
func (t *Tenant) comparePredictions(tx *Tx, before, p *tracking.Project) (err error) {
	switch {
	case p.Status == tracking.Completed:
		_, err = tx.exec(comparePredictions, t.scope.Tenant(), p.ID, p.SuccessScore, p.DurationDays(), p.ComputeCost, tx.Now)
	case before.Status == tracking.Completed:
		_, err = tx.exec(uncomparePredictions, t.scope.Tenant(), p.ID)
	}
	return err
}
