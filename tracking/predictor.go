package tracking

import (
	"cmp"
	"math"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

// MostPoints is how many projects a card lists for a plot.
const MostPoints = 200

// PredictorCard says what a tenant's predictor learned from and how far to trust
// it.
type PredictorCard struct {
	ModelVersion     string        `json:"model_version" doc:"Method and history: the same for the same finished projects; empty while there are none"`
	FinishedProjects int64         `json:"finished_projects" doc:"How many it learned from"`
	LeastHistory     int           `json:"least_history" doc:"Below so many finished projects there is only a base rate"`
	Note             string        `json:"note" doc:"\"too little history\", \"no history\", or empty"`
	Outcomes         []OutcomeCard `json:"outcomes"`
}

// OutcomeCard is the card of one outcome.
type OutcomeCard struct {
	Outcome    string      `json:"outcome" enum:"success_score,duration_days,cost"`
	Basis      int64       `json:"basis" doc:"How many finished projects have it"`
	Note       string      `json:"note"`
	BaseRate   *BaseRate   `json:"base_rate" null:"true" doc:"What the finished projects come to, whatever their inputs; null of none"`
	Evaluation *Evaluation `json:"evaluation" null:"true" doc:"How well the latest 500 finished projects are predicted by the others, left out in 20 parts; null when there is nothing to judge"`
	NotJudged  string      `json:"not_judged" doc:"Why there is no evaluation"`
	Recorded   Calibration `json:"recorded" doc:"How the recorded predictions did of projects that were completed since: the last one of each"`
}

// BaseRate is the middle of the outcomes and where most of them lie.
type BaseRate struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Level  float64 `json:"level" doc:"The share of the projects between low and high"`
}

// Judgement is the answer to the question how well an outcome is predicted.
type Judgement struct {
	Outcome    string      `json:"outcome" enum:"success_score,duration_days,cost"`
	Evaluation *Evaluation `json:"evaluation" null:"true" doc:"Null when there is nothing to judge"`
	NotJudged  string      `json:"not_judged" doc:"Why there is no evaluation"`
}

// Evaluation is how well a history predicts itself: every project is predicted by
// a predictor that was trained without it.
type Evaluation struct {
	N             int             `json:"n" doc:"Projects judged"`
	Folds         int             `json:"folds" doc:"Parts that were left out in turn; n: leave-one-out"`
	MdMRE         float64         `json:"mdmre" doc:"Median of |actual - predicted| / actual"`
	MMRE          float64         `json:"mmre" doc:"Its mean"`
	Pred25        float64         `json:"pred25" doc:"Share of projects predicted within 25 % of the actual"`
	SA            float64         `json:"sa" doc:"Standardised accuracy: 1 - mean error / mean error of guessing another project's outcome"`
	Coverage      float64         `json:"coverage" doc:"Share of the outcomes within their interval"`
	Level         float64         `json:"level" doc:"What the coverage should be"`
	Width         float64         `json:"width" doc:"Median of the interval's width / predicted"`
	BaselineMdMRE float64         `json:"baseline_mdmre" doc:"mdmre of predicting the median of the others"`
	Points        []JudgedProject `json:"points" doc:"At most 200 of the projects, evenly spread"`
}

// JudgedProject is what was predicted of a project and what it came to.
type JudgedProject struct {
	ProjectID   tenancy.ID `json:"project_id"`
	ProjectName string     `json:"project_name" doc:"Empty of a project that is gone"`
	Actual      float64    `json:"actual"`
	Predicted   float64    `json:"predicted"`
	Low         float64    `json:"low"`
	High        float64    `json:"high"`
}

// inside reports whether the outcome lies in its interval.
func (p *JudgedProject) inside() bool { return p.Low <= p.Actual && p.Actual <= p.High }

// Compared is a recorded prediction of one outcome and what came of it.
type Compared struct {
	JudgedProject
	ComparedAt tenancy.Time `json:"compared_at"`
	Level      float64      `json:"level"`
}

// Calibration says how predictions did against what happened.
type Calibration struct {
	CalibrationFigures
	Months []CalibrationMonth `json:"months" doc:"By the month in which the projects were completed, the earliest first"`
	Points []Compared         `json:"points" doc:"The latest 200"`
}

// CalibrationFigures are the figures of some predictions.
type CalibrationFigures struct {
	N        int      `json:"n" doc:"Predictions compared"`
	Coverage *float64 `json:"coverage" doc:"Share of the outcomes within their interval; null of none"`
	Level    *float64 `json:"level" doc:"What it should be: the mean of the intervals' levels"`
	MdMRE    *float64 `json:"mdmre" doc:"Median of |actual - predicted| / actual; null while every actual is 0"`
	MdAE     *float64 `json:"mdae" doc:"Median of |actual - predicted|, in the outcome's unit"`
}

// CalibrationMonth is one month of it.
type CalibrationMonth struct {
	Month string `json:"month" doc:"2026-11"`
	CalibrationFigures
}

// CalibrationOf judges recorded predictions.
func CalibrationOf(all []Compared) Calibration {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Compared) int { return cmp.Compare(b.ComparedAt, a.ComparedAt) })
	c := Calibration{CalibrationFigures: figuresOf(all), Months: []CalibrationMonth{}, Points: []Compared{}}
	c.Points = append(c.Points, all[:min(len(all), MostPoints)]...)
	slices.Reverse(all)
	for len(all) > 0 {
		month, n := monthOf(all[0].ComparedAt), 1
		for n < len(all) && monthOf(all[n].ComparedAt) == month {
			n++
		}
		c.Months = append(c.Months, CalibrationMonth{Month: month, CalibrationFigures: figuresOf(all[:n])})
		all = all[n:]
	}
	return c
}

func monthOf(t tenancy.Time) string { return t.Std().Format("2006-01") }

func figuresOf(all []Compared) CalibrationFigures {
	f := CalibrationFigures{N: len(all)}
	if len(all) == 0 {
		return f
	}
	var inside, level float64
	var relative, absolute []float64
	for _, p := range all {
		if p.inside() {
			inside++
		}
		level += p.Level
		missed := math.Abs(p.Actual - p.Predicted)
		absolute = append(absolute, missed)
		if p.Actual != 0 {
			relative = append(relative, min(missed/math.Abs(p.Actual), math.MaxFloat64))
		}
	}
	n := float64(len(all))
	f.Coverage, f.Level, f.MdAE = new(inside/n), new(level/n), new(medianOf(absolute))
	if len(relative) > 0 {
		f.MdMRE = new(medianOf(relative))
	}
	return f
}

func medianOf(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	// Halved first: the sum of two large ones has no number.
	return values[(n-1)/2]/2 + values[n/2]/2
}

// Spread returns the indexes of at most limit of n things, evenly spread.
func Spread(n, limit int) []int {
	chosen := make([]int, min(n, limit))
	for k := range chosen {
		chosen[k] = k * n / len(chosen)
	}
	return chosen
}

// NoteOf is what is to be said of a history of so many finished projects.
func NoteOf(basis int64, least int) string {
	switch {
	case basis == 0:
		return NoteNoHistory
	case basis < int64(least):
		return NoteTooLittle
	}
	return ""
}

// EvaluationRequest asks how well the tenant's history predicts itself.
type EvaluationRequest struct {
	Outcome string  `json:"outcome" required:"false" enum:"success_score,duration_days,cost" default:"success_score"`
	Level   float64 `json:"level" required:"false" exclusiveMinimum:"0" maximum:"0.9999" default:"0.8" doc:"Of the intervals; rounded to 0.01, and between 0.01 and 0.99"`
}

// Validate names every value that is not allowed.
func (r *EvaluationRequest) Validate() error {
	var c problem.Checks
	c.Require(slices.Contains([]string{"success_score", "duration_days", "cost"}, r.Outcome), "body.outcome", "must be success_score, duration_days or cost")
	checkLevel(&c, r.Level)
	return c.Err()
}
