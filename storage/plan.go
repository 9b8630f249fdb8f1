package storage

import (
	"context"
	"errors"
	"fmt"
	"math"

	"maestro/insight"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	selectPlannedTeam = `SELECT role, experience_level, contribution_hours FROM team_members WHERE tenant_id = $1 AND project_id = $2
		ORDER BY created_at DESC, id DESC LIMIT $3`

	selectPlannedArtifacts = `SELECT DISTINCT artifact_id FROM artifact_usage WHERE tenant_id = $1 AND project_id = $2 ORDER BY artifact_id LIMIT $3`

	selectPlannedMeans = `SELECT metric_type, value_sum, points FROM series WHERE tenant_id = $1 AND project_id = $2 AND points > 0
		ORDER BY metric_type LIMIT $3`

	selectArtifactID = `SELECT 1 FROM artifacts WHERE tenant_id = $1 AND id = $2`
)

// plan is what is asked about: a project with all that is recorded of it, or what
// the caller says of one.
type plan struct {
	project *tracking.Project // nil of what the caller says
	fields  tracking.PlanFields
	text    string // what it is about
}

// plan reads what a request asks about. A project or artifact that the tenant
// does not have is an error.
func (t *Tenant) plan(ctx context.Context, c *conn, request *tracking.PlanRequest) (p plan, err error) {
	if request.ProjectID == nil {
		p.fields = request.PlanFields
		return p, t.checkArtifacts(c, p.fields.ArtifactIDs)
	}
	project, err := t.project(c, *request.ProjectID)
	if err != nil {
		return p, err
	}
	p.project = &project
	p.text = project.Name + "\n" + project.Description
	p.fields = tracking.PlanFields{ProblemClass: project.ProblemClass, ComplexityScore: project.ComplexityScore, TeamSize: project.TeamSize, Attributes: project.Attributes}
	err = c.query(ctx, selectPlannedTeam, []any{t.scope.Tenant(), project.ID, tracking.MaxPlanMembers}, func(r row) error {
		p.fields.Members = append(p.fields.Members, tracking.PlannedMember{Role: r.text(0), ExperienceLevel: r.text(1), ContributionHours: r.float(2)})
		return nil
	})
	if err != nil {
		return p, err
	}
	err = c.query(ctx, selectPlannedArtifacts, []any{t.scope.Tenant(), project.ID, tracking.MaxPlanArtifacts}, func(r row) error {
		p.fields.ArtifactIDs = append(p.fields.ArtifactIDs, r.id(0))
		return nil
	})
	if err != nil {
		return p, err
	}
	err = c.query(ctx, selectPlannedMeans, []any{t.scope.Tenant(), project.ID, tracking.MaxPlanMetrics}, func(r row) error {
		if sum := r.float(1); math.Abs(sum) < math.MaxFloat64 {
			if p.fields.Metrics == nil {
				p.fields.Metrics = make(map[string]float64)
			}
			p.fields.Metrics[r.text(0)] = sum / r.float(2)
		}
		return nil
	})
	return p, err
}

func (t *Tenant) checkArtifacts(c *conn, ids []tenancy.ID) error {
	var checks problem.Checks
	for i, id := range ids {
		err := c.queryRow(selectArtifactID, []any{t.scope.Tenant(), id}, func(row) {})
		if err != nil && !errors.Is(err, errNoRow) {
			return err
		}
		checks.Require(err == nil, fmt.Sprintf("body.artifact_ids[%d]", i), "must be an artifact of the tenant")
	}
	return checks.Err()
}

// learnable is the plan as the predictor sees it.
func (p *plan) learnable() insight.Plan {
	f := &p.fields
	out := insight.Plan{Complexity: orNaN(f.ComplexityScore), TeamSize: orNaN(floatOf(f.TeamSize)), Metrics: f.Metrics, Attributes: f.Attributes}
	if f.ProblemClass != nil {
		out.Class = *f.ProblemClass
	}
	for _, m := range f.Members {
		out.Team = append(out.Team, insight.Member{Role: m.Role, Experience: m.ExperienceLevel, Hours: m.ContributionHours})
	}
	if f.ArtifactIDs != nil {
		out.Artifacts = []string{}
	}
	seen := make(map[tenancy.ID]bool, len(f.ArtifactIDs))
	for _, id := range f.ArtifactIDs {
		if !seen[id] {
			seen[id] = true
			out.Artifacts = append(out.Artifacts, id.String())
		}
	}
	return out
}

// refused says where a request is wrong that the predictor does not take. What it
// does not take of a project is the project's.
func (p *plan) refused(err error) error {
	var wrong *insight.InputError
	if !errors.As(err, &wrong) {
		return err
	}
	violation := problem.Violation{Location: "body", Message: wrong.Reason}
	switch {
	case p.project != nil:
		violation = problem.Violation{Location: "body.project_id", Message: "names a project that cannot be predicted: " + wrong.Error()}
	case wrong.Column != "":
		violation.Location = "body." + wrong.Column
	}
	return &problem.Error{Code: problem.Validation, Detail: "Some values are not allowed.", Violations: []problem.Violation{violation}, Err: err}
}
