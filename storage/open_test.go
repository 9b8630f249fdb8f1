package storage

import (
	"context"
	"testing"
	"time"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

var background = context.Background()

// openStore opens a store in a directory of its own and closes it with the test.
func openStore(t testing.TB) *Store {
	t.Helper()
	return reopenStore(t, t.TempDir())
}

// openStandingStore opens a store for which no time passes, so that only the
// number of its writes ends a transaction.
func openStandingStore(t testing.TB) *Store {
	t.Helper()
	start := time.Now()
	return openWith(t, Options{Dir: t.TempDir(), Readers: 4, Now: func() time.Time { return start }})
}

func reopenStore(t testing.TB, dir string) *Store {
	t.Helper()
	return openWith(t, Options{Dir: dir, Readers: 4})
}

func openWith(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(background, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

// newTenant makes a tenant with high limits, lowered by each of with.
func newTenant(t testing.TB, s *Store, slug string, with ...func(*tenancy.Limits)) *Tenant {
	t.Helper()
	fields := tenancy.NewTenantFields("Tenant "+slug, slug)
	fields.Limits = tenancy.Limits{MaxUsers: 1e9, MaxProjects: 1e9, MaxArtifacts: 1e9, MaxStorageBytes: 1 << 50}
	for _, change := range with {
		change(&fields.Limits)
	}
	tenant, err := s.CreateTenant(background, fields, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Tenant(tenancy.Issue(tenant.ID, tenancy.Actor{ID: tenancy.NewID(), Kind: tenancy.ActorUser}))
}

func newProject(t testing.TB, tenant *Tenant, name string) tracking.Project {
	t.Helper()
	p, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: name, Status: tracking.Planned}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newUser returns a user with a password, to be stored.
func newUser(email string, roles ...string) *auth.NewUser {
	return &auth.NewUser{
		ID: tenancy.NewID(), EmailKey: email, PasswordHash: "no hash", Now: tenancy.TimeOf(time.Now()),
		UserFields: auth.UserFields{Email: email, Name: "Somebody", Roles: roles, IsActive: true},
	}
}

func wantCode(t testing.TB, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Fatalf("error %v has code %q, want %q", err, got, want)
	}
}

// count returns the number that a query for one yields.
func count(t testing.TB, s *Store, query string, args ...any) (n int64) {
	t.Helper()
	err := s.read(background, func(c *conn) error {
		return c.queryRow(query, args, func(r row) { n = r.int(0) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkIntegrity fails when anything in the database contradicts itself.
func checkIntegrity(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Check(background); err != nil {
		t.Error(err)
	}
}
