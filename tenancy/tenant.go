package tenancy

import (
	"regexp"

	"maestro/problem"
)

// DefaultSlug is the slug of the tenant that a first start makes.
const DefaultSlug = "default"

// Limits bounds what a tenant may hold. They are checked in the transaction
// that creates.
type Limits struct {
	MaxUsers        int64 `json:"max_users" minimum:"0" required:"false" doc:"How many users the tenant may hold"`
	MaxProjects     int64 `json:"max_projects" minimum:"0" required:"false" doc:"How many projects the tenant may hold"`
	MaxArtifacts    int64 `json:"max_artifacts" minimum:"0" required:"false" doc:"How many artifacts the tenant may hold"`
	MaxStorageBytes int64 `json:"max_storage_bytes" minimum:"0" required:"false" doc:"How many bytes the tenant may hold: of content, the same counted once, and, by an estimate, of points of metrics, usages, team members, runs and predictions"`
}

// DefaultLimits are a new tenant's limits.
func DefaultLimits() Limits {
	return Limits{MaxUsers: 10, MaxProjects: 100, MaxArtifacts: 1000, MaxStorageBytes: 50 << 30}
}

// Use is how much of its limits a tenant uses.
type Use struct {
	Users        int64 `json:"users"`
	Projects     int64 `json:"projects"`
	Artifacts    int64 `json:"artifacts"`
	StorageBytes int64 `json:"storage_bytes" doc:"Bytes held of content, the same counted once, and, by an estimate, of points of metrics (40 each and their metadata), usages, team members, runs and predictions (400 each and their texts)"`
}

// SuccessWeights weighs the parts of a project's success score. Weights are
// relative: a score renormalises them over the parts that exist.
type SuccessWeights struct {
	ModelPerformance float64 `json:"model_performance" minimum:"0" maximum:"1"`
	BusinessImpact   float64 `json:"business_impact" minimum:"0" maximum:"1"`
	CostEfficiency   float64 `json:"cost_efficiency" minimum:"0" maximum:"1"`
	DeliverySpeed    float64 `json:"delivery_speed" minimum:"0" maximum:"1"`
}

// DefaultSuccessWeights are a new tenant's weights.
func DefaultSuccessWeights() SuccessWeights {
	return SuccessWeights{ModelPerformance: 0.40, BusinessImpact: 0.30, CostEfficiency: 0.15, DeliverySpeed: 0.15}
}

// TenantFields are what an operator sets of a tenant.
type TenantFields struct {
	Name     string `json:"name" minLength:"1" maxLength:"255" doc:"Unique in the installation"`
	Slug     string `json:"slug" minLength:"2" maxLength:"63" pattern:"^[a-z0-9-]+$" doc:"Unique in the installation; what people type at login"`
	IsActive bool   `json:"is_active" required:"false" doc:"An inactive tenant's tokens stop at once and nobody can log in to it"`
	Limits
	SuccessWeights SuccessWeights `json:"success_weights" required:"false" doc:"How the parts of the success score are weighed"`
	Metadata       Object         `json:"metadata" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// Tenant is one customer of the installation: users, projects and artifacts
// that no other tenant can see.
type Tenant struct {
	ID ID `json:"id"`
	TenantFields
	Use Use `json:"use" doc:"What the tenant holds now"`

	// ScoresStaleSince tells the lag of the scores that depend on other projects.
	ScoresStaleSince *Time `json:"scores_stale_since" nullable:"true" doc:"Since when success scores wait to be derived anew; null when all are up to date"`

	CreatedAt Time  `json:"created_at"`
	UpdatedAt Time  `json:"updated_at"`
	Revision  int64 `json:"-"` // counts the changes; the ETag is made of it
}

// NewTenantFields returns fields with every default set.
func NewTenantFields(name, slug string) TenantFields {
	return TenantFields{Name: name, Slug: slug, IsActive: true, Limits: DefaultLimits(), SuccessWeights: DefaultSuccessWeights()}
}

var slugPattern = regexp.MustCompile(`^[a-z0-9-]{2,63}$`)

// Validate names every value that is not allowed.
func (f *TenantFields) Validate() error {
	var c problem.Checks
	CheckName(&c, "body.name", f.Name)
	c.Require(slugPattern.MatchString(f.Slug), "body.slug", "must be 2 to 63 lower-case letters, digits or hyphens")
	c.Require(f.MaxUsers >= 0, "body.max_users", "must not be negative")
	c.Require(f.MaxProjects >= 0, "body.max_projects", "must not be negative")
	c.Require(f.MaxArtifacts >= 0, "body.max_artifacts", "must not be negative")
	c.Require(f.MaxStorageBytes >= 0, "body.max_storage_bytes", "must not be negative")
	f.SuccessWeights.check(&c)
	f.Metadata.Check(&c, "body.metadata")
	return c.Err()
}

func (w SuccessWeights) check(c *problem.Checks) {
	for _, part := range []struct {
		name   string
		weight float64
	}{
		{"model_performance", w.ModelPerformance}, {"business_impact", w.BusinessImpact},
		{"cost_efficiency", w.CostEfficiency}, {"delivery_speed", w.DeliverySpeed},
	} {
		// A comparison with NaN is false, so NaN is refused as well.
		c.Require(part.weight >= 0 && part.weight <= 1, "body.success_weights."+part.name, "must be between 0 and 1")
	}
	c.Require(w != SuccessWeights{}, "body.success_weights", "must not all be zero")
}
