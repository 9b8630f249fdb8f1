package tracking

import (
	"math"
	"slices"
	"strconv"

	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of what may be known of a plan.
const (
	MaxPlanMembers   = 1000
	MaxPlanArtifacts = 500
	MaxPlanMetrics   = 200
)

// PlanFields are what is known of a project before it is finished: the inputs of
// the predictor. What is absent is not known.
type PlanFields struct {
	ProblemClass    *string            `json:"problem_class" required:"false" maxLength:"50" pattern:"^[a-z][a-z0-9_-]*$" doc:"Lower-case word, such as classification or forecasting"`
	ComplexityScore *float64           `json:"complexity_score" required:"false" minimum:"1" maximum:"100"`
	TeamSize        *int64             `json:"team_size" required:"false" minimum:"1" maximum:"100000"`
	Members         []PlannedMember    `json:"members" required:"false" nullable:"true" maxItems:"1000" doc:"The team's roles and experience"`
	ArtifactIDs     []tenancy.ID       `json:"artifact_ids" required:"false" nullable:"true" maxItems:"500" doc:"The artifacts planned or used; an empty list says that there are none"`
	Metrics         map[string]float64 `json:"metrics" required:"false" nullable:"true" doc:"Mean so far of process metrics, by their type: at most 200"`
	Attributes      Attributes         `json:"attributes" required:"false" doc:"As a project's attributes"`
}

// PlannedMember is one person of a planned team.
type PlannedMember struct {
	Role              string  `json:"role" enum:"data_engineer,ml_scientist,ml_engineer,devops,analyst,product,other"`
	ExperienceLevel   string  `json:"experience_level" enum:"junior,mid,senior,principal"`
	ContributionHours float64 `json:"contribution_hours" required:"false" minimum:"0" doc:"Their share of the team's work is by hours where every member has some"`
}

// Empty reports whether nothing is known.
func (f *PlanFields) Empty() bool {
	return f.ProblemClass == nil && f.ComplexityScore == nil && f.TeamSize == nil && f.Members == nil && f.ArtifactIDs == nil &&
		len(f.Metrics) == 0 && len(f.Attributes) == 0
}

func (f *PlanFields) check(c *problem.Checks) {
	if f.ProblemClass != nil {
		c.Require(isWord(*f.ProblemClass), "body.problem_class", "must be a lower-case word of at most 50 characters")
	}
	checkRange(c, "body.complexity_score", f.ComplexityScore, 1, 100)
	if f.TeamSize != nil {
		c.Require(*f.TeamSize >= 1 && *f.TeamSize <= MaxTeamSize, "body.team_size", "must be between 1 and %d", MaxTeamSize)
	}
	c.Require(len(f.Members) <= MaxPlanMembers, "body.members", "must be at most %d", MaxPlanMembers)
	for i, m := range f.Members[:min(len(f.Members), MaxPlanMembers)] {
		at := "body.members[" + strconv.Itoa(i) + "]"
		c.Require(slices.Contains(MemberRoles[:], m.Role), at+".role", "must be one of the roles of a team")
		c.Require(slices.Contains(ExperienceLevels[:], m.ExperienceLevel), at+".experience_level", "must be junior, mid, senior or principal")
		checkRange(c, at+".contribution_hours", &m.ContributionHours, 0, math.MaxFloat64)
	}
	c.Require(len(f.ArtifactIDs) <= MaxPlanArtifacts, "body.artifact_ids", "must be at most %d", MaxPlanArtifacts)
	for i, id := range f.ArtifactIDs[:min(len(f.ArtifactIDs), MaxPlanArtifacts)] {
		c.Require(!id.IsZero(), "body.artifact_ids["+strconv.Itoa(i)+"]", "must be an id")
	}
	if len(f.Metrics) > MaxPlanMetrics {
		c.Refuse("body.metrics", "must have at most %d names", MaxPlanMetrics)
	} else {
		for name, v := range f.Metrics {
			var ofName problem.Checks
			tenancy.CheckLabel(&ofName, "body.metrics", name, MaxMetricTypeRunes)
			if ofName.Err() != nil {
				c.Refuse("body.metrics", "must have names of 1 to %d characters, without control characters and without space around them", MaxMetricTypeRunes)
				continue
			}
			checkRange(c, "body.metrics."+name, &v, -math.MaxFloat64, math.MaxFloat64)
		}
	}
	f.Attributes.check(c)
}

// PlanRequest asks about a project, or about a plan.
type PlanRequest struct {
	ProjectID *tenancy.ID `json:"project_id" nullable:"true" required:"false" doc:"The project, with all that is recorded of it; without the inputs below"`
	PlanFields
}

func (r *PlanRequest) check(c *problem.Checks) {
	c.Require(r.ProjectID == nil || r.Empty(), "body.project_id", "must stand alone: the inputs are the project's own")
	r.PlanFields.check(c)
}

// DefaultLevel is the level of intervals unless another is asked for.
const DefaultLevel = 0.8

// PredictionRequest asks for a prediction.
type PredictionRequest struct {
	PlanRequest
	Level float64 `json:"level" required:"false" exclusiveMinimum:"0" maximum:"0.9999" default:"0.8" doc:"With which probability the outcome should lie in its interval"`
}

// Validate names every value that is not allowed.
func (r *PredictionRequest) Validate() error {
	var c problem.Checks
	r.check(&c)
	checkLevel(&c, r.Level)
	return c.Err()
}

func checkLevel(c *problem.Checks, level float64) {
	c.Require(level > 0 && level <= 0.9999, "body.level", "must be above 0 and at most 0.9999")
}

// AdviceRequest asks for recommendations.
type AdviceRequest struct {
	PlanRequest
	Description string `json:"description" required:"false" maxLength:"10000" doc:"What the plan is about: artifacts are matched by it"`
	Limit       int    `json:"limit" required:"false" minimum:"1" maximum:"50" default:"5" doc:"Of each kind at most so many"`
}

// MaxAdvice is how many recommendations of a kind may be asked for, and
// DefaultAdvice how many are given unasked.
const (
	MaxAdvice     = 50
	DefaultAdvice = 5
)

// Validate names every value that is not allowed.
func (r *AdviceRequest) Validate() error {
	var c problem.Checks
	r.check(&c)
	tenancy.CheckText(&c, "body.description", r.Description, 0, MaxDescriptionRunes)
	c.Require(r.ProjectID == nil || r.Description == "", "body.description", "must be absent with project_id: it is the project's own")
	c.Require(r.Limit >= 1 && r.Limit <= MaxAdvice, "body.limit", "must be 1 to %d", MaxAdvice)
	return c.Err()
}
