package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// A series row carries the summary of its points, and points is also the counter
// that numbers them (seq). One statement therefore finds the series, brings its
// summary up to date and hands out the numbers: there is no cache of series to
// keep exact over rollbacks and deletions.
const (
	addToSeries = `UPDATE series SET points = points + $4,
		value_min = CASE WHEN value_min <= $5 THEN value_min ELSE $5 END,
		value_max = CASE WHEN value_max >= $6 THEN value_max ELSE $6 END,
		value_sum = CASE WHEN value_sum + $7 > 1.7976931348623157e308 THEN 1.7976931348623157e308
			WHEN value_sum + $7 < -1.7976931348623157e308 THEN -1.7976931348623157e308 ELSE value_sum + $7 END,
		first_time = CASE WHEN first_time <= $8 THEN first_time ELSE $8 END,
		last_value = CASE WHEN last_time > $9 THEN last_value ELSE $10 END,
		last_time = CASE WHEN last_time > $9 THEN last_time ELSE $9 END, metadata_bytes = metadata_bytes + $11
		WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3 RETURNING id, points`

	insertSeries = `INSERT INTO series (tenant_id, project_id, metric_type, points, value_min, value_max, value_sum, first_time, last_time, last_value, metadata_bytes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id, points`

	insertPoint = `INSERT INTO points (series, time, seq, value, metadata) VALUES ($1, $2, $3, $4, $5)`

	selectProjectStatus = `SELECT status FROM projects WHERE tenant_id = $1 AND id = $2`
)

// insertPoints inserts the number of points that indexes it.
var insertPoints = map[int]string{
	pointsAtOnce:      insertPointsText(pointsAtOnce),
	pointsAtOnce / 10: insertPointsText(pointsAtOnce / 10),
	1:                 insertPointsText(1),
}

// pointsAtOnce is how many points a statement inserts while there are so many.
// The rate rises up to about 100 and not beyond.
const pointsAtOnce = 100

func insertPointsText(rows int) string {
	var text strings.Builder
	text.WriteString(insertPoint)
	for first := pointColumns + 1; first <= rows*pointColumns; first += pointColumns {
		fmt.Fprintf(&text, ", ($%d, $%d, $%d, $%d, $%d)", first, first+1, first+2, first+3, first+4)
	}
	return text.String()
}

// AddPoint records one point and returns it as it was stored: without a
// timestamp of its own, at the time of the transaction. A project that the
// tenant does not have is a violation at body.project_id. With a repeated
// idempotency key nothing is recorded again, and replayed is true.
func (t *Tenant) AddPoint(ctx context.Context, p tracking.Point, request Idempotency) (stored tracking.Point, replayed bool, err error) {
	b, err := newBatch([]tracking.Point{p}, func(int) string { return "body" })
	if err != nil {
		return p, false, err
	}
	replayed, err = t.addBatch(ctx, b, request, func(at tenancy.Time) { p.Timestamp = &at })
	return p, replayed, err
}

// AddPoints records a batch: all of it, or nothing when any point is refused.
// Every value that is not allowed is named with the index of its point, as
// body[i].metric_value, and so is a project that the tenant does not have.
func (t *Tenant) AddPoints(ctx context.Context, points []tracking.Point, request Idempotency) (replayed bool, err error) {
	b, err := newBatch(points, func(i int) string { return fmt.Sprintf("body[%d]", i) })
	if err != nil || len(points) == 0 {
		return false, err
	}
	return t.addBatch(ctx, b, request, func(tenancy.Time) {})
}

// addBatch records a batch and reports the time of its first point.
func (t *Tenant) addBatch(ctx context.Context, b *batch, request Idempotency, first func(tenancy.Time)) (replayed bool, err error) {
	err = t.write(ctx, func(tx *Tx) error {
		made, found, err := t.replayed(tx, request)
		if err != nil {
			return err
		}
		if found {
			replayed = true
			first(timeOfReceipt(made))
			return nil
		}
		if err := t.checkProjects(tx, b); err != nil {
			return err
		}
		if err := t.insertBatch(tx, b); err != nil {
			return err
		}
		if err := t.record(tx, audit.MetricsCreate, b.points[0].ProjectID, batchChanges(b)); err != nil {
			return err
		}
		at := b.time(0, tx.Now)
		first(at)
		return t.remember(tx, request, receipt(at))
	})
	return replayed, err
}

// receipt is what an idempotency key remembers of a batch, for points have no
// ids: the time of its first point, so that the answer can be repeated.
func receipt(at tenancy.Time) (id tenancy.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(at))
	return id
}

func timeOfReceipt(id tenancy.ID) tenancy.Time {
	return tenancy.Time(binary.BigEndian.Uint64(id[:8]))
}

// checkProjects refuses a batch with a project that the tenant does not have, and
// notes when one of them is of the history.
func (t *Tenant) checkProjects(tx *Tx, b *batch) error {
	unknown := make(map[tenancy.ID]bool)
	var learned tracking.Status
	for _, project := range b.projects() {
		status, err := t.projectStatus(tx.conn, project)
		if err != nil {
			return err
		}
		if status == "" {
			unknown[project] = true
		}
		if ended(status) {
			learned = status
		}
		if len(unknown) == problem.MaxViolations {
			break // enough to name: the rest is not worth the writer's time
		}
	}
	if err := b.unknown(unknown); err != nil {
		return err
	}
	return t.historyChanged(tx, learned)
}

// projectStatus is "" for a project that the tenant does not have.
func (t *Tenant) projectStatus(c *conn, id tenancy.ID) (status tracking.Status, err error) {
	err = c.queryRow(selectProjectStatus, []any{t.scope.Tenant(), id}, func(r row) { status = tracking.Status(r.text(0)) })
	if errors.Is(err, errNoRow) {
		return "", nil
	}
	return status, err
}

// insertBatch inserts the batch's points and brings the summaries of their
// series up to date.
func (t *Tenant) insertBatch(tx *Tx, b *batch) error {
	if err := tx.take(t.scope.Tenant(), bytesHeld, takeRecords, b.bytes()); err != nil {
		return err
	}
	rows := pointRows{conn: tx.conn}
	for _, r := range b.runs {
		series, last, err := t.addToSeries(tx, r, b.total(r, tx.Now))
		if err != nil {
			return err
		}
		seq := last - int64(len(r.points))
		for _, i := range r.points {
			seq++
			p := &b.points[i]
			if err := rows.add(series, int64(b.time(i, tx.Now)), seq, p.MetricValue, p.Metadata); err != nil {
				return err
			}
		}
	}
	return rows.flush()
}

// addToSeries counts a run in its series, which is made when it is missing, and
// returns the series' key and the seq of the run's last point.
func (t *Tenant) addToSeries(tx *Tx, r *run, sum total) (series, last int64, err error) {
	args := []any{t.scope.Tenant(), r.project, r.metricType, len(r.points), sum.min, sum.max, sum.sum, sum.firstTime, sum.lastTime, sum.last, r.metadata}
	read := func(r row) { series, last = r.int(0), r.int(1) }
	err = tx.queryRow(addToSeries, args, read)
	if errors.Is(err, errNoRow) {
		err = tx.queryRow(insertSeries, args, read)
	}
	return series, last, err
}

// pointRows gathers rows of the points table and inserts many at once.
type pointRows struct {
	conn *conn
	args []any // five for each row
}

const pointColumns = 5

func (p *pointRows) add(series, time, seq int64, value float64, metadata tenancy.Object) error {
	var kept any
	if keptBytes(metadata) > 0 {
		kept = string(metadata)
	}
	p.args = append(p.args, series, time, seq, value, kept)
	if len(p.args) < pointsAtOnce*pointColumns {
		return nil
	}
	return p.flush()
}

// keptBytes is how many bytes are kept of a point's metadata: none of an empty one.
func keptBytes(metadata tenancy.Object) int64 {
	if string(metadata) == "{}" {
		return 0
	}
	return int64(len(metadata))
}

// flush inserts what is gathered, by the largest statements that it fills.
func (p *pointRows) flush() error {
	args := p.args
	for _, size := range []int{pointsAtOnce, pointsAtOnce / 10, 1} {
		for n := size * pointColumns; len(args) >= n; args = args[n:] {
			if _, err := p.conn.exec(insertPoints[size], args[:n]...); err != nil {
				return err
			}
		}
	}
	p.args = p.args[:0]
	return nil
}
