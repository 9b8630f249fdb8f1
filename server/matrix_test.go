package server

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// TestRoutesDocumentAndPermissionsAreTheSame holds three lists to each other: what
// the engine serves, what the document describes, what is declared of each.
func TestRoutesDocumentAndPermissionsAreTheSame(t *testing.T) {
	s := New(Options{Version: "test"})
	document := readAPI(t, s.OpenAPI())
	served, declared := map[string]bool{}, s.Access()
	for _, route := range s.engine.Routes() {
		key := route.Method + " " + route.Path
		if s.opened[key] {
			if strings.HasPrefix(route.Path, base) {
				t.Errorf("%s is of the API and asks nothing of its caller: add it by handle or handleStream", key)
			}
			continue
		}
		if _, ok := s.demands[key]; !ok {
			t.Errorf("%s is served and declares nothing: add it by handle, handleStream or, where it is the same for everybody, open", key)
		}
		served[key] = true
	}
	for _, o := range document.all {
		access, ok := declared[o.String()]
		if !ok {
			t.Errorf("the document has %s, which is not declared", o)
		}
		if o.Permission != access.String() || o.Permission == "" {
			t.Errorf("%s asks for %s, the document says %q", o, access, o.Permission)
		}
		if !served[o.method+" "+ginPath(o.path)] {
			t.Errorf("the document has %s, which is not served", o)
		}
	}
	for key := range declared {
		method, path, _ := strings.Cut(key, " ")
		if document.find(method, path) == nil {
			t.Errorf("%s is declared and not in the document", key)
		}
	}
	for _, o := range document.all {
		actions := map[string][]string{"GET": {"view"}, "HEAD": {"view"}, "PUT": {"update", "upload"}, "PATCH": {"update"}, "DELETE": {"delete"}}[o.method]
		if _, action, found := strings.Cut(o.Permission, ":"); found && actions != nil && !slices.Contains(actions, action) {
			t.Errorf("%s asks for %s, which is not one to %s", o, o.Permission, strings.Join(actions, " or "))
		}
	}
	if len(document.all) != len(served) || len(served) != len(declared) {
		t.Errorf("%d routes are served, %d declared, %d documented", len(served), len(declared), len(document.all))
	}
}

// TestEveryNameIsMarked holds the document to its marks: whatever is called an id,
// or has the form of one, says what it is the id of, and so does every parameter
// of a path.
func TestEveryNameIsMarked(t *testing.T) {
	document := readAPI(t, New(Options{Version: "test"}).OpenAPI())
	unmarked := func(where, name, mark string, s *schema) {
		calledID := strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids") || strings.HasSuffix(name, "Id") || name == "ids"
		if mark == "" && name != "id" && (calledID || s != nil && s.Format == "uuid") {
			t.Errorf("%s.%s is an id of what? Say so in references of references.go", where, name)
		}
	}
	for name, s := range document.Components.Schemas {
		document.eachMember(s, "", true, func(path string, member *schema, _ bool) {
			unmarked(name, path[strings.LastIndexByte(path, '.')+1:], member.Names, member)
		})
	}
	for _, o := range document.all {
		for _, p := range o.Parameters {
			if unmarked(o.String()+" "+p.In, p.Name, p.Names, p.Schema); p.In == "path" && p.Names == "" {
				t.Errorf("%s has {%s}, and nothing says what that names", o, p.Name)
			}
		}
	}
}

// TestEveryActorOnEveryRoute sends every route from everybody: without a
// credential, with forged ones and with such as held once; with the sessions of
// every system role, of an operator and of somebody without any right; with API
// tokens of the declared permission alone and of every other one. What must be
// refused is otherwise valid and about things that are there.
func TestEveryActorOnEveryRoute(t *testing.T) {
	m := newMatrix(t)
	retired := m.ofRetiredKey()
	acme := newSide(m.w.acme)
	refused := append(m.formers(), retired)
	refused = append(refused, m.forgers(claimsOf(t, m.w.acme.credential))...)
	strangers, people, jobs := m.strangers(m.w.acme.credential), m.people(), m.jobs()
	sent := 0
	for _, o := range m.api.all {
		if o.Permission == auth.Public.String() {
			sent += m.samePublic(o, slices.Concat(strangers, refused))
			continue
		}
		m.turn(o, func() { sent += m.everybody(o, acme, strangers, refused, slices.Concat(people, jobs[o.Permission])) })
	}
	for key := range m.w.server.opened {
		sent += m.sameOpen(strings.TrimPrefix(key, "GET "), slices.Concat(strangers, refused))
	}
	t.Logf("%d requests, %d operations, %d actors", sent, len(m.api.all), len(strangers)+len(refused)+len(people)+2)
	m.unlogged()
}

// everybody sends one operation from everybody, and returns how many requests that
// were.
func (m *matrix) everybody(o *operation, acme *side, strangers, refused, holders []actor) (sent int) {
	r := m.fill(o, "", "", nil)
	r.mediaType, r.body = m.body(acme, o)
	r = m.fill(o, r.mediaType, r.body, m.own(acme, o))
	before := m.digest(acme.tenant)
	tenants := m.tenants()
	for _, group := range [][]actor{strangers, refused} {
		first := ""
		for _, a := range group {
			answer := m.by(a, r)
			sent++
			m.isUnauthenticated(o, a, answer)
			if first == "" {
				first = said(answer)
			} else if differ := apart(said(answer), first); differ != "" {
				m.t.Errorf("%s tells %s apart from %s:%s", o, a.name, group[0].name, differ)
			}
		}
	}
	var permitted []actor
	for _, a := range holders {
		if a.holds(o.Permission) && !(o.Session && a.job) {
			permitted = append(permitted, a)
			continue
		}
		sent++
		m.isForbidden(o, a, m.by(a, r))
	}
	if tables := changed(before, m.digest(acme.tenant)); len(tables) > 0 {
		m.t.Errorf("%s was refused to all and changed rows in %v", o, tables)
	}
	if m.tenants() != tenants {
		m.t.Errorf("%s was refused to all and changed the tenants", o)
	}
	if len(permitted) == 0 {
		m.t.Errorf("nobody may %s", o)
	}
	for _, a := range permitted {
		sent++
		m.isPermitted(o, a, m.by(a, m.fill(o, "", "", unknownIDs(m.api, o))))
	}
	return sent
}

// by sends a request as an actor.
func (m *matrix) by(a actor, r request) answer {
	headers := maps.Clone(a.headers)
	if headers == nil {
		headers = http.Header{}
	}
	if a.fresh != nil {
		headers.Set("Authorization", "Bearer "+a.fresh())
	}
	if r.mediaType != "" {
		headers.Set("Content-Type", r.mediaType)
	}
	headers.Set("Origin", "https://elsewhere.example")
	if a.query != "" {
		r = withQuery(r, a.query)
	}
	return m.ask(r.method, r.path, r.body, headers)
}

// unknownIDs fills the path with ids that nobody has.
func unknownIDs(a *api, o *operation) map[string]string {
	ids := map[string]string{}
	for _, at := range a.slots(o) {
		if at.in == "path" {
			ids[at.String()] = tenancy.NewID().String()
		}
	}
	return ids
}

// guarded fails the test when an answer lacks what every answer has.
func guarded(a answer) {
	a.t.Helper()
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("%s answers %d with Cache-Control %q", a.name, a.status, got)
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Server" || name == "X-Powered-By" || name == "Set-Cookie" {
			a.t.Errorf("%s answers %d with %s", a.name, a.status, name)
		}
	}
	for name, values := range securityHeaders() {
		if a.header.Get(name) != values[0] {
			a.t.Errorf("%s answers %d with %s %q", a.name, a.status, name, a.header.Get(name))
		}
	}
}

// isProblem fails the test unless an answer is the problem of a code, with that
// challenge and no other word of why.
func isProblem(who actor, a answer, code problem.Code, challenge string) {
	a.t.Helper()
	if a.status != classOf(code).status {
		a.t.Errorf("%s by %s answers %d, want %d: %s", a.name, who.name, a.status, classOf(code).status, a.body)
		return
	}
	guarded(a)
	if got, want := a.header.Values("WWW-Authenticate"), `Bearer realm="maestro", error="`+challenge+`"`; len(got) != 1 || got[0] != want {
		a.t.Errorf("%s by %s answers %d with WWW-Authenticate %q, want %q", a.name, who.name, a.status, got, want)
	}
	if !strings.HasPrefix(a.name, "HEAD ") {
		a.problem(code)
	}
}

func (m *matrix) isUnauthenticated(_ *operation, who actor, a answer) {
	m.t.Helper()
	isProblem(who, a, problem.Unauthenticated, "invalid_token")
}

func (m *matrix) isForbidden(_ *operation, who actor, a answer) {
	m.t.Helper()
	isProblem(who, a, problem.Forbidden, "insufficient_scope")
}

// isPermitted fails the test when a request without a body, about what nobody
// has, is refused for who sends it.
func (m *matrix) isPermitted(o *operation, who actor, a answer) {
	m.t.Helper()
	if a.status == 401 || a.status == 403 || a.status >= 500 {
		m.t.Errorf("%s by %s, who may, answers %d: %s", o, who.name, a.status, a.body)
	}
}

// samePublic sends a public route from everybody: a credential that does not hold
// is as good as none.
func (m *matrix) samePublic(o *operation, actors []actor) int {
	m.t.Helper()
	r := request{method: o.method, path: o.path}
	if o.RequestBody != nil {
		r.mediaType, r.body = "application/json", "{}"
	}
	want := said(m.by(actors[0], r))
	for _, a := range actors {
		if a.query != "" {
			continue // it is an unknown parameter, and said so
		}
		answer := m.by(a, r)
		guarded(answer)
		if differ := apart(said(answer), want); differ != "" && !(answer.status == 403 && a.headers.Get("Cookie") != "") {
			m.t.Errorf("%s, which is public, tells %s apart from somebody without a credential:%s", o, a.name, differ)
		}
	}
	return len(actors)
}

// sameOpen sends a route outside the API from everybody.
func (m *matrix) sameOpen(path string, actors []actor) int {
	m.t.Helper()
	path, _, _ = strings.Cut(path, "*")
	r := request{method: "GET", path: strings.Replace(path, ":name", "not-found", 1)}
	want := said(m.by(actors[0], r))
	for _, a := range actors {
		if differ := apart(said(m.by(a, r)), want); differ != "" {
			m.t.Errorf("%s, which is open, tells %s apart from somebody without a credential:%s", path, a.name, differ)
		}
	}
	return len(actors)
}

// tenants are all tenants as an operator sees them.
func (m *matrix) tenants() string {
	m.t.Helper()
	return m.must(m.w.operator, "GET", "/api/v1/tenants?limit=500", "").body
}

// TestOnlyDeclaredMethods sends every method to every path.
func TestOnlyDeclaredMethods(t *testing.T) {
	m := newMatrix(t)
	all := []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
	for path := range m.api.Paths {
		filled := pathParameter.ReplaceAllString(path, tenancy.NewID().String())
		var allowed []string
		for _, o := range m.api.all { // /artifacts/top is an /artifacts/{id} too
			if matches(ginPath(o.path), filled) {
				allowed = append(allowed, o.method)
			}
		}
		slices.Sort(allowed)
		allowed = slices.Compact(allowed)
		for _, method := range all {
			if slices.Contains(allowed, method) || method == "CONNECT" {
				continue
			}
			a := m.as(m.w.acme.credential, method, filled, "")
			guarded(a)
			if got := strings.Split(a.header.Get("Allow"), ", "); a.status != 405 || !slices.Equal(got, allowed) {
				t.Errorf("%s %s answers %d and allows %v, want 405 and %v", method, path, a.status, got, allowed)
			}
		}
	}
}

// TestWhatIsNotServed asks the API's listener for what others serve, and for the
// routes of the control socket, as somebody who may do everything.
func TestWhatIsNotServed(t *testing.T) {
	m := newMatrix(t)
	for _, path := range []string{"/backup", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/metrics/internal", "/server-status", "/actuator/env",
		"/.env", "/.git/config", "/maestro.db", "/keys/secret.key", "/run/control.sock", "/docs/../maestro.db", "/docs/..%2fmaestro.db", "/docs/%2e%2e/go.mod", "/api/v1", "/api/v1/", "/api/v1/backup",
		"/api/v1/projects/", "//api/v1/projects", "/api//v1/projects", "/API/V1/projects", "/api/v1/Projects", "/api/v1/projects%2f", "/api/v1/projects;x=1", "/api/v1/../v1/projects", "/api/v1/%70rojects/"} {
		for _, method := range []string{"GET", "POST"} {
			a := m.as(m.w.operator.credential, method, path, "")
			if a.status != 404 && a.status != 405 && a.status != 400 {
				t.Errorf("%s %s answers %d: %.200s", method, path, a.status, a.body)
			}
			if strings.Contains(a.body, "maestro.db") || strings.Contains(a.body, "goroutine") {
				t.Errorf("%s %s shows %.200s", method, path, a.body)
			}
		}
	}
}
