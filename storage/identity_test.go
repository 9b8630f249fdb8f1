package storage

import (
	"strings"
	"testing"
	"time"

	"maestro/auth"
	"maestro/auth/storetest"
	"maestro/tenancy"
)

func TestTheDatabaseKeepsTheContractOfIdentity(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		s := openStore(t)
		t.Cleanup(func() { checkIntegrity(t, s) })
		return storetest.Subject{
			Store:     s,
			NewTenant: func(slug string) tenancy.ID { return newTenant(t, s, slug).scope.Tenant() },
			SetActive: func(tenant tenancy.ID, active bool) {
				_, err := s.UpdateTenant(background, tenant, nil, func(f *tenancy.TenantFields) error { f.IsActive = active; return nil })
				if err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func createUser(t testing.TB, tenant *Tenant, email string, roles ...string) auth.UserKey {
	t.Helper()
	user, err := tenant.CreateUser(background, tenant.scope, *newUser(email, roles...), func(auth.RoleBook) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return auth.UserKey{Tenant: user.TenantID, User: user.ID}
}

func openSession(t testing.TB, s *Store, key auth.UserKey, at, expires tenancy.Time) auth.Session {
	t.Helper()
	login, err := s.OpenSession(background, auth.NewSession{ID: tenancy.NewID(), Key: key, Now: at, ExpiresAt: expires, VerifiedEpoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	return login.Session
}

// A user keeps a bounded number of sessions: those used latest.
func TestTheSessionsLongestUnusedGo(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	ada, eve := createUser(t, tenant, "ada@example.com", auth.RoleViewer), createUser(t, tenant, "eve@example.com", auth.RoleViewer)
	now := tenancy.TimeOf(time.Now())
	const second tenancy.Time = 1_000_000
	hers := openSession(t, s, eve, now-5000*second, now+second)
	browser := openSession(t, s, ada, now-4000*second, now+1000*second)
	forgotten := openSession(t, s, ada, now-3999*second, now+1000*second)
	for i := range maxSessions - 2 {
		openSession(t, s, ada, now+tenancy.Time(i-2000)*second, now+1000*second)
	}
	result, err := s.RotateSession(background, auth.Rotation{Tenant: ada.Tenant, Session: browser.ID, Now: now, AccessUntil: now})
	if err != nil || result.Outcome != auth.Rotated {
		t.Fatalf("the browser refreshes: %v, %v", result.Outcome, err)
	}
	openSession(t, s, ada, now, now+1000*second)
	if n := count(t, s, "SELECT count(*) FROM sessions WHERE tenant_id = $1 AND user_id = $2", ada.Tenant, ada.User); n != maxSessions {
		t.Errorf("%d sessions are kept, want %d", n, maxSessions)
	}
	for name, c := range map[string]struct {
		session auth.Session
		kept    bool
	}{"longest unused": {forgotten, false}, "old but in use": {browser, true}, "another user's": {hers, true}} {
		if _, err := s.Session(background, ada.Tenant, c.session.ID); (err == nil) != c.kept {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatExpiredIsDeletedInSlices(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	ada := createUser(t, tenant, "ada@example.com", auth.RoleViewer)
	const second tenancy.Time = 1_000_000
	for i := range 10 {
		openSession(t, s, ada, tenancy.Time(i)*second, tenancy.Time(100+i)*second)
	}
	ended := openSession(t, s, ada, 50*second, 1000*second)
	if err := s.EndSession(background, auth.SessionEnd{Tenant: ada.Tenant, Session: ended.ID, Reason: auth.EndedLogout, Now: 60 * second}); err != nil {
		t.Fatal(err)
	}
	link := auth.Link{Kind: auth.LinkReset, User: ada.User, ExpiresAt: 90 * second}
	if err := s.CreateLink(background, tenant.scope, link, func(auth.UserView) error { return nil }); err != nil {
		t.Fatal(err)
	}
	before, _ := s.WriterStats()
	writes := before.Writes.Load()
	for _, want := range []int{5, 3, 0, 0} { // four sessions and the link, the rest, nothing
		if n, err := s.DeleteExpired(background, 106*second, 4); err != nil || n != want {
			t.Errorf("%d went, %v, want %d", n, err, want)
		}
	}
	if n := before.Writes.Load() - writes; n != 2 {
		t.Errorf("it wrote %d times, want 2", n)
	}
	if n := count(t, s, "SELECT count(*) FROM sessions WHERE tenant_id = $1", ada.Tenant); n != 4 {
		t.Errorf("%d sessions are left, want 4", n)
	}
}

// Deleting a tenant removes its identity too, and another tenant's stays.
func TestIdentityGoesWithItsTenant(t *testing.T) {
	s := openStore(t)
	doomed, stays := newTenant(t, s, "doomed"), newTenant(t, s, "stays")
	for _, tenant := range []*Tenant{doomed, stays} {
		if _, err := s.CreateRole(background, tenant.scope, auth.Role{RoleFields: auth.RoleFields{Name: "own"}}); err != nil {
			t.Fatal(err)
		}
		key := createUser(t, tenant, "ada@example.com", auth.RoleViewer, "own")
		openSession(t, s, key, 1, 2)
		always := func(auth.UserView) error { return nil }
		if err := s.CreateLink(background, tenant.scope, auth.Link{Kind: auth.LinkReset, User: key.User, Digest: auth.Digest(append(key.Tenant[:], key.User[:]...))}, always); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateAPIToken(background, tenant.scope, auth.NewAPIToken{ID: tenancy.NewID(), User: key.User, Digest: auth.Digest(append(key.User[:], key.Tenant[:]...))}, always); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteTenant(background, doomed.scope.Tenant(), nil); err != nil {
		t.Fatal(err)
	}
	accounts, err := s.Accounts(background, "ada@example.com", "")
	if err != nil || len(accounts) != 1 || accounts[0].Key.Tenant != stays.scope.Tenant() {
		t.Errorf("before the rows are removed: %+v, %v", accounts, err)
	}
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"users", "user_roles", "roles", "sessions", "api_tokens", "links"} {
		if n := count(t, s, "SELECT count(*) FROM "+table+" WHERE tenant_id = $1", doomed.scope.Tenant()); n != 0 {
			t.Errorf("%d rows are left of %s", n, table)
		}
		if n := count(t, s, "SELECT count(*) FROM "+table+" WHERE tenant_id = $1", stays.scope.Tenant()); n == 0 {
			t.Errorf("another tenant's %s are gone", table)
		}
	}
	if err := s.Check(background); err != nil {
		t.Error(err)
	}
}

// TestListsOfOneUserReadTheirIndex holds the lists that are always filtered by a
// user to the index that orders a user's rows.
func TestListsOfOneUserReadTheirIndex(t *testing.T) {
	s := openStore(t)
	for index, l := range map[string]*listing{"sessions_user": &sessionList, "api_tokens_user": &apiTokenList} {
		for name, key := range l.sorts {
			filters := []filter{{"user_id = %s", tenancy.ID{}}}
			text, args := l.statement(tenancy.ID{}, look{filters: filters}, key, true, &position{Value: int64(1)}, 50)
			plan := queryPlan(t, s, text, len(args))
			if !strings.Contains(plan, index+" (tenant_id=? AND user_id=?") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s by %s:\n%s", l.name, name, plan)
			}
		}
	}
}
