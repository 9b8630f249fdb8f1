package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// with returns a caller who sends another credential.
func (c *caller) with(credential string) *caller {
	other := *c
	other.credential = credential
	return &other
}

// tryLogin sends a login of email with goodPassword.
func (w *world) tryLogin(email string, headers ...string) answer {
	return w.nobody.send("POST", "/auth/login", `{"email":"`+email+`","password":"`+goodPassword+`"}`, headers...)
}

func (w *world) tryRefresh(token string) answer {
	return w.nobody.send("POST", "/auth/refresh", `{"refresh_token":"`+token+`"}`)
}

func TestAFirstStartEndsWithAnOperator(t *testing.T) {
	w := newWorld(t)
	// The world's operator makes room for the first one.
	if err := w.store.DeleteUser(background, w.operator.scope(), w.operator.principal.User, func(auth.UserView) error { return nil }); err == nil {
		t.Fatal("the last operator was deleted")
	}
	if state := w.nobody.send("GET", "/auth/setup", "").want(200).object(); state["needed"] != false {
		t.Errorf("with an operator: %v", state)
	}
	w.nobody.send("POST", "/auth/setup", `{"setup_token":"mss_x","email":"root@example.com","password":"`+goodPassword+`","name":"Root"}`).problem(problem.Unauthenticated)
	if token, err := w.auth.BeginSetup(background); token != "" || err != nil {
		t.Errorf("setup began with an operator: %q, %v", token, err)
	}

	fresh := newEmptyWorld(t)
	if state := fresh.nobody.send("GET", "/auth/setup", "").want(200).object(); state["needed"] != true {
		t.Errorf("without an operator: %v", state)
	}
	token, err := fresh.auth.BeginSetup(background)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"setup_token":"` + token + `","email":"root@example.com","password":"` + goodPassword + `","name":"Root"}`
	fresh.nobody.send("POST", "/auth/setup", strings.Replace(body, goodPassword, "short", 1)).problem(problem.Validation)
	var answers [2]answer
	var both sync.WaitGroup
	for i := range answers {
		both.Go(func() { answers[i] = fresh.nobody.send("POST", "/auth/setup", body) })
	}
	both.Wait()
	if answers[0].status != 201 {
		answers[0], answers[1] = answers[1], answers[0]
	}
	var grant auth.Grant
	answers[0].want(201).into(&grant)
	if answers[1].status == 201 {
		t.Error("two setups succeeded")
	}
	me := fresh.nobody.with(grant.AccessToken).send("GET", "/auth/me", "").want(200).object()
	if me["is_operator"] != true || len(me["permissions"].([]any)) != len(auth.AllPermissions()) || me["tenant"].(map[string]any)["slug"] != tenancy.DefaultSlug {
		t.Errorf("the first operator is %v", me)
	}
	fresh.nobody.with(grant.AccessToken).send("GET", "/tenants", "").want(200)
}

func TestLoginIsAnsweredWithAPair(t *testing.T) {
	w := newWorld(t)
	a := w.tryLogin("Viewer@Acme.example").want(200)
	var grant auth.Grant
	a.into(&grant)
	if grant.TokenType != "Bearer" || grant.ExpiresIn != 900 || grant.RefreshToken == "" || grant.Device == "" || grant.User.Email != "viewer@acme.example" {
		t.Errorf("granted %s", a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("headers %v", a.header)
	}
	me := w.nobody.with(grant.AccessToken).send("GET", "/auth/me", "").want(200).object()
	user := me["user"].(map[string]any)
	if user["email"] != "viewer@acme.example" || user["last_login_at"] == nil || me["credential"] != "access_token" || me["session_id"] == nil ||
		!slices.Contains(me["permissions"].([]any), any("projects:view")) || me["is_operator"] != false {
		t.Errorf("me is %v", me)
	}
	if _, shown := user["password_hash"]; shown {
		t.Error("the hash is shown")
	}
	for name, body := range map[string]string{
		"wrong password": `{"email":"viewer@acme.example","password":"wrong"}`,
		"over-long":      `{"email":"viewer@acme.example","password":"` + strings.Repeat("x", 10_000) + `"}`,
		"unknown":        `{"email":"nobody@acme.example","password":"` + goodPassword + `"}`,
		"no address":     `{"email":"","password":""}`,
		"other tenant":   `{"email":"viewer@acme.example","password":"` + goodPassword + `","tenant":"beta"}`,
		"no such tenant": `{"email":"viewer@acme.example","password":"` + goodPassword + `","tenant":"` + strings.Repeat("x", 1000) + `"}`,
	} {
		refused := w.nobody.send("POST", "/auth/login", body)
		p := refused.problem(problem.Unauthenticated)
		if p.Detail != "E-mail, password or tenant is not right." || refused.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s", name, refused.body)
		}
	}
	w.nobody.send("POST", "/auth/login", `{"email":"viewer@acme.example"}`).problem(problem.Validation)
	w.nobody.send("POST", "/auth/login", `{"email":"viewer@acme.example","password":"x","role":"admin"}`).problem(problem.Validation)
}

func TestOneEmailInTwoTenants(t *testing.T) {
	w := newWorld(t)
	w.user(w.acme.principal.Tenant, "both@example.com", nil, auth.RoleViewer)
	inBeta := w.user(w.beta.principal.Tenant, "both@example.com", nil, auth.RoleViewer)
	w.tryLogin("both@example.com").problem(problem.Unauthenticated)
	a := w.nobody.send("POST", "/auth/login", `{"email":"both@example.com","password":"`+goodPassword+`","tenant":"beta"}`).want(200)
	if user := a.object()["user"].(map[string]any); user["id"] != inBeta.String() {
		t.Errorf("logged in as %v", user)
	}
	w.operator.send("DELETE", "/tenants/"+w.beta.principal.Tenant.String(), "").want(204)
	w.tryLogin("both@example.com").want(200) // one account is left
}

func TestRefreshOverHTTP(t *testing.T) {
	w := newWorld(t)
	first := w.viewer.grant
	var second, again auth.Grant
	w.tryRefresh(first.RefreshToken).want(200).into(&second)
	w.tryRefresh(first.RefreshToken).want(200).into(&again)
	if second.RefreshToken == first.RefreshToken || again.RefreshToken != second.RefreshToken {
		t.Error("the successor is not one, or not the same")
	}
	w.nobody.with(second.AccessToken).send("GET", "/projects", "").want(200)
	for name, token := range map[string]string{"access token": first.AccessToken, "nonsense": "msr_x", "none": "", "API token": "mst_x"} {
		if a := w.tryRefresh(token); a.status != 401 {
			t.Errorf("%s is exchanged: %d", name, a.status)
		}
	}
	w.nobody.send("POST", "/auth/refresh", "").problem(problem.Unauthenticated)
	w.nobody.with(first.RefreshToken).send("GET", "/projects", "").problem(problem.Unauthenticated)

	w.clock.pass(11 * time.Second)
	w.tryRefresh(first.RefreshToken).problem(problem.Unauthenticated)
	w.tryRefresh(second.RefreshToken).problem(problem.Unauthenticated)
	w.nobody.with(second.AccessToken).send("GET", "/projects", "").problem(problem.Unauthenticated)
}

func TestOneSuccessorOfParallelRefreshes(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	successors := map[string]int{}
	for range 200 {
		group.Go(func() {
			var grant auth.Grant
			w.tryRefresh(w.viewer.grant.RefreshToken).want(200).into(&grant)
			mu.Lock()
			defer mu.Unlock()
			successors[grant.RefreshToken]++
		})
	}
	group.Wait()
	if len(successors) != 1 {
		t.Errorf("%d successors, want 1", len(successors))
	}
	var page struct{ Items []auth.Session }
	w.viewer.send("GET", "/auth/sessions", "").want(200).into(&page)
	if len(page.Items) != 1 {
		t.Errorf("%d sessions, want 1", len(page.Items))
	}
}

// Every cause that ends tokens is in force on the very next request, for the
// access token and the refresh token both, and a new login works or does not.
func TestEveryCauseEndsTokensOnTheNextRequest(t *testing.T) {
	w := newWorld(t)
	const changed = "another kettle, less rain"
	tenantPath := func(c *caller) string { return "/tenants/" + c.principal.Tenant.String() }
	for i, cause := range []struct {
		name    string
		act     func(victim, admin *caller)
		relogin bool
	}{
		{"logout", func(v, _ *caller) { v.send("POST", "/auth/logout", "").want(204) }, true},
		{"logout by the refresh token", func(v, _ *caller) {
			w.nobody.send("POST", "/auth/logout", `{"refresh_token":"`+v.grant.RefreshToken+`"}`).want(204)
		}, true},
		{"logout everywhere", func(v, _ *caller) { w.login(v.email).send("POST", "/auth/logout-all", "").want(204) }, true},
		{"the session ended from another", func(v, _ *caller) {
			w.login(v.email).send("DELETE", "/auth/sessions/"+v.grant.Session.String(), "").want(204)
		}, true},
		{"password change", func(v, _ *caller) {
			w.login(v.email).send("POST", "/auth/password", `{"current_password":"`+goodPassword+`","new_password":"`+changed+`"}`).want(200)
		}, false},
		{"password reset", func(v, admin *caller) {
			reset := admin.send("POST", "/users/"+v.principal.User.String()+"/password-reset", "").want(201).object()
			w.nobody.send("POST", "/auth/redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, reset["token"], changed)).want(200)
		}, false},
		{"deactivation", func(v, admin *caller) {
			admin.send("PATCH", "/users/"+v.principal.User.String(), `{"is_active":false}`).want(200)
		}, false},
		{"demotion", func(v, admin *caller) {
			admin.send("PATCH", "/users/"+v.principal.User.String(), `{"roles":["viewer"]}`).want(200)
		}, true},
		{"revocation by an admin", func(v, admin *caller) {
			admin.send("POST", "/users/"+v.principal.User.String()+"/revoke", "").want(204)
		}, true},
		{"deletion of the user", func(v, admin *caller) {
			admin.send("DELETE", "/users/"+v.principal.User.String(), "").want(204)
		}, false},
		{"suspension of the tenant", func(v, _ *caller) { w.operator.send("PATCH", tenantPath(v), `{"is_active":false}`).want(200) }, false},
		{"suspension of the tenant and its end", func(v, _ *caller) {
			w.operator.send("PATCH", tenantPath(v), `{"is_active":false}`).want(200)
			w.operator.send("PATCH", tenantPath(v), `{"is_active":true}`).want(200)
		}, true},
		{"deletion of the tenant", func(v, _ *caller) { w.operator.send("DELETE", tenantPath(v), "").want(204) }, false},
		{"revocation of everything", func(_, _ *caller) {
			if err := w.auth.RevokeEverything(background); err != nil {
				t.Fatal(err)
			}
			w.operator = w.login(w.operator.email)
		}, true},
	} {
		t.Run(cause.name, func(t *testing.T) {
			slug := fmt.Sprint("cause-", i)
			tenant := w.tenant(slug)
			admin := w.enter(tenant, "admin@"+slug+".example", auth.RoleTenantAdmin).in(t)
			victim := w.enter(tenant, "victim@"+slug+".example", auth.RoleDataScientist).in(t)
			bystander := w.login("viewer@acme.example").in(t)
			victim.send("POST", "/projects", `{"name":"before"}`).want(201)
			cause.act(victim, admin)
			refused := victim.send("POST", "/projects", `{"name":"after"}`)
			refused.problem(problem.Unauthenticated)
			if got := refused.header.Get("WWW-Authenticate"); got != `Bearer realm="maestro", error="invalid_token"` {
				t.Errorf("WWW-Authenticate is %q", got)
			}
			w.tryRefresh(victim.grant.RefreshToken).problem(problem.Unauthenticated)
			if a := w.tryLogin(victim.email); (a.status == 200) != cause.relogin {
				t.Errorf("a new login answers %d", a.status)
			}
			if cause.name != "revocation of everything" {
				bystander.send("GET", "/projects", "").want(200)
			}
		})
	}
}

// An API token stops with its user, its tenant, its deletion and its expiry.
func TestAPITokensStopAtOnce(t *testing.T) {
	w := newWorld(t)
	user := w.viewer.principal.User.String()
	issue := func() *caller {
		a := w.viewer.send("POST", "/auth/tokens", `{"name":"job","scopes":["projects:view"]}`).want(201)
		return w.nobody.with(a.object()["token"].(string))
	}
	job := issue()
	job.send("GET", "/projects", "").want(200)
	job.send("GET", "/projects", "", "Authorization", "Basic "+basic("x", job.credential)).want(200)
	job.send("GET", "/artifacts", "") // another scope: whatever the route, never 2xx
	job.send("GET", "/users", "").problem(problem.Forbidden)
	job.send("POST", "/auth/tokens", `{"name":"child","scopes":["projects:view"]}`).problem(problem.Forbidden)
	job.send("POST", "/auth/logout", "").problem(problem.Forbidden)
	if me := job.send("GET", "/auth/me", "").want(200).object(); me["credential"] != "api_token" || me["session_id"] != nil || len(me["permissions"].([]any)) != 1 {
		t.Errorf("the job is %v", me)
	}

	w.acme.send("PATCH", "/users/"+user, `{"is_active":false}`).want(200)
	job.send("GET", "/projects", "").problem(problem.Unauthenticated)
	w.acme.send("PATCH", "/users/"+user, `{"is_active":true}`).want(200)
	job.send("GET", "/projects", "").want(200)
	w.acme.send("PATCH", "/users/"+user, `{"roles":["nothing"]}`).want(200)
	job.send("GET", "/projects", "").problem(problem.Forbidden)
	w.acme.send("PATCH", "/users/"+user, `{"roles":["viewer"]}`).want(200)
	w.viewer = w.login("viewer@acme.example")

	var page struct {
		Items []auth.APIToken
		Next  *string `json:"next_cursor"`
	}
	w.viewer.send("GET", "/auth/tokens", "").want(200).into(&page)
	if len(page.Items) != 1 || page.Next != nil || page.Items[0].Name != "job" {
		t.Errorf("listed %+v", page)
	}
	w.viewer.send("GET", "/auth/tokens?all=true", "").problem(problem.Forbidden)
	w.acme.send("GET", "/auth/tokens?all=true", "").want(200).into(&page)
	if len(page.Items) != 1 {
		t.Errorf("an admin sees %+v", page)
	}
	id := page.Items[0].ID.String()
	w.beta.send("DELETE", "/auth/tokens/"+id, "").problem(problem.NotFound)
	w.viewer.send("DELETE", "/auth/tokens/"+id, "").want(204)
	job.send("GET", "/projects", "").problem(problem.Unauthenticated)

	second, third := issue(), issue()
	w.acme.send("POST", "/users/"+user+"/revoke", "").want(204)
	second.send("GET", "/projects", "").problem(problem.Unauthenticated)
	third.send("GET", "/projects", "").problem(problem.Unauthenticated)
	w.viewer = w.login("viewer@acme.example")

	short := fmt.Sprintf(`{"name":"short","scopes":["projects:view"],"expires_at":%q}`, w.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	fourth := w.nobody.with(w.viewer.send("POST", "/auth/tokens", short).want(201).object()["token"].(string))
	fourth.send("GET", "/projects", "").want(200)
	w.clock.pass(time.Hour)
	fourth.send("GET", "/projects", "").problem(problem.Unauthenticated)
}

func basic(name, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

func TestSessionsAreListedAndEndedOverHTTP(t *testing.T) {
	w := newWorld(t)
	other := w.login("viewer@acme.example")
	var page struct{ Items []auth.Session }
	a := w.viewer.send("GET", "/auth/sessions", "").want(200)
	a.into(&page)
	if len(page.Items) != 2 {
		t.Fatalf("listed %s", a.body)
	}
	for _, s := range page.Items {
		if s.Current != (s.ID == w.viewer.grant.Session) || s.UserID != w.viewer.principal.User {
			t.Errorf("listed %+v", s)
		}
	}
	if strings.Contains(a.body, "msr_") || strings.Contains(a.body, "hash") {
		t.Errorf("the list tells of tokens: %s", a.body)
	}
	var paged []tenancy.ID
	for cursor := ""; ; {
		var one struct {
			Items []auth.Session
			Next  string `json:"next_cursor"`
		}
		w.viewer.send("GET", "/auth/sessions?limit=1&cursor="+cursor, "").want(200).into(&one)
		for _, s := range one.Items {
			paged = append(paged, s.ID)
		}
		if cursor = one.Next; cursor == "" {
			break
		}
	}
	if len(paged) != 2 || paged[0] == paged[1] {
		t.Errorf("paged through %v", paged)
	}
	for _, c := range []*caller{w.acme, w.beta} {
		c.send("DELETE", "/auth/sessions/"+other.grant.Session.String(), "").problem(problem.NotFound)
	}
	other.send("GET", "/projects", "").want(200)
	w.viewer.send("DELETE", "/auth/sessions/"+other.grant.Session.String(), "").want(204)
	other.send("GET", "/projects", "").problem(problem.Unauthenticated)
	w.viewer.send("DELETE", "/auth/sessions/"+other.grant.Session.String(), "").problem(problem.NotFound)
	w.viewer.send("GET", "/auth/sessions", "").want(200).into(&page)
	if len(page.Items) != 1 {
		t.Errorf("%d sessions are left", len(page.Items))
	}
	w.viewer.send("POST", "/auth/logout-all", "").want(204)
	again := w.login("viewer@acme.example")
	again.send("GET", "/auth/sessions", "").want(200).into(&page)
	if len(page.Items) != 1 || page.Items[0].ID != again.grant.Session {
		t.Errorf("after logging out everywhere: %+v", page.Items)
	}
}

// Logging out with a token that is not valid is no error (RFC 7009), and ends
// nothing of others.
func TestLogoutIsForgiving(t *testing.T) {
	w := newWorld(t)
	w.nobody.send("POST", "/auth/logout", "").problem(problem.Unauthenticated)
	w.nobody.with("nonsense").send("POST", "/auth/logout", "").problem(problem.Unauthenticated)
	w.nobody.send("POST", "/auth/logout", `{"refresh_token":"msr_nonsense"}`).want(204)
	w.acme.send("POST", "/auth/logout", `{"refresh_token":"`+w.viewer.grant.RefreshToken+`"}`).want(204)
	w.viewer.send("GET", "/projects", "").want(200)
	w.acme.send("GET", "/projects", "").problem(problem.Unauthenticated)

	w.clock.pass(20 * time.Minute) // the access token has expired, the refresh token has not
	w.viewer.send("GET", "/projects", "").problem(problem.Unauthenticated)
	w.viewer.send("POST", "/auth/logout", `{"refresh_token":"`+w.viewer.grant.RefreshToken+`"}`).want(204)
	w.tryRefresh(w.viewer.grant.RefreshToken).problem(problem.Unauthenticated)
}

func TestGuessingIsSlowedDown(t *testing.T) {
	w := newWorld(t)
	for range auth.AccountPace.Free {
		w.nobody.send("POST", "/auth/login", `{"email":"viewer@acme.example","password":"wrong"}`).problem(problem.Unauthenticated)
	}
	for _, name := range []string{"viewer@acme.example", "VIEWER@acme.example", " viewer@acme.example"} {
		slow := w.tryLogin(name)
		slow.problem(problem.TooManyRequests)
		if after := slow.header.Get("Retry-After"); after != "1" && after != "2" {
			t.Errorf("Retry-After is %q", after)
		}
	}
	known := `{"email":"viewer@acme.example","password":"` + goodPassword + `","known_client":"`
	w.nobody.send("POST", "/auth/login", known+w.acme.grant.RefreshToken+`"}`).problem(problem.TooManyRequests)
	w.nobody.send("POST", "/auth/login", known+w.viewer.grant.Device+`"}`).want(200)
	w.nobody.send("POST", "/auth/login", known+w.viewer.grant.RefreshToken+`"}`).want(200)
	w.viewer.send("GET", "/projects", "").want(200) // a live session is not touched
	w.clock.pass(3 * time.Second)
	w.tryLogin("viewer@acme.example").want(200)
	w.tryLogin("viewer@acme.example").want(200)
}

func TestIntrospectionTellsOnlyWhatTheCallerMayKnow(t *testing.T) {
	w := newWorld(t)
	ask := func(c *caller, token string) string {
		body, err := json.Marshal(map[string]string{"token": token})
		if err != nil {
			t.Fatal(err)
		}
		return c.send("POST", "/auth/introspect", string(body)).want(200).body
	}
	const inactive = `{"active":false}`
	token := w.viewer.grant.AccessToken
	if got := ask(w.viewer, token); !strings.Contains(got, `"active":true`) || !strings.Contains(got, w.viewer.principal.User.String()) {
		t.Errorf("one's own: %s", got)
	}
	if got := ask(w.acme, token); !strings.Contains(got, `"active":true`) {
		t.Errorf("with tokens:view: %s", got)
	}
	for name, got := range map[string]string{
		"another tenant": ask(w.beta, token), "without tokens:view": ask(w.viewer, w.acme.grant.AccessToken), "operator of no rights": ask(w.operator, token),
		"nonsense": ask(w.viewer, "\x00"), "refresh token": ask(w.viewer, w.viewer.grant.RefreshToken),
	} {
		if got != inactive {
			t.Errorf("%s: %s", name, got)
		}
	}
	w.nobody.send("POST", "/auth/introspect", `{"token":"x"}`).problem(problem.Unauthenticated)
	w.viewer.send("POST", "/auth/logout", "").want(204)
	if got := ask(w.acme, token); got != inactive {
		t.Errorf("after the logout: %s", got)
	}
}

func TestKeysArePublished(t *testing.T) {
	w := newWorld(t)
	a := w.nobody.send("GET", "//.well-known/jwks.json", "").want(200)
	var set struct{ Keys []map[string]string }
	a.into(&set)
	if len(set.Keys) == 0 || set.Keys[0]["kty"] != "OKP" || set.Keys[0]["kid"] == "" || set.Keys[0]["d"] != "" {
		t.Errorf("published %s", a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("as %q", got)
	}
}
