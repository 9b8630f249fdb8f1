package storage

import (
	"context"

	"maestro/problem"
	"maestro/registry"
)

// The ranking is over every active artifact of the tenant that has a score. The
// tenant's mean is over all scores, those of inactive artifacts too. CROSS JOIN
// has SQLite begin with the projects of the class, not with every usage.
const (
	sumImpacts = `SELECT coalesce(sum(impact_sum), 0), coalesce(sum(impact_count), 0) FROM artifacts WHERE tenant_id = $1`

	sumImpactsOfClass = `SELECT coalesce(sum(` + impactUnits + `), 0), count(u.impact_score)
		FROM projects p CROSS JOIN artifact_usage u
		WHERE u.tenant_id = p.tenant_id AND u.project_id = p.id AND p.tenant_id = $1 AND p.problem_class = $2`

	// $2 is the sum and $3 the weight that the tenant's mean has in every estimate.
	selectTop = `SELECT ` + artifactColumns + `, d.units, d.scored FROM (
			SELECT id AS ranked, impact_sum AS units, impact_count AS scored FROM artifacts
			WHERE tenant_id = $1 AND impact_count > 0 AND is_active = 1 AND ($4 = '' OR type = $4)
			ORDER BY (impact_sum + $2) / (impact_count + $3) DESC, id LIMIT $5
		) AS d JOIN artifacts a ON a.tenant_id = $1 AND a.id = d.ranked
		ORDER BY (d.units + $2) / (d.scored + $3) DESC, a.id`

	selectTopOfClass = `SELECT ` + artifactColumns + `, d.units, d.scored FROM (
			SELECT u.artifact_id AS ranked, sum(` + impactUnits + `) AS units, count(u.impact_score) AS scored
			FROM projects p CROSS JOIN artifact_usage u
			WHERE u.tenant_id = p.tenant_id AND u.project_id = p.id AND p.tenant_id = $1 AND p.problem_class = $6 AND u.impact_score IS NOT NULL GROUP BY u.artifact_id
		) AS d JOIN artifacts a ON a.tenant_id = $1 AND a.id = d.ranked
		WHERE a.is_active = 1 AND ($4 = '' OR a.type = $4)
		ORDER BY (d.units + $2) / (d.scored + $3) DESC, a.id LIMIT $5`
)

// unitsPerScore says in what an impact sum is kept: in billionths (see the schema).
const unitsPerScore = 1_000_000_000

// TopFilter narrows the ranking. Zero fields do not narrow.
type TopFilter struct {
	Type         string
	ProblemClass string // by the scores of usages in projects of this class alone
	Uplift       bool   // with the uplift of each, of at most MaxUplifts
}

// MaxUplifts is how many uplifts one request may ask for: each takes up to some
// milliseconds.
const MaxUplifts = 100

// TopArtifacts returns the artifacts that help most, by registry.Ranking, at most
// limit (1..MaxLimit) of them.
func (t *Tenant) TopArtifacts(ctx context.Context, f TopFilter, limit int) ([]registry.RankedArtifact, error) {
	var checks problem.Checks
	checks.Require(limit >= 1 && limit <= MaxLimit, "query.limit", "must be 1 to %d", MaxLimit)
	checks.Require(!f.Uplift || limit <= MaxUplifts, "query.limit", "must be at most %d with uplift", MaxUplifts)
	if err := checks.Err(); err != nil {
		return nil, err
	}
	top := []registry.RankedArtifact{}
	err := t.snapshot(ctx, func(c *conn) error {
		all, err := t.impacts(ctx, c, f.ProblemClass)
		if err != nil || all.Count == 0 {
			return err
		}
		prior := registry.PriorPlays * *all.Mean() * unitsPerScore
		statement, args := selectTop, []any{t.scope.Tenant(), prior, registry.PriorPlays, f.Type, limit}
		if f.ProblemClass != "" {
			statement, args = selectTopOfClass, append(args, f.ProblemClass)
		}
		return c.query(ctx, statement, args, func(r row) error {
			own := registry.Impact{Sum: float64(r.int(19)) / unitsPerScore, Count: r.int(20)}
			top = append(top, registry.RankedArtifact{Artifact: readArtifact(r), RankingEstimate: *registry.Ranking(own, all)})
			return nil
		})
	})
	if err == nil && f.Uplift {
		err = t.addUplifts(ctx, top)
	}
	return top, err
}

// addUplifts compares, for each artifact, the projects that used it with the
// others.
func (t *Tenant) addUplifts(ctx context.Context, top []registry.RankedArtifact) error {
	for i := range top {
		var finished []registry.FinishedProject
		err := t.read(ctx, func(c *conn) (err error) {
			finished, err = t.finishedProjects(ctx, c, top[i].ID)
			return err
		})
		if err != nil {
			return err
		}
		top[i].Uplift = upliftOf(top[i].ID, finished)
	}
	return nil
}

// impacts sums all scores of the tenant, or those from projects of one class.
func (t *Tenant) impacts(ctx context.Context, c *conn, class string) (all registry.Impact, err error) {
	statement, args := sumImpacts, []any{t.scope.Tenant()}
	if class != "" {
		statement, args = sumImpactsOfClass, append(args, class)
	}
	err = c.query(ctx, statement, args, func(r row) error {
		all = registry.Impact{Sum: float64(r.int(0)) / unitsPerScore, Count: r.int(1)}
		return nil
	})
	return all, err
}
