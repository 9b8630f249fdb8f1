package storage

import (
	"slices"

	"maestro/audit"
	"maestro/auth"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// The functions here say what an audit event tells of an object: nil before for one
// that is new, nil after for one that is gone. Every field is named one by one: a
// field that is added to a type is not in the trail until somebody decides so.
// Free text and free objects may hold anything, so only their size is told.

func (t *Tenant) record(tx *Tx, action audit.Action, object tenancy.ID, changes *audit.Changes) error {
	return tx.record(t.scope.Tenant(), action, object.String(), changes)
}

func projectChanges(before, after *tracking.Project) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return withProject(c, b, a).Size("attributes", encodeAttributes(b.Attributes), encodeAttributes(a.Attributes))
}

// createdProject is projectChanges for a new project whose attributes are encoded.
func createdProject(p *tracking.Project, attributes string) *audit.Changes {
	return withProject(audit.Created(), new(tracking.Project), p).Size("attributes", encodeAttributes(nil), attributes)
}

// withProject adds all but the attributes.
func withProject(c *audit.Changes, b, a *tracking.Project) *audit.Changes {
	return c.Text("name", b.Name, a.Name).
		Text("status", string(b.Status), string(a.Status)).
		TextOrNull("problem_class", b.ProblemClass, a.ProblemClass).
		FloatOrNull("complexity_score", b.ComplexityScore, a.ComplexityScore).
		IntOrNull("team_size", b.TeamSize, a.TeamSize).
		Time("start_date", b.StartDate, a.StartDate).
		Time("completion_date", b.CompletionDate, a.CompletionDate).
		FloatOrNull("model_performance", b.ModelPerformance, a.ModelPerformance).
		FloatOrNull("compute_cost", b.ComputeCost, a.ComputeCost).
		FloatOrNull("business_impact", b.BusinessImpact, a.BusinessImpact).
		FloatOrNull("success_score", b.SuccessScore, a.SuccessScore).
		Size("description", b.Description, a.Description).
		Size("metadata", string(b.Metadata), string(a.Metadata))
}

func memberChanges(before, after *tracking.Member) *audit.Changes {
	c, b, a := audit.Between(before, after)
	project := a.ProjectID
	if before != nil {
		project = b.ProjectID
	}
	return c.Text("name", b.Name, a.Name).
		ID("user_id", b.UserID, a.UserID).
		Text("role", b.Role, a.Role).
		Text("experience_level", b.ExperienceLevel, a.ExperienceLevel).
		Float("contribution_hours", b.ContributionHours, a.ContributionHours).
		FloatOrNull("performance_score", b.PerformanceScore, a.PerformanceScore).
		Note("project_id", project.String())
}

func artifactChanges(before, after *registry.Artifact) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return c.Text("name", b.Name, a.Name).
		Text("type", b.Type, a.Type).
		Text("version", b.Version, a.Version).
		Texts("tags", b.Tags, a.Tags).
		TextOrNull("content_hash", b.ContentHash, a.ContentHash).
		IntOrNull("size_bytes", b.SizeBytes, a.SizeBytes).
		Text("media_type", b.MediaType, a.MediaType).
		Bool("is_active", b.IsActive, a.IsActive).
		Size("storage_uri", b.StorageURI, a.StorageURI). // may carry a credential
		Size("description", b.Description, a.Description).
		Size("metadata", string(b.Metadata), string(a.Metadata))
}

func usageChanges(u *registry.Usage) *audit.Changes {
	c := audit.Created().
		ID("artifact_id", nil, &u.ArtifactID).
		ID("project_id", nil, &u.ProjectID).
		FloatOrNull("impact_score", nil, u.ImpactScore).
		Size("context", "", string(u.Context))
	if u.ImpactSource != nil {
		c.Note("impact_source", string(*u.ImpactSource))
	}
	return c
}

func predictionChanges(p *tracking.Prediction) *audit.Changes {
	return audit.Created().
		ID("project_id", nil, p.ProjectID).
		Int("basis", 0, p.Basis).
		Text("model_version", "", p.ModelVersion)
}

func runChanges(before, after *tracking.PipelineRun) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return c.Text("provider", b.Provider, a.Provider).
		Text("run", b.RunID, a.RunID).
		Text("status", string(b.Status), string(a.Status)).
		Text("name", b.Name, a.Name).
		Text("branch", b.Branch, a.Branch).
		TextOrNull("commit_sha", b.CommitSHA, a.CommitSHA).
		Time("committed_at", b.CommittedAt, a.CommittedAt).
		Time("started_at", b.StartedAt, a.StartedAt).
		Time("finished_at", b.FinishedAt, a.FinishedAt).
		FloatOrNull("duration_seconds", b.DurationSeconds, a.DurationSeconds).
		Text("environment", b.Environment, a.Environment).
		Note("project_id", a.ProjectID.String())
}

func hookChanges(before, after *tracking.Hook) *audit.Changes {
	c, b, a := audit.Between(before, after)
	project := a.ProjectID
	if before != nil {
		project = b.ProjectID
	}
	return c.Text("name", b.Name, a.Name).
		Text("provider", b.Provider, a.Provider).
		Text("deployment_workflow", b.DeploymentWorkflow, a.DeploymentWorkflow).
		Note("project_id", project.String())
}

func userChanges(before, after *auth.User) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return c.Text("email", b.Email, a.Email).
		Text("name", b.Name, a.Name).
		Texts("roles", b.Roles, a.Roles).
		Bool("is_active", b.IsActive, a.IsActive).
		Bool("is_operator", b.IsOperator, a.IsOperator).
		Bool("is_service", b.IsService, a.IsService).
		Size("metadata", string(b.Metadata), string(a.Metadata))
}

func roleChanges(before, after *auth.Role) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return c.Texts("permissions", b.Permissions, a.Permissions).
		Size("description", b.Description, a.Description)
}

func apiTokenChanges(before, after *auth.APIToken) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return c.Text("name", b.Name, a.Name).
		ID("user_id", b.UserID.OrNil(), a.UserID.OrNil()).
		Texts("scopes", b.Scopes, a.Scopes).
		Time("expires_at", timeOrNull(b.ExpiresAt), timeOrNull(a.ExpiresAt))
}

func tenantChanges(before, after *tenancy.Tenant) *audit.Changes {
	c, b, a := audit.Between(before, after)
	return c.Text("name", b.Name, a.Name).
		Text("slug", b.Slug, a.Slug).
		Bool("is_active", b.IsActive, a.IsActive).
		Int("max_users", b.MaxUsers, a.MaxUsers).
		Int("max_projects", b.MaxProjects, a.MaxProjects).
		Int("max_artifacts", b.MaxArtifacts, a.MaxArtifacts).
		Int("max_storage_bytes", b.MaxStorageBytes, a.MaxStorageBytes).
		Float("weight_model_performance", b.SuccessWeights.ModelPerformance, a.SuccessWeights.ModelPerformance).
		Float("weight_business_impact", b.SuccessWeights.BusinessImpact, a.SuccessWeights.BusinessImpact).
		Float("weight_cost_efficiency", b.SuccessWeights.CostEfficiency, a.SuccessWeights.CostEfficiency).
		Float("weight_delivery_speed", b.SuccessWeights.DeliverySpeed, a.SuccessWeights.DeliverySpeed).
		Size("metadata", string(b.Metadata), string(a.Metadata))
}

// batchChanges tells of a batch how much it was. The projects are told as far as
// they are few.
func batchChanges(b *batch) *audit.Changes {
	projects := b.projects()
	c := audit.Created().Count("points", int64(len(b.points))).Count("series", int64(len(b.runs))).Count("projects", int64(len(projects)))
	if others := projects[1:]; len(others) > 0 {
		var names []string
		for _, id := range others[:min(len(others), 9)] {
			names = append(names, id.String())
		}
		slices.Sort(names)
		c.Texts("other_projects", nil, names)
	}
	return c
}

func timeOrNull(at tenancy.Time) *tenancy.Time {
	if at == 0 {
		return nil
	}
	return &at
}
