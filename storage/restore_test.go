package storage

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// backedUpHook is a store at some time with a hook, and a backup of it. What
// delivered says comes to the hook after that.
func backedUpHook(t *testing.T, clock *atomic.Int64, deliver ...Delivery) (h tracking.Hook, backup string, tenant *Tenant) {
	t.Helper()
	s := openStoreAt(t, t.TempDir(), clock)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	tenant = newTenant(t, s, "acme")
	h = newHook(t, tenant, newProject(t, tenant, "p").ID)
	backup, _ = backUp(t, s)
	for _, d := range deliver {
		d.Hook, d.Project = h.ID, h.ProjectID
		wantOutcome(t, tenant, d, Recorded)
	}
	return h, backup, tenant
}

// TestARestoreDeletesHooks deletes a hook after a backup, which must not come back.
func TestARestoreDeletesHooks(t *testing.T) {
	var clock atomic.Int64
	clock.Store(int64(aMonday + 100*minute))
	h, backup, tenant := backedUpHook(t, &clock)
	if err := tenant.DeleteHook(background, h.ProjectID, h.ID); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	report, err := Restore(background, backup, dir, RestoreOptions{})
	if err != nil || report.Hooks != 1 {
		t.Errorf("%d hooks were deleted, %v", report.Hooks, err)
	}
	restored := openStoreAt(t, dir, &clock)
	defer restored.Close()
	_, err = restored.HookState(background, h.ID)
	wantCode(t, err, problem.NotFound)
	_, err = restored.Tenant(tenant.scope).Deliver(background, delivered(h, "late", nil))
	wantCode(t, err, problem.NotFound)
	wantSound(t, restored)
}

// TestAHookThatIsKeptRefusesWhatWasSignedBeforeTheRestore replays what came after
// the backup, which the restored directory does not remember.
func TestAHookThatIsKeptRefusesWhatWasSignedBeforeTheRestore(t *testing.T) {
	var clock atomic.Int64
	clock.Store(int64(aMonday + 100*minute))
	forgotten := report("1", tracking.RunSuccess, 20)
	h, backup, tenant := backedUpHook(t, &clock, delivered(tracking.Hook{}, "forgotten", &forgotten))
	dir := filepath.Join(t.TempDir(), "data")
	at := aMonday + 200*minute
	options := RestoreOptions{KeepHooks: true, Now: func() time.Time { return time.UnixMicro(int64(at)) }}
	for range 2 { // a directory that was restored is backed up and restored as well
		done, err := Restore(background, backup, dir, options)
		if err != nil || done.Hooks != 0 {
			t.Fatalf("%d hooks were deleted, %v", done.Hooks, err)
		}
		clock.Store(int64(at + minute))
		restored := openStoreAt(t, dir, &clock)
		of := restored.Tenant(tenant.scope)
		wantOutcome(t, of, delivered(h, "forgotten", &forgotten), Stale)
		signed := delivered(h, fmt.Sprint("signed ", at), nil)
		signed.At = at - 1
		wantOutcome(t, of, signed, Stale)
		signed.At = at
		wantOutcome(t, of, signed, Ignored)
		if n := count(t, restored, "SELECT count(*) - (SELECT sum(remembered) FROM hooks) FROM hook_deliveries"); n != 0 {
			t.Errorf("%d more are remembered than counted", n)
		}
		backup, _ = backUp(t, restored)
		if err := restored.Close(); err != nil {
			t.Fatal(err)
		}
		at += 100 * minute
		dir = filepath.Join(t.TempDir(), "data")
	}

	restored := openStoreAt(t, dirOf(t, backup, options), &clock)
	defer restored.Close()
	of := restored.Tenant(tenant.scope)
	clock.Store(int64(at) + deliveryKept.Microseconds() + int64(minute))
	if err := restored.Maintain(background); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, of, delivered(h, "forgotten", &forgotten), Stale)
	if n := count(t, restored, "SELECT count(*) FROM hook_deliveries") + count(t, restored, "SELECT remembered FROM hooks"); n != 0 {
		t.Errorf("%d are remembered and counted after all that time", n)
	}
	late := report("2", tracking.RunSuccess, 0, func(f *tracking.RunFields) {
		f.StartedAt, f.FinishedAt = nil, new(tenancy.Time(clock.Load()))
	})
	wantOutcome(t, of, delivered(h, "late", &late), Recorded)
}

func dirOf(t *testing.T, backup string, o RestoreOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := Restore(background, backup, dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}
