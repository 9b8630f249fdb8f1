package server

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"maestro/auth"
	"maestro/tenancy"
)

// twinMark is in every name of the twin, and in nothing of the tenant's own.
const twinMark = "twin-of-it"

// TestATenantsTwinsStayAsTheyAre gives a tenant two twins with rows of the very same
// ids. Ids are unique in truth, so a statement that forgets its tenant finds the
// right row all the same, and no test of foreign ids sees it; here it finds three,
// a twin's first and a twin's last. Every operation must answer as if there were no
// twins, and leave their rows alone.
func TestATenantsTwinsStayAsTheyAre(t *testing.T) {
	m := newMatrix(t)
	elder := m.w.tenant("elder")
	original := newSide(m.w.enter(m.w.tenant("original"), "admin@original.example", auth.RoleTenantAdmin))
	twins := &twins{matrix: m, original: original.tenant, both: []tenancy.ID{elder, m.w.tenant("younger")}}
	writable, err := sql.Open("sqlite", "file:"+filepath.Join(m.w.dir, "maestro.db")+"?_pragma=busy_timeout(10000)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	writable.SetMaxOpenConns(1)
	twins.rows = writable
	t.Cleanup(func() { writable.Close() })
	for _, o := range m.api.all {
		if !o.tenanted() && o.Permission != auth.Authenticated.String() {
			continue
		}
		m.turn(o, func() { twins.operation(o, original) })
	}
	m.turn(&operation{ID: "a session's life"}, func() { twins.life(original) })
}

// twins are two tenants with the rows of another.
type twins struct {
	*matrix
	rows     *sql.DB // to be written
	original tenancy.ID
	both     []tenancy.ID // the one's id sorts before the original's, the other's after
}

// unchanged returns a check that the twins are as they are now.
func (m *twins) unchanged() func(after any) {
	m.t.Helper()
	before := [2]map[string]string{m.digest(m.both[0]), m.digest(m.both[1])}
	return func(after any) {
		m.t.Helper()
		for i, twin := range m.both {
			if tables := changed(before[i], m.digest(twin)); len(tables) > 0 {
				m.t.Errorf("%s changed a twin's rows in %v", after, tables)
			}
		}
	}
}

// operation tries one operation.
func (m *twins) operation(o *operation, original *side) {
	mine := *original
	mine.admin = m.w.enter(original.tenant, m.text(original)+"@matrix.example", auth.RoleTenantAdmin)
	m.token(mine.admin, auth.APITokenFields{Scopes: []string{auth.ProjectsView.String()}})
	for i, r := range m.valid(&mine, o) {
		var key []string
		if o.takes("Idempotency-Key") {
			key = []string{"Idempotency-Key", fmt.Sprint("matrix ", o.ID, i)}
		}
		m.request(o, r, mine.admin.credential, key)
	}
}

// request sends one valid request, with the header of a key if it has one.
func (m *twins) request(o *operation, r request, credential string, key []string) {
	alone := answer{}
	if o.reads() || key != nil {
		alone = m.send(credential, r, key...)
	}
	m.clone()
	unchanged := m.unchanged()
	a := m.send(credential, r, key...)
	if a.status < 200 || a.status > 299 {
		m.t.Errorf("%s beside a twin answers %d: %s", o, a.status, a.body)
	}
	if strings.Contains(said(a), twinMark) {
		m.t.Errorf("%s shows the twin: %s", o, said(a))
	}
	if o.reads() {
		if differ := apart(said(a), said(alone)); differ != "" {
			m.t.Errorf("%s answers beside a twin otherwise than alone:%s", o, differ)
		}
	}
	if key != nil && (a.header.Get("Idempotency-Replayed") != "true" || a.body != alone.body) {
		m.t.Errorf("%s beside a twin is not known to be repeated: %s", o, said(a))
	}
	unchanged(o)
	if !o.reads() {
		m.maintain()
		unchanged("the work after " + o.String())
	}
}

// life logs in, refreshes, is refused a reused token, is invited, resets
// a password and leaves, and then its tenant is removed.
func (m *twins) life(original *side) {
	email := m.text(original) + "@matrix.example"
	user := m.w.user(original.tenant, email, nil, auth.RoleViewer)
	invited := m.must(original.admin, "POST", "/api/v1/users", fmt.Sprintf(`{"email":"%s@matrix.example","name":"new","roles":["viewer"]}`, m.text(original))).object()["invitation"]
	reset := m.must(original.admin, "POST", "/api/v1/users/"+user.String()+"/password-reset", "").object()["token"]
	early := m.w.login(email)
	m.clone() // with the session
	unchanged := m.unchanged()
	public := func(path, body string) map[string]any {
		m.t.Helper()
		a := m.must(m.w.nobody, "POST", "/api/v1/auth/"+path, body)
		if strings.Contains(a.body, twinMark) {
			m.t.Errorf("%s shows the twin: %s", a.name, a.body)
		}
		if a.body == "" {
			return nil
		}
		return a.object()
	}
	login := func(password string) map[string]any {
		m.t.Helper()
		return public("login", fmt.Sprintf(`{"email":%q,"password":%q,"tenant":"original"}`, email, password))
	}
	refresh := func(token any) map[string]any {
		m.t.Helper()
		return public("refresh", fmt.Sprintf(`{"refresh_token":%q}`, token))
	}
	refresh(early.grant.RefreshToken)
	first := login(goodPassword)
	second := refresh(first["refresh_token"])
	m.must(m.w.nobody.with(second["access_token"].(string)), "GET", "/api/v1/projects", "")
	refresh(second["refresh_token"])
	if a := m.w.tryRefresh(first["refresh_token"].(string)); a.status != 401 {
		m.t.Errorf("a token used again is answered with %d beside a twin", a.status)
	}
	public("logout", fmt.Sprintf(`{"refresh_token":%q}`, login(goodPassword)["refresh_token"]))
	const chosen = "violet kettles rain at night"
	public("redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, reset, chosen))
	public("redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, invited, chosen))
	login(chosen)
	unchanged("the life of a session")
	m.maintain()
	m.must(m.w.operator, "DELETE", "/api/v1/tenants/"+original.tenant.String(), "")
	m.maintain()
	unchanged("the removal of the original")
}

// maintain does the work that the server does by itself.
func (m *matrix) maintain() {
	m.t.Helper()
	if err := m.w.store.Maintain(background); err != nil {
		m.t.Fatal(err)
	}
	m.w.auth.Maintain(background)
}

// clone makes the original's rows the twins' too, in place of what they had: with
// the same ids, other names, and other counts of changes. What must be unique in
// the installation is made so. The search index is not copied: the twins' artifacts
// are indexed by the server's own work.
func (m *twins) clone() {
	m.t.Helper()
	m.maintain() // so that the clones are of what nobody has to work on
	exec := func(statement string, args ...any) {
		m.t.Helper()
		if _, err := m.rows.Exec(statement, args...); err != nil {
			m.t.Fatalf("%s: %v", statement, err)
		}
	}
	const apart = -1_000_000_000 // are numbers that are unique in the installation; below those that the server gives
	exec("BEGIN IMMEDIATE")
	exec("DELETE FROM points WHERE series < 0")
	for i, twin := range m.both {
		offset := apart * (i + 1)
		for _, table := range m.tables {
			if strings.HasPrefix(table, "audit") {
				continue
			}
			exec("DELETE FROM "+table+" WHERE tenant_id = $1", twin[:])
			names, values := m.columns(table, offset)
			exec("INSERT INTO "+table+" ("+names+") SELECT "+values+" FROM "+table+" WHERE tenant_id = $2", twin[:], m.original[:])
		}
		exec("INSERT INTO points (series, time, seq, value, metadata) SELECT p.series + $2, time, seq, value, metadata FROM points p JOIN series s ON s.id = p.series WHERE s.tenant_id = $1", m.original[:], offset)
	}
	exec("DELETE FROM dropped_series WHERE series < 0")
	exec("COMMIT")
	m.post(&side{admin: m.w.acme, tenant: m.w.acme.principal.Tenant, canary: "nudge"}, "project", nil) // from here on, readers see the clones
	m.maintain()
}

// columns lists a table's columns, and what a clone has in them.
func (m *twins) columns(table string, offset int) (names, values string) {
	m.t.Helper()
	rows, err := m.matrix.rows.Query(`SELECT c.name, c.type,
			c.pk = 1 AND c.type = 'INTEGER' OR EXISTS (SELECT 1 FROM pragma_index_list($1) l JOIN pragma_index_info(l.name) i WHERE l."unique" = 1 AND i.seqno = 0 AND i.name = c.name)
		FROM pragma_table_info($1) c`, table)
	if err != nil {
		m.t.Fatal(err)
	}
	defer rows.Close()
	var all, cloned []string
	for rows.Next() {
		var name, kind string
		var unique bool
		if err := rows.Scan(&name, &kind, &unique); err != nil {
			m.t.Fatal(err)
		}
		value := name
		switch {
		case name == "tenant_id":
			value = "$1"
		case unique && kind == "BLOB", name == "fingerprint":
			value = "randomblob(32)"
		case unique && kind == "INTEGER":
			value = fmt.Sprintf("%s + %d", name, offset)
		case unique:
			value = fmt.Sprintf("%s || ' %s %d'", name, twinMark, offset)
		case name == "search_id":
			value = "NULL"
		case name == "name" && table != "roles", name == "description", name == "context", name == "user_agent":
			value = fmt.Sprintf("%s || ' %s %d'", name, twinMark, offset)
		case name == "revision", name == "version" && kind == "INTEGER", name == "epoch":
			value = name + " + 1000"
		}
		all, cloned = append(all, name), append(cloned, value)
	}
	if err := rows.Err(); err != nil {
		m.t.Fatal(err)
	}
	return strings.Join(all, ", "), strings.Join(cloned, ", ")
}
