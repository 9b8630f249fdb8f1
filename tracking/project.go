package tracking

import (
	"encoding/json"
	"maps"
	"math"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

// Status says where a project stands.
type Status string

// The statuses of a project. Only completed projects are finished: they count
// in percentiles, uplift and predictions.
const (
	Planned   Status = "planned"
	Active    Status = "active"
	Completed Status = "completed"
	Abandoned Status = "abandoned"
)

// Statuses lists every status in the order of a project's life.
var Statuses = [...]Status{Planned, Active, Completed, Abandoned}

// Bounds of a project's fields.
const (
	MaxDescriptionRunes = 10_000
	MaxAttributes       = 64
	MaxAttributeRunes   = 255
	MaxTeamSize         = 100_000
)

// ProjectFields are what a caller sets of a project.
type ProjectFields struct {
	Name             string         `json:"name" minLength:"1" maxLength:"255" doc:"Unique in the tenant"`
	Description      string         `json:"description" required:"false" maxLength:"10000"`
	ProblemClass     *string        `json:"problem_class" required:"false" maxLength:"50" pattern:"^[a-z][a-z0-9_-]*$" doc:"Lower-case word, such as classification, regression, nlp, forecasting, recommendation, vision or clustering"`
	Status           Status         `json:"status" required:"false" enum:"planned,active,completed,abandoned"`
	ComplexityScore  *float64       `json:"complexity_score" required:"false" minimum:"1" maximum:"100"`
	TeamSize         *int64         `json:"team_size" required:"false" minimum:"1" maximum:"100000"`
	StartDate        *tenancy.Time  `json:"start_date" nullable:"true" required:"false" doc:"RFC 3339, or a date, which means midnight UTC"`
	CompletionDate   *tenancy.Time  `json:"completion_date" nullable:"true" required:"false" doc:"RFC 3339, or a date, which means midnight UTC; not before start_date"`
	ModelPerformance *float64       `json:"model_performance" required:"false" minimum:"0" maximum:"1" doc:"The model's own measure of quality, 0 to 1"`
	ComputeCost      *float64       `json:"compute_cost" required:"false" minimum:"0" doc:"What the project cost, in the tenant's unit"`
	BusinessImpact   *float64       `json:"business_impact" required:"false" doc:"What the project brought, in the tenant's unit"`
	Attributes       Attributes     `json:"attributes" required:"false" doc:"Extra inputs of the predictor: at most 64 names with a number, string or bool each"`
	Metadata         tenancy.Object `json:"metadata" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// Clone returns fields that share nothing with f, so that a change of one, even
// through its pointers, is not a change of the other.
func (f ProjectFields) Clone() ProjectFields {
	f.ProblemClass = clonePointer(f.ProblemClass)
	f.ComplexityScore = clonePointer(f.ComplexityScore)
	f.TeamSize = clonePointer(f.TeamSize)
	f.StartDate = clonePointer(f.StartDate)
	f.CompletionDate = clonePointer(f.CompletionDate)
	f.ModelPerformance = clonePointer(f.ModelPerformance)
	f.ComputeCost = clonePointer(f.ComputeCost)
	f.BusinessImpact = clonePointer(f.BusinessImpact)
	f.Attributes = maps.Clone(f.Attributes)
	f.Metadata = slices.Clone(f.Metadata)
	return f
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// Project is the record of one ML project.
type Project struct {
	ID       tenancy.ID `json:"id"`
	TenantID tenancy.ID `json:"tenant_id"`
	ProjectFields
	SuccessScore *float64     `json:"success_score" doc:"0 to 100, derived from the outcome; null until there is something to derive it from"`
	CreatedBy    *tenancy.ID  `json:"created_by" nullable:"true" doc:"The user who recorded it; null once that user is gone"`
	CreatedAt    tenancy.Time `json:"created_at"`
	UpdatedAt    tenancy.Time `json:"updated_at"`
	Version      int64        `json:"version" doc:"Counts the changes; the ETag is made of it"`
}

// Attributes maps names to numbers, strings or bools.
type Attributes map[string]any

// MarshalJSON implements json.Marshaler: no attributes are {}, not null.
func (a Attributes) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil), nil }

// UnmarshalJSON replaces the map whole; null empties it. Values that may not be
// are kept for the validation to name.
func (a *Attributes) UnmarshalJSON(data []byte) error {
	var m map[string]any
	err := json.Unmarshal(data, &m)
	*a = m
	return err
}

// isWord reports whether text is a lower-case word of at most 50 characters:
// letters, digits, _ and -, a letter first.
func isWord(text string) bool {
	for i, c := range []byte(text) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '_' && c != '-') {
			return false
		}
	}
	return text != "" && len(text) <= 50
}

// Validate names every value that is not allowed.
func (f *ProjectFields) Validate() error {
	var c problem.Checks
	tenancy.CheckName(&c, "body.name", f.Name)
	tenancy.CheckText(&c, "body.description", f.Description, 0, MaxDescriptionRunes)
	if f.ProblemClass != nil {
		c.Require(isWord(*f.ProblemClass), "body.problem_class", "must be a lower-case word of at most 50 characters")
	}
	c.Require(slices.Contains(Statuses[:], f.Status), "body.status", "must be planned, active, completed or abandoned")
	checkRange(&c, "body.complexity_score", f.ComplexityScore, 1, 100)
	if f.TeamSize != nil {
		c.Require(*f.TeamSize >= 1 && *f.TeamSize <= MaxTeamSize, "body.team_size", "must be between 1 and %d", MaxTeamSize)
	}
	checkTime(&c, "body.start_date", f.StartDate)
	checkTime(&c, "body.completion_date", f.CompletionDate)
	if f.StartDate != nil && f.CompletionDate != nil && *f.CompletionDate != tenancy.NoTime {
		c.Require(*f.CompletionDate >= *f.StartDate, "body.completion_date", "must not be before start_date")
	}
	checkRange(&c, "body.model_performance", f.ModelPerformance, 0, 1)
	checkRange(&c, "body.compute_cost", f.ComputeCost, 0, math.MaxFloat64)
	checkRange(&c, "body.business_impact", f.BusinessImpact, -math.MaxFloat64, math.MaxFloat64)
	f.Attributes.check(&c)
	f.Metadata.Check(&c, "body.metadata")
	return c.Err()
}

func (a Attributes) check(c *problem.Checks) {
	if len(a) > MaxAttributes {
		c.Refuse("body.attributes", "must have at most %d names", MaxAttributes)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		var ofName problem.Checks
		tenancy.CheckLabel(&ofName, "body.attributes", name, MaxAttributeRunes)
		if ofName.Err() != nil {
			c.Refuse("body.attributes", "must have names of 1 to %d characters, without control characters and without space around them", MaxAttributeRunes)
			continue
		}
		location := "body.attributes." + name
		switch v := a[name].(type) {
		case string:
			tenancy.CheckText(c, location, v, 0, MaxAttributeRunes)
		case float64:
			c.Require(!math.IsNaN(v) && !math.IsInf(v, 0), location, "must be a finite number")
		case bool:
		default:
			c.Refuse(location, "must be a number, a string or a bool")
		}
	}
}

func checkRange(c *problem.Checks, location string, value *float64, low, high float64) {
	if value == nil {
		return
	}
	// A comparison with NaN is false, so NaN is refused as well.
	ok := *value >= low && *value <= high
	switch {
	case high == math.MaxFloat64 && low == 0:
		c.Require(ok, location, "must be a finite number, not negative")
	case high == math.MaxFloat64:
		c.Require(ok, location, "must be a finite number")
	default:
		c.Require(ok, location, "must be between %g and %g", low, high)
	}
}

const timeRule = "must be a time in RFC 3339, or a date, in the years 1970 to 2199"

func checkTime(c *problem.Checks, location string, t *tenancy.Time) {
	if t != nil {
		c.Require(*t >= tenancy.MinTime && *t < tenancy.EndTime, location, timeRule)
	}
}
