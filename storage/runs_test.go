package storage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	minute tenancy.Time = 60 * 1_000_000
	// aMonday is 2026-03-02.
	aMonday tenancy.Time = 1772409600_000000
)

// report is what is said of a run that ended, minutes after aMonday began.
func report(id string, status tracking.RunStatus, minutes int, change ...func(*tracking.RunFields)) tracking.RunFields {
	f := tracking.RunFields{RunID: id, Status: status, StartedAt: ptr(aMonday)}
	if status.Final() {
		f.FinishedAt = ptr(aMonday + tenancy.Time(minutes)*minute)
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func deploying(f *tracking.RunFields) { f.Deployment = true }

func recordRun(t testing.TB, tenant *Tenant, project tenancy.ID, f tracking.RunFields) tracking.PipelineRun {
	t.Helper()
	run, _, err := tenant.RecordRun(background, project, f)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func allRuns(t testing.TB, tenant *Tenant, project tenancy.ID, limit int) (runs []tracking.PipelineRun) {
	t.Helper()
	page := Page{Limit: limit, Sort: "created_at"}
	for {
		list, err := tenant.Runs(background, project, page)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, list.Items...)
		if page.Cursor = list.Next; page.Cursor == "" {
			return runs
		}
	}
}

// series returns the values of a metric type, by the days since aMonday.
func seriesOf(t testing.TB, tenant *Tenant, project tenancy.ID, metricType string) map[int]float64 {
	t.Helper()
	values := map[int]float64{}
	for _, p := range allPoints(t, tenant, PointRange{Project: project, MetricType: metricType}, "", 100) {
		values[int((*p.Timestamp-aMonday)/(24*60*minute))] = p.MetricValue
	}
	return values
}

func TestARunIsOneRowHoweverOftenItIsReported(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p").ID
	first := recordRun(t, tenant, p, report("1", tracking.RunQueued, 0))
	for _, f := range []tracking.RunFields{report("1", tracking.RunFailure, 10), report("1", tracking.RunRunning, 0), report("1", tracking.RunFailure, 10), report("1", tracking.RunSuccess, 30)} {
		if got := recordRun(t, tenant, p, f); got.ID != first.ID {
			t.Errorf("another report made another run")
		}
	}
	recordRun(t, tenant, p, report("1", tracking.RunFailure, 50, func(f *tracking.RunFields) { f.Provider = "jenkins" }))
	runs := allRuns(t, tenant, p, 1)
	if len(runs) != 2 || runs[0].Status != tracking.RunSuccess || *runs[0].DurationSeconds != 1800 || *runs[0].Week != aMonday {
		t.Fatalf("the runs are %+v", runs)
	}
	want := map[string]map[int]float64{"pipeline_success_rate": {0: 0.5}, "pipeline_duration": {0: 2400}}
	for name, series := range want {
		if diff := cmp.Diff(series, seriesOf(t, tenant, p, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	velocity, err := tenant.Velocity(background, p)
	if err != nil || velocity.Score == nil || *velocity.Score != 15 {
		t.Errorf("the velocity is %+v, %v, want 15: half of the runs succeed", velocity, err)
	}
	points := allPoints(t, tenant, PointRange{Project: p, MetricType: "pipeline_success_rate"}, "", 10)
	if got := string(points[0].Metadata); got != `{"runs":2,"source":"pipelines"}` {
		t.Errorf("the point says of itself %s", got)
	}
	checkIntegrity(t, s)
}

func TestDeploymentsAreMeasuredByTheWeek(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p").ID
	const day = 24 * 60
	commit := func(sha string) func(*tracking.RunFields) {
		return func(f *tracking.RunFields) { f.CommitSHA = &sha }
	}
	committed := func(f *tracking.RunFields) { f.CommittedAt = ptr(aMonday - 120*minute) }
	recordRun(t, tenant, p, report("a", tracking.RunSuccess, 0, deploying, commit("aaaaaaa"), committed)) // 2 hours
	recordRun(t, tenant, p, report("b", tracking.RunSuccess, 60, deploying, commit("bbbbbbb")))           // not known yet
	recordRun(t, tenant, p, report("c", tracking.RunFailure, 90, deploying))
	recordRun(t, tenant, p, report("d", tracking.RunFailure, 90, deploying, func(f *tracking.RunFields) { f.Environment = "staging" }))
	recordRun(t, tenant, p, report("e", tracking.RunSuccess, 22*day, deploying, commit("aaaaaaa"))) // known from the first
	want := map[string]map[int]float64{
		"deployment_frequency":  {0: 2, 7: 0, 14: 0, 21: 1},
		"change_failure_rate":   {0: 1.0 / 3, 21: 0},
		"lead_time_for_changes": {0: 2, 21: 22*24 + 2},
		"pipeline_success_rate": {},
	}
	compare := func() {
		t.Helper()
		for name, series := range want {
			if diff := cmp.Diff(series, seriesOf(t, tenant, p, name)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	compare()
	// The commit of b becomes known by another run of it.
	recordRun(t, tenant, p, report("build", tracking.RunRunning, 0, commit("bbbbbbb"), func(f *tracking.RunFields) { f.CommittedAt = ptr(aMonday - 300*minute) }))
	want["lead_time_for_changes"][0] = 4 // of 2 and 6 hours
	compare()
	// A quiet week was not.
	recordRun(t, tenant, p, report("f", tracking.RunSuccess, 8*day, deploying))
	want["deployment_frequency"][7], want["change_failure_rate"][7] = 1, 0
	compare()
	checkIntegrity(t, s)
}

// Whatever is reported in whatever order, between points that others record: the
// points of every week are what its runs make, and the summaries what the points
// make.
func TestMetricsFollowTheRuns(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		p := newProject(t, tenant, fmt.Sprint(n)).ID
		var steps []func(*Tx) error
		for range rapid.IntRange(1, 25).Draw(r, "reports") {
			if rapid.IntRange(0, 9).Draw(r, "other") == 0 {
				week := int64(rapid.IntRange(-1, 1).Draw(r, "week")) * 7 * 24 * 3600
				b, err := newBatch([]tracking.Point{point(p, tracking.PipelineSuccessRate, int64(aMonday/1_000_000)+week, rapid.Float64Range(0, 1).Draw(r, "value"))}, nil)
				if err != nil {
					r.Fatal(err)
				}
				steps = append(steps, func(tx *Tx) error { return tenant.insertBatch(tx, b) })
				continue
			}
			f := report(fmt.Sprint(rapid.IntRange(0, 7).Draw(r, "run")), rapid.SampledFrom(tracking.RunStatuses[:]).Draw(r, "status"), rapid.IntRange(0, 30*24*60).Draw(r, "minutes"))
			f.Deployment = f.RunID > "4"
			if rapid.Bool().Draw(r, "of a commit") {
				f.CommitSHA = ptr(fmt.Sprintf("abcdef%d", rapid.IntRange(0, 3).Draw(r, "commit")))
			}
			if f.CommitSHA != nil && rapid.Bool().Draw(r, "dated") {
				f.CommittedAt = ptr(aMonday - tenancy.Time((*f.CommitSHA)[6])*minute)
			}
			steps = append(steps, func(tx *Tx) error { return third(tenant.recordRun(tx, p, f)) })
		}
		err := tenant.write(background, func(tx *Tx) error {
			for _, step := range steps {
				if err := step(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		outcomes := map[tenancy.Time][]tracking.RunOutcome{}
		for _, run := range allRuns(t, tenant, p, 3) {
			if run.Status.Counted() != (run.Week != nil) {
				r.Fatalf("a run that is %s has the week %v", run.Status, run.Week)
			}
			if run.Week != nil {
				outcomes[*run.Week] = append(outcomes[*run.Week], tracking.RunOutcome{Deployment: run.Deployment, Production: run.Deployment,
					Success: run.Status == tracking.RunSuccess, Seconds: run.DurationSeconds, CommittedAt: run.CommittedAt, SucceededAt: run.SucceededAt})
			}
		}
		type key struct {
			metricType string
			week       tenancy.Time
		}
		want, got := map[key]float64{}, map[key]float64{}
		for week, all := range outcomes {
			for _, m := range tracking.MeasureWeek(all) {
				want[key{m.MetricType, week}] = m.Value
			}
		}
		points := allPoints(t, tenant, PointRange{Project: p}, "", 100)
		for _, point := range points {
			if quiet := string(point.Metadata) == `{"runs":0,"source":"pipelines"}`; len(point.Metadata) > 0 && !quiet {
				got[key{point.MetricType, *point.Timestamp}] = point.MetricValue
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("the derived points (-runs +points):\n%s", diff)
		}
		rows := slices.DeleteFunc(seriesRows(t, s), func(row summaryRow) bool { return row.Project != p })
		aggregates := aggregate(points)
		slices.SortFunc(aggregates, func(a, b summaryRow) int { return cmpText(a.MetricType, b.MetricType) })
		if diff := cmp.Diff(aggregates, rows, cmpopts.EquateApprox(1e-9, 1e-9), cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("the summaries (-points +rows):\n%s", diff)
		}
	})
	checkIntegrity(t, s)
}

func cmpText(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// A series that somebody else fills costs no more than its own summary.
func TestALongSeriesIsNotReadForOnePoint(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p").ID
	var points []tracking.Point
	for i := range exactBounds + 1 {
		points = append(points, point(p, tracking.PipelineSuccessRate, int64(i), 0.5))
	}
	addPoints(t, tenant, points...)
	recordRun(t, tenant, p, report("1", tracking.RunFailure, 1))
	recordRun(t, tenant, p, report("2", tracking.RunSuccess, 1))
	row := seriesRows(t, s)[1]
	want := summaryRow{Project: p, MetricType: tracking.PipelineSuccessRate, Points: exactBounds + 2, Min: 0, Max: 0.5, Sum: (exactBounds+1)*0.5 + 0.5, Last: 0.5, First: 0, LastTime: int64(aMonday)}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("the summary (-want +got):\n%s", diff)
	}
}

func TestRunsThatCannotBeAreRefused(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	p := newProject(t, acme, "p").ID
	_, _, err := beta.RecordRun(background, p, report("1", tracking.RunSuccess, 1))
	wantCode(t, err, problem.NotFound)
	_, err = beta.Runs(background, p, Page{Limit: 1})
	wantCode(t, err, problem.NotFound)
	_, _, err = acme.RecordRun(background, p, report("", tracking.RunSuccess, 1))
	wantCode(t, err, problem.Validation)
	soon := tenancy.TimeOf(time.Now().Add(2 * time.Hour))
	_, _, err = acme.RecordRun(background, p, report("1", tracking.RunSuccess, 1, func(f *tracking.RunFields) { f.StartedAt, f.FinishedAt = &soon, &soon }))
	if diff := cmp.Diff([]string{"body.started_at", "body.finished_at"}, violations(t, err)); diff != "" {
		t.Error(diff)
	}
	if n := count(t, s, "SELECT count(*) FROM pipeline_runs"); n != 0 {
		t.Errorf("%d runs are there", n)
	}
}

func TestAWeekHoldsSoManyRuns(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p").ID
	err := tenant.write(background, func(tx *Tx) error {
		for i := range tracking.MaxRunsOfWeek {
			run := tracking.NewRun(tenancy.NewID(), tenant.scope.Tenant(), p, report(fmt.Sprint(i), tracking.RunSuccess, 1), tx.Now)
			if err := tenant.insertRun(tx, &run); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	recordRun(t, tenant, p, report("0", tracking.RunFailure, 2)) // one of them
	_, _, err = tenant.RecordRun(background, p, report("late", tracking.RunSuccess, 1))
	wantCode(t, err, problem.LimitReached)
	if n := count(t, s, "SELECT count(*) FROM pipeline_runs"); n != tracking.MaxRunsOfWeek {
		t.Errorf("%d runs are there", n)
	}
	recordRun(t, tenant, p, report("next", tracking.RunSuccess, 7*24*60))
}

// A point that is not where it is remembered, as after the database was taken to an
// older schema and back, is recorded anew; no other point is touched.
func TestADerivedPointThatIsGoneIsRecordedAnew(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p").ID
	recordRun(t, tenant, p, report("1", tracking.RunFailure, 1))
	err := tenant.write(background, func(tx *Tx) error {
		_, err := tx.exec("UPDATE derived_points SET seq = 99 WHERE tenant_id = $1", tenant.scope.Tenant())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	recordRun(t, tenant, p, report("2", tracking.RunSuccess, 1))
	recordRun(t, tenant, p, report("3", tracking.RunSuccess, 1))
	var values []float64
	for _, point := range allPoints(t, tenant, PointRange{Project: p, MetricType: tracking.PipelineSuccessRate}, "", 10) {
		values = append(values, point.MetricValue)
	}
	if diff := cmp.Diff([]float64{0, 2.0 / 3}, values); diff != "" {
		t.Errorf("the points (-want +got):\n%s", diff)
	}
	checkIntegrity(t, s)
}
