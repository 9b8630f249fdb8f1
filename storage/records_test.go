package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// used is what the tenant is told that it holds of its storage.
func used(t testing.TB, tenant *Tenant) int64 {
	t.Helper()
	known, err := tenant.TenantByID(background, tenant.scope.Tenant())
	if err != nil {
		t.Fatal(err)
	}
	return known.Use.StorageBytes
}

// wantFull fails unless err says that the storage of limit bytes is full.
func wantFull(t *testing.T, what string, err error, limit, current int64) {
	t.Helper()
	var e *problem.Error
	if !errors.As(err, &e) || e.Code != problem.LimitReached || *e.Limit != (problem.Limit{Resource: "storage_bytes", Limit: limit, Current: current}) {
		t.Errorf("%s of a full tenant: %v", what, err)
	}
}

func points(project tenancy.ID, n int, metadata string) (points []tracking.Point) {
	for i := range n {
		points = append(points, tracking.Point{ProjectID: project, MetricType: fmt.Sprint("m", i%3), MetricValue: float64(i), Metadata: tenancy.Object(metadata)})
	}
	return points
}

// TestRecordsCountTowardsTheStorage: before, points and all other records but
// content took whatever disk there was.
func TestRecordsCountTowardsTheStorage(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p, a := newProject(t, tenant, "p"), newArtifact(t, tenant, "a")
	want := int64(0)
	counts := func(what string, bytes int64) {
		t.Helper()
		want += bytes
		if got := used(t, tenant); got != want {
			t.Errorf("after %s %d bytes are held, want %d", what, got, want)
		}
		checkIntegrity(t, s)
	}
	add := func(points []tracking.Point) {
		t.Helper()
		if _, err := tenant.AddPoints(background, points, Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	add(points(p.ID, 10, ""))
	counts("10 points", 10*40)
	add(points(p.ID, 4, `{"a":"ä"}`)) // 10 bytes in UTF-8
	add(points(p.ID, 2, `{}`))
	counts("6 more, of which 4 have metadata", 6*40+4*10)
	member, _, err := tenant.CreateMember(background, p.ID, tracking.MemberFields{Name: "n", Role: "devops", ExperienceLevel: "mid"}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	counts("a member", 400)
	if _, _, err := tenant.UseArtifact(background, a.ID, registry.UsageFields{ProjectID: p.ID, Context: tenancy.Object(`{"a":"ä"}`)}, Idempotency{}); err != nil {
		t.Fatal(err)
	}
	counts("a usage", 400+10)
	mustUpload(t, tenant, a.ID, "content")
	counts("content", 7)
	if _, err := tenant.AddPoints(background, append(points(p.ID, 5, ""), points(tenancy.NewID(), 1, "")...), Idempotency{}); err == nil {
		t.Fatal("a project that is not there has a point")
	}
	counts("a batch that was refused", 0)
	if err := tenant.DeleteMember(background, p.ID, member.ID, nil); err != nil {
		t.Fatal(err)
	}
	counts("the member's end", -400)
	second := newProject(t, tenant, "second")
	add(points(second.ID, 1, ""))
	if _, _, err := tenant.UseArtifact(background, a.ID, registry.UsageFields{ProjectID: second.ID}, Idempotency{}); err != nil {
		t.Fatal(err)
	}
	counts("a second project", 40+402)
	if _, _, err := tenant.Predict(background, predictionOf(&second.ID), Idempotency{}); err != nil {
		t.Fatal(err)
	}
	predicted := used(t, tenant) - want
	if predicted <= 400 {
		t.Errorf("a prediction counts %d bytes", predicted)
	}
	counts("a prediction", predicted)
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	counts("the project's end", -16*40-40-410)
	if err := tenant.DeleteArtifact(background, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	counts("the artifact's end", -402-7)
	if err := tenant.DeleteProject(background, second.ID, nil); err != nil {
		t.Fatal(err)
	}
	if want = 0; used(t, tenant) != 0 {
		t.Errorf("%d bytes are held of nothing", used(t, tenant))
	}
	checkIntegrity(t, s)
}

// TestRunsCountAsTheyComeAndChange: the metrics of a week are replaced with every
// run, and what is kept of them grows.
func TestRunsCountAsTheyComeAndChange(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p")
	for i := range 12 { // so that the number of runs gets a second digit
		recordRun(t, tenant, p.ID, report(fmt.Sprint(i), tracking.RunSuccess, 60))
		checkIntegrity(t, s)
	}
	if got := used(t, tenant); got < 12*400+40 {
		t.Errorf("%d bytes are held", got)
	}
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	if got := used(t, tenant); got != 0 {
		t.Errorf("%d bytes are held of nothing", got)
	}
	checkIntegrity(t, s)
}

// TestAFullTenantRecordsNothing tries every kind of record.
func TestAFullTenantRecordsNothing(t *testing.T) {
	s := openStore(t)
	const limit = 4000
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = limit })
	p, a := newProject(t, tenant, "p"), newArtifact(t, tenant, "a")
	_, err := tenant.AddPoints(background, points(p.ID, 101, ""), Idempotency{})
	wantFull(t, "a batch", err, limit, 0)
	_, err = tenant.AddPoints(background, points(p.ID, 99, `{"much":"`+strings.Repeat("x", 100)+`"}`), Idempotency{})
	wantFull(t, "a batch with metadata", err, limit, 0)
	if _, err := tenant.AddPoints(background, points(p.ID, 100, ""), Idempotency{}); err != nil {
		t.Fatal("it fits:", err)
	}
	_, _, err = tenant.AddPoint(background, points(p.ID, 1, "")[0], Idempotency{})
	wantFull(t, "a point", err, limit, limit)
	_, _, err = tenant.CreateMember(background, p.ID, tracking.MemberFields{Name: "n", Role: "devops", ExperienceLevel: "mid"}, Idempotency{})
	wantFull(t, "a member", err, limit, limit)
	_, _, err = tenant.UseArtifact(background, a.ID, registry.UsageFields{ProjectID: p.ID}, Idempotency{})
	wantFull(t, "a usage", err, limit, limit)
	_, _, err = tenant.RecordRun(background, p.ID, report("run", tracking.RunSuccess, 60))
	wantFull(t, "a run", err, limit, limit)
	_, _, err = tenant.Predict(background, predictionOf(&p.ID), Idempotency{})
	wantFull(t, "a prediction", err, limit, limit)
	_, _, err = putText(tenant, a.ID, "x")
	wantFull(t, "content", err, limit, limit)
	if got := count(t, s, "SELECT count(*) FROM points"); got != 100 {
		t.Errorf("%d points are kept", got)
	}
	checkIntegrity(t, s)
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	mustUpload(t, tenant, a.ID, "x")
}

func TestATeamAndItsUsagesHaveAnEnd(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p, other, a := newProject(t, tenant, "p"), newProject(t, tenant, "other"), newArtifact(t, tenant, "a")
	err := tenant.write(background, func(tx *Tx) error { // many at once: each by itself would take the test's time
		for n := range tracking.MaxMembers - 1 {
			if _, err := tx.exec(insertMember, tenancy.NewID(), tenant.scope.Tenant(), p.ID, nil, fmt.Sprint(n), "devops", "mid", 0, nil, tx.Now); err != nil {
				return err
			}
		}
		for range registry.MaxUsages - 1 {
			if _, err := tx.exec(insertUsage, tenancy.NewID(), tenant.scope.Tenant(), a.ID, p.ID, tx.Now, nil, nil, "{}", nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	use := func(project tenancy.ID) error {
		_, _, err := tenant.UseArtifact(background, a.ID, registry.UsageFields{ProjectID: project}, Idempotency{})
		return err
	}
	join := func(project tenancy.ID) error {
		_, _, err := tenant.CreateMember(background, project, tracking.MemberFields{Name: "n", Role: "devops", ExperienceLevel: "mid"}, Idempotency{})
		return err
	}
	for resource, c := range map[string]struct {
		limit int64
		add   func(tenancy.ID) error
	}{"members": {tracking.MaxMembers, join}, "usages": {registry.MaxUsages, use}} {
		if err := c.add(p.ID); err != nil {
			t.Errorf("the last of the %s: %v", resource, err)
		}
		var e *problem.Error
		if err := c.add(p.ID); !errors.As(err, &e) || e.Code != problem.LimitReached || *e.Limit != (problem.Limit{Resource: resource, Limit: c.limit, Current: c.limit}) {
			t.Errorf("one more of the %s: %v", resource, err)
		}
		if err := c.add(other.ID); err != nil {
			t.Errorf("%s of another project: %v", resource, err)
		}
	}
}
