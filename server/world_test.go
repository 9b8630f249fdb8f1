package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
)

var background = context.Background()

// world is a server on loopback with a real store, and callers in two tenants.
type world struct {
	store  *storage.Store
	server *Server
	url    string

	acme, beta *caller // tenant_admin of a tenant each
	viewer     *caller // viewer of acme
	operator   *caller // operator, without a role
	nobody     *caller // without a credential
}

// caller sends requests with one credential.
type caller struct {
	t          *testing.T
	url        string
	credential string
	principal  auth.Principal
}

// in returns the caller reporting to a subtest.
func (c *caller) in(t *testing.T) *caller {
	inner := *c
	inner.t = t
	return &inner
}

// keyring is an Authenticator for tests that are not about authentication.
type keyring map[string]auth.Principal

func (k keyring) Authenticate(_ context.Context, credential string) (auth.Principal, error) {
	if p, ok := k[credential]; ok {
		return p, nil
	}
	return auth.Principal{}, problem.New(problem.Unauthenticated, "This needs a valid access token or API token.")
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	store, err := storage.Open(background, storage.Options{Dir: t.TempDir(), Readers: 4})
	if err != nil {
		t.Fatal(err)
	}
	keys := keyring{}
	options := Options{Store: store, Auth: keys, Version: "test"}
	for _, f := range change {
		f(&options)
	}
	w := &world{store: store, server: New(options)}
	listener := httptest.NewServer(w.server)
	w.url = listener.URL
	t.Cleanup(func() {
		listener.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	enter := func(name string, tenant tenancy.ID, permissions auth.Permissions, operator bool) *caller {
		user := tenancy.NewID()
		p := auth.Principal{Scope: tenancy.Issue(tenant, tenancy.Actor{ID: user, Kind: tenancy.ActorUser}), User: user, Tenant: tenant,
			Session: tenancy.NewID(), Kind: auth.AccessToken, Permissions: permissions, Operator: operator}
		keys[name] = p
		return &caller{t: t, url: w.url, credential: name, principal: p}
	}
	tenant := func(slug string) tenancy.ID {
		fields := tenancy.NewTenantFields("Tenant "+slug, slug)
		fields.Limits = tenancy.Limits{MaxUsers: 1e6, MaxProjects: 1e6, MaxArtifacts: 1e6, MaxStorageBytes: 1 << 40}
		made, err := store.CreateTenant(background, fields, nil)
		if err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	acme, beta := tenant("acme"), tenant("beta")
	w.acme = enter("acme-admin", acme, auth.EveryPermission, false)
	w.beta = enter("beta-admin", beta, auth.EveryPermission, false)
	w.viewer = enter("acme-viewer", acme, auth.PermissionsOf(auth.ProjectsView, auth.ArtifactsView, auth.UsagesView, auth.MembersView, auth.MetricsView), false)
	w.operator = enter("operator", acme, 0, true)
	w.nobody = &caller{t: t, url: w.url}
	return w
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
