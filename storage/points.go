package storage

import (
	"cmp"
	"context"
	"errors"
	"math"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	selectSeries = `SELECT id, metric_type, points, first_time, last_time FROM series
		WHERE tenant_id = $1 AND project_id = $2 AND metric_type = $3`

	selectSeriesFrom = `SELECT id, metric_type, points, first_time, last_time FROM series
		WHERE tenant_id = $1 AND project_id = $2 AND metric_type >= $3 ORDER BY metric_type`

	// Points have no tenant_id of their own: their series, found above, is the
	// tenant's. Sequence numbers begin at 1, so (time, 0) stands before every
	// point of that time.
	selectPoints = `SELECT time, seq, value, metadata FROM points
		WHERE series = $1 AND (time, seq) > ($2, $3) AND time < $4 ORDER BY time, seq LIMIT $5`

	selectPointsBackward = `SELECT time, seq, value, metadata FROM points
		WHERE series = $1 AND (time, seq) < ($2, $3) AND time >= $4 ORDER BY time DESC, seq DESC LIMIT $5`
)

// PointRange selects points of a project.
type PointRange struct {
	Project    tenancy.ID
	MetricType string        // one type; all when empty
	From       *tenancy.Time // inclusive
	Until      *tenancy.Time // exclusive
}

func (r *PointRange) from() tenancy.Time {
	if r.From == nil {
		return math.MinInt64
	}
	return *r.From
}

func (r *PointRange) until() tenancy.Time {
	if r.Until == nil {
		return math.MaxInt64
	}
	return *r.Until
}

// pointPosition is where a page of points ended.
type pointPosition struct {
	metricType string
	time       tenancy.Time
	seq        int64
}

// Points returns one page of a project's points, in the order of their metric
// type, and within it in that of their time and arrival: oldest first, or
// newest first with the sort -timestamp.
func (t *Tenant) Points(ctx context.Context, r PointRange, page Page) (list List[tracking.Point], err error) {
	backward, err := checkPointPage(page)
	if err != nil {
		return list, err
	}
	name := "points " + r.Project.String() + " " + r.MetricType
	at, err := t.pointPosition(name, page)
	if err != nil {
		return list, err
	}
	list.Items = make([]tracking.Point, 0, min(page.Limit, DefaultLimit))
	var last pointPosition
	err = t.read(ctx, func(c *conn) error {
		return t.eachSeries(ctx, c, r, at.metricType, func(s seriesRow) error {
			return s.page(c, r, at, backward, page.Limit+1-len(list.Items), func(p tracking.Point, seq int64) error {
				if len(list.Items) == page.Limit {
					list.Next = t.encodeCursor(t.scope.Tenant(), name, page.Sort, last.position())
					return errEnough
				}
				list.Items = append(list.Items, p)
				last = pointPosition{p.MetricType, *p.Timestamp, seq}
				return nil
			})
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

// errEnough ends a walk whose caller has what it wants.
var errEnough = errors.New("storage: enough")

func checkPointPage(page Page) (backward bool, err error) {
	var c problem.Checks
	c.Require(page.Sort == "timestamp" || page.Sort == "-timestamp" || page.Sort == "", "query.sort", "must be timestamp or -timestamp")
	c.Require(page.Limit >= 1 && page.Limit <= MaxLimit, "query.limit", "must be 1 to %d", MaxLimit)
	return page.Sort == "-timestamp", c.Err()
}

// isBehind reports whether p comes after q in a series, or before it backward.
func (p pointPosition) isBehind(q pointPosition, backward bool) bool {
	order := cmp.Or(cmp.Compare(p.time, q.time), cmp.Compare(p.seq, q.seq))
	return (order > 0) != backward
}

func (p pointPosition) position() position {
	return position{Value: []any{p.metricType, int64(p.time), p.seq}}
}

// pointPosition reads the cursor of a page; the beginning when it has none.
func (t *Tenant) pointPosition(name string, page Page) (at pointPosition, err error) {
	if page.Cursor == "" {
		return at, nil
	}
	p, err := t.decodeCursor(t.scope.Tenant(), name, page.Sort, page.Cursor)
	if err != nil {
		return at, err
	}
	// What is signed for this list has its form.
	values := p.Value.([]any)
	return pointPosition{values[0].(string), tenancy.Time(values[1].(float64)), int64(values[2].(float64))}, nil
}

// seriesRow is a series that a walk has come to.
type seriesRow struct {
	id                  int64
	project             tenancy.ID
	metricType          string
	points              int64
	firstTime, lastTime tenancy.Time
}

// eachSeries calls each for the project's series in the order of their types,
// beginning with the type from. It answers not-found for a project that the
// tenant does not have.
func (t *Tenant) eachSeries(ctx context.Context, c *conn, r PointRange, from string, each func(seriesRow) error) error {
	if err := t.requireProject(c, r.Project); err != nil {
		return err
	}
	text := selectSeriesFrom
	if r.MetricType != "" {
		text, from = selectSeries, r.MetricType
	}
	return c.query(ctx, text, []any{t.scope.Tenant(), r.Project, from}, func(row row) error {
		return each(seriesRow{row.int(0), r.Project, row.text(1), row.int(2), row.time(3), row.time(4)})
	})
}

// page calls each for at most limit points of the series, within the range and
// behind a position.
func (s *seriesRow) page(c *conn, r PointRange, after pointPosition, backward bool, limit int, each func(tracking.Point, int64) error) error {
	text, begin, end := selectPoints, pointPosition{time: r.from()}, r.until()
	if backward {
		text, begin, end = selectPointsBackward, pointPosition{time: r.until()}, r.from()
	}
	if after.metricType == s.metricType && after.isBehind(begin, backward) {
		begin = after
	}
	return c.query(context.Background(), text, []any{s.id, begin.time, begin.seq, end, limit}, func(row row) error {
		at := row.time(0)
		p := tracking.Point{ProjectID: s.project, MetricType: s.metricType, MetricValue: row.float(2), Timestamp: &at}
		if !row.null(3) {
			p.Metadata = row.object(3)
		}
		return each(p, row.int(1))
	})
}

// requireProject answers not-found for a project that the tenant does not have.
func (t *Tenant) requireProject(c *conn, id tenancy.ID) error {
	status, err := t.projectStatus(c, id)
	if err == nil && status == "" {
		err = notFound(errNoRow, "project")
	}
	return err
}
