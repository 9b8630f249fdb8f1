package server

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"maestro/auth"
	"maestro/tenancy"
)

// TestEveryIdOfEveryRoute puts into every slot of every operation, wherever the
// document says that something is named there, what is the caller's own, another
// tenant's, removed, unknown, of another type, part of something else, and what is
// no id at all. What is not the caller's own must be answered as what does not
// exist is, to the byte; the other tenant must neither change nor show, and the
// caller's own must not change by what is refused.
//
// The callers may do all that a tenant_admin may, the second one runs the
// installation besides. The valid request, with which each operation's turn ends,
// is sent with the declared permission alone: it must be enough, and, where it is
// one to view, or the method is safe, change nothing.
func TestEveryIdOfEveryRoute(t *testing.T) {
	m := newMatrix(t)
	theirs, ours := newSide(m.w.acme), newSide(m.w.beta)
	m.thing(theirs, "project", nil)
	m.thing(theirs, "project", nil)
	m.w.user(ours.tenant, "both@beta.example", func(u *auth.UserFields) { u.IsOperator = true }, auth.RoleTenantAdmin)
	both := m.w.login("both@beta.example")
	m.must(m.w.operator, "PATCH", "/api/v1/tenants/"+theirs.tenant.String(), `{"name":"`+m.text(theirs)+`"}`)
	colleague := m.w.enter(ours.tenant, "viewer@beta.example", auth.RoleViewer)

	tried := 0
	for _, o := range m.api.all {
		if o.Permission == auth.Public.String() {
			continue
		}
		mine := *ours
		if o.Session { // it may end what the others need
			mine.admin = m.w.enter(ours.tenant, m.text(ours)+"@matrix.example", auth.RoleTenantAdmin)
		}
		trial := &trial{matrix: m, o: o, theirs: theirs, ours: &mine, callers: []*caller{mine.admin, both}, colleague: colleague}
		if o.Permission == auth.Operator.String() {
			trial.callers = []*caller{m.w.operator}
		}
		m.turn(o, trial.run)
		tried += trial.tried
	}
	t.Logf("%d requests", tried)
	if tried < 1000 {
		t.Errorf("tried only %d requests", tried)
	}
	m.unlogged(theirs.canary, ours.canary)
	if m.trailShows(ours.tenant, theirs.canary) {
		t.Error("the trail of the one tenant shows texts of the other")
	}
	if !m.trailShows(ours.tenant, ours.canary) {
		t.Error("the trail shows no text of the tenant's own: is it looked for where it stands?")
	}
}

// trial is one operation's turn.
type trial struct {
	*matrix
	o            *operation
	theirs, ours *side
	callers      []*caller
	colleague    *caller // another user of the same tenant, who may only view

	mediaType, body string
	base            map[string]string // own ids, where a valid request has one
	foreign         []string          // every id of theirs that could be sent
	tried           int
}

func (r *trial) run() {
	t := r.t
	slots := r.api.slots(r.o)
	own := r.own(r.ours, r.o)
	foreign := map[string]string{}
	if r.o.tenanted() || r.o.Permission == auth.Authenticated.String() {
		foreign = r.own(r.theirs, r.o)
	}
	r.foreign = slices.Collect(maps.Values(foreign))
	r.mediaType, r.body = r.matrix.body(r.ours, r.o)
	r.base = map[string]string{}
	for _, at := range slots {
		if at.must {
			r.base[at.String()] = own[at.String()]
		}
	}
	theirsBefore := r.wholeDigest(r.theirs.tenant)
	for _, at := range slots {
		r.slot(at, own, foreign)
	}
	if r.hasCursor() {
		r.cursor(foreign)
	}
	if tables := changed(theirsBefore, r.wholeDigest(r.theirs.tenant)); len(tables) > 0 {
		t.Errorf("%s with ids of another tenant changed its rows in %v", r.o, tables)
	}
	r.succeeds()
}

// wrong makes what a slot must not be given, by what it is; the ids are of the
// slot's own kind except for those of another type.
func (r *trial) wrong(at slot, own, foreign map[string]string) map[string]string {
	unknown := tenancy.NewID().String()
	if at.names == "role" {
		unknown = "no-such-role"
	}
	wrong := map[string]string{"unknown": unknown}
	if id := foreign[at.String()]; id != "" {
		wrong["foreign"] = id
	}
	if at.names != "role" {
		other := "artifact"
		if at.names == other {
			other = "project"
		}
		wrong["of another type"] = r.thing(r.ours, other, nil)
	}
	if at.in == "path" && strings.Contains(strings.Split(r.o.path, "{"+at.name+"}")[0], "{") {
		wrong["of another parent"] = r.own(r.ours, r.o)[at.String()]
	}
	if removed := r.removed(at, own); removed != "" {
		wrong["removed"] = removed
	}
	return wrong
}

// removed makes a thing and removes it; "" where things of the kind stay.
func (r *trial) removed(at slot, own map[string]string) string {
	item, _ := r.itemOf(at.names)
	remove := r.api.find("DELETE", item)
	if remove == nil {
		return ""
	}
	owner := *r.ours
	if remove.Session && !r.o.Session {
		owner.admin = r.callers[0]
	}
	within := map[string]string{}
	for _, s := range r.api.slots(r.o) {
		if s.in == "path" && s != at {
			within[s.names] = own[s.String()]
		}
	}
	id := r.thing(&owner, at.names, within)
	within[at.names] = id
	path := item
	for _, found := range pathParameter.FindAllStringSubmatch(item, -1) {
		path = strings.Replace(path, found[0], within[pathReferent(item, found[1])], 1)
	}
	by := owner.admin
	if remove.Permission == auth.Operator.String() {
		by = r.w.operator
	}
	r.must(by, "DELETE", path, "")
	return id
}

// hostile are headers that say who the caller is. Nothing may believe them.
func (r *trial) hostile() []string {
	return []string{"X-Tenant-Id", r.theirs.tenant.String(), "X-User-Id", r.theirs.admin.principal.User.String(), "X-User-Role", "admin",
		"X-Forwarded-User", r.theirs.admin.email, "Origin", "https://elsewhere.example"}
}

// slot tries one slot.
func (r *trial) slot(at slot, own, foreign map[string]string) {
	t := r.t
	wrong := r.wrong(at, own, foreign)
	oursBefore := r.digest(r.ours.tenant)
	for _, by := range r.callers {
		if at.names == "session" && by != r.callers[0] {
			continue // everybody has sessions of their own
		}
		send := func(id string) answer {
			ids := maps.Clone(r.base)
			ids[at.String()] = id
			a := r.send(by.credential, r.fill(r.o, r.mediaType, r.body, ids), r.hostile()...)
			r.tried++
			r.betrays(a, id)
			return a
		}
		reference := send(wrong["unknown"])
		want := said(reference, wrong["unknown"])
		switch {
		case at.in == "query" && reference.status == 200: // nothing is found by it
		case at.in == "path" && reference.status != 404:
			t.Errorf("%s with an unknown %s answers %d, want 404: %s", r.o, at, reference.status, reference.body)
		case reference.status < 400 || reference.status >= 500:
			t.Errorf("%s with an unknown %s answers %d: %s", r.o, at, reference.status, reference.body)
		}
		for what, id := range wrong {
			if differ := apart(said(send(id), id), want); differ != "" {
				t.Errorf("%s by %s tells a %s in %s that is %s apart from an unknown one:%s", r.o, by.email, at.names, at, what, differ)
			}
		}
		for _, malformed := range r.malformed(at, own[at.String()]) {
			if a := send(malformed); a.status < 400 || a.status >= 500 || a.status == 401 || a.status == 403 {
				t.Errorf("%s with %q in %s answers %d: %s", r.o, malformed, at, a.status, a.body)
			}
		}
	}
	if tables := changed(oursBefore, r.digest(r.ours.tenant)); len(tables) > 0 {
		t.Errorf("%s with wrong ids in %s changed rows in %v", r.o, at, tables)
	}
	if r.o.Permission == auth.Authenticated.String() && at.in == "path" {
		r.anothers(at, own)
	}
}

// anothers sends what belongs to another user of the same tenant.
func (r *trial) anothers(at slot, own map[string]string) {
	unknown := tenancy.NewID().String()
	send := func(id string) string {
		ids := maps.Clone(r.base)
		ids[at.String()] = id
		r.tried++
		return said(r.send(r.colleague.credential, r.fill(r.o, r.mediaType, r.body, ids)), id)
	}
	if differ := apart(send(own[at.String()]), send(unknown)); differ != "" {
		r.t.Errorf("%s tells another user's %s apart from an unknown one:%s", r.o, at.names, differ)
	}
}

// malformed are texts that are no id, and other spellings of one. A slot of the
// query that filters may take any text for a role.
func (r *trial) malformed(at slot, own string) []string {
	if at.names == "role" {
		if at.in == "query" {
			return nil
		}
		return []string{"Viewer%20", "%00", "x"}
	}
	malformed := []string{"x", strings.ToUpper(own), strings.ReplaceAll(own, "-", ""), "{" + own + "}", own + "0", "..%2f" + own}
	malformed = slices.DeleteFunc(malformed, func(text string) bool { return text == own }) // not every id has a hyphen
	if at.in != "path" {
		malformed = append(malformed, "", " "+own, own+"\n")
	}
	if at.in == "query" {
		for i := range malformed {
			malformed[i] = strings.NewReplacer(" ", "%20", "\n", "%0A").Replace(malformed[i])
		}
	}
	return malformed
}

// betrays fails the test when an answer shows anything of the other tenant.
func (r *trial) betrays(a answer, asked string) {
	if r.o.Permission == auth.Operator.String() {
		return // who runs the installation sees every tenant's name
	}
	shown := strings.ReplaceAll(said(a), asked, "")
	for _, secret := range append([]string{r.theirs.canary, r.theirs.tenant.String()}, r.foreign...) {
		if secret != asked && secret != "" && strings.Contains(shown, secret) {
			r.t.Errorf("%s shows %s of another tenant: %s", a.name, secret, shown)
		}
	}
}

func (r *trial) hasCursor() bool {
	return slices.ContainsFunc(r.o.Parameters, func(p parameter) bool { return p.In == "query" && p.Name == "cursor" })
}

// cursor carries cursors of the other tenant's lists into a list: of the same one,
// where its first page is not the last, and of another.
func (r *trial) cursor(foreign map[string]string) {
	from := []request{{method: "GET", path: "/api/v1/projects"}}
	if r.o.Permission != auth.Operator.String() {
		from = append(from, r.fill(r.o, "", "", foreign))
	}
	carried := 0
	for _, list := range from {
		var page struct {
			Next *string `json:"next_cursor"`
		}
		a := r.send(r.theirs.admin.credential, withQuery(list, "limit=1"))
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || page.Next == nil {
			continue
		}
		if a := r.send(r.callers[0].credential, withQuery(r.fill(r.o, "", "", r.base), "limit=1&cursor="+*page.Next)); a.status != 400 {
			r.t.Errorf("%s with a cursor of another tenant answers %d, want 400: %s", r.o, a.status, a.body)
		}
		carried++
	}
	if carried == 0 {
		r.t.Errorf("no list of the other tenant has a second page")
	}
	r.tried += carried
}

func withQuery(r request, query string) request {
	if strings.Contains(r.path, "?") {
		r.path += "&" + query
	} else {
		r.path += "?" + query
	}
	return r
}

// succeeds sends what must succeed.
func (r *trial) succeeds() {
	t := r.t
	credential := r.callers[0].credential
	if r.o.tenanted() && !r.o.Session {
		credential = r.token(r.ours.admin, auth.APITokenFields{Scopes: []string{r.o.Permission}})
	}
	for _, request := range r.valid(r.ours, r.o) {
		before := r.digest(r.ours.tenant)
		a := r.send(credential, request)
		r.tried++
		r.betrays(a, "")
		if a.status < 200 || a.status > 299 {
			t.Errorf("%s by a caller with %s, of its own things and valid, answers %d: %s\n(if the request is not valid: bodies and makers in matrix_fixture_test.go say what is)", r.o, r.o.Permission, a.status, a.body)
		}
		if tables := changed(before, r.digest(r.ours.tenant)); len(tables) > 0 && r.o.reads() {
			t.Errorf("%s asks for %s alone and changed rows in %v", r.o, r.o.Permission, tables)
		}
	}
}
