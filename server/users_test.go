package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

func TestTheLifeOfAUser(t *testing.T) {
	w := newWorld(t)
	a := w.acme.send("POST", "/users", `{"email":"New@Acme.example","name":"New","roles":["viewer"],"metadata":{"desk":7}}`).want(201)
	var invited auth.Invited
	a.into(&invited)
	path := "/users/" + invited.User.ID.String()
	if a.header.Get("Location") != "/api/v1"+path || a.header.Get("ETag") != `"1"` || invited.Invitation == "" || invited.User.HasPassword || !invited.User.IsActive {
		t.Errorf("made %s", a.body)
	}
	w.acme.send("POST", "/users", `{"email":"new@acme.example","name":"New","roles":["viewer"]}`).problem(problem.Conflict)
	w.beta.send("POST", "/users", `{"email":"new@acme.example","name":"New","roles":["viewer"],"password":"`+goodPassword+`"}`).want(201)

	redeem := func(token, password string) answer {
		return w.nobody.send("POST", "/auth/redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, token, password))
	}
	redeem(invited.Invitation, "short").problem(problem.Validation)
	redeem("msp_"+invited.Invitation[4:], goodPassword).problem(problem.NotFound)
	redeem(invited.Invitation, goodPassword).want(200)
	redeem(invited.Invitation, goodPassword).problem(problem.NotFound)
	login := func() answer {
		return w.nobody.send("POST", "/auth/login", `{"email":"new@acme.example","password":"`+goodPassword+`","tenant":"acme"}`)
	}
	var grant auth.Grant
	login().want(200).into(&grant)

	read := w.acme.send("GET", path, "").want(200)
	var user auth.User
	read.into(&user)
	if user.Email != "New@Acme.example" || string(user.Metadata) != `{"desk":7}` || !user.HasPassword || user.LastLoginAt == nil || user.PasswordChangedAt == nil {
		t.Errorf("read %s", read.body)
	}
	tag := read.header.Get("ETag")
	changed := w.acme.send("PATCH", path, `{"name":"Renamed","roles":["ml_engineer","viewer"]}`, "If-Match", tag).want(200)
	changed.into(&user)
	if user.Name != "Renamed" || !slices.Equal(user.Roles, []string{"ml_engineer", "viewer"}) || string(user.Metadata) != `{"desk":7}` {
		t.Errorf("changed to %s", changed.body)
	}
	w.nobody.with(grant.AccessToken).send("POST", "/projects", `{"name":"at once"}`).want(201) // promoted
	w.acme.send("PATCH", path, `{"name":"Late"}`, "If-Match", tag).problem(problem.PreconditionFailed)
	w.acme.send("PATCH", path, `{"roles":["unheard-of"]}`).problem(problem.Validation)
	w.acme.send("PATCH", path, `{"roles":null}`).problem(problem.Validation)
	w.acme.send("PATCH", path, `{"email":"admin@acme.example"}`).problem(problem.Conflict)
	w.acme.send("PATCH", path, `{"password_hash":"x"}`).problem(problem.Validation)
	w.acme.send("PATCH", path, `{"tenant_id":"`+w.beta.principal.Tenant.String()+`"}`).problem(problem.Validation)
	w.acme.send("DELETE", path, "", "If-Match", tag).problem(problem.PreconditionFailed)
	w.acme.send("DELETE", path, "").want(204)
	w.acme.send("GET", path, "").problem(problem.NotFound)
	login().problem(problem.Unauthenticated)
}

func TestUsersAreListedInPages(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("crowd")
	admin := w.enter(tenant, "admin@crowd.example", auth.RoleTenantAdmin)
	for i := range 7 {
		w.user(tenant, fmt.Sprintf("u%d@crowd.example", i), func(u *auth.UserFields) { u.Name = fmt.Sprint("User ", 6-i); u.IsActive = i != 3 }, auth.RoleViewer)
	}
	list := func(query string) (emails []string) {
		for cursor := ""; ; {
			var page struct {
				Items []auth.User
				Next  string `json:"next_cursor"`
			}
			admin.send("GET", "/users?limit=3&cursor="+cursor+query, "").want(200).into(&page)
			for _, u := range page.Items {
				emails = append(emails, strings.TrimSuffix(u.Email, "@crowd.example"))
			}
			if cursor = page.Next; cursor == "" {
				return emails
			}
		}
	}
	for query, want := range map[string]string{
		"":                                  "admin u6 u5 u4 u3 u2 u1 u0",
		"&sort=-email":                      "u6 u5 u4 u3 u2 u1 u0 admin",
		"&sort=created_at":                  "admin u0 u1 u2 u3 u4 u5 u6",
		"&role=tenant_admin":                "admin",
		"&role=viewer&is_active=true":       "u6 u5 u4 u2 u1 u0",
		"&is_active=false":                  "u3",
		"&role=nothing":                     "",
		"&sort=-created_at&is_active=false": "u3",
	} {
		if got := strings.Join(list(query), " "); got != want {
			t.Errorf("GET /users?%s lists %q, want %q", query, got, want)
		}
	}
}

func TestNobodyGrantsWhatTheyLackOverHTTP(t *testing.T) {
	w := newWorld(t)
	w.acme.send("POST", "/roles", `{"name":"helpdesk","permissions":["users:view","users:create","users:update","users:delete","roles:create","roles:update","projects:view","tokens:create"]}`).want(201)
	desk := w.enter(w.acme.principal.Tenant, "desk@acme.example", "helpdesk")
	low := w.user(w.acme.principal.Tenant, "low@acme.example", nil, "nothing").String()
	admin, own, operator := w.acme.principal.User.String(), desk.principal.User.String(), w.operator.principal.User.String()
	for _, refused := range [][3]string{
		{"POST", "/users", `{"email":"a@acme.example","name":"A","roles":["ml_engineer"]}`},
		{"POST", "/users", `{"email":"a@acme.example","name":"A","roles":["nothing"],"is_operator":true}`},
		{"PATCH", "/users/" + low, `{"roles":["tenant_admin"]}`},
		{"PATCH", "/users/" + low, `{"is_operator":true}`},
		{"PATCH", "/users/" + own, `{"roles":["helpdesk","tenant_admin"]}`},
		{"PATCH", "/users/" + admin, `{"name":"Fool"}`},
		{"PATCH", "/users/" + operator, `{"name":"Fool"}`},
		{"DELETE", "/users/" + admin, ""},
		{"POST", "/users/" + admin + "/revoke", ""},
		{"POST", "/users/" + admin + "/password-reset", ""},
		{"POST", "/users/" + operator + "/password-reset", ""},
		{"POST", "/roles", `{"name":"stronger","permissions":["audit:view"]}`},
		{"PATCH", "/roles/helpdesk", `{"permissions":["audit:view"]}`},
		{"POST", "/auth/tokens", `{"name":"t","scopes":["audit:view"]}`},
		{"POST", "/auth/tokens", `{"name":"t","scopes":["operator"]}`},
		{"POST", "/auth/tokens", `{"name":"t","scopes":["projects:view"],"user_id":"` + low + `"}`},
		{"GET", "/tenants", ""},
		{"DELETE", "/roles/nothing", ""},
	} {
		if a := desk.send(refused[0], refused[1], refused[2]); a.status != 403 {
			t.Errorf("%s %s %s answers %d: %s", refused[0], refused[1], refused[2], a.status, a.body)
		}
	}
	desk.send("PATCH", "/users/"+low, `{"roles":["helpdesk"]}`).want(200)
	desk.send("PATCH", "/users/"+own, `{"is_active":false}`).problem(problem.Conflict)
	desk.send("DELETE", "/users/"+own, "").problem(problem.Conflict)
	w.operator.send("GET", "/users", "").problem(problem.Forbidden) // runs the installation, sees no tenant's data
	for _, path := range []string{"", "/revoke", "/password-reset"} {
		method := map[bool]string{true: "DELETE", false: "POST"}[path == ""]
		foreign := w.beta.send(method, "/users/"+admin+path, "")
		unknown := w.beta.send(method, "/users/"+tenancy.NewID().String()+path, "")
		foreign.problem(problem.NotFound)
		mask := func(a answer) string { return strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "") }
		if mask(foreign) != mask(unknown) {
			t.Errorf("another tenant's user is told from none: %s and %s", foreign.body, unknown.body)
		}
	}
}

func TestTheLastOnesStayOverHTTP(t *testing.T) {
	w := newWorld(t)
	admin := w.acme.principal.User.String()
	w.acme.send("PATCH", "/users/"+admin, `{"roles":["viewer"]}`).problem(problem.Conflict)
	w.acme.send("POST", "/users", `{"email":"invited@acme.example","name":"I","roles":["tenant_admin"]}`).want(201)
	w.acme.send("PATCH", "/users/"+admin, `{"roles":["viewer"]}`).problem(problem.Conflict) // the invited one cannot log in
	second := w.enter(w.acme.principal.Tenant, "second@acme.example", auth.RoleTenantAdmin)

	// Two admins demote each other: one stays.
	var answers [2]answer
	var both sync.WaitGroup
	for i, by := range []*caller{w.acme, second} {
		victim := []*caller{second, w.acme}[i]
		both.Go(func() {
			answers[i] = by.send("PATCH", "/users/"+victim.principal.User.String(), `{"roles":["viewer"]}`)
		})
	}
	both.Wait()
	if (answers[0].status == 200) == (answers[1].status == 200) {
		t.Errorf("answers %d and %d", answers[0].status, answers[1].status)
	}

	// The operator cannot take its own tenant out of use, nor be deleted.
	tenant := "/tenants/" + w.operator.principal.Tenant.String()
	w.operator.send("PATCH", tenant, `{"is_active":false}`).problem(problem.Conflict)
	w.operator.send("DELETE", tenant, "").problem(problem.Conflict)
	w.operator.send("GET", tenant, "").want(200)
	w.viewer.send("GET", "/projects", "").want(200)
	w.user(w.beta.principal.Tenant, "operator@beta.example", func(u *auth.UserFields) { u.IsOperator = true }, auth.RoleViewer)
	other := w.login("operator@beta.example")
	other.send("PATCH", tenant, `{"is_active":false}`).want(200)
	w.operator.send("GET", "/tenants", "").problem(problem.Unauthenticated)
	other.send("DELETE", "/tenants/"+other.principal.Tenant.String(), "").problem(problem.Conflict)
}

func TestRolesOfATenant(t *testing.T) {
	w := newWorld(t)
	a := w.acme.send("POST", "/roles", `{"name":"reader","description":"Reads","permissions":["audit:view","projects:view"]}`).want(201)
	if got := a.object(); got["system"] != false || fmt.Sprint(got["permissions"]) != "[projects:view audit:view]" || a.header.Get("Location") != "/api/v1/roles/reader" {
		t.Errorf("made %s", a.body)
	}
	w.acme.send("POST", "/roles", `{"name":"reader","permissions":[]}`).problem(problem.Conflict)
	p := w.acme.send("POST", "/roles", `{"name":"Operator","permissions":["projects:*"]}`).problem(problem.Validation)
	if !slices.Contains(p.places(), "body.name") || !slices.Contains(p.places(), "body.permissions") {
		t.Errorf("names %v", p.places())
	}
	reader := w.enter(w.acme.principal.Tenant, "reader@acme.example", "reader")
	reader.send("GET", "/projects", "").want(200)
	changed := w.acme.send("PATCH", "/roles/reader", `{"permissions":["audit:view"]}`, "If-Match", a.header.Get("ETag")).want(200)
	if got := changed.object(); got["description"] != "Reads" {
		t.Errorf("changed to %s", changed.body)
	}
	reader.send("GET", "/projects", "").problem(problem.Forbidden)
	w.acme.send("PATCH", "/roles/reader", `{"description":""}`, "If-Match", a.header.Get("ETag")).problem(problem.PreconditionFailed)
	w.acme.send("PATCH", "/roles/viewer", `{"permissions":["audit:view"]}`).problem(problem.Conflict)
	w.acme.send("DELETE", "/roles/viewer", "").problem(problem.Conflict)
	w.acme.send("DELETE", "/roles/reader", "").problem(problem.Conflict)
	w.beta.send("DELETE", "/roles/reader", "").problem(problem.NotFound)
	w.beta.send("PATCH", "/roles/reader", `{"permissions":[]}`).problem(problem.NotFound)
	w.acme.send("DELETE", "/users/"+reader.principal.User.String(), "").want(204)
	w.acme.send("DELETE", "/roles/reader", "").want(204)

	var roles struct{ Items []auth.Role }
	w.beta.send("GET", "/roles", "").want(200).into(&roles)
	if len(roles.Items) != len(auth.SystemRoles()) {
		t.Errorf("another tenant sees %+v", roles.Items)
	}
	var permissions struct{ Items []permission }
	w.acme.send("GET", "/permissions", "").want(200).into(&permissions)
	if len(permissions.Items) != len(auth.AllPermissions()) || permissions.Items[0].Description == "" {
		t.Errorf("permissions: %+v", permissions.Items)
	}
	w.viewer.send("GET", "/roles", "").problem(problem.Forbidden)
}

func TestATenantIsMadeWithItsFirstAdmin(t *testing.T) {
	w := newWorld(t)
	body := `{"name":"Gamma","slug":"gamma","admin":{"email":"boss@gamma.example","name":"Boss","password":"` + goodPassword + `"}}`
	w.operator.send("POST", "/tenants", body).want(201)
	boss := w.login("boss@gamma.example")
	if boss.principal.Permissions != auth.EveryPermission || boss.principal.Operator {
		t.Errorf("the first admin may %v, operator %v", boss.principal.Permissions.Names(), boss.principal.Operator)
	}
	if use := boss.send("GET", "/tenant", "").want(200).object()["use"].(map[string]any); use["users"] != 1.0 {
		t.Errorf("the tenant uses %v", use)
	}
	for name, c := range map[string]struct {
		body  string
		code  problem.Code
		place string
	}{
		"a weak password": {`{"name":"Delta","slug":"delta","admin":{"email":"b@delta.example","name":"B","password":"delta-delta-2026"}}`, problem.Validation, "body.admin.password"},
		"no address":      {`{"name":"Delta","slug":"delta","admin":{"email":"@","name":"B","password":"` + goodPassword + `"}}`, problem.Validation, "body.admin.email"},
		"no room":         {`{"name":"Delta","slug":"delta","max_users":0,"admin":{"email":"b@delta.example","name":"B","password":"` + goodPassword + `"}}`, problem.LimitReached, ""},
		"a taken slug":    {strings.Replace(body, "Gamma", "Delta", 1), problem.Conflict, ""},
	} {
		p := w.operator.send("POST", "/tenants", c.body).problem(c.code)
		if c.place != "" && !slices.Contains(p.places(), c.place) {
			t.Errorf("%s: names %v", name, p.places())
		}
	}
	if a := w.operator.send("GET", "/tenants?sort=-created_at&limit=1", ""); strings.Contains(a.body, "delta") {
		t.Error("a refused tenant is there")
	}
}

func TestUsersAreLimitedByTheTenant(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("small")
	w.user(tenant, "admin@small.example", nil, auth.RoleTenantAdmin)
	admin := w.login("admin@small.example")
	w.operator.send("PATCH", "/tenants/"+tenant.String(), `{"max_users":3}`).want(200)
	var group sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 40 {
		group.Go(func() {
			a := admin.send("POST", "/users", fmt.Sprintf(`{"email":"u%d@small.example","name":"U","roles":["viewer"]}`, i))
			mu.Lock()
			defer mu.Unlock()
			if a.status == 201 {
				made++
			} else if p := a.problem(problem.LimitReached); p.Resource != "users" || *p.Limit != 3 {
				t.Errorf("refused with %s", a.body)
			}
		})
	}
	group.Wait()
	if made != 2 {
		t.Errorf("%d were made, want 2", made)
	}
	if err := w.store.Check(background); err != nil {
		t.Error(err)
	}
}

func TestAMemberOfATeamCanBeAUser(t *testing.T) {
	w := newWorld(t)
	project := w.acme.send("POST", "/projects", `{"name":"p"}`).want(201).object()["id"].(string)
	path := "/projects/" + project + "/members"
	member := func(user string) string {
		return `{"name":"V","role":"analyst","experience_level":"mid","contribution_hours":1,"user_id":"` + user + `"}`
	}
	viewer := w.viewer.principal.User.String()
	made := w.acme.send("POST", path, member(viewer)).want(201)
	w.acme.send("POST", path, member(w.beta.principal.User.String())).problem(problem.Validation)
	w.acme.send("DELETE", "/users/"+viewer, "").want(204)
	var team struct {
		Items []struct {
			Name   string
			UserID *string `json:"user_id"`
		}
	}
	w.acme.send("GET", path, "").want(200).into(&team)
	if len(team.Items) != 1 || team.Items[0].UserID != nil || team.Items[0].Name != "V" {
		t.Errorf("the team is %+v", team.Items)
	}
	w.acme.send("PATCH", path+"/"+made.object()["id"].(string), `{"name":"W"}`, "If-Match", made.header.Get("ETag")).problem(problem.PreconditionFailed)
}

// What is secret stands in the one answer that gives it, and nowhere else: in no
// other answer, no problem, no log.
func TestNoSecretIsRepeated(t *testing.T) {
	var log lockedBuffer
	w := newWorld(t, func(o *Options) {
		o.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	const password, next = "seven purple accordions", "eight purple accordions"
	secrets := []string{password, next, goodPassword}
	var answers strings.Builder
	record := func(a answer) answer { answers.WriteString(a.body + "\n"); return a }
	grant := func(a answer) (g auth.Grant) {
		a.want(200).into(&g)
		secrets = append(secrets, g.AccessToken, g.RefreshToken, g.Device)
		return g
	}
	var invited auth.Invited
	w.acme.send("POST", "/users", `{"email":"x@acme.example","name":"X","roles":["viewer"]}`).want(201).into(&invited)
	id := invited.User.ID.String()
	record(w.nobody.send("POST", "/auth/redeem", fmt.Sprintf(`{"token":%q,"password":"short"}`, invited.Invitation)))
	record(w.nobody.send("POST", "/auth/redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, invited.Invitation, password))).want(200)
	record(w.nobody.send("POST", "/auth/redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, invited.Invitation, password)))
	first := grant(w.nobody.send("POST", "/auth/login", `{"email":"x@acme.example","password":"`+password+`"}`))
	record(w.nobody.send("POST", "/auth/login", `{"email":"x@acme.example","password":"`+password+`","tenant":7}`)).problem(problem.Validation)
	record(w.nobody.send("POST", "/auth/login", `{"email":"x@acme.example","password":"`+password)).problem(problem.Malformed)
	x := w.nobody.with(first.AccessToken)
	record(x.send("POST", "/auth/password", `{"current_password":"`+password+`","new_password":"short"}`)).problem(problem.Validation)
	x = w.nobody.with(grant(x.send("POST", "/auth/password", `{"current_password":"`+password+`","new_password":"`+next+`"}`)).AccessToken)
	record(w.nobody.send("POST", "/auth/refresh", `{"refresh_token":"`+first.RefreshToken+`"}`)).problem(problem.Unauthenticated)
	token := x.send("POST", "/auth/tokens", `{"name":"t","scopes":["projects:view"]}`).want(201).object()["token"].(string)
	reset := w.acme.send("POST", "/users/"+id+"/password-reset", "").want(201).object()["token"].(string)
	secrets = append(secrets, invited.Invitation, token, reset)
	record(w.nobody.with(token).send("GET", "/users", ""))
	record(w.nobody.with(token+"x").send("GET", "/users", ""))
	record(w.nobody.send("GET", "/projects?access_token="+token, "")).problem(problem.Unauthenticated)
	for _, path := range []string{"/auth/me", "/auth/sessions", "/auth/tokens"} {
		record(x.send("GET", path, "")).want(200)
	}
	for _, path := range []string{"/users", "/users/" + id, "/auth/tokens?all=true", "/roles"} {
		record(w.acme.send("GET", path, "")).want(200)
	}
	record(w.acme.send("POST", "/auth/introspect", `{"token":"`+token+`"}`)).want(200)
	for what, text := range map[string]string{"answers": answers.String(), "log": log.String()} {
		if what == "log" && !strings.Contains(text, "/api/v1/auth/login") {
			t.Fatalf("the log does not hold the requests: %.200s", text)
		}
		for _, secret := range append(secrets, "$2a$", "$2b$") {
			if strings.Contains(text, secret) {
				t.Errorf("%s repeat %.20s…", what, secret)
			}
		}
	}
}

// lockedBuffer is a buffer that many may write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A user's own last use of an API token is stored by the minute's work.
func TestTheLastUseOfAnAPITokenIsShown(t *testing.T) {
	w := newWorld(t)
	token := w.viewer.send("POST", "/auth/tokens", `{"name":"t","scopes":["projects:view"]}`).want(201).object()["token"].(string)
	w.nobody.with(token).send("GET", "/projects", "").want(200)
	w.auth.Maintain(background)
	var page struct{ Items []auth.APIToken }
	w.viewer.send("GET", "/auth/tokens", "").want(200).into(&page)
	if at := page.Items[0].LastUsedAt; at == nil || w.clock.Now().Sub(at.Std()) > 2*time.Minute {
		shown, _ := json.Marshal(page.Items)
		t.Errorf("listed %s", shown)
	}
}

// A user shows when they last logged in, so a login makes another state of the
// user; but nobody changed anything that a PATCH could lose.
func TestALoginChangesTheETagAndHindersNoChange(t *testing.T) {
	w := newWorld(t)
	path := "/users/" + w.viewer.principal.User.String()
	before := w.acme.send("GET", path, "").want(200).header.Get("ETag")
	w.acme.send("GET", path, "", "If-None-Match", before).want(304)
	w.clock.pass(time.Second)
	w.login(w.viewer.email)
	read := w.acme.send("GET", path, "", "If-None-Match", before).want(200)
	after := read.header.Get("ETag")
	if after == before || !strings.Contains(read.body, "last_login_at") {
		t.Errorf("after the login the ETag is %s as before, of %s", after, read.body)
	}
	w.acme.send("GET", path, "", "If-None-Match", after).want(304)
	changed := w.acme.send("PATCH", path, `{"name":"Renamed"}`, "If-Match", before).want(200)
	w.acme.send("GET", path, "", "If-None-Match", changed.header.Get("ETag")).want(304)
	for _, tag := range []string{before, after, `"1.`, `"1.x`, `1.x"`, `"."`} {
		if got := w.acme.send("PATCH", path, `{"name":"Lost"}`, "If-Match", tag); got.status != 412 && got.status != 400 {
			t.Errorf("If-Match %s answers %d", tag, got.status)
		}
	}
}
