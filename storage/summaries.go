package storage

import (
	"context"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	selectSummaries = `SELECT metric_type, points, value_min, value_max, value_sum, last_value, first_time, last_time FROM series
		WHERE tenant_id = $1 AND project_id = $2 AND metric_type > $3 ORDER BY metric_type LIMIT $4`

	selectLatest = `SELECT last_value FROM series WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3`

	countArtifactsUsed = `SELECT count(DISTINCT artifact_id) FROM artifact_usage WHERE tenant_id = $1 AND project_id = $2`
)

// MetricSummaries returns one page of the summaries of a project's metric types,
// in the order of their names. It reads the series and none of their points.
func (t *Tenant) MetricSummaries(ctx context.Context, project tenancy.ID, page Page) (list List[tracking.MetricSummary], err error) {
	var c problem.Checks
	c.Require(page.Limit >= 1 && page.Limit <= MaxLimit, "query.limit", "must be 1 to %d", MaxLimit)
	if err := c.Err(); err != nil {
		return list, err
	}
	name := "summaries " + project.String()
	after := ""
	if page.Cursor != "" {
		at, err := t.decodeCursor(t.scope.Tenant(), name, "", page.Cursor)
		if err != nil {
			return list, err
		}
		after = at.Value.(string) // as it was signed for this list
	}
	list.Items = make([]tracking.MetricSummary, 0, min(page.Limit, DefaultLimit))
	err = t.read(ctx, func(c *conn) error {
		if err := t.requireProject(c, project); err != nil {
			return err
		}
		return c.query(context.Background(), selectSummaries, []any{t.scope.Tenant(), project, after, page.Limit + 1}, func(r row) error {
			if len(list.Items) == page.Limit {
				last := list.Items[page.Limit-1].MetricType
				list.Next = t.encodeCursor(t.scope.Tenant(), name, "", position{Value: last})
				return nil
			}
			list.Items = append(list.Items, readSummary(r))
			return nil
		})
	})
	return list, err
}

func readSummary(r row) tracking.MetricSummary {
	s := tracking.MetricSummary{MetricType: r.text(0), Count: r.int(1), Min: r.float(2), Max: r.float(3), Latest: r.float(5),
		FirstTime: r.time(6), LastTime: r.time(7)}
	// Rounding, or a sum that stayed at the largest float64, must not take the
	// mean out of the values' bounds.
	s.Mean = min(max(r.float(4)/float64(s.Count), s.Min), s.Max)
	return s
}

// Velocity returns the velocity score of a project, with its parts.
func (t *Tenant) Velocity(ctx context.Context, project tenancy.ID) (score tracking.Score, err error) {
	err = t.read(ctx, func(c *conn) error {
		latest, err := t.latest(c, project, tracking.VelocityMetrics[:])
		if err != nil {
			return err
		}
		used := int64(0)
		err = c.queryRow(countArtifactsUsed, []any{t.scope.Tenant(), project}, func(r row) { used = r.int(0) })
		score = tracking.Velocity(latest, used)
		return err
	})
	return score, err
}

// Collaboration returns the collaboration score of a project, with its parts.
func (t *Tenant) Collaboration(ctx context.Context, project tenancy.ID) (score tracking.Score, err error) {
	err = t.read(ctx, func(c *conn) error {
		latest, err := t.latest(c, project, tracking.CollaborationMetrics[:])
		score = tracking.Collaboration(latest)
		return err
	})
	return score, err
}

// latest returns the newest values of some of a project's metric types.
func (t *Tenant) latest(c *conn, project tenancy.ID, types []string) (tracking.Latest, error) {
	if err := t.requireProject(c, project); err != nil {
		return nil, err
	}
	latest := make(tracking.Latest, len(types))
	for _, metricType := range types {
		err := c.query(context.Background(), selectLatest, []any{t.scope.Tenant(), project, metricType}, func(r row) error {
			latest[metricType] = r.float(0)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return latest, nil
}
