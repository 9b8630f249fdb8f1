package registry

import (
	"maestro/problem"
	"maestro/tenancy"
)

// ImpactSource says where a usage's impact score comes from.
type ImpactSource string

// The sources of an impact score.
const (
	Reported ImpactSource = "reported" // somebody said so
	Derived  ImpactSource = "derived"  // the project's success score, followed for as long as the project is completed
)

// MaxUsages is how many usages a project may have: its end scores all of them in one
// write.
const MaxUsages = 10_000

// UsageFields are what a caller says when it uses an artifact.
type UsageFields struct {
	ProjectID   tenancy.ID     `json:"project_id" doc:"The project that uses the artifact"`
	ImpactScore *float64       `json:"impact_score" required:"false" minimum:"0" maximum:"100" doc:"How much it helped; unless given, the project's success score for as long as the project is completed"`
	Context     tenancy.Object `json:"context" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// Usage is one use of an artifact in a project: one play of a song.
type Usage struct {
	ID           tenancy.ID     `json:"id"`
	TenantID     tenancy.ID     `json:"tenant_id"`
	ArtifactID   tenancy.ID     `json:"artifact_id"`
	ArtifactName string         `json:"artifact_name"`
	Version      string         `json:"artifact_version"`
	ProjectID    tenancy.ID     `json:"project_id"`
	ProjectName  string         `json:"project_name"`
	UsedAt       tenancy.Time   `json:"used_at"`
	ImpactScore  *float64       `json:"impact_score"`
	ImpactSource *ImpactSource  `json:"impact_source" enum:"reported,derived"`
	Context      tenancy.Object `json:"context"`
	CreatedBy    *tenancy.ID    `json:"created_by" nullable:"true"`
}

// Validate names every value that is not allowed.
func (f *UsageFields) Validate() error {
	var c problem.Checks
	c.Require(!f.ProjectID.IsZero(), "body.project_id", "is required")
	if f.ImpactScore != nil {
		c.Require(*f.ImpactScore >= 0 && *f.ImpactScore <= 100, "body.impact_score", "must be between 0 and 100")
	}
	f.Context.Check(&c, "body.context")
	return c.Err()
}
