package storage

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// point returns a point at a number of seconds.
func point(project tenancy.ID, metricType string, seconds int64, value float64) tracking.Point {
	at := tenancy.Time(seconds * 1_000_000)
	return tracking.Point{ProjectID: project, MetricType: metricType, MetricValue: value, Timestamp: &at}
}

func addPoints(t testing.TB, tenant *Tenant, points ...tracking.Point) {
	t.Helper()
	if _, err := tenant.AddPoints(background, points, Idempotency{}); err != nil {
		t.Fatal(err)
	}
}

// allPoints reads every point of a project, in pages of limit.
func allPoints(t testing.TB, tenant *Tenant, r PointRange, sort string, limit int) (points []tracking.Point) {
	t.Helper()
	for page := (Page{Limit: limit, Sort: sort}); ; {
		list, err := tenant.Points(background, r, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) > limit || (list.Next != "" && len(list.Items) < limit) {
			t.Fatalf("a page of %d has %d items, next %q", limit, len(list.Items), list.Next)
		}
		points = append(points, list.Items...)
		if page.Cursor = list.Next; page.Cursor == "" {
			return points
		}
	}
}

// violations returns the places that a refusal names.
func violations(t testing.TB, err error) (places []string) {
	t.Helper()
	wantCode(t, err, problem.Validation)
	var refusal *problem.Error
	errors.As(err, &refusal)
	for _, v := range refusal.Violations {
		places = append(places, v.Location)
	}
	return slices.Compact(places)
}

func TestAPointComesBackAsItWasRecorded(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	given := point(project.ID, "Σ per week", 1_000, -2.5e-300)
	given.Metadata = tenancy.Object(`{"branch":"main","n":[1,null]}`)
	stored, replayed, err := tenant.AddPoint(background, given, Idempotency{})
	if err != nil || replayed {
		t.Fatal(err, replayed)
	}
	if diff := cmp.Diff(given, stored); diff != "" {
		t.Error("stored:", diff)
	}
	if diff := cmp.Diff([]tracking.Point{given}, allPoints(t, tenant, PointRange{Project: project.ID}, "", 50)); diff != "" {
		t.Error("read:", diff)
	}
}

func TestAPointWithoutATimestampHasThatOfItsArrival(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	before := tenancy.TimeOf(s.now())
	stored, _, err := tenant.AddPoint(background, tracking.Point{ProjectID: project.ID, MetricType: "m", MetricValue: 1}, Idempotency{})
	after := tenancy.TimeOf(s.now())
	if err != nil {
		t.Fatal(err)
	}
	if stored.Timestamp == nil || *stored.Timestamp < before || *stored.Timestamp > after {
		t.Errorf("recorded at %v, between %v and %v", stored.Timestamp, before, after)
	}
	if diff := cmp.Diff([]tracking.Point{stored}, allPoints(t, tenant, PointRange{Project: project.ID}, "", 50)); diff != "" {
		t.Error("read:", diff)
	}
}

func TestEmptyMetadataIsNotKept(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	p := point(project.ID, "m", 1, 1)
	p.Metadata = tenancy.Object("{}")
	addPoints(t, tenant, p, point(project.ID, "m", 2, 1))
	if n := count(t, s, "SELECT count(metadata) FROM points"); n != 0 {
		t.Errorf("%d points have metadata, want none", n)
	}
}

func TestARefusedBatchLeavesNothing(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	project, theirs := newProject(t, tenant, "p"), newProject(t, other, "p")
	addPoints(t, tenant, point(project.ID, "known", 10, 5))
	summary := seriesRows(t, s)

	good := point(project.ID, "known", 11, 6)
	many := make([]tracking.Point, tracking.MaxBatchPoints+1)
	for i := range many {
		many[i] = good
	}
	at := func(time tenancy.Time) tracking.Point { p := good; p.Timestamp = &time; return p }
	with := func(change func(*tracking.Point)) tracking.Point { p := good; change(&p); return p }
	for _, test := range []struct {
		name   string
		batch  []tracking.Point
		places []string
	}{
		{"another tenant's project", []tracking.Point{good, point(theirs.ID, "m", 1, 1)}, []string{"body[1].project_id"}},
		{"no such project", []tracking.Point{point(tenancy.NewID(), "m", 1, 1), good}, []string{"body[0].project_id"}},
		{"several unknown projects in new series", []tracking.Point{point(project.ID, "new", 1, 1), point(theirs.ID, "a", 1, 1), good, point(theirs.ID, "b", 1, 1), point(tenancy.NewID(), "a", 1, 1)},
			[]string{"body[1].project_id", "body[3].project_id", "body[4].project_id"}},
		{"no project", []tracking.Point{with(func(p *tracking.Point) { p.ProjectID = tenancy.ID{} })}, []string{"body[0].project_id"}},
		{"NaN", []tracking.Point{good, with(func(p *tracking.Point) { p.MetricValue = math.NaN() })}, []string{"body[1].metric_value"}},
		{"infinite", []tracking.Point{with(func(p *tracking.Point) { p.MetricValue = math.Inf(-1) })}, []string{"body[0].metric_value"}},
		{"before 1970", []tracking.Point{at(-1), good}, []string{"body[0].timestamp"}},
		{"after 2199", []tracking.Point{good, good, at(tenancy.EndTime)}, []string{"body[2].timestamp"}},
		{"an empty type", []tracking.Point{with(func(p *tracking.Point) { p.MetricType = "" })}, []string{"body[0].metric_type"}},
		{"a type too long", []tracking.Point{with(func(p *tracking.Point) { p.MetricType = strings.Repeat("é", 101) })}, []string{"body[0].metric_type"}},
		{"a type that is not UTF-8", []tracking.Point{with(func(p *tracking.Point) { p.MetricType = "a\xff" })}, []string{"body[0].metric_type"}},
		{"everything at once", []tracking.Point{with(func(p *tracking.Point) { p.MetricType, p.MetricValue = "", math.Inf(1) }), good, at(tenancy.EndTime)},
			[]string{"body[0].metric_type", "body[0].metric_value", "body[2].timestamp"}},
		{"one point too many", many, []string{"body"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tenant.AddPoints(background, test.batch, Idempotency{Key: test.name, Fingerprint: []byte("f")})
			if diff := cmp.Diff(test.places, violations(t, err)); diff != "" {
				t.Error("places:", diff)
			}
			if diff := cmp.Diff(summary, seriesRows(t, s)); diff != "" {
				t.Error("the series changed:", diff)
			}
			if n := count(t, s, "SELECT count(*) FROM points") + count(t, s, "SELECT count(*) FROM idempotency_keys"); n != 1 {
				t.Errorf("%d rows are there, want the one point", n)
			}
		})
	}

	_, _, err := tenant.AddPoint(background, point(theirs.ID, "m", 1, 1), Idempotency{})
	if diff := cmp.Diff([]string{"body.project_id"}, violations(t, err)); diff != "" {
		t.Error("a single point's place:", diff)
	}
}

func TestALargestBatchIsTaken(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	batch := make([]tracking.Point, tracking.MaxBatchPoints)
	for i := range batch {
		batch[i] = point(project.ID, fmt.Sprint("m", i%3), int64(i), float64(i))
	}
	addPoints(t, tenant, batch...)
	if n := count(t, s, "SELECT count(*) FROM points"); n != tracking.MaxBatchPoints {
		t.Errorf("got %d points, want %d", n, tracking.MaxBatchPoints)
	}
	addPoints(t, tenant) // an empty batch is nothing to refuse
}

func TestARepeatedBatchIsRecordedOnce(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	p := tracking.Point{ProjectID: project.ID, MetricType: "m", MetricValue: 1}
	request := Idempotency{Key: "k", Fingerprint: []byte("f")}
	first, _, err := tenant.AddPoint(background, p, request)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := tenant.AddPoint(background, p, request)
	if err != nil || !replayed {
		t.Fatalf("got %v, replayed %v", err, replayed)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error("the repeated answer differs:", diff)
	}
	for _, want := range []bool{false, true} {
		if replayed, err := tenant.AddPoints(background, []tracking.Point{p, p}, Idempotency{Key: "batch", Fingerprint: []byte("g")}); err != nil || replayed != want {
			t.Errorf("got %v, replayed %v, want %v", err, replayed, want)
		}
	}
	_, err = tenant.AddPoints(background, []tracking.Point{p}, Idempotency{Key: "batch", Fingerprint: []byte("h")})
	wantCode(t, err, problem.IdempotencyMismatch)
	if n := count(t, s, "SELECT count(*) FROM points"); n != 3 {
		t.Errorf("got %d points, want 3", n)
	}
}

// TestPointsOfOneTime keeps duplicates apart by their arrival, and lets late
// points stand where they belong.
func TestPointsOfOneTime(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	addPoints(t, tenant, point(project.ID, "m", 20, 1), point(project.ID, "m", 20, 2))
	addPoints(t, tenant, point(project.ID, "m", 10, 3))
	addPoints(t, tenant, point(project.ID, "m", 20, 4), point(project.ID, "m", 5, 5))
	var got []float64
	for _, p := range allPoints(t, tenant, PointRange{Project: project.ID, MetricType: "m"}, "", 2) {
		got = append(got, p.MetricValue)
	}
	if diff := cmp.Diff([]float64{5, 3, 1, 2, 4}, got); diff != "" {
		t.Error(diff)
	}
}

// summaryRow is what the database holds of a series' summary.
type summaryRow struct {
	Project             tenancy.ID
	MetricType          string
	Points              int64
	Min, Max, Sum, Last float64
	First, LastTime     int64
}

func seriesRows(t testing.TB, s *Store) (rows []summaryRow) {
	t.Helper()
	err := s.read(background, func(c *conn) error {
		return c.query(background, `SELECT project_id, metric_type, points, value_min, value_max, value_sum, last_value, first_time, last_time
			FROM series ORDER BY project_id, metric_type`, nil, func(r row) error {
			rows = append(rows, summaryRow{r.id(0), r.text(1), r.int(2), r.float(3), r.float(4), r.float(5), r.float(6), r.int(7), r.int(8)})
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestSummariesEqualTheirPoints records random batches, some of them refused,
// and compares the series rows with an aggregate over the points, and the points
// with a model.
func TestSummariesEqualTheirPoints(t *testing.T) {
	s := openStore(t)
	tenants := []*Tenant{newTenant(t, s, "acme"), newTenant(t, s, "beta")}
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		type owned struct {
			tenant  *Tenant
			project tenancy.ID
		}
		var projects []owned
		for i, tenant := range tenants {
			for j := range 2 {
				projects = append(projects, owned{tenant, newProject(t, tenant, fmt.Sprint(n, i, j)).ID})
			}
		}
		value := rapid.OneOf(rapid.Float64Range(-10, 10), rapid.SampledFrom([]float64{0, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e300, 1e17}))
		model := map[tenancy.ID][]tracking.Point{} // in the order of arrival
		for range rapid.IntRange(1, 8).Draw(r, "batches") {
			tenant := rapid.SampledFrom(tenants).Draw(r, "tenant")
			var batch []tracking.Point
			accepted := true
			for range rapid.IntRange(0, 250).Draw(r, "points") {
				at := rapid.SampledFrom(projects).Draw(r, "project")
				if at.tenant != tenant {
					// Mostly the tenant's own: a batch with one that is not is refused.
					if !rapid.Bool().Draw(r, "keep") {
						continue
					}
					at.tenant, at.project = tenant, projects[slices.Index(tenants, tenant)*2].project
				}
				batch = append(batch, point(at.project, rapid.SampledFrom([]string{"a", "b", "ü"}).Draw(r, "type"), rapid.Int64Range(0, 20).Draw(r, "time"), value.Draw(r, "value")))
			}
			if len(batch) > 0 && rapid.IntRange(0, 3).Draw(r, "refuse") == 0 {
				accepted = false
				i := rapid.IntRange(0, len(batch)-1).Draw(r, "where")
				if rapid.Bool().Draw(r, "foreign") {
					batch[i].ProjectID = projects[(slices.Index(tenants, tenant)*2+2)%4].project
				} else {
					batch[i].MetricValue = math.NaN()
				}
			}
			_, err := tenant.AddPoints(background, batch, Idempotency{})
			if (err == nil) != accepted {
				r.Fatalf("got %v, accepted should be %v", err, accepted)
			}
			for _, p := range batch {
				if accepted {
					model[p.ProjectID] = append(model[p.ProjectID], p)
				}
			}
		}
		var want []summaryRow
		for _, at := range projects {
			points := slices.Clone(model[at.project])
			want = append(want, aggregate(points)...)
			slices.SortStableFunc(points, func(a, b tracking.Point) int {
				if c := strings.Compare(a.MetricType, b.MetricType); c != 0 {
					return c
				}
				return int(*a.Timestamp - *b.Timestamp)
			})
			if diff := cmp.Diff(points, allPoints(t, at.tenant, PointRange{Project: at.project}, "", 60), cmpopts.EquateEmpty()); diff != "" {
				r.Fatal("points (-model +read):", diff)
			}
		}
		got := seriesRows(t, s)
		got = slices.DeleteFunc(got, func(s summaryRow) bool {
			return !slices.ContainsFunc(projects, func(o owned) bool { return o.project == s.Project })
		})
		slices.SortFunc(want, func(a, b summaryRow) int {
			if c := slices.Compare(a.Project[:], b.Project[:]); c != 0 {
				return c
			}
			return strings.Compare(a.MetricType, b.MetricType)
		})
		for i := range min(len(got), len(want)) {
			if math.IsInf(got[i].Sum, 0) || math.IsNaN(got[i].Sum) {
				r.Fatalf("the sum of %s is %v", got[i].MetricType, got[i].Sum)
			}
			if math.IsInf(want[i].Sum, 0) || math.Abs(got[i].Sum-want[i].Sum) <= 1e-9*math.Abs(want[i].Sum) {
				got[i].Sum = want[i].Sum
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatal("series (-aggregate +row):", diff)
		}
	})
	checkIntegrity(t, s)
}

// aggregate derives the summaries of a project's points, given in the order of
// arrival. A sum that overflows on the way, or loses more digits than the
// comparison allows, is infinite: not to be compared.
func aggregate(points []tracking.Point) (rows []summaryRow) {
	types := map[string][]tracking.Point{}
	for _, p := range points {
		types[p.MetricType] = append(types[p.MetricType], p)
	}
	for name, points := range types {
		row := summaryRow{Project: points[0].ProjectID, MetricType: name, Points: int64(len(points)), Min: math.Inf(1), Max: math.Inf(-1), First: math.MaxInt64}
		sum, size := new(big.Float).SetPrec(3000), 0.0
		for _, p := range points {
			row.Min, row.Max = min(row.Min, p.MetricValue), max(row.Max, p.MetricValue)
			row.First = min(row.First, int64(*p.Timestamp))
			if int64(*p.Timestamp) >= row.LastTime {
				row.LastTime, row.Last = int64(*p.Timestamp), p.MetricValue
			}
			sum.Add(sum, big.NewFloat(p.MetricValue))
			size += math.Abs(p.MetricValue)
		}
		row.Sum, _ = sum.Float64()
		if math.Abs(row.Sum) < size*1e-6 || math.IsInf(size, 0) {
			row.Sum = math.Inf(1)
		}
		rows = append(rows, row)
	}
	return rows
}
