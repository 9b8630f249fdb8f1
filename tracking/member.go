package tracking

import (
	"math"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

// MemberRoles lists what a team member can be in a project.
var MemberRoles = [...]string{"data_engineer", "ml_scientist", "ml_engineer", "devops", "analyst", "product", "other"}

// ExperienceLevels lists how experienced a team member can be, rising.
var ExperienceLevels = [...]string{"junior", "mid", "senior", "principal"}

// MaxMembers is how many team members a project may have: what is learned of a team
// reads all of it.
const MaxMembers = 1000

// MemberFields are what a caller sets of a team member.
type MemberFields struct {
	UserID            *tenancy.ID `json:"user_id" nullable:"true" required:"false" doc:"The user, when the member has an account in the tenant"`
	Name              string      `json:"name" minLength:"1" maxLength:"255"`
	Role              string      `json:"role" enum:"data_engineer,ml_scientist,ml_engineer,devops,analyst,product,other"`
	ExperienceLevel   string      `json:"experience_level" enum:"junior,mid,senior,principal"`
	ContributionHours float64     `json:"contribution_hours" required:"false" minimum:"0" doc:"Hours given to the project so far"`
	PerformanceScore  *float64    `json:"performance_score" required:"false" minimum:"0" maximum:"100"`
}

// Clone returns fields that share nothing with f, so that a change of one, even
// through its pointers, is not a change of the other.
func (f MemberFields) Clone() MemberFields {
	f.UserID = clonePointer(f.UserID)
	f.PerformanceScore = clonePointer(f.PerformanceScore)
	return f
}

// Member is one person in a project's team.
type Member struct {
	ID        tenancy.ID `json:"id"`
	TenantID  tenancy.ID `json:"tenant_id"`
	ProjectID tenancy.ID `json:"project_id"`
	MemberFields
	CreatedAt tenancy.Time `json:"created_at"`
	UpdatedAt tenancy.Time `json:"updated_at"`
	Revision  int64        `json:"-"` // counts the changes; the ETag is made of it
}

// Validate names every value that is not allowed.
func (f *MemberFields) Validate() error {
	var c problem.Checks
	tenancy.CheckName(&c, "body.name", f.Name)
	c.Require(slices.Contains(MemberRoles[:], f.Role), "body.role", "must be one of the roles of a team")
	c.Require(slices.Contains(ExperienceLevels[:], f.ExperienceLevel), "body.experience_level", "must be junior, mid, senior or principal")
	checkRange(&c, "body.contribution_hours", &f.ContributionHours, 0, math.MaxFloat64)
	checkRange(&c, "body.performance_score", f.PerformanceScore, 0, 100)
	return c.Err()
}
