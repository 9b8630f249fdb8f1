package storage

import (
	"context"

	"maestro/audit"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

const usageColumns = `id, tenant_id, artifact_id, project_id, used_at, impact_score, impact_source, context, created_by,
	(SELECT a.name FROM artifacts a WHERE a.tenant_id = artifact_usage.tenant_id AND a.id = artifact_usage.artifact_id),
	(SELECT a.version FROM artifacts a WHERE a.tenant_id = artifact_usage.tenant_id AND a.id = artifact_usage.artifact_id),
	(SELECT p.name FROM projects p WHERE p.tenant_id = artifact_usage.tenant_id AND p.id = artifact_usage.project_id)`

const (
	selectUsage = `SELECT ` + usageColumns + ` FROM artifact_usage WHERE tenant_id = $1 AND id = $2`

	insertUsage = `INSERT INTO artifact_usage (id, tenant_id, artifact_id, project_id, used_at, impact_score, impact_source, context, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	countUsages = `SELECT count(*) FROM artifact_usage WHERE tenant_id = $1 AND project_id = $2`
)

// An artifact's counters change by what its usages' rows say, in one statement
// for every occasion: d has, for each artifact, the uses, the impact and the
// scores to add. The sum of impact is in units of a billionth (see the schema),
// and the scores are rounded to them by the same expression when they are added
// as when they are taken away.
const (
	impactUnits = `coalesce(CAST(round(impact_score * 1000000000.0) AS BIGINT), 0)`

	addToCounters = addToCounts + `, revision = artifacts.revision + 1`

	addToCounts = `usage_count = artifacts.usage_count + d.uses,
		impact_sum = artifacts.impact_sum + d.units,
		impact_count = artifacts.impact_count + d.scored,
		avg_impact_score = CASE WHEN artifacts.impact_count + d.scored > 0
			THEN (artifacts.impact_sum + d.units) / 1000000000.0 / (artifacts.impact_count + d.scored) END`

	countNewUse = `UPDATE artifacts SET ` + addToCounters + oneUse

	// countPortableUse counts a use without a change of the artifact.
	countPortableUse = `UPDATE artifacts SET ` + addToCounts + oneUse

	oneUse = `
		FROM (
			SELECT artifact_id, 1 AS uses, ` + impactUnits + ` AS units, CASE WHEN impact_score IS NULL THEN 0 ELSE 1 END AS scored
			FROM artifact_usage WHERE tenant_id = $1 AND id = $2
		) AS d WHERE artifacts.tenant_id = $1 AND artifacts.id = d.artifact_id`

	uncountProjectUses = `UPDATE artifacts SET ` + addToCounters + `
		FROM (
			SELECT artifact_id, -count(*) AS uses, -sum(` + impactUnits + `) AS units, -count(impact_score) AS scored
			FROM artifact_usage WHERE tenant_id = $1 AND project_id = $2 GROUP BY artifact_id
		) AS d WHERE artifacts.tenant_id = $1 AND artifacts.id = d.artifact_id`

	// $3 is the score that the project's usages without a reported one take.
	countDerived = `UPDATE artifacts SET ` + addToCounters + `
		FROM (
			SELECT artifact_id, 0 AS uses,
				sum(coalesce(CAST(round($3 * 1000000000.0) AS BIGINT), 0) - ` + impactUnits + `) AS units,
				sum(CASE WHEN $3 IS NULL THEN 0 ELSE 1 END - CASE WHEN impact_score IS NULL THEN 0 ELSE 1 END) AS scored
			FROM artifact_usage WHERE ` + derivable + ` GROUP BY artifact_id
		) AS d WHERE artifacts.tenant_id = $1 AND artifacts.id = d.artifact_id`

	deriveUses = `UPDATE artifact_usage SET impact_score = $3, impact_source = CASE WHEN $3 IS NULL THEN NULL ELSE 'derived' END WHERE ` + derivable

	derivable = `tenant_id = $1 AND project_id = $2 AND coalesce(impact_source, 'derived') = 'derived' AND impact_score IS DISTINCT FROM $3`
)

var artifactUsageList, projectUsageList = usagesWithin("artifact_id"), usagesWithin("project_id")

func usagesWithin(column string) listing {
	return listing{
		name:    "usages",
		columns: usageColumns,
		from:    "artifact_usage",
		within:  column,
		owned:   true,
		order:   "-used_at",
		sorts:   map[string]sortKey{"used_at": {expression: "used_at", kind: sortTime}},
	}
}

// UseArtifact records one use of an artifact in a project of the same tenant,
// and counts it. Without a reported score the usage has the project's success
// score for as long as the project is completed. It fails with LimitReached above
// registry.MaxUsages for the project, and when the tenant's storage is full.
func (t *Tenant) UseArtifact(ctx context.Context, artifact tenancy.ID, fields registry.UsageFields, request Idempotency) (u registry.Usage, replayed bool, err error) {
	if err := fields.Validate(); err != nil {
		return u, false, err
	}
	id := tenancy.NewID()
	err = t.write(ctx, func(tx *Tx) error {
		made, found, err := t.replayed(tx, request)
		if err != nil {
			return err
		}
		if found {
			replayed = true
			err := tx.queryRow(selectUsage, []any{t.scope.Tenant(), made}, func(r row) { u = readUsage(r) })
			return notFound(err, "usage")
		}
		a, err := t.artifact(tx.conn, artifact)
		if err != nil {
			return err
		}
		p, err := t.project(tx.conn, fields.ProjectID)
		if err != nil {
			return err
		}
		if err := tx.below("usages", registry.MaxUsages, countUsages, t.scope.Tenant(), p.ID); err != nil {
			return err
		}
		if err := tx.requireRoom(t.scope.Tenant()); err != nil {
			return err
		}
		u = registry.Usage{ID: id, TenantID: t.scope.Tenant(), ArtifactID: artifact, ProjectID: p.ID, UsedAt: tx.Now,
			ArtifactName: a.Name, Version: a.Version, ProjectName: p.Name, Context: fields.Context, CreatedBy: t.author()}
		u.ImpactScore, u.ImpactSource = registry.ImpactScore(fields.ImpactScore, p.SuccessScore, p.Status == tracking.Completed)
		_, err = tx.exec(insertUsage, u.ID, u.TenantID, u.ArtifactID, u.ProjectID, u.UsedAt, u.ImpactScore, (*string)(u.ImpactSource), encodeObject(u.Context), u.CreatedBy)
		if err != nil {
			return err
		}
		if _, err := tx.exec(countNewUse, t.scope.Tenant(), u.ID); err != nil {
			return err
		}
		if err := t.historyChanged(tx, p.Status); err != nil {
			return err
		}
		if err := t.record(tx, audit.UsageCreate, u.ID, usageChanges(&u)); err != nil {
			return err
		}
		return t.remember(tx, request, u.ID)
	})
	return u, replayed, err
}

// ArtifactUsages returns one page of an artifact's usages, the latest first.
func (t *Tenant) ArtifactUsages(ctx context.Context, artifact tenancy.ID, page Page) (List[registry.Usage], error) {
	if _, err := t.Artifact(ctx, artifact); err != nil {
		return List[registry.Usage]{}, err
	}
	return t.usages(ctx, artifactUsageList, page, artifact)
}

// ProjectUsages returns one page of what a project used, the latest first.
func (t *Tenant) ProjectUsages(ctx context.Context, project tenancy.ID, page Page) (List[registry.Usage], error) {
	if _, err := t.Project(ctx, project); err != nil {
		return List[registry.Usage]{}, err
	}
	return t.usages(ctx, projectUsageList, page, project)
}

func (t *Tenant) usages(ctx context.Context, l listing, page Page, within tenancy.ID) (list List[registry.Usage], err error) {
	l.name += " of " + within.String() // a cursor stays with its artifact or project
	list.Items = []registry.Usage{}
	list.Next, err = l.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: []filter{l.of(within)}}, func(r row) {
		list.Items = append(list.Items, readUsage(r))
	})
	return list, err
}

// deriveImpacts gives the project's usages without a reported score the score
// that the project now gives them, and their artifacts' averages what follows.
// It belongs behind every change of the project's status or success score.
func (t *Tenant) deriveImpacts(tx *Tx, project tenancy.ID, completed bool, success *float64) error {
	score, _ := registry.ImpactScore(nil, success, completed)
	changed, err := tx.exec(countDerived, t.scope.Tenant(), project, score)
	if err != nil || changed == 0 {
		return err
	}
	_, err = tx.exec(deriveUses, t.scope.Tenant(), project, score)
	return err
}

// forgetUses takes a project's usages out of their artifacts' counters. It
// belongs before the deletion of the project, which removes the rows.
func (t *Tenant) forgetUses(tx *Tx, project tenancy.ID) error {
	_, err := tx.exec(uncountProjectUses, t.scope.Tenant(), project)
	return err
}

func readUsage(r row) registry.Usage {
	return registry.Usage{
		ID: r.id(0), TenantID: r.id(1), ArtifactID: r.id(2), ProjectID: r.id(3), UsedAt: r.time(4), ImpactScore: r.nullFloat(5),
		ImpactSource: (*registry.ImpactSource)(r.nullText(6)), Context: r.object(7), CreatedBy: r.nullID(8),
		ArtifactName: r.text(9), Version: r.text(10), ProjectName: r.text(11),
	}
}
