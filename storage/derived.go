package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	selectRunOutcomes = `SELECT deployment, production, status, seconds, committed_at, succeeded_at FROM pipeline_runs
		WHERE tenant_id = $1 AND project_id = $2 AND week = $3`

	selectDerived = `SELECT seq FROM derived_points WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3 AND time = $4`

	insertDerived = `INSERT INTO derived_points (tenant_id, project_id, metric_type, time, seq) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, project_id, metric_type, time) DO UPDATE SET seq = excluded.seq`

	selectDerivedBefore = `SELECT time FROM derived_points WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3 AND time < $4
		ORDER BY time DESC LIMIT 1`

	selectDerivedAfter = `SELECT time FROM derived_points WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3 AND time > $4
		ORDER BY time LIMIT 1`

	selectPointValue = `SELECT value, coalesce(octet_length(metadata), 0) FROM points WHERE series = $1 AND time = $2 AND seq = $3`

	updatePoint = `UPDATE points SET value = $4, metadata = $5 WHERE series = $1 AND time = $2 AND seq = $3`

	selectSeriesBounds = `SELECT id, points, value_min, value_max, value_sum, last_value FROM series WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3`

	growSeriesMetadata = `UPDATE series SET metadata_bytes = metadata_bytes + $4 WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3`

	selectPointBounds = `SELECT min(value), max(value), sum(value) FROM points WHERE series = $1`

	selectLastValue = `SELECT value FROM points WHERE series = $1 ORDER BY time DESC, seq DESC LIMIT 1`

	updateSeriesBounds = `UPDATE series SET value_min = $4, value_max = $5, value_sum = $6, last_value = $7
		WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3`
)

const (
	// maxQuietWeeks bounds how many weeks without a deployment are filled in at once:
	// two years.
	maxQuietWeeks = 104

	oneWeek tenancy.Time = 7 * 24 * 60 * 60 * 1_000_000
)

// deriveWeek brings the metrics of one week of a project up to date with its runs,
// in the transaction that changed them.
func (t *Tenant) deriveWeek(tx *Tx, project tenancy.ID, week tenancy.Time) error {
	var outcomes []tracking.RunOutcome
	err := tx.query(context.Background(), selectRunOutcomes, []any{t.scope.Tenant(), project, week}, func(r row) error {
		outcomes = append(outcomes, tracking.RunOutcome{Deployment: r.bool(0), Production: r.bool(1),
			Success: tracking.RunStatus(r.text(2)) == tracking.RunSuccess, Seconds: r.nullFloat(3), CommittedAt: r.nullTime(4), SucceededAt: r.nullTime(5)})
		return nil
	})
	if err != nil {
		return err
	}
	if n := int64(len(outcomes)); n > tracking.MaxRunsOfWeek {
		return &problem.Error{Code: problem.LimitReached, Limit: &problem.Limit{Resource: "pipeline_runs", Limit: tracking.MaxRunsOfWeek, Current: n - 1},
			Detail: "As many runs of this week are recorded as there may be."}
	}
	for _, m := range tracking.MeasureWeek(outcomes) {
		if err := t.putDerived(tx, project, m, week); err != nil {
			return err
		}
	}
	return nil
}

// putDerived records a week's value in its series, in place of the one that was
// derived of that week before.
func (t *Tenant) putDerived(tx *Tx, project tenancy.ID, m tracking.Measure, week tenancy.Time) error {
	var seq int64
	err := tx.queryRow(selectDerived, []any{t.scope.Tenant(), project, m.MetricType, week}, func(r row) { seq = r.int(0) })
	if err == nil {
		err = t.replacePoint(tx, project, m, week, seq)
	}
	if !errors.Is(err, errNoRow) {
		return err
	}
	if m.MetricType == tracking.DeploymentsPerWeek {
		if err := t.fillQuietWeeks(tx, project, week); err != nil {
			return err
		}
	}
	return t.addDerived(tx, project, m, week)
}

func (t *Tenant) addDerived(tx *Tx, project tenancy.ID, m tracking.Measure, week tenancy.Time) error {
	sum := total{min: m.Value, max: m.Value, sum: m.Value, firstTime: week, lastTime: week, last: m.Value}
	metadata := provenance(m)
	added := run{project: project, metricType: m.MetricType, points: []int{0}, metadata: int64(len(metadata))}
	series, seq, err := t.addToSeries(tx, &added, sum)
	if err != nil {
		return err
	}
	if _, err := tx.exec(insertPoint, series, week, seq, m.Value, metadata); err != nil {
		return err
	}
	// A few bytes a week: the run that they are derived of was held to the limit.
	if _, err := tx.exec(countRecords, t.scope.Tenant(), added.bytes()); err != nil {
		return err
	}
	_, err = tx.exec(insertDerived, t.scope.Tenant(), project, m.MetricType, week, seq)
	return err
}

// provenance is the metadata of a derived point.
func provenance(m tracking.Measure) string {
	text, err := json.Marshal(map[string]any{"source": "pipelines", "runs": m.Runs})
	if err != nil {
		panic(fmt.Sprint("storage: ", err)) // a text and a number always encode
	}
	return string(text)
}

// fillQuietWeeks records that nothing was deployed in the weeks between this one
// and its neighbours, so that the series does not skip them.
func (t *Tenant) fillQuietWeeks(tx *Tx, project tenancy.ID, week tenancy.Time) error {
	quiet := tracking.Measure{MetricType: tracking.DeploymentsPerWeek}
	neighbour := func(text string) (at *tenancy.Time, err error) {
		err = tx.queryRow(text, []any{t.scope.Tenant(), project, quiet.MetricType, week}, func(r row) { at = r.nullTime(0) })
		if errors.Is(err, errNoRow) {
			err = nil
		}
		return at, err
	}
	before, err := neighbour(selectDerivedBefore)
	if err != nil {
		return err
	}
	after, err := neighbour(selectDerivedAfter)
	if err != nil {
		return err
	}
	if before != nil {
		for at := max(*before+oneWeek, week-maxQuietWeeks*oneWeek); at < week; at += oneWeek {
			if err := t.addDerived(tx, project, quiet, at); err != nil {
				return err
			}
		}
	}
	if after != nil {
		for at := week + oneWeek; at < *after && at <= week+maxQuietWeeks*oneWeek; at += oneWeek {
			if err := t.addDerived(tx, project, quiet, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// exactBounds is how many points a series may have for its summary to be counted
// anew when one is replaced: a millisecond. In a longer one, which somebody else
// has written to, the bounds keep the values that were replaced.
const exactBounds = 5000

// replacePoint changes the value of a point and the summary of its series. It fails
// with errNoRow when there is no such point.
func (t *Tenant) replacePoint(tx *Tx, project tenancy.ID, m tracking.Measure, at tenancy.Time, seq int64) error {
	var series, points, length int64
	var old, low, high, sum, last float64
	err := tx.queryRow(selectSeriesBounds, []any{t.scope.Tenant(), project, m.MetricType}, func(r row) {
		series, points, low, high, sum, last = r.int(0), r.int(1), r.float(2), r.float(3), r.float(4), r.float(5)
	})
	if err == nil {
		err = tx.queryRow(selectPointValue, []any{series, at, seq}, func(r row) { old, length = r.float(0), r.int(1) })
	}
	if err != nil {
		return err
	}
	metadata := provenance(m)
	if _, err := tx.exec(updatePoint, series, at, seq, m.Value, metadata); err != nil {
		return err
	}
	if err := t.growMetadata(tx, project, m, int64(len(metadata))-length); err != nil || old == m.Value {
		return err
	}
	low, high, sum = min(low, m.Value), max(high, m.Value), sum+m.Value-old
	if points <= exactBounds {
		err = tx.queryRow(selectPointBounds, []any{series}, func(r row) { low, high, sum = r.float(0), r.float(1), r.float(2) })
	}
	if err == nil {
		err = tx.queryRow(selectLastValue, []any{series}, func(r row) { last = r.float(0) })
	}
	if err == nil {
		sum = min(max(sum, -math.MaxFloat64), math.MaxFloat64) // as addToSeries keeps it
		_, err = tx.exec(updateSeriesBounds, t.scope.Tenant(), project, m.MetricType, low, high, sum, last)
	}
	return err
}

// growMetadata counts that a point has so many bytes of metadata more than it had.
func (t *Tenant) growMetadata(tx *Tx, project tenancy.ID, m tracking.Measure, bytes int64) error {
	if bytes == 0 {
		return nil
	}
	if _, err := tx.exec(growSeriesMetadata, t.scope.Tenant(), project, m.MetricType, bytes); err != nil {
		return err
	}
	_, err := tx.exec(countRecords, t.scope.Tenant(), bytes)
	return err
}
