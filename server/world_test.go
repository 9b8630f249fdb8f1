package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
)

var background = context.Background()

// world is a server on loopback with a real store and real logins, and callers in
// two tenants.
type world struct {
	t       *testing.T
	dir     string // of its data
	store   *storage.Store
	auth    *auth.Service
	backups *storage.Backups
	clock   *testClock
	server  *Server
	url     string

	acme, beta *caller // tenant_admin of a tenant each
	viewer     *caller // viewer of acme
	operator   *caller // operator in acme, whose only role grants nothing
	nobody     *caller // without a credential
}

// caller sends requests with one credential.
type caller struct {
	t          *testing.T
	url        string
	credential string
	principal  auth.Principal
	email      string
	grant      auth.Grant
}

// in returns the caller reporting to a subtest.
func (c *caller) in(t *testing.T) *caller {
	inner := *c
	inner.t = t
	return &inner
}

func (c *caller) scope() tenancy.Scope { return c.principal.Scope }

// testClock is the system's clock, moved ahead by hand.
type testClock struct {
	ahead atomic.Int64
	wrong atomic.Int64 // by how much the time of day is wrong; time passes all the same
}

func (c *testClock) Now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load() + c.wrong.Load()))
}

func (c *testClock) Elapsed() time.Duration {
	return time.Since(epoch) + time.Duration(c.ahead.Load())
}

func (c *testClock) pass(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *testClock) jump(d time.Duration) { c.wrong.Add(int64(d)) }

var epoch = time.Now().Add(-time.Hour)

// goodPassword is everybody's.
const goodPassword = "a kettle under violet rain"

// quickHashes cost next to nothing, and anybody may wait for one.
var quickHashes = auth.HasherConfig{InsecureTestCost: 4, MaxWaiting: 10_000, Wait: time.Minute}

// newEmptyWorld is an installation nobody has logged in to.
func newEmptyWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	return openWorld(t, quickHashes, change...)
}

func openWorld(t *testing.T, hash auth.HasherConfig, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, clock: new(testClock)}
	dir := t.TempDir()
	w.dir = dir
	var err error
	w.store, err = storage.Open(background, storage.Options{Dir: dir, Readers: 4, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.auth, err = auth.Open(background, auth.Config{
		DataDir: dir, Clock: w.clock, Hash: hash,
	}, w.store)
	if err != nil {
		t.Fatal(err)
	}
	w.backups, err = storage.OpenBackups(storage.BackupsConfig{Store: w.store, Revocations: w.auth.CopyRevocations, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Store: w.store, Auth: w.auth, Backups: w.backups, Version: "test"}
	for _, f := range change {
		f(&options)
	}
	w.server = New(options)
	listener := httptest.NewServer(w.server)
	w.url = listener.URL
	t.Cleanup(func() {
		listener.Close()
		if err := errors.Join(w.auth.Close(background), w.store.Close()); err != nil {
			t.Error(err)
		}
	})
	w.nobody = &caller{t: t, url: w.url}
	return w
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := newEmptyWorld(t, change...)
	acme, beta := w.tenant("acme"), w.tenant("beta")
	_, err := w.store.CreateRole(background, tenancy.Issue(acme, tenancy.Actor{Kind: tenancy.ActorSystem}), auth.Role{RoleFields: auth.RoleFields{Name: "nothing"}})
	if err != nil {
		t.Fatal(err)
	}
	w.acme = w.enter(acme, "admin@acme.example", auth.RoleTenantAdmin)
	w.beta = w.enter(beta, "admin@beta.example", auth.RoleTenantAdmin)
	w.viewer = w.enter(acme, "viewer@acme.example", auth.RoleViewer)
	w.user(acme, "operator@acme.example", func(u *auth.UserFields) { u.IsOperator = true }, "nothing")
	w.operator = w.login("operator@acme.example")
	return w
}

func (w *world) tenant(slug string) tenancy.ID {
	w.t.Helper()
	fields := tenancy.NewTenantFields("Tenant "+slug, slug)
	fields.Limits = tenancy.Limits{MaxUsers: 1e6, MaxProjects: 1e6, MaxArtifacts: 1e6, MaxStorageBytes: 1 << 40}
	made, err := w.store.CreateTenant(background, fields, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// user stores a user with goodPassword without asking anybody.
func (w *world) user(tenant tenancy.ID, email string, change func(*auth.UserFields), roles ...string) tenancy.ID {
	w.t.Helper()
	fields := auth.UserFields{Email: email, Name: "Somebody", Roles: roles, IsActive: true}
	if change != nil {
		change(&fields)
	}
	user, err := w.auth.PrepareUser(background, fields, goodPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.CreateUser(background, tenancy.Issue(tenant, tenancy.Actor{Kind: tenancy.ActorSystem}), user, func(auth.RoleBook) error { return nil }); err != nil {
		w.t.Fatal(err)
	}
	return user.ID
}

// login logs a user in, past the bounds on requests.
func (w *world) login(email string) *caller {
	w.t.Helper()
	grant, err := w.auth.Login(background, auth.Credentials{Email: email, Password: goodPassword}, auth.Client{})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := w.auth.Authenticate(background, grant.AccessToken)
	if err != nil {
		w.t.Fatal(err)
	}
	return &caller{t: w.t, url: w.url, credential: grant.AccessToken, principal: p, email: email, grant: grant}
}

// enter makes a user with roles and logs in.
func (w *world) enter(tenant tenancy.ID, email string, roles ...string) *caller {
	w.t.Helper()
	w.user(tenant, email, nil, roles...)
	return w.login(email)
}

// answer is what came back.
type answer struct {
	t      *testing.T
	name   string // of the request, for messages
	status int
	header http.Header
	body   string
}

// send sends a request; a body that does not say otherwise is JSON. Headers are
// given in pairs.
func (c *caller) send(method, path, body string, headers ...string) answer {
	c.t.Helper()
	if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "//") {
		path = "/api/v1" + path
	}
	path = strings.TrimPrefix(path, "/") // "//livez" is /livez itself
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	request, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.credential != "" {
		request.Header.Set("Authorization", "Bearer "+c.credential)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{t: c.t, name: method + " " + path, status: response.StatusCode, header: response.Header, body: string(text)}
}

// want fails the test unless the answer has the status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.name, a.status, status, a.body)
	}
	return a
}

// into reads the answer's JSON.
func (a answer) into(v any) answer {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.name, err, a.body)
	}
	return a
}

// object reads the answer's JSON object.
func (a answer) object() map[string]any {
	a.t.Helper()
	var m map[string]any
	a.into(&m)
	return m
}

// problem fails the test unless the answer is the problem of that code, at its
// status, and returns it.
func (a answer) problem(code problem.Code) Problem {
	a.t.Helper()
	var p Problem
	a.into(&p)
	if a.status != classOf(code).status || p.Status != a.status || p.Type != "/problems/"+string(code) {
		a.t.Fatalf("%s answered %d %s, want %d %s: %s", a.name, a.status, p.Type, classOf(code).status, code, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: a problem comes as %q", a.name, got)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("%s: the problem names request %q, the header %q", a.name, p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

// places lists where a problem's violations are.
func (p Problem) places() []string {
	var places []string
	for _, v := range p.Errors {
		places = append(places, v.Location)
	}
	return places
}
