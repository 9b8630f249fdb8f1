package storage

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func TestFewSamplesAreReturnedAsTheyAre(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	var want []tracking.Sample
	for i := range 50 {
		addPoints(t, tenant, point(project.ID, "m", int64(i), float64(i*i%17)), point(project.ID, "other", int64(i), -1))
		want = append(want, tracking.Sample{Time: tenancy.Time(i * 1_000_000), Value: float64(i * i % 17)})
	}
	for _, test := range []struct {
		name string
		r    PointRange
		want []tracking.Sample
	}{
		{"all", PointRange{MetricType: "m"}, want},
		{"a range", PointRange{MetricType: "m", From: ptr(tenancy.Time(10_000_000)), Until: ptr(tenancy.Time(20_000_000))}, want[10:20]},
		{"an empty range", PointRange{MetricType: "m", From: ptr(tenancy.Time(20_000_000)), Until: ptr(tenancy.Time(10_000_000))}, nil},
		{"another type", PointRange{MetricType: "none"}, nil},
	} {
		test.r.Project = project.ID
		got, err := tenant.Samples(background, test.r, 50)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	_, err := tenant.Samples(background, PointRange{Project: tenancy.NewID(), MetricType: "m"}, 50)
	wantCode(t, err, problem.NotFound)
}

// TestALargeSeriesIsSampled keeps the ends and the outliers of a series that is
// larger than may be held, in memory that is bounded.
func TestALargeSeriesIsSampled(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	const n = heldSamples + 10_000
	batch := make([]tracking.Point, 0, tracking.MaxBatchPoints)
	for i := range n {
		value := math.Sin(float64(i) / 5_000)
		switch i {
		case 77_777:
			value = 40
		case 199_999:
			value = -40
		}
		if batch = append(batch, point(project.ID, "m", int64(i), value)); len(batch) == cap(batch) {
			addPoints(t, tenant, batch...)
			batch = batch[:0]
		}
	}
	var series seriesRow
	err := s.read(background, func(c *conn) error {
		return tenant.eachSeries(background, c, PointRange{Project: project.ID, MetricType: "m"}, "", func(found seriesRow) error { series = found; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if held, err := tenant.samples(background, &series, PointRange{}); err != nil || len(held) == 0 || len(held) > heldSamples {
		t.Errorf("%d samples are held, %v", len(held), err)
	}
	for _, points := range []int{2, 100, 1_000} {
		got, err := tenant.Samples(background, PointRange{Project: project.ID, MetricType: "m"}, points)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > points || got[0].Time != 0 || got[len(got)-1].Time != (n-1)*1_000_000 {
			t.Fatalf("%d samples from %v to %v", len(got), got[0].Time, got[len(got)-1].Time)
		}
		low, high := 0.0, 0.0
		for i, sample := range got {
			low, high = min(low, sample.Value), max(high, sample.Value)
			if i > 0 && sample.Time <= got[i-1].Time {
				t.Fatalf("sample %d is out of order", i)
			}
		}
		if points >= 4 && (low != -40 || high != 40) {
			t.Errorf("of %d points the extremes are %v and %v", points, low, high)
		}
	}
	part, err := tenant.Samples(background, PointRange{Project: project.ID, MetricType: "m", From: ptr(tenancy.Time(77_777_000_000)), Until: ptr(tenancy.Time(77_780_000_000))}, 1_000)
	want := []tracking.Sample{{Time: 77_777_000_000, Value: 40}, {Time: 77_778_000_000, Value: math.Sin(77_778.0 / 5_000)}, {Time: 77_779_000_000, Value: math.Sin(77_779.0 / 5_000)}}
	if diff := cmp.Diff(want, part); diff != "" || err != nil {
		t.Error("a part:", diff, err)
	}
	if none, err := tenant.Samples(background, PointRange{Project: project.ID, MetricType: "m", From: ptr(tenancy.EndTime)}, 10); len(none) != 0 || err != nil {
		t.Error("behind the end:", none, err)
	}
}

func TestSummariesFollowThePoints(t *testing.T) {
	s := openStore(t)
	tenant, stranger := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	project, other := newProject(t, tenant, "p"), newProject(t, tenant, "other")
	addPoints(t, tenant, point(project.ID, "b", 30, 6), point(project.ID, "b", 10, -2), point(project.ID, "a", 5, 1), point(other.ID, "a", 1, 99))
	addPoints(t, tenant, point(project.ID, "b", 20, 5), point(project.ID, "b", 30, 3)) // late, and a second value at the newest time
	want := []tracking.MetricSummary{
		{MetricType: "a", Count: 1, Min: 1, Max: 1, Mean: 1, Latest: 1, FirstTime: 5_000_000, LastTime: 5_000_000},
		{MetricType: "b", Count: 4, Min: -2, Max: 6, Mean: 3, Latest: 3, FirstTime: 10_000_000, LastTime: 30_000_000},
	}
	got, err := tenant.MetricSummaries(background, project.ID, Page{Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Items); diff != "" || got.Next != "" {
		t.Error(diff, got.Next)
	}
	_, err = stranger.MetricSummaries(background, project.ID, Page{Limit: 50})
	wantCode(t, err, problem.NotFound)
	_, err = tenant.MetricSummaries(background, project.ID, Page{})
	wantCode(t, err, problem.Validation)
}

func TestSummariesArePaged(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project, other := newProject(t, tenant, "p"), newProject(t, tenant, "other")
	var batch []tracking.Point
	var want []string
	for i := range 11 {
		want = append(want, fmt.Sprintf("metric %02d", i))
		batch = append(batch, point(project.ID, want[i], 1, 1))
	}
	addPoints(t, tenant, batch...)
	for _, limit := range []int{1, 5, 11} {
		var got []string
		for page := (Page{Limit: limit}); ; {
			list, err := tenant.MetricSummaries(background, project.ID, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, summary := range list.Items {
				got = append(got, summary.MetricType)
			}
			if page.Cursor = list.Next; page.Cursor == "" {
				break
			}
			_, err = tenant.MetricSummaries(background, other.ID, page)
			wantCode(t, err, problem.Malformed)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
}

// TestAMeanStaysWithinItsValues though their sum does not fit a float64.
func TestAMeanStaysWithinItsValues(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	for range 3 {
		addPoints(t, tenant, point(project.ID, "m", 1, math.MaxFloat64), point(project.ID, "m", 1, math.MaxFloat64))
	}
	got, err := tenant.MetricSummaries(background, project.ID, Page{Limit: 1})
	if err != nil || got.Items[0].Mean != math.MaxFloat64 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestScoresUseTheLatestValues(t *testing.T) {
	s := openStore(t)
	tenant, stranger := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	project, empty := newProject(t, tenant, "p"), newProject(t, tenant, "empty")
	addPoints(t, tenant, point(project.ID, "commits_per_week", 30, 10), point(project.ID, "commits_per_week", 20, 99),
		point(project.ID, "pipeline_success_rate", 1, 0.5), point(project.ID, "contributors", 1, 5), point(project.ID, "commits", 1, 50),
		point(project.ID, "active_branches", 9, 1), point(project.ID, "active_branches", 9, 5))
	use(t, s, tenant, project.ID, 3)

	velocity, err := tenant.Velocity(background, project.ID)
	if want := 30*0.5 + 30*0.5 + 40*0.3; err != nil || velocity.Score == nil || math.Abs(*velocity.Score-want) > 1e-9 {
		t.Errorf("velocity is %+v, %v, want %v", velocity, err, want)
	}
	collaboration, err := tenant.Collaboration(background, project.ID)
	if want := 40*0.5 + 40*0.5 + 20*0.5; err != nil || collaboration.Score == nil || math.Abs(*collaboration.Score-want) > 1e-9 {
		t.Errorf("collaboration is %+v, %v, want %v", collaboration, err, want)
	}
	for name, score := range map[string]func(*Tenant, tenancy.ID) (tracking.Score, error){
		"velocity":      func(t *Tenant, id tenancy.ID) (tracking.Score, error) { return t.Velocity(background, id) },
		"collaboration": func(t *Tenant, id tenancy.ID) (tracking.Score, error) { return t.Collaboration(background, id) },
	} {
		if got, err := score(tenant, empty.ID); err != nil || got.Score != nil {
			t.Errorf("%s of nothing is %+v, %v", name, got, err)
		}
		_, err := score(stranger, project.ID)
		wantCode(t, err, problem.NotFound)
	}
}

// use records the use of n artifacts in a project, the first of them twice.
func use(t testing.TB, s *Store, tenant *Tenant, project tenancy.ID, n int) {
	t.Helper()
	err := tenant.write(background, func(tx *Tx) error {
		for i := range n {
			artifact := tenancy.NewID()
			if _, err := tx.exec(`INSERT INTO artifacts (tenant_id, id, name, type, version, created_at, updated_at) VALUES ($1, $2, $3, 'model', '1', $4, $4)`,
				tenant.scope.Tenant(), artifact, fmt.Sprint("artifact ", i), tx.Now); err != nil {
				return err
			}
			for range 1 + (n-i)/n {
				if _, err := tx.exec(`INSERT INTO artifact_usage (tenant_id, id, artifact_id, project_id, used_at) VALUES ($1, $2, $3, $4, $5)`,
					tenant.scope.Tenant(), tenancy.NewID(), artifact, project, tx.Now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, s, "SELECT count(*) FROM artifact_usage"); got != int64(n)+1 {
		t.Fatalf("%d uses are recorded, want %d", got, n+1)
	}
}
