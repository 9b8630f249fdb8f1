package auth

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/problem"
	"maestro/tenancy"
)

// TestMain lets the test binary be the child of CheckInChild, and the process that
// TestRedisSideBySide kills.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "check-revocations" {
		switch err := CheckRevocationFile(os.Args[2]); {
		case err == nil:
			os.Exit(0)
		default:
			os.Exit(1)
		}
	}
	if len(os.Args) == 3 && os.Args[1] == "revoke-until-killed" {
		fmt.Fprintln(os.Stderr, revokeUntilKilled(os.Args[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var background = context.Background()

// testClock is moved by hand. Its wall clock and its monotonic clock move apart
// when a test sets the wall clock.
type testClock struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
}

func newTestClock() *testClock {
	return &testClock{wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), elapsed: time.Hour}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *testClock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

func (c *testClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
	c.elapsed += d
}

func (c *testClock) setBack(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(-d)
}

const goodPassword = "a kettle under violet rain"

// world is a service with the tenants acme and globex and one user in acme.
type world struct {
	t             testing.TB
	ctx           context.Context
	clock         *testClock
	store         *memStore
	dir           string
	config        Config
	service       *Service
	acme, globex  tenancy.ID
	ada           UserKey
	adaCredential Credentials
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), clock: newTestClock(), store: newMemStore(), dir: t.TempDir()}
	w.config = Config{
		DataDir: w.dir, Clock: w.clock,
		Hash: HasherConfig{InsecureTestCost: bcrypt.MinCost, MaxWaiting: 10_000, Wait: time.Minute},
	}
	w.acme, w.globex = w.store.addTenant("acme"), w.store.addTenant("globex")
	w.open()
	w.ada = w.user(w.acme, "ada@example.com", RoleDataScientist)
	w.adaCredential = Credentials{Email: "ada@example.com", Password: goodPassword}
	return w
}

func (w *world) open() {
	w.t.Helper()
	service, err := Open(w.ctx, w.config, w.store)
	if err != nil {
		w.t.Fatalf("Open: %v", err)
	}
	w.service = service
	w.t.Cleanup(func() { _ = service.Close(context.Background()) })
}

// reopen is a restart.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.service.Close(w.ctx); err != nil {
		w.t.Fatalf("Close: %v", err)
	}
	w.open()
}

// user stores a user with goodPassword without asking anybody.
func (w *world) user(tenant tenancy.ID, email string, roles ...string) UserKey {
	w.t.Helper()
	hash, err := w.service.hasher.Hash(w.ctx, goodPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	key, ok := EmailKey(email)
	if !ok {
		w.t.Fatalf("%q is not an address", email)
	}
	user := NewUser{
		ID: tenancy.NewID(), EmailKey: key, PasswordHash: hash, Now: w.service.now(),
		UserFields: UserFields{Email: email, Name: "Somebody", Roles: roles, IsActive: true},
	}
	if _, err := w.store.CreateUser(w.ctx, tenancy.Issue(tenant, tenancy.Actor{Kind: tenancy.ActorSystem}), user, func(RoleBook) error { return nil }); err != nil {
		w.t.Fatal(err)
	}
	return UserKey{tenant, user.ID}
}

var someClient = Client{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "test"}

func (w *world) login(email string) Grant {
	w.t.Helper()
	grant, err := w.service.Login(w.ctx, Credentials{Email: email, Password: goodPassword}, someClient)
	if err != nil {
		w.t.Fatalf("log in as %s: %v", email, err)
	}
	return grant
}

func (w *world) principal(token string) *Principal {
	w.t.Helper()
	p, err := w.service.Authenticate(w.ctx, token)
	if err != nil {
		w.t.Fatalf("Authenticate: %v", err)
	}
	return &p
}

// as logs a new user with roles in and returns who it is.
func (w *world) as(tenant tenancy.ID, email string, roles ...string) *Principal {
	w.t.Helper()
	w.user(tenant, email, roles...)
	return w.principal(w.login(email).AccessToken)
}

func (w *world) mustBeDead(what, token string) {
	w.t.Helper()
	if _, err := w.service.Authenticate(w.ctx, token); problem.CodeOf(err) != problem.Unauthenticated {
		w.t.Errorf("%s: got %v, want it refused", what, err)
	}
}

func (w *world) mustLive(what, token string) {
	w.t.Helper()
	if _, err := w.service.Authenticate(w.ctx, token); err != nil {
		w.t.Errorf("%s: got %v, want it accepted", what, err)
	}
}

func mustCode(t testing.TB, what string, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Errorf("%s: got %q (%v), want %q", what, got, err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBeSecretFile(t testing.TB, path, content string) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	got, err := os.ReadFile(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 || string(got) != content+"\n" {
		t.Errorf("%s has mode %o and holds %q", path, info.Mode().Perm(), got)
	}
}

func mustBeNoFile(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("%s is still there", path)
	}
}
