package storage

import (
	"fmt"
	"testing"
	"time"

	"maestro/tenancy"
	"maestro/tracking"
)

// fill records n points in a new series.
func fill(t testing.TB, tenant *Tenant, project tenancy.ID, metricType string, n int) {
	t.Helper()
	batch := make([]tracking.Point, 0, tracking.MaxBatchPoints)
	for i := range n {
		if batch = append(batch, point(project, metricType, int64(i), float64(i))); len(batch) == tracking.MaxBatchPoints {
			addPoints(t, tenant, batch...)
			batch = batch[:0]
		}
	}
	addPoints(t, tenant, batch...)
}

func TestADeletedProjectsPointsAreSweptInSlices(t *testing.T) {
	dir := t.TempDir()
	s := reopenStore(t, dir)
	tenant := newTenant(t, s, "acme")
	doomed, stays := newProject(t, tenant, "doomed"), newProject(t, tenant, "stays")
	fill(t, tenant, doomed.ID, "large", 2*sweepSlice+500)
	fill(t, tenant, stays.ID, "large", 700)
	fill(t, tenant, doomed.ID, "small", 10)
	kept := allPoints(t, tenant, PointRange{Project: stays.ID}, "", 500)

	if err := tenant.DeleteProject(background, doomed.ID, nil); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count(*) FROM dropped_series"); n != 2 {
		t.Fatalf("%d series are queued, want 2", n)
	}
	// Without a budget a sweep removes one slice and says that there is more.
	left := func() int64 { return count(t, s, "SELECT count(*) FROM points") - int64(len(kept)) }
	for _, want := range []int64{sweepSlice + 510, 510, 0} {
		more, err := s.SweepPoints(background, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := left(); got != want || more != (want > 0) {
			t.Errorf("%d points are left and more is %v, want %d", got, more, want)
		}
	}
	if n := count(t, s, "SELECT count(*) FROM dropped_series"); n != 0 {
		t.Errorf("%d series are still queued", n)
	}
	if got := allPoints(t, tenant, PointRange{Project: stays.ID}, "", 500); len(got) != len(kept) {
		t.Errorf("another project has %d points left of %d", len(got), len(kept))
	}
	commits := s.writer.stats.Commits.Load()
	if more, err := s.SweepPoints(background, time.Hour); more || err != nil {
		t.Errorf("after the end: more %v, %v", more, err)
	}
	if s.writer.stats.Commits.Load() != commits {
		t.Error("a sweep with nothing to do wrote")
	}
	checkIntegrity(t, s)
}

func TestManySmallSeriesAreSweptTogether(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	const series = 2*sweepSeries + 5
	for i := range series {
		addPoints(t, tenant, point(project.ID, fmt.Sprint("m", i), 1, 1))
	}
	if err := tenant.DeleteProject(background, project.ID, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{series - sweepSeries, 5, 0} {
		if _, err := s.SweepPoints(background, 0); err != nil {
			t.Fatal(err)
		}
		if got := count(t, s, "SELECT count(*) FROM points"); got != want {
			t.Errorf("%d points are left, want %d", got, want)
		}
	}
}

func TestMaintenanceSweepsWhatADeletedTenantLeft(t *testing.T) {
	s := openStore(t)
	doomed, stays := newTenant(t, s, "doomed"), newTenant(t, s, "stays")
	project, kept := newProject(t, doomed, "p"), newProject(t, stays, "p")
	fill(t, doomed, project.ID, "m", sweepSlice+1)
	fill(t, stays, kept.ID, "m", 3)
	if err := s.DeleteTenant(background, doomed.scope.Tenant(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count(*) FROM points"); n != 3 {
		t.Errorf("%d points are left, want the other tenant's 3", n)
	}
	if n := count(t, s, "SELECT count(*) FROM series WHERE tenant_id = $1", doomed.scope.Tenant()); n != 0 {
		t.Errorf("%d series are left", n)
	}
	checkIntegrity(t, s)
}

// TestASweepThatIsCutShortIsFinishedAfterARestart loses nothing of what it did.
func TestASweepThatIsCutShortIsFinishedAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(background, Options{Dir: dir, Readers: 4})
	if err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	fill(t, tenant, project.ID, "m", 2*sweepSlice)
	if err := tenant.DeleteProject(background, project.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SweepPoints(background, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopenStore(t, dir)
	if n := count(t, s, "SELECT count(*) FROM points"); n != sweepSlice {
		t.Errorf("%d points are left, want %d", n, sweepSlice)
	}
	if more, err := s.SweepPoints(background, time.Minute); more || err != nil {
		t.Fatal(more, err)
	}
	if n := count(t, s, "SELECT count(*) FROM points"); n != 0 {
		t.Errorf("%d points are left", n)
	}
}
