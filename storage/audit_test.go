package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// events reads a tenant's whole trail in pages of three, the oldest first.
func events(t testing.TB, tenant *Tenant, f EventFilter) []audit.Event {
	t.Helper()
	return allEvents(t, func(page Page) (List[audit.Event], error) { return tenant.Events(background, page, f) })
}

func installationEvents(t testing.TB, s *Store) []audit.Event {
	t.Helper()
	return allEvents(t, func(page Page) (List[audit.Event], error) {
		return s.InstallationEvents(background, page, EventFilter{})
	})
}

func allEvents(t testing.TB, read func(Page) (List[audit.Event], error)) (all []audit.Event) {
	t.Helper()
	for page := (Page{Limit: 3}); ; {
		list, err := read(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			all = append([]audit.Event{e}, all...)
		}
		if page.Cursor = list.Next; list.Next == "" {
			return all
		}
	}
}

func actions(events []audit.Event) (names []string) {
	for _, e := range events {
		names = append(names, string(e.Action))
	}
	return names
}

// wantSound fails the test unless every chain is.
func wantSound(t testing.TB, s *Store) []ChainReport {
	t.Helper()
	reports, err := s.VerifyAudit(background)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if r.Fault != nil {
			t.Error(r.Fault)
		}
	}
	return reports
}

func TestAnEventSaysWhoDidWhat(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "churn")
	if _, err := tenant.UpdateProject(background, p.ID, nil, decoded[tracking.ProjectFields](`{"name":"churn 2","description":"secret words","metadata":{"token":"hidden"},"team_size":3}`)); err != nil {
		t.Fatal(err)
	}
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	got := events(t, tenant, EventFilter{})
	if diff := gocmp.Diff([]string{"project.create", "project.update", "project.delete"}, actions(got)); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	created, updated, deleted := got[0], got[1], got[2]
	if created.Object != p.ID.String() || created.ActorKind != tenancy.ActorUser || *created.ActorID != tenant.scope.Actor().ID ||
		created.Time != p.CreatedAt || created.Outcome != audit.Success || created.Sequence != 1 || *created.TenantID != tenant.scope.Tenant() {
		t.Errorf("the creation is %+v", created)
	}
	if string(created.Before) != "" || string(created.After) != `{"name":"churn","status":"planned"}` {
		t.Errorf("the creation says %s, then %s", created.Before, created.After)
	}
	if want := `{"name":"churn","team_size":null,"description":{"bytes":0},"metadata":{"bytes":0}}`; string(updated.Before) != want {
		t.Errorf("before the update: %s, want %s", updated.Before, want)
	}
	if want := `{"name":"churn 2","team_size":3,"description":{"bytes":12},"metadata":{"bytes":18}}`; string(updated.After) != want {
		t.Errorf("after the update: %s, want %s", updated.After, want)
	}
	if !strings.Contains(string(deleted.Before), `"name":"churn 2"`) || string(deleted.After) != "" {
		t.Errorf("the deletion says %s, then %s", deleted.Before, deleted.After)
	}
	wantSound(t, s)
}

func TestARefusedChangeLeavesNoEvent(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "taken")
	before := events(t, tenant, EventFilter{})
	refusals := map[string]func() error{
		"a name that is taken": func() error {
			_, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: "taken", Status: tracking.Planned}, Idempotency{})
			return err
		},
		"nothing to delete": func() error { return tenant.DeleteProject(background, tenancy.NewID(), nil) },
		"a user of no role": func() error {
			_, err := s.CreateUser(background, tenant.scope, *newUser("a@example.com"), func(auth.RoleBook) error { return problem.New(problem.Forbidden, "No.") })
			return err
		},
		"a panic behind the event": func() error {
			return tenant.write(background, func(tx *Tx) error {
				if err := tenant.record(tx, audit.ProjectCreate, tenancy.NewID(), nil); err != nil {
					return err
				}
				panic("a defect")
			})
		},
	}
	for name, refused := range refusals {
		if refused() == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	if diff := gocmp.Diff(before, events(t, tenant, EventFilter{})); diff != "" {
		t.Errorf("refusals left events:\n%s", diff)
	}
	newProject(t, tenant, "next")
	if got := events(t, tenant, EventFilter{}); len(got) != len(before)+1 {
		t.Errorf("got %d events, want one more than %d", len(got), len(before))
	}
	wantSound(t, s)
}

// TestNoChangeWithoutItsEvent has the trail refuse the event: the change must not
// happen.
func TestNoChangeWithoutItsEvent(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	trigger := func(statement string) {
		t.Helper()
		if err := s.writer.do(background, installationChain, func(tx *Tx) error { _, err := tx.exec(statement); return err }); err != nil {
			t.Fatal(err)
		}
	}
	trigger(`CREATE TRIGGER full BEFORE INSERT ON audit_events WHEN new.action = 'project.create' BEGIN SELECT RAISE(ABORT, 'no room'); END`)
	if _, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: "p", Status: tracking.Planned}, Idempotency{}); err == nil {
		t.Error("a project was created without its event")
	}
	if n := count(t, s, "SELECT count(*) FROM projects"); n != 0 {
		t.Errorf("%d projects are there", n)
	}
	trigger("DROP TRIGGER full")
	trigger(`CREATE TRIGGER full BEFORE UPDATE ON audit_chains BEGIN SELECT RAISE(ABORT, 'no room'); END`)
	newProjectFails := func() error {
		_, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: "p", Status: tracking.Planned}, Idempotency{})
		return err
	}
	trigger("DROP TRIGGER full")
	if err := newProjectFails(); err != nil { // the head's first row is an insert
		t.Fatal(err)
	}
	trigger(`CREATE TRIGGER full BEFORE UPDATE ON audit_chains WHEN new.sequence > 1 BEGIN SELECT RAISE(ABORT, 'no room'); END`)
	if _, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: "q", Status: tracking.Planned}, Idempotency{}); err == nil {
		t.Error("a project was created without the head of the chain")
	}
	trigger("DROP TRIGGER full")
	newProject(t, tenant, "r")
	if got := actions(events(t, tenant, EventFilter{})); len(got) != 2 {
		t.Errorf("the trail has %v, want two creations", got)
	}
	checkIntegrity(t, s)
}

// TestChainsDoNotMix has many tenants change things at once, some of it refused.
func TestChainsDoNotMix(t *testing.T) {
	s := openStore(t)
	var tenants []*Tenant
	for i := range 5 {
		tenants = append(tenants, newTenant(t, s, fmt.Sprint("tenant-", i)))
	}
	inParallel(8, func(worker int) {
		random := rand.New(rand.NewPCG(1, uint64(worker)))
		for i := range 40 {
			tenant := tenants[random.IntN(len(tenants))]
			name := fmt.Sprint("p", worker, "-", i)
			if i%4 == 0 {
				name = "the same" // refused but for the first
			}
			_, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: name, Status: tracking.Planned}, Idempotency{})
			if err != nil && problem.CodeOf(err) != problem.Conflict {
				t.Error(err)
			}
		}
	})
	for _, tenant := range tenants {
		link := audit.Link{}
		got := events(t, tenant, EventFilter{})
		for _, e := range got {
			if *e.TenantID != tenant.scope.Tenant() {
				t.Fatalf("an event of %v is in the trail of %v", e.TenantID, tenant.scope.Tenant())
			}
			if err := e.Follows(link); err != nil {
				t.Error(err)
			}
			link = e.Link()
		}
		if n := count(t, s, "SELECT count(*) FROM projects WHERE tenant_id = $1", tenant.scope.Tenant()); n != int64(len(got)) {
			t.Errorf("%d projects left %d events", n, len(got))
		}
	}
	wantSound(t, s)
}

// TestAChainGoesOnAfterARestart closes the store between events.
func TestAChainGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(background, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopenStore(t, dir)
	tenant = again.Tenant(tenant.scope)
	newProject(t, tenant, "two")
	if got := events(t, tenant, EventFilter{}); len(got) != 2 || got[1].PreviousHash != got[0].Hash {
		t.Errorf("the trail is %+v", got)
	}
	wantSound(t, again)
}

// TestAClockSetBackDoesNotSetBackTheTrail moves the clock an hour back.
func TestAClockSetBackDoesNotSetBackTheTrail(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, err := Open(background, Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "one")
	now = now.Add(-time.Hour)
	newProject(t, tenant, "two")
	if got := events(t, tenant, EventFilter{}); got[1].Time != got[0].Time {
		t.Errorf("the second event is of %v, the first of %v", got[1].Time, got[0].Time)
	}
	wantSound(t, s)
}

func TestEventsAreFiltered(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, err := Open(background, Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "one")
	now = now.Add(time.Hour)
	second := tenancy.TimeOf(now)
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	third := tenancy.TimeOf(now)
	newArtifact(t, tenant, "a")
	s.RecordDenial(audit.WithOrigin(background, &audit.Origin{Actor: tenancy.Actor{ID: tenancy.ID{7}, Kind: tenancy.ActorUser}, Tenant: tenant.scope.Tenant()}),
		audit.Denial{Tenant: tenant.scope.Tenant(), Action: audit.AccessDeny, Object: "deleteProject", Reason: "forbidden"})
	for name, test := range map[string]struct {
		filter EventFilter
		want   []string
	}{
		"all":            {EventFilter{}, []string{"project.create", "project.delete", "artifact.create", "access.deny"}},
		"an action":      {EventFilter{Action: "project.delete"}, []string{"project.delete"}},
		"a kind":         {EventFilter{Action: "project"}, []string{"project.create", "project.delete"}},
		"no such action": {EventFilter{Action: "project.del"}, nil},
		"an object":      {EventFilter{Object: p.ID.String()}, []string{"project.create", "project.delete"}},
		"denied":         {EventFilter{Outcome: audit.Denied}, []string{"access.deny"}},
		"an actor":       {EventFilter{Actor: tenancy.ID{7}}, []string{"access.deny"}},
		"another actor":  {EventFilter{Actor: tenant.scope.Actor().ID}, []string{"project.create", "project.delete", "artifact.create"}},
		"from":           {EventFilter{From: &second}, []string{"project.delete", "artifact.create", "access.deny"}},
		"until":          {EventFilter{Until: &third}, []string{"project.create", "project.delete"}},
		"between":        {EventFilter{From: &second, Until: &third}, []string{"project.delete"}},
	} {
		if diff := gocmp.Diff(test.want, actions(events(t, tenant, test.filter))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestAnotherTenantsCursorIsRefused carries a cursor into another trail.
func TestAnotherTenantsCursorIsRefused(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	for _, tenant := range []*Tenant{acme, beta} {
		newProject(t, tenant, "one")
		newProject(t, tenant, "two")
	}
	list, err := acme.Events(background, Page{Limit: 1}, EventFilter{})
	if err != nil || list.Next == "" {
		t.Fatal(list, err)
	}
	_, err = beta.Events(background, Page{Limit: 1, Cursor: list.Next}, EventFilter{})
	wantCode(t, err, problem.Malformed)
	_, err = s.InstallationEvents(background, Page{Limit: 1, Cursor: list.Next}, EventFilter{})
	wantCode(t, err, problem.Malformed)
	_, err = acme.Events(background, Page{Limit: 501}, EventFilter{})
	wantCode(t, err, problem.Validation)
}

// TestADeletedTenantsTrailGoes deletes a tenant: its events go, the installation's
// chain says where they ended, and the others' chains stand.
func TestADeletedTenantsTrailGoes(t *testing.T) {
	s := openStore(t)
	doomed, stays := newTenant(t, s, "doomed"), newTenant(t, s, "stays")
	for i := range removalSlice + 20 {
		newProject(t, doomed, fmt.Sprint("p", i))
		if i%10 == 0 {
			newProject(t, stays, fmt.Sprint("p", i))
		}
	}
	last := events(t, doomed, EventFilter{})[removalSlice+19]
	id := doomed.scope.Tenant()
	if err := s.DeleteTenant(background, id, nil); err != nil {
		t.Fatal(err)
	}
	all := installationEvents(t, s)
	gone := all[len(all)-1]
	if gone.Action != audit.TenantDelete || gone.Object != id.String() ||
		!strings.Contains(string(gone.After), fmt.Sprintf(`"last_sequence":%d,"last_hash":"%s"`, last.Sequence, last.Hash)) {
		t.Errorf("the installation says %s %s", gone.Action, gone.After)
	}
	// A removal that is cut short leaves a chain that is sound.
	slice := &shortContext{background, 1}
	if err := s.removeChain(slice, id); err == nil {
		t.Fatal("the removal was not cut short")
	}
	if n := count(t, s, "SELECT count(*) FROM audit_events WHERE tenant_id = $1", id); n != 20 {
		t.Errorf("%d events are left by one slice, want 20", n)
	}
	wantSound(t, s)
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"audit_events", "audit_chains"} {
		if n := count(t, s, "SELECT count(*) FROM "+table+" WHERE tenant_id = $1", id); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if got := events(t, stays, EventFilter{}); len(got) != 12 {
		t.Errorf("the neighbour has %d events, want 12", len(got))
	}
	newProject(t, stays, "after")
	wantSound(t, s)
	checkIntegrity(t, s)
}

func TestTheRetention(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	dir := t.TempDir()
	s, err := Open(background, Options{Dir: dir, Now: func() time.Time { return now }, AuditRetention: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	acme, quiet := newTenant(t, s, "acme"), newTenant(t, s, "quiet")
	newProject(t, quiet, "only")
	for i := range 60 { // a day each
		newProject(t, acme, fmt.Sprint("p", i))
		now = now.Add(24 * time.Hour)
		if err := s.Maintain(background); err != nil {
			t.Fatal(err)
		}
		wantSound(t, s)
	}
	got := events(t, acme, EventFilter{Action: "project"})
	if len(got) < 29 || len(got) > 32 {
		t.Errorf("%d days of events are kept, want 30", len(got))
	}
	for _, e := range got {
		if e.Time < tenancy.TimeOf(now.Add(-31*24*time.Hour)) {
			t.Errorf("an event of %v is kept", e.Time)
		}
	}
	if got := actions(events(t, quiet, EventFilter{})); len(got) == 0 || got[0] != "audit.prune" {
		t.Errorf("the quiet tenant's trail is %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopenStore(t, dir)
	newProject(t, again.Tenant(acme.scope), "after")
	wantSound(t, again)
	checkIntegrity(t, again)

	// Who removes more of the beginning than an event says is found.
	first := events(t, again.Tenant(acme.scope), EventFilter{})[0]
	tamper(t, again, "DELETE FROM audit_events WHERE position = (SELECT min(position) FROM audit_events WHERE tenant_id = $1)", acme.scope.Tenant())
	wantFault(t, again, &acme.scope, "is missing")
	tamper(t, again, "UPDATE audit_chains SET pruned_sequence = $2, pruned_hash = $3, pruned_time = $4 WHERE tenant_id = $1",
		acme.scope.Tenant(), first.Sequence, first.Hash[:], first.Time)
	wantFault(t, again, &acme.scope, "no event says so")
}

// tamper changes the trail behind the store's back.
func tamper(t testing.TB, s *Store, statement string, args ...any) {
	t.Helper()
	err := s.writer.do(background, installationChain, func(tx *Tx) error {
		changed, err := tx.exec(statement, args...)
		if err == nil && changed == 0 {
			err = errors.New("nothing was changed")
		}
		tx.trail.forget()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// wantFault fails the test unless the chain, or any when scope is nil, is broken
// for a reason with the words.
func wantFault(t testing.TB, s *Store, scope *tenancy.Scope, words string) *audit.Fault {
	t.Helper()
	reports, err := s.VerifyAudit(background)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if fault := r.Fault; fault != nil && (scope == nil || r.Tenant != nil && *r.Tenant == scope.Tenant()) && strings.Contains(fault.Reason, words) {
			return fault
		}
	}
	t.Errorf("no fault with %q is among %+v", words, reports)
	return nil
}

// TestAFilteredPageIsBounded looks for an event that stands behind more than a page
// looks at: the first page is empty and goes on.
func TestAFilteredPageIsBounded(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	first := newProject(t, tenant, "first")
	err := tenant.write(background, func(tx *Tx) error {
		for range maxWalk {
			if err := tenant.record(tx, audit.ProjectUpdate, tenancy.ID{1}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	filter := EventFilter{Object: first.ID.String()}
	page, err := tenant.Events(background, Page{Limit: 10}, filter)
	if err != nil || len(page.Items) != 0 || page.Next == "" {
		t.Fatalf("the first page has %d events, next %q, %v", len(page.Items), page.Next, err)
	}
	page, err = tenant.Events(background, Page{Limit: 10, Cursor: page.Next}, filter)
	if err != nil || len(page.Items) != 1 || page.Next != "" {
		t.Errorf("the second page has %d events, next %q, %v", len(page.Items), page.Next, err)
	}
}
