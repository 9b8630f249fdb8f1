package storage

import (
	"math"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// batch is points that were found valid, sorted by series.
type batch struct {
	points []tracking.Point
	place  func(i int) string // names a point in an answer
	runs   []*run
}

// run is the points of one series in a batch.
type run struct {
	project    tenancy.ID
	metricType string
	points     []int // indexes into the batch, in the order they came
	metadata   int64 // bytes of it
}

// newBatch validates points and sorts them by series. It is the work that needs
// no transaction, so that others do not wait for it.
func newBatch(points []tracking.Point, place func(i int) string) (*batch, error) {
	if err := checkPoints(points, place); err != nil {
		return nil, err
	}
	type series struct {
		project    tenancy.ID
		metricType string
	}
	b := &batch{points: points, place: place}
	runs := make(map[series]*run)
	for i := range points {
		p := &points[i]
		r := runs[series{p.ProjectID, p.MetricType}]
		if r == nil {
			r = &run{project: p.ProjectID, metricType: p.MetricType}
			runs[series{p.ProjectID, p.MetricType}] = r
			b.runs = append(b.runs, r)
		}
		r.points = append(r.points, i)
		r.metadata += keptBytes(p.Metadata)
	}
	return b, nil
}

func checkPoints(points []tracking.Point, place func(i int) string) error {
	var c problem.Checks
	if c.Require(len(points) <= tracking.MaxBatchPoints, "body", "must have at most %d points", tracking.MaxBatchPoints); c.Err() != nil {
		return c.Err()
	}
	for i := range points {
		points[i].Check(&c, "")
	}
	if c.Err() == nil {
		return nil
	}
	// The places are named only now: they cost more than the checks.
	c = problem.Checks{}
	for i := range points {
		points[i].Check(&c, place(i))
	}
	return c.Err()
}

// time returns when the i-th point was measured.
func (b *batch) time(i int, now tenancy.Time) tenancy.Time {
	if at := b.points[i].Timestamp; at != nil {
		return *at
	}
	return now
}

// total is what a run adds to the summary of its series.
type total struct {
	min, max, sum       float64
	firstTime, lastTime tenancy.Time
	last                float64 // of the points at lastTime, the one that came last
}

func (b *batch) total(r *run, now tenancy.Time) total {
	t := total{min: math.Inf(1), max: math.Inf(-1), firstTime: math.MaxInt64, lastTime: math.MinInt64}
	for _, i := range r.points {
		value, at := b.points[i].MetricValue, b.time(i, now)
		t.min, t.max = min(t.min, value), max(t.max, value)
		// As in the series row, a sum that no float64 can hold stays at the
		// largest: it must not become infinite, nor NaN when values cancel out.
		t.sum = min(max(t.sum+value, -math.MaxFloat64), math.MaxFloat64)
		t.firstTime = min(t.firstTime, at)
		if at >= t.lastTime {
			t.last, t.lastTime = value, at
		}
	}
	return t
}

// bytes is what the batch's points count towards the tenant's storage.
func (b *batch) bytes() (n int64) {
	for _, r := range b.runs {
		n += r.bytes()
	}
	return n
}

func (r *run) bytes() int64 { return pointBytes*int64(len(r.points)) + r.metadata }

// projects returns the distinct projects of the batch.
func (b *batch) projects() []tenancy.ID {
	var ids []tenancy.ID
	seen := make(map[tenancy.ID]bool, 1)
	for _, r := range b.runs {
		if !seen[r.project] {
			seen[r.project] = true
			ids = append(ids, r.project)
		}
	}
	return ids
}

// unknown names the points of projects that the tenant does not have.
func (b *batch) unknown(projects map[tenancy.ID]bool) error {
	var c problem.Checks
	for i := range b.points {
		if projects[b.points[i].ProjectID] {
			c.Refuse(b.place(i)+".project_id", "must be a project of the tenant")
		}
	}
	return c.Err()
}
