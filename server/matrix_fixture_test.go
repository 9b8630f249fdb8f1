package server

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"maestro/auth"
	"maestro/tenancy"
)

// bodies are what the schemas do not say of a valid body: of operations whose
// body cannot be made up of its schema alone. %s is a text that is not used twice.
var bodies = map[string]string{
	"putArtifactContent": "text of %s",
	"createRole":         `{"name":"%s","permissions":[]}`,
	"createTenant":       `{"name":"%s","slug":"%s"}`,
	"createAPIToken":     `{"name":"%s","scopes":["projects:view"]}`,
	"changePassword":     `{"current_password":"` + goodPassword + `","new_password":"another kettle under rain"}`,
	"searchArtifacts":    `{"query":"shared"}`,
	"updateProject":      `{"description":"%s"}`,
	"updateArtifact":     `{"description":"%s"}`,
}

// makers make what no POST to its collection makes, and what a slot wants a
// particular one of. They return its id, or its name.
func makers() map[string]func(m *matrix, s *side, within map[string]string) string {
	return map[string]func(m *matrix, s *side, within map[string]string) string{
		"session": func(m *matrix, s *side, _ map[string]string) string {
			return m.w.login(s.admin.email).principal.Session.String()
		},
		"artifact": func(m *matrix, s *side, within map[string]string) string {
			id := m.post(s, "artifact", within)
			m.must(s.admin, "PUT", "/api/v1/artifacts/"+id+"/content", "content of "+m.text(s), "Content-Type", "text/plain")
			return id
		},
		"key": func(m *matrix, _ *side, _ map[string]string) string { // one that signed nothing and signs nothing any more
			idle := m.must(m.w.operator, "POST", "/api/v1/system/keys/rotate", "").object()["kid"]
			m.must(m.w.operator, "POST", "/api/v1/system/keys/rotate", "")
			return idle.(string)
		},
		"createAPIToken.body.user_id": func(m *matrix, s *side, within map[string]string) string {
			body := fmt.Sprintf(`{"email":"%s@matrix.example","name":"job","is_service":true,"roles":[%q]}`, m.text(s), m.thing(s, "role", nil))
			return named(m.must(s.admin, "POST", "/api/v1/users", body))
		},
	}
}

// matrix is a world in which every route is tried, with what the routes are.
type matrix struct {
	t        *testing.T
	w        *world
	api      *api
	rows     *sql.DB
	tables   []string
	log      *lockedBuffer
	numbered int
}

// side is a tenant and who rules it. Every text in it contains its canary.
type side struct {
	tenant tenancy.ID
	admin  *caller // tenant_admin
	canary string
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{t: t, log: new(lockedBuffer)}
	m.w = newWorld(t, func(o *Options) {
		o.Log = slog.New(slog.NewJSONHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	m.api = readAPI(t, m.w.server.OpenAPI())
	var err error
	m.rows, err = sql.Open("sqlite", "file:"+filepath.Join(m.w.dir, "maestro.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.rows.Close() })
	names, err := m.rows.Query(`SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) i ON i.name = 'tenant_id' WHERE m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			t.Fatal(err)
		}
		m.tables = append(m.tables, name)
	}
	if err := names.Err(); err != nil || len(m.tables) < 10 {
		t.Fatalf("found the tables %v, %v", m.tables, err)
	}
	return m
}

func newSide(admin *caller) *side {
	return &side{tenant: admin.principal.Tenant, admin: admin, canary: "canary" + strings.ToLower(rand.Text()[:12])}
}

// text returns a text with the side's canary that nobody used before, and a word
// that everybody's has. It is a valid name of everything.
func (m *matrix) text(s *side) string {
	m.numbered++
	return fmt.Sprintf("shared-%s%d", s.canary, m.numbered)
}

// ask sends a request. Its id is always the same, so that two answers that say
// the same are equal to the byte.
func (m *matrix) ask(method, path, body string, headers http.Header) answer {
	m.t.Helper()
	request, err := http.NewRequest(method, m.w.url+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	maps.Copy(request.Header, headers)
	request.Header.Set("X-Request-Id", "matrix")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{t: m.t, name: method + " " + path, status: response.StatusCode, header: response.Header, body: string(text)}
	if strings.HasPrefix(path, base) && (a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff") {
		m.t.Errorf("%s answers %d with Cache-Control %q", a.name, a.status, a.header.Get("Cache-Control"))
	}
	return a
}

// as sends a request with a credential. A body is JSON unless headers, given in
// pairs, say otherwise.
func (m *matrix) as(credential, method, path, body string, headers ...string) answer {
	m.t.Helper()
	all := http.Header{"Authorization": {"Bearer " + credential}}
	if body != "" {
		all.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		all.Set(headers[i], headers[i+1])
	}
	return m.ask(method, path, body, all)
}

// must sends a request that makes or removes something for the matrix itself.
func (m *matrix) must(c *caller, method, path, body string, headers ...string) answer {
	m.t.Helper()
	a := m.as(c.credential, method, path, body, headers...)
	if a.status < 200 || a.status > 299 {
		m.t.Fatalf("%s with %s answers %d: %s", a.name, body, a.status, a.body)
	}
	return a
}

// said is what an answer says, apart from its date and the ids that were asked for.
func said(a answer, ids ...string) string {
	var b strings.Builder
	fmt.Fprintln(&b, a.status)
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		if name != "Date" {
			fmt.Fprintln(&b, name+":", strings.Join(a.header[name], ", "))
		}
	}
	b.WriteString(a.body)
	text := b.String()
	for _, id := range ids {
		text = strings.ReplaceAll(text, id, "ID")
	}
	return text
}

// apart shows the lines in which two answers differ; "" when they are the same.
func apart(got, want string) string {
	if got == want {
		return ""
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	var lines []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			lines = append(lines, "\n  got  "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			lines = append(lines, "\n  want "+line)
		}
	}
	return strings.Join(lines, "")
}

// turn runs a part of the test about one operation.
func (m *matrix) turn(o *operation, part func()) {
	m.t.Helper()
	whole := m.t
	whole.Run(o.ID, func(t *testing.T) {
		m.t = t
		defer func() { m.t = whole }()
		part()
	})
}

// itemOf returns the path of one thing of a kind, and of the collection it is in:
// of several, the one in which things are made.
func (m *matrix) itemOf(kind string) (item, collection string) {
	for _, o := range m.api.all {
		open := strings.LastIndex(o.path, "/{")
		if open < 0 || !strings.HasSuffix(o.path, "}") {
			continue
		}
		if pathReferent(o.path, o.path[open+2:len(o.path)-1]) != kind {
			continue
		}
		if m.api.find("POST", o.path[:open]) != nil {
			return o.path, o.path[:open]
		}
		if item == "" {
			item, collection = o.path, o.path[:open]
		}
	}
	return item, collection
}

// thing makes a thing of a kind on a side, in what within says it is part of, and
// returns its id, or its name where that is what it is known by.
func (m *matrix) thing(s *side, kind string, within map[string]string) string {
	m.t.Helper()
	if make, ok := makers()[kind]; ok {
		return make(m, s, within)
	}
	return m.post(s, kind, within)
}

// post makes a thing by a POST to its collection.
func (m *matrix) post(s *side, kind string, within map[string]string) string {
	m.t.Helper()
	_, collection := m.itemOf(kind)
	o := m.api.find("POST", collection)
	if o == nil {
		m.t.Fatalf("the matrix cannot make a %s: no POST to a collection of them is in the document. Add a maker of it to makers in matrix_fixture_test.go; or, if %q is no kind of thing, say what it names in references.go", kind, kind)
	}
	by := s.admin
	if o.Permission == "operator" {
		by = m.w.operator
	}
	path := collection
	for _, found := range pathParameter.FindAllStringSubmatch(collection, -1) {
		parent := pathReferent(collection, found[1])
		id := within[parent]
		if id == "" {
			id = m.thing(s, parent, within)
		}
		path = strings.Replace(path, found[0], id, 1)
	}
	mediaType, body := m.body(s, o)
	return named(m.must(by, "POST", path, body, "Content-Type", mediaType))
}

// named returns the id of what an answer shows, or the name that stands for it.
func named(a answer) string {
	a.t.Helper()
	shown := a.object()
	for _, inner := range shown { // as in {"user":{"id":…},"invitation":…}
		if object, ok := inner.(map[string]any); ok && shown["id"] == nil && object["id"] != nil {
			shown = object
		}
	}
	id, _ := cmp.Or(shown["id"], shown["name"]).(string)
	if id == "" {
		a.t.Fatalf("%s shows no id: %s", a.name, a.body)
	}
	return id
}

// body makes up a valid body of an operation, with the side's own things wherever
// it must name something. It is empty for an operation without one.
func (m *matrix) body(s *side, o *operation) (mediaType, body string) {
	m.t.Helper()
	mediaType, schema := o.bodyType()
	if template, ok := bodies[o.ID]; ok {
		if mediaType == "*/*" {
			mediaType = "text/plain"
		}
		return mediaType, strings.ReplaceAll(template, "%s", m.text(s))
	}
	if schema == nil {
		return "", ""
	}
	v := inventor{api: m.api, text: m.text(s) + "-", refer: func(kind string) string { return m.thing(s, kind, nil) }}
	value, err := v.value(schema)
	if err != nil {
		m.t.Fatalf("the matrix cannot make up a body of %s: %v. Give the member an example, or the operation a body in bodies of matrix_fixture_test.go", o.ID, err)
	}
	return mediaType, encode(value)
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was made of JSON's own values
	}
	return string(text)
}

// own makes what every slot of an operation may name on a side: all that belongs
// together.
func (m *matrix) own(s *side, o *operation) map[string]string {
	m.t.Helper()
	ids, path := map[string]string{}, map[string]string{}
	for _, at := range m.api.slots(o) {
		if make, ok := makers()[o.ID+"."+at.String()]; ok {
			ids[at.String()] = make(m, s, nil)
			continue
		}
		id := m.thing(s, at.names, path)
		if at.in == "path" {
			path[at.names] = id
		}
		ids[at.String()] = id
	}
	return ids
}

// valid makes valid requests of an operation by a side, about its own things: one
// with what is required, then one with each of what may be left out besides.
func (m *matrix) valid(s *side, o *operation) (requests []request) {
	m.t.Helper()
	slots := m.api.slots(o)
	for _, extra := range append([]slot{{}}, slots...) {
		if extra.must {
			continue
		}
		ids := m.own(s, o)
		for _, at := range slots {
			if !at.must && at != extra {
				delete(ids, at.String())
			}
		}
		mediaType, body := m.body(s, o)
		requests = append(requests, m.fill(o, mediaType, body, ids))
	}
	return requests
}

// request is an operation with everything filled in.
type request struct {
	method, path, mediaType, body string
}

// fill fills an operation's slots with ids, by the slots' names; a slot of the
// query or body that has none is left as it is.
func (m *matrix) fill(o *operation, mediaType, body string, ids map[string]string) request {
	m.t.Helper()
	r := request{o.method, o.path, mediaType, body}
	var value any
	for _, at := range m.api.slots(o) {
		id, given := ids[at.String()]
		if !given {
			continue
		}
		switch at.in {
		case "path":
			r.path = strings.Replace(r.path, "{"+at.name+"}", id, 1)
		case "query":
			r.path += "?" + at.name + "=" + id
		case "body":
			if value == nil {
				if err := json.Unmarshal([]byte(body), &value); err != nil {
					m.t.Fatalf("the body of %s in bodies is not JSON: %v", o.ID, err)
				}
			}
			var inside any = id
			if at.many {
				inside = []any{id}
			}
			value = put(value, strings.Split(at.name, "."), inside)
			r.body = encode(value)
		}
	}
	return r
}

// send sends a request with a credential.
func (m *matrix) send(credential string, r request, headers ...string) answer {
	m.t.Helper()
	if r.mediaType != "" {
		headers = append(headers, "Content-Type", r.mediaType)
	}
	return m.as(credential, r.method, r.path, r.body, headers...)
}

// digest is one hash for each table of a tenant's rows. The audit trail is left
// out: that something was tried may be written down.
func (m *matrix) digest(tenant tenancy.ID) map[string]string {
	m.t.Helper()
	digests := m.wholeDigest(tenant)
	maps.DeleteFunc(digests, func(table, _ string) bool { return strings.HasPrefix(table, "audit") })
	return digests
}

// wholeDigest is digest with the audit trail.
func (m *matrix) wholeDigest(tenant tenancy.ID) map[string]string {
	m.t.Helper()
	digests := map[string]string{}
	add := func(table, query string) {
		rows, err := m.rows.Query(query, tenant[:])
		if err != nil {
			m.t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			m.t.Fatal(err)
		}
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		var lines []string
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				m.t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("%q", values))
		}
		if err := rows.Err(); err != nil {
			m.t.Fatal(err)
		}
		slices.Sort(lines)
		digests[table] = fmt.Sprintf("%d rows, %x", len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n"))))
	}
	for _, table := range m.tables {
		add(table, "SELECT * FROM "+table+" WHERE tenant_id = $1")
	}
	add("tenants", "SELECT * FROM tenants WHERE id = $1")
	add("points", "SELECT p.* FROM points p JOIN series s ON s.id = p.series WHERE s.tenant_id = $1")
	return digests
}

// changed names the tables in which two digests differ.
func changed(before, after map[string]string) (tables []string) {
	for _, table := range slices.Sorted(maps.Keys(before)) {
		if before[table] != after[table] {
			tables = append(tables, table)
		}
	}
	return tables
}

// trailShows reports whether a text stands in a tenant's audit trail.
func (m *matrix) trailShows(tenant tenancy.ID, text string) bool {
	m.t.Helper()
	var shown bool
	err := m.rows.QueryRow(`SELECT EXISTS (SELECT 1 FROM audit_events WHERE tenant_id = $1
		AND instr(object || coalesce(before, '') || coalesce(after, '') || address || request_id, $2) > 0)`, tenant[:], text).Scan(&shown)
	if err != nil {
		m.t.Fatal(err)
	}
	return shown
}

// unlogged fails the test when a credential, a password or a text of a tenant's
// stands in the log.
func (m *matrix) unlogged(canaries ...string) {
	m.t.Helper()
	text := m.log.String()
	if !strings.Contains(text, "request_id") {
		m.t.Error("nothing was logged")
	}
	for _, secret := range append(canaries, "eyJ", "mst_", "msr_", "Bearer ", goodPassword) {
		if at := strings.Index(text, secret); at >= 0 {
			m.t.Errorf("the log contains %q: %.200s", secret, text[max(0, at-100):])
		}
	}
}

// token makes an API token for a caller with scopes.
func (m *matrix) token(c *caller, fields auth.APITokenFields) string {
	m.t.Helper()
	fields.Name = "matrix"
	_, secret, err := m.w.auth.CreateAPIToken(background, &c.principal, fields)
	if err != nil {
		m.t.Fatal(err)
	}
	return secret
}
