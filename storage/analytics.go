package storage

import (
	"context"

	"maestro/registry"
	"maestro/tenancy"
)

const (
	countProjectsOf = `SELECT count(DISTINCT project_id) FROM artifact_usage WHERE tenant_id = $1 AND artifact_id = $2`

	selectImpactsOf = `SELECT impact_source, sum(` + impactUnits + `), count(*) FROM artifact_usage
		WHERE tenant_id = $1 AND artifact_id = $2 AND impact_score IS NOT NULL GROUP BY impact_source`

	countUsesBetween = `SELECT count(*) FROM artifact_usage WHERE tenant_id = $1 AND artifact_id = $2 AND used_at >= $3 AND used_at < $4`

	selectUseSpan = `SELECT min(used_at), max(used_at) FROM artifact_usage WHERE tenant_id = $1 AND artifact_id = $2`

	// The evidence of an uplift: every finished project with a score.
	selectFinished = `SELECT problem_class, success_score,
			CASE WHEN id IN (SELECT project_id FROM artifact_usage WHERE tenant_id = $1 AND artifact_id = $2) THEN 1 ELSE 0 END
		FROM projects WHERE tenant_id = $1 AND status = 'completed' AND success_score IS NOT NULL`
)

// ArtifactAnalytics returns what the library has learnt about an artifact.
func (t *Tenant) ArtifactAnalytics(ctx context.Context, id tenancy.ID) (a registry.Analytics, err error) {
	var finished []registry.FinishedProject
	err = t.snapshot(ctx, func(c *conn) error {
		artifact, err := t.artifact(c, id)
		if err != nil {
			return err
		}
		a = registry.Analytics{ArtifactID: id, UsageCount: artifact.UsageCount}
		if err := c.queryRow(countProjectsOf, []any{t.scope.Tenant(), id}, func(r row) { a.ProjectCount = r.int(0) }); err != nil {
			return err
		}
		all, err := t.impacts(ctx, c, "")
		if err != nil {
			return err
		}
		impacts := map[registry.ImpactSource]registry.Impact{}
		err = c.query(ctx, selectImpactsOf, []any{t.scope.Tenant(), id}, func(r row) error {
			impacts[registry.ImpactSource(r.text(0))] = registry.Impact{Sum: float64(r.int(1)) / unitsPerScore, Count: r.int(2)}
			return nil
		})
		if err != nil {
			return err
		}
		a.SetImpacts(impacts[registry.Reported], impacts[registry.Derived], all)
		if a.UsagePerMonth, err = t.usesPerMonth(c, id); err != nil {
			return err
		}
		if a.ProjectCount < registry.MinUpliftProjects {
			return nil // too few for an uplift, so the others need not be read
		}
		finished, err = t.finishedProjects(ctx, c, id)
		return err
	})
	if err != nil {
		return a, err
	}
	a.Uplift = upliftOf(id, finished)
	return a, nil
}

// usesPerMonth counts the artifact's uses in each month from the first with one
// to the last.
func (t *Tenant) usesPerMonth(c *conn, id tenancy.ID) ([]registry.MonthUsage, error) {
	var first, last *tenancy.Time
	err := c.queryRow(selectUseSpan, []any{t.scope.Tenant(), id}, func(r row) { first, last = r.nullTime(0), r.nullTime(1) })
	if err != nil || first == nil {
		return []registry.MonthUsage{}, err
	}
	counts := []registry.MonthUsage{}
	for month := registry.MonthOf(*first); month <= registry.MonthOf(*last); month++ {
		use := registry.MonthUsage{Month: month}
		err := c.queryRow(countUsesBetween, []any{t.scope.Tenant(), id, month.Begin(), (month + 1).Begin()}, func(r row) { use.Count = r.int(0) })
		if err != nil {
			return nil, err
		}
		counts = append(counts, use)
	}
	return counts, nil
}

func (t *Tenant) finishedProjects(ctx context.Context, c *conn, id tenancy.ID) (finished []registry.FinishedProject, err error) {
	err = c.query(ctx, selectFinished, []any{t.scope.Tenant(), id}, func(r row) error {
		p := registry.FinishedProject{Success: r.float(1), Used: r.bool(2)}
		if class := r.nullText(0); class != nil {
			p.ProblemClass = *class
		}
		finished = append(finished, p)
		return nil
	})
	return finished, err
}
