package tracking

import (
	"maestro/tenancy"
)

// What a prediction says instead of, or beside, its numbers.
const (
	NoteTooLittle = "too little history" // a base rate with a wide interval
	NoteNoHistory = "no history"         // no finished project: no number
)

// Prediction is what the predictor said of a project or a plan, and what came of
// it. Of each outcome there is a number with its interval, or neither.
type Prediction struct {
	ID          tenancy.ID  `json:"id"`
	TenantID    tenancy.ID  `json:"tenant_id"`
	ProjectID   *tenancy.ID `json:"project_id" nullable:"true" doc:"The project; null of a plan"`
	ProjectName *string     `json:"project_name"`
	Inputs      PlanFields  `json:"inputs" doc:"What was known of it when it was predicted"`

	PredictedSuccessScore *float64           `json:"predicted_success_score" doc:"0 to 100; null while no finished project has one"`
	SuccessScoreInterval  *PredictedInterval `json:"success_score_interval" null:"true"`
	PredictedDurationDays *float64           `json:"predicted_duration_days" doc:"From start to completion; null while no finished project has both"`
	DurationDaysInterval  *PredictedInterval `json:"duration_days_interval" null:"true"`
	PredictedCost         *float64           `json:"predicted_cost" doc:"In the tenant's unit; null while no finished project has one"`
	CostInterval          *PredictedInterval `json:"cost_interval" null:"true"`

	Confidence      float64          `json:"confidence" minimum:"0" maximum:"1" doc:"Of the success score, or where there is none of the next outcome; 0 of a base rate"`
	Note            string           `json:"note" doc:"\"too little history\": a base rate with a wide interval; \"no history\": no finished project, so no number; otherwise empty"`
	Recommendation  string           `json:"recommendation" doc:"The recommendations in one text; empty when the history supports none"`
	Recommendations []Recommendation `json:"recommendations"`
	Drivers         []Driver         `json:"drivers" doc:"What makes each prediction of its typical value, strongest first: typical + effects = predicted"`
	SimilarProjects []SimilarOutcome `json:"similar_projects" doc:"The finished projects most like it in what matters for the outcome"`
	ModelVersion    string           `json:"model_version" doc:"Method and history: the same for the same finished projects"`
	Basis           int64            `json:"basis" doc:"How many finished projects it was learned from"`
	CreatedBy       *tenancy.ID      `json:"created_by" nullable:"true"`
	CreatedAt       tenancy.Time     `json:"created_at"`

	ActualSuccessScore *float64      `json:"actual_success_score" doc:"What happened: null until the project is completed"`
	ActualDurationDays *float64      `json:"actual_duration_days"`
	ActualCost         *float64      `json:"actual_cost"`
	ComparedAt         *tenancy.Time `json:"compared_at" nullable:"true" doc:"When the project was completed and compared"`
}

// PredictedInterval is where an outcome lies with a probability, and what the
// prediction stands on.
type PredictedInterval struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Level      float64 `json:"level" doc:"The probability that the outcome lies between low and high"`
	Typical    float64 `json:"typical" doc:"The typical outcome of the history, before any input is looked at"`
	Confidence float64 `json:"confidence" minimum:"0" maximum:"1"`
	Basis      int64   `json:"basis" doc:"How many finished projects have this outcome"`
	Note       string  `json:"note"`
}

// Driver is one input's part in a prediction.
type Driver struct {
	Outcome string   `json:"outcome" enum:"success_score,duration_days,cost"`
	Name    string   `json:"name" doc:"The input: attributes.function_points, team.senior, …"`
	Input   string   `json:"input" doc:"What the project has there; empty when it is missing"`
	Effect  float64  `json:"effect" doc:"In the outcome's own unit"`
	Factor  *float64 `json:"factor" doc:"What it multiplies the outcome by, where that is learned on the logarithm; otherwise null"`
}

// Recommendation is one sentence of advice with the numbers it stands on.
type Recommendation struct {
	Kind     string     `json:"kind" enum:"reuse,team,risk"`
	Subject  string     `json:"subject" doc:"The artifact's id, the shape of the team, the input"`
	Text     string     `json:"text"`
	Evidence []Evidence `json:"evidence" doc:"Every number of the text"`
}

// Evidence is one number behind a recommendation.
type Evidence struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// SimilarOutcome is a project that is like the one asked about, and how it went.
type SimilarOutcome struct {
	ProjectID    tenancy.ID `json:"project_id"`
	Name         string     `json:"name"`
	Status       Status     `json:"status" enum:"planned,active,completed,abandoned"`
	ProblemClass *string    `json:"problem_class"`
	Similarity   float64    `json:"similarity" minimum:"0" maximum:"1"`
	SuccessScore *float64   `json:"success_score"`
	DurationDays *float64   `json:"duration_days"`
	Cost         *float64   `json:"cost"`
}

// DurationDays is the days from start to completion; nil unless both are known.
func (f *ProjectFields) DurationDays() *float64 {
	if f.StartDate == nil || f.CompletionDate == nil || *f.CompletionDate < *f.StartDate {
		return nil
	}
	return new(f.StartDate.Days(*f.CompletionDate))
}
