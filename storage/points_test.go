package storage

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func TestPointsAreSelectedByTypeAndTime(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project, other := newProject(t, tenant, "p"), newProject(t, tenant, "other")
	var all []tracking.Point // in the order of a list
	for _, metricType := range []string{"a", "ab", "b"} {
		for seconds := range int64(7) {
			all = append(all, point(project.ID, metricType, seconds*10, float64(len(all))), point(project.ID, metricType, seconds*10, float64(len(all))+0.5))
		}
	}
	addPoints(t, tenant, all...)
	addPoints(t, tenant, point(other.ID, "a", 10, 1000))
	second := func(n int64) *tenancy.Time { return ptr(tenancy.Time(n * 1_000_000)) }

	for _, test := range []struct {
		name string
		r    PointRange
		keep func(p tracking.Point) bool
	}{
		{"everything", PointRange{}, func(tracking.Point) bool { return true }},
		{"one type", PointRange{MetricType: "a"}, func(p tracking.Point) bool { return p.MetricType == "a" }},
		{"a type that is not there", PointRange{MetricType: "aa"}, func(tracking.Point) bool { return false }},
		{"from a point's time on", PointRange{From: second(30)}, func(p tracking.Point) bool { return *p.Timestamp >= *second(30) }},
		{"until before a point's time", PointRange{Until: second(30)}, func(p tracking.Point) bool { return *p.Timestamp < *second(30) }},
		{"between, of one type", PointRange{MetricType: "ab", From: second(15), Until: second(41)}, func(p tracking.Point) bool {
			return p.MetricType == "ab" && *p.Timestamp >= *second(15) && *p.Timestamp < *second(41)
		}},
		{"nothing between", PointRange{From: second(31), Until: second(39)}, func(tracking.Point) bool { return false }},
		{"until before from", PointRange{From: second(40), Until: second(10)}, func(tracking.Point) bool { return false }},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.r.Project = project.ID
			var want []tracking.Point
			for _, p := range all {
				if test.keep(p) {
					want = append(want, p)
				}
			}
			for _, limit := range []int{1, 2, 3, 5, 500} {
				got := allPoints(t, tenant, test.r, "timestamp", limit)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("forward by %d: %s", limit, diff)
				}
				// Backward, each type is reversed, and the types are not.
				got = allPoints(t, tenant, test.r, "-timestamp", limit)
				for i := 0; i < len(got); {
					end := i
					for end < len(got) && got[end].MetricType == got[i].MetricType {
						end++
					}
					slices.Reverse(got[i:end])
					i = end
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("backward by %d: %s", limit, diff)
				}
			}
		})
	}
}

func TestAPageOfPointsIsRefused(t *testing.T) {
	s := openStore(t)
	tenant, stranger := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	project, other := newProject(t, tenant, "p"), newProject(t, tenant, "other")
	for _, p := range []tenancy.ID{project.ID, other.ID} {
		addPoints(t, tenant, point(p, "m", 1, 1), point(p, "m", 2, 2), point(p, "n", 3, 3))
	}
	first, err := tenant.Points(background, PointRange{Project: project.ID, MetricType: "m"}, Page{Limit: 1})
	if err != nil || first.Next == "" {
		t.Fatalf("got %+v, %v", first, err)
	}
	for _, test := range []struct {
		name   string
		tenant *Tenant
		r      PointRange
		page   Page
		want   problem.Code
	}{
		{"another tenant's project", stranger, PointRange{Project: project.ID}, Page{Limit: 1}, problem.NotFound},
		{"no such project", tenant, PointRange{Project: tenancy.NewID()}, Page{Limit: 1}, problem.NotFound},
		{"no limit", tenant, PointRange{Project: project.ID}, Page{}, problem.Validation},
		{"a limit too high", tenant, PointRange{Project: project.ID}, Page{Limit: MaxLimit + 1}, problem.Validation},
		{"an unknown order", tenant, PointRange{Project: project.ID}, Page{Limit: 1, Sort: "value"}, problem.Validation},
		{"the cursor of another project", tenant, PointRange{Project: other.ID, MetricType: "m"}, Page{Limit: 1, Cursor: first.Next}, problem.Malformed},
		{"the cursor of another type", tenant, PointRange{Project: project.ID, MetricType: "n"}, Page{Limit: 1, Cursor: first.Next}, problem.Malformed},
		{"the cursor of another order", tenant, PointRange{Project: project.ID, MetricType: "m"}, Page{Limit: 1, Sort: "-timestamp", Cursor: first.Next}, problem.Malformed},
		{"no cursor at all", tenant, PointRange{Project: project.ID, MetricType: "m"}, Page{Limit: 1, Cursor: "x"}, problem.Malformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.tenant.Points(background, test.r, test.page)
			wantCode(t, err, test.want)
		})
	}
}

// TestNarrowingBetweenPages holds a page to the range of its own request, not of
// the page before.
func TestNarrowingBetweenPages(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	for seconds := range int64(10) {
		addPoints(t, tenant, point(project.ID, "m", seconds, float64(seconds)))
	}
	for _, test := range []struct {
		sort        string
		from, until int64
		want        []float64
	}{
		{"timestamp", 5, 8, []float64{5, 6, 7}},
		{"-timestamp", 2, 5, []float64{4, 3, 2}},
	} {
		first, err := tenant.Points(background, PointRange{Project: project.ID}, Page{Limit: 2, Sort: test.sort})
		if err != nil {
			t.Fatal(err)
		}
		r := PointRange{Project: project.ID, From: ptr(tenancy.Time(test.from * 1_000_000)), Until: ptr(tenancy.Time(test.until * 1_000_000))}
		second, err := tenant.Points(background, r, Page{Limit: 50, Sort: test.sort, Cursor: first.Next})
		if err != nil {
			t.Fatal(err)
		}
		var got []float64
		for _, p := range second.Items {
			got = append(got, p.MetricValue)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.sort, diff)
		}
	}
}
