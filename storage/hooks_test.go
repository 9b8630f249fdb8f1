package storage

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func newHook(t testing.TB, tenant *Tenant, project tenancy.ID) tracking.Hook {
	t.Helper()
	h, err := tenant.CreateHook(background, project, tenancy.NewID(), tracking.HookFields{Name: "CI", Provider: "github"}, []byte("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// delivered is a delivery of a run, marked by its text.
func delivered(h tracking.Hook, text string, run *tracking.RunFields) Delivery {
	d := Delivery{Hook: h.ID, Project: h.ProjectID, Marks: [][32]byte{sha256.Sum256([]byte(text))}, Run: run}
	if run != nil && run.FinishedAt != nil {
		d.At = *run.FinishedAt
	}
	return d
}

func wantOutcome(t testing.TB, tenant *Tenant, d Delivery, want Outcome) {
	t.Helper()
	got, err := tenant.Deliver(background, d)
	if err != nil || got != want {
		t.Fatalf("the delivery is %s, %v, want %s", got, err, want)
	}
}

// openStoreAt opens a store whose clock is moved by hand.
func openStoreAt(t testing.TB, dir string, clock *atomic.Int64) *Store {
	t.Helper()
	s, err := Open(background, Options{Dir: dir, Readers: 2, Now: func() time.Time { return time.UnixMicro(clock.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHooksAreMadeListedAndDeleted(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	p, other := newProject(t, acme, "p").ID, newProject(t, acme, "other").ID
	first, second := newHook(t, acme, p), newHook(t, acme, p)
	list, err := acme.Hooks(background, p, Page{Limit: 1})
	if err != nil || len(list.Items) != 1 || list.Next == "" {
		t.Fatalf("got %+v, %v", list, err)
	}
	if diff := cmp.Diff(first, list.Items[0]); diff != "" {
		t.Error(diff)
	}
	state, err := s.HookState(background, second.ID)
	if err != nil || state.Tenant != acme.scope.Tenant() || state.Project != p || string(state.Secret) != "sealed" {
		t.Errorf("got %+v, %v", state, err)
	}
	for _, of := range []struct {
		tenant  *Tenant
		project tenancy.ID
	}{{beta, p}, {acme, other}} {
		wantCode(t, of.tenant.DeleteHook(background, of.project, first.ID), problem.NotFound)
	}
	_, err = beta.Hooks(background, p, Page{Limit: 1})
	wantCode(t, err, problem.NotFound)
	_, err = beta.CreateHook(background, p, tenancy.NewID(), tracking.HookFields{Name: "n", Provider: "github"}, nil)
	wantCode(t, err, problem.NotFound)
	if err := acme.DeleteHook(background, p, first.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.HookState(background, first.ID)
	wantCode(t, err, problem.NotFound)
	_, err = acme.Deliver(background, delivered(first, "late", nil))
	wantCode(t, err, problem.NotFound)

	for range tracking.MaxHooks - 1 {
		newHook(t, acme, p)
	}
	_, err = acme.CreateHook(background, p, tenancy.NewID(), tracking.HookFields{Name: "n", Provider: "github"}, []byte("x"))
	wantCode(t, err, problem.LimitReached)
	newHook(t, acme, other)
}

// A delivery has an effect once: not again, not after a restart, and not after it
// was forgotten.
func TestADeliveryCountsOnce(t *testing.T) {
	dir := t.TempDir()
	var clock atomic.Int64
	clock.Store(int64(aMonday + 100*minute))
	s := openStoreAt(t, dir, &clock)
	tenant := newTenant(t, s, "acme")
	h := newHook(t, tenant, newProject(t, tenant, "p").ID)
	failed, passed := report("1", tracking.RunFailure, 10), report("1", tracking.RunSuccess, 20)
	wantOutcome(t, tenant, delivered(h, "failed", &failed), Recorded)
	wantOutcome(t, tenant, delivered(h, "passed", &passed), Recorded)
	wantOutcome(t, tenant, delivered(h, "ping", nil), Ignored)
	wantOutcome(t, tenant, delivered(h, "failed", &failed), Repeated)
	wantOutcome(t, tenant, delivered(h, "ping", nil), Repeated)
	anyOf := delivered(h, "new", &failed)
	anyOf.Marks = append(anyOf.Marks, sha256.Sum256([]byte("failed")))
	wantOutcome(t, tenant, anyOf, Repeated)

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStoreAt(t, dir, &clock)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	tenant = s.Tenant(tenant.scope)
	wantOutcome(t, tenant, delivered(h, "failed", &failed), Repeated)

	for days := range 10 {
		clock.Store(int64(aMonday + 101*minute + tenancy.Time(days)*24*60*minute))
		if err := s.Maintain(background); err != nil {
			t.Fatal(err)
		}
		want := Repeated
		if days >= 8 {
			want = Stale
		}
		wantOutcome(t, tenant, delivered(h, "failed", &failed), want)
	}
	if n := count(t, s, "SELECT count(*) FROM hook_deliveries") + count(t, s, "SELECT remembered FROM hooks"); n != 0 {
		t.Errorf("%d are remembered and counted after all that time", n)
	}
	runs := allRuns(t, tenant, h.ProjectID, 10)
	if len(runs) != 1 || runs[0].Status != tracking.RunSuccess {
		t.Errorf("the runs are %+v", runs)
	}
	list, err := tenant.Hooks(background, h.ProjectID, Page{Limit: 1})
	if err != nil || list.Items[0].Deliveries != 3 || *list.Items[0].LastDeliveryAt != aMonday+100*minute {
		t.Errorf("the hook says %+v, %v", list, err)
	}
}

// What is signed with its time may report what was long ago.
func TestAnOldRunInANewDelivery(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	h := newHook(t, tenant, newProject(t, tenant, "p").ID)
	run := report("1", tracking.RunSuccess, 1)
	d := delivered(h, "1", &run)
	wantOutcome(t, tenant, d, Stale)
	d.At = tenancy.TimeOf(time.Now())
	wantOutcome(t, tenant, d, Recorded)
}

func TestARefusedDeliveryLeavesNoTrace(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	h := newHook(t, tenant, newProject(t, tenant, "p").ID)
	soon := tenancy.TimeOf(time.Now().Add(3 * time.Hour))
	run := report("1", tracking.RunSuccess, 1, func(f *tracking.RunFields) { f.StartedAt, f.FinishedAt = nil, &soon })
	d := delivered(h, "1", &run)
	d.Commits = []tracking.CommitTime{{SHA: "abcdef0", At: aMonday}}
	for range 2 { // and is not taken for a repetition
		_, err := tenant.Deliver(background, d)
		wantCode(t, err, problem.Validation)
	}
	for _, table := range []string{"hook_deliveries", "pipeline_runs", "commit_times", "series"} {
		if n := count(t, s, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	h := newHook(t, tenant, newProject(t, tenant, "p").ID)
	err := tenant.write(background, func(tx *Tx) error {
		_, err := tx.exec("UPDATE hooks SET remembered = $3 WHERE tenant_id = $1 AND id = $2", tenant.scope.Tenant(), h.ID, maxRemembered-1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, tenant, delivered(h, "the last", nil), Ignored)
	_, err = tenant.Deliver(background, delivered(h, "one more", nil))
	wantCode(t, err, problem.TooManyRequests)
	wantOutcome(t, tenant, delivered(h, "the last", nil), Repeated)
}

func TestCommitTimesAreBoundedAndForgotten(t *testing.T) {
	dir := t.TempDir()
	var clock atomic.Int64
	clock.Store(int64(aMonday))
	s := openStoreAt(t, dir, &clock)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p").ID
	note := func(from, n int) {
		t.Helper()
		var commits []tracking.CommitTime
		for i := range n {
			commits = append(commits, tracking.CommitTime{SHA: fmt.Sprintf("%08x", from+i), At: aMonday})
		}
		if err := tenant.write(background, func(tx *Tx) error { return tenant.noteCommits(tx, p, commits) }); err != nil {
			t.Fatal(err)
		}
	}
	err := tenant.write(background, func(tx *Tx) error {
		for i := range maxCommitTimes {
			if _, err := tx.exec(insertCommitTime, tenant.scope.Tenant(), p, fmt.Sprintf("%08x", i), aMonday, tx.Now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	note(maxCommitTimes, 5)
	if n := count(t, s, "SELECT count(*) FROM commit_times"); n > maxCommitTimes+1 {
		t.Errorf("%d times are remembered", n)
	}
	clock.Store(int64(aMonday) + int64(commitTimeKept/time.Microsecond) + 1)
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count(*) FROM commit_times"); n != 0 {
		t.Errorf("%d times are remembered for ever", n)
	}
}
