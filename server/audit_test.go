package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
)

// attempt is a request that a test is about to send.
type attempt struct {
	by                 *caller
	method, path, body string
	headers            []string
}

func (r attempt) send() answer { return r.by.send(r.method, r.path, r.body, r.headers...) }

// change says how an operation is used and refused, and what either leaves in the
// trail.
type change struct {
	request      func(s *stage) attempt
	tenant       string                            // actions in the trail of acme
	installation string                            // and in that of the installation
	refused      func(s *stage, r attempt) attempt // nil: by the viewer; by a tenant_admin what needs the operator
	refusal      string                            // what a refusal leaves in acme's trail; access.deny unless set
	elsewhere    string                            // or in the installation's
}

// stage is a world in which operations are tried, with the secrets that came up.
type stage struct {
	t       *testing.T
	w       *world
	token   *caller // an API token of acme's admin
	n       int
	secrets []string
}

func (s *stage) name() string { s.n++; return fmt.Sprint("name", s.n) }

func (s *stage) make(path, body string) string {
	s.t.Helper()
	return s.w.acme.send("POST", path, body).want(201).object()["id"].(string)
}

func (s *stage) project() string {
	s.t.Helper()
	return s.make("/projects", fmt.Sprintf(`{"name":%q}`, s.name()))
}

func (s *stage) artifact() string {
	s.t.Helper()
	return s.make("/artifacts", fmt.Sprintf(`{"name":%q,"type":"model","version":"1"}`, s.name()))
}

// newcomer makes a viewer of acme who can log in, and the login.
func (s *stage) newcomer() *caller {
	s.t.Helper()
	c := s.w.enter(s.w.acme.principal.Tenant, s.name()+"@acme.example", auth.RoleViewer)
	s.secrets = append(s.secrets, c.grant.AccessToken, c.grant.RefreshToken, c.grant.Device)
	return c
}

func (s *stage) invitation() (secret string) {
	s.t.Helper()
	var invited auth.Invited
	s.w.acme.send("POST", "/users", fmt.Sprintf(`{"email":"%s@acme.example","name":"New","roles":["viewer"]}`, s.name())).want(201).into(&invited)
	s.secrets = append(s.secrets, invited.Invitation)
	return invited.Invitation
}

const aMember = `{"name":"Bob","role":"analyst","experience_level":"mid"}`

const otherPassword = "a lantern over quiet gravel"

// changes knows every operation that may change something. Those that do not all the
// same have no request.
var changes = map[string]change{
	"introspect": {},

	"createProject": {tenant: "project.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/projects", fmt.Sprintf(`{"name":%q}`, s.name()), nil}
	}},
	"updateProject": {tenant: "project.update", request: func(s *stage) attempt {
		return attempt{s.w.acme, "PATCH", "/projects/" + s.project(), `{"description":"changed"}`, nil}
	}},
	"recordSuccess": {tenant: "project.update", request: func(s *stage) attempt {
		return attempt{s.w.acme, "PATCH", "/projects/" + s.project() + "/success", `{"model_performance":0.1}`, nil}
	}},
	"deleteProject": {tenant: "project.delete", request: func(s *stage) attempt {
		return attempt{s.w.acme, "DELETE", "/projects/" + s.project(), "", nil}
	}},
	"createMember": {tenant: "member.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/projects/" + s.project() + "/members", aMember, nil}
	}},
	"updateMember": {tenant: "member.update", request: func(s *stage) attempt {
		path := "/projects/" + s.project() + "/members"
		return attempt{s.w.acme, "PATCH", path + "/" + s.make(path, aMember), `{"contribution_hours":5}`, nil}
	}},
	"deleteMember": {tenant: "member.delete", request: func(s *stage) attempt {
		path := "/projects/" + s.project() + "/members"
		return attempt{s.w.acme, "DELETE", path + "/" + s.make(path, aMember), "", nil}
	}},
	"createArtifact": {tenant: "artifact.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/artifacts", fmt.Sprintf(`{"name":%q,"type":"model","version":"1","storage_uri":"s3://key:hunter2hunter2@bucket/x"}`, s.name()), nil}
	}},
	"updateArtifact": {tenant: "artifact.update", request: func(s *stage) attempt {
		return attempt{s.w.acme, "PATCH", "/artifacts/" + s.artifact(), `{"description":"changed"}`, nil}
	}},
	"deleteArtifact": {tenant: "artifact.delete", request: func(s *stage) attempt {
		return attempt{s.w.acme, "DELETE", "/artifacts/" + s.artifact(), "", nil}
	}},
	"putArtifactContent": {tenant: "artifact.upload", request: func(s *stage) attempt {
		return attempt{s.w.acme, "PUT", "/artifacts/" + s.artifact() + "/content", "content of mine", []string{"Content-Type", "text/plain"}}
	}},
	"useArtifact": {tenant: "usage.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/artifacts/" + s.artifact() + "/use", fmt.Sprintf(`{"project_id":%q}`, s.project()), nil}
	}},
	"recordMetric": {tenant: "metrics.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/metrics", fmt.Sprintf(`{"project_id":%q,"metric_type":"x","metric_value":1}`, s.project()), nil}
	}},
	"recordMetrics": {tenant: "metrics.create", request: func(s *stage) attempt {
		project := s.project()
		point := fmt.Sprintf(`{"project_id":%q,"metric_type":"x","metric_value":1}`, project)
		return attempt{s.w.acme, "POST", "/metrics/batch", "[" + point + "," + point + "]", nil}
	}},

	"recordPipelineRun": {tenant: "pipeline_run.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/projects/" + s.project() + "/pipeline-runs", `{"run":"1","status":"success","finished_at":"2026-03-02"}`, nil}
	}},
	"createHook": {tenant: "hook.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/projects/" + s.project() + "/hooks", `{"name":"CI","provider":"github"}`, nil}
	}},
	"deleteHook": {tenant: "hook.delete", request: func(s *stage) attempt {
		project := s.project()
		return attempt{s.w.acme, "DELETE", "/projects/" + project + "/hooks/" + s.w.hook(project, "github").id, "", nil}
	}},
	"deliver": {tenant: "hook.deliver", refusal: "none", refused: func(s *stage, r attempt) attempt {
		r.body += " "
		return r
	}, request: func(s *stage) attempt {
		h, body := s.w.hook(s.project(), "github"), payload(s.t, "github_workflow_run_completed")
		s.secrets = append(s.secrets, h.secret)
		return attempt{s.w.nobody, "POST", h.path, body, h.signed("workflow_run", body)}
	}},

	"createPrediction": {tenant: "prediction.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/predictions", fmt.Sprintf(`{"project_id":%q}`, s.project()), nil}
	}},

	"createUser": {tenant: "user.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/users", fmt.Sprintf(`{"email":"%s@acme.example","name":"New","roles":["viewer"],"password":%q}`, s.name(), otherPassword), nil}
	}},
	"updateUser": {tenant: "user.update", request: func(s *stage) attempt {
		return attempt{s.w.acme, "PATCH", "/users/" + s.newcomer().principal.User.String(), `{"roles":["ml_engineer"]}`, nil}
	}},
	"deleteUser": {tenant: "user.delete", request: func(s *stage) attempt {
		return attempt{s.w.acme, "DELETE", "/users/" + s.newcomer().principal.User.String(), "", nil}
	}},
	"resetPassword": {tenant: "user.password_reset", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/users/" + s.newcomer().principal.User.String() + "/password-reset", "", nil}
	}},
	"revokeUser": {tenant: "user.revoke", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/users/" + s.newcomer().principal.User.String() + "/revoke", "", nil}
	}},
	"createRole": {tenant: "role.create", request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/roles", fmt.Sprintf(`{"name":%q,"permissions":["projects:view"]}`, s.name()), nil}
	}},
	"updateRole": {tenant: "role.update", request: func(s *stage) attempt {
		name := s.name()
		s.w.acme.send("POST", "/roles", fmt.Sprintf(`{"name":%q,"permissions":["projects:view"]}`, name)).want(201)
		return attempt{s.w.acme, "PATCH", "/roles/" + name, `{"permissions":["audit:view"]}`, nil}
	}},
	"deleteRole": {tenant: "role.delete", request: func(s *stage) attempt {
		name := s.name()
		s.w.acme.send("POST", "/roles", fmt.Sprintf(`{"name":%q,"permissions":["projects:view"]}`, name)).want(201)
		return attempt{s.w.acme, "DELETE", "/roles/" + name, "", nil}
	}},

	"createTenant": {installation: "tenant.create", request: func(s *stage) attempt {
		slug := s.name()
		return attempt{s.w.operator, "POST", "/tenants", fmt.Sprintf(`{"name":%[1]q,"slug":%[1]q,"admin":{"email":"a@%[1]s.example","name":"A","password":%[2]q}}`, slug, otherPassword), nil}
	}},
	"updateTenant": {installation: "tenant.update", tenant: "tenant.update", request: func(s *stage) attempt {
		return attempt{s.w.operator, "PATCH", "/tenants/" + s.w.acme.principal.Tenant.String(), fmt.Sprintf(`{"name":%q}`, s.name()), nil}
	}},
	"deleteTenant": {installation: "tenant.delete", request: func(s *stage) attempt {
		return attempt{s.w.operator, "DELETE", "/tenants/" + s.w.tenant(s.name()).String(), "", nil}
	}},

	"createAPIToken": {tenant: "api_token.create", refused: byToken, request: func(s *stage) attempt {
		return attempt{s.w.acme, "POST", "/auth/tokens", `{"name":"ci","scopes":["projects:view"]}`, nil}
	}},
	"deleteAPIToken": {tenant: "api_token.delete", refusal: "none", refused: func(s *stage, r attempt) attempt {
		r.path = "/auth/tokens/" + tenancy.NewID().String()
		return r
	}, request: func(s *stage) attempt {
		made := s.w.acme.send("POST", "/auth/tokens", `{"name":"ci","scopes":["projects:view"]}`).want(201).object()
		s.secrets = append(s.secrets, made["token"].(string))
		return attempt{s.w.acme, "DELETE", "/auth/tokens/" + made["id"].(string), "", nil}
	}},
	"logIn": {tenant: "session.open", refusal: "session.open", refused: func(s *stage, r attempt) attempt {
		r.body = strings.Replace(r.body, goodPassword, "not her secret phrase", 1)
		return r
	}, request: func(s *stage) attempt {
		return attempt{s.w.nobody, "POST", "/auth/login", fmt.Sprintf(`{"email":%q,"password":%q}`, s.newcomer().email, goodPassword), nil}
	}},
	"refresh": {tenant: "session.refresh", refusal: "session.refresh", refused: func(s *stage, r attempt) attempt {
		c := s.newcomer()
		c.send("POST", "/auth/logout", "").want(204)
		r.body = fmt.Sprintf(`{"refresh_token":%q}`, c.grant.RefreshToken)
		return r
	}, request: func(s *stage) attempt {
		return attempt{s.w.nobody, "POST", "/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, s.newcomer().grant.RefreshToken), nil}
	}},
	"logOut": {tenant: "session.end", refusal: "none", refused: func(s *stage, r attempt) attempt {
		r.by = s.w.nobody
		return r
	}, request: func(s *stage) attempt { return attempt{s.newcomer(), "POST", "/auth/logout", "", nil} }},
	"logOutEverywhere": {tenant: "user.revoke", refused: byToken, request: func(s *stage) attempt {
		return attempt{s.newcomer(), "POST", "/auth/logout-all", "", nil}
	}},
	"endSession": {tenant: "session.end", refused: byToken, request: func(s *stage) attempt {
		c := s.newcomer()
		return attempt{c, "DELETE", "/auth/sessions/" + c.principal.Session.String(), "", nil}
	}},
	"changePassword": {tenant: "user.password", refused: func(s *stage, r attempt) attempt {
		r.by = s.newcomer()
		r.body = strings.Replace(r.body, goodPassword, "not her secret phrase", 1)
		return r
	}, request: func(s *stage) attempt {
		return attempt{s.newcomer(), "POST", "/auth/password", fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, goodPassword, otherPassword), nil}
	}},
	"redeemLink": {tenant: "user.password", refusal: "none", elsewhere: "link.redeem", refused: func(s *stage, r attempt) attempt {
		return r // it holds once
	}, request: func(s *stage) attempt {
		return attempt{s.w.nobody, "POST", "/auth/redeem", fmt.Sprintf(`{"token":%q,"password":%q}`, s.invitation(), otherPassword), nil}
	}},
	"rotateSigningKeys": {installation: "key.rotate", request: func(s *stage) attempt {
		return attempt{s.w.operator, "POST", "/system/keys/rotate", "", nil}
	}},
	"retireSigningKey": {installation: "key.retire", request: func(s *stage) attempt {
		old := s.w.auth.Keys()[0].ID
		if _, err := s.w.auth.RotateKeys(); err != nil {
			s.t.Fatal(err)
		}
		s.w.operator, s.w.acme, s.w.viewer = s.w.login(s.w.operator.email), s.w.login(s.w.acme.email), s.w.login(s.w.viewer.email) // with the new key
		return attempt{s.w.operator, "DELETE", "/system/keys/" + old, "", nil}
	}},
	"unlockLogin": {installation: "login.unlock", request: func(s *stage) attempt {
		return attempt{s.w.operator, "POST", "/system/unlock", `{"email":"viewer@acme.example"}`, nil}
	}},
	"startBackup": {installation: "backup.start", request: func(s *stage) attempt {
		return attempt{s.w.operator, "POST", "/system/backups", "", nil}
	}},
	"completeSetup": {}, // TestASetupIsRecorded
}

func byToken(s *stage, r attempt) attempt {
	r.by = s.token
	return r
}

// trails reads what is in the trail of acme and in that of the installation.
func (s *stage) trails() (tenant, installation []audit.Event) {
	s.t.Helper()
	read := func(list func(storage.Page) (storage.List[audit.Event], error)) (all []audit.Event) {
		for page := (storage.Page{Limit: 500}); ; {
			l, err := list(page)
			if err != nil {
				s.t.Fatal(err)
			}
			if all = append(all, l.Items...); l.Next == "" {
				slices.Reverse(all)
				return all
			}
			page.Cursor = l.Next
		}
	}
	tenant = read(func(p storage.Page) (storage.List[audit.Event], error) {
		return s.w.store.Tenant(s.w.acme.scope()).Events(background, p, storage.EventFilter{})
	})
	return tenant, read(func(p storage.Page) (storage.List[audit.Event], error) {
		return s.w.store.InstallationEvents(background, p, storage.EventFilter{})
	})
}

// wantEvents sends a request and compares what it leaves in both trails.
func (s *stage) wantEvents(r attempt, outcome audit.Outcome, tenant, installation string) answer {
	s.t.Helper()
	beforeTenant, beforeInstallation := s.trails()
	r.headers = append([]string{"X-Request-Id", "request-" + s.name()}, r.headers...)
	a := r.send()
	afterTenant, afterInstallation := s.trails()
	for _, c := range []struct {
		whose         string
		before, after []audit.Event
		want          string
	}{{"the tenant's", beforeTenant, afterTenant, tenant}, {"the installation's", beforeInstallation, afterInstallation, installation}} {
		got := []string{}
		for _, e := range c.after[len(c.before):] {
			got = append(got, string(e.Action)+" "+string(e.Outcome))
			if e.RequestID != r.headers[1] || e.Address == "" {
				s.t.Errorf("%s: %s says request %q from %q", a.name, e.Action, e.RequestID, e.Address)
			}
			if by := r.by.principal; !by.User.IsZero() && (e.ActorID == nil || *e.ActorID != by.User || *e.CredentialID != credentialOfPrincipal(by)) && e.Action != audit.UserPassword {
				s.t.Errorf("%s: %s says that %v acted with %v, want %v", a.name, e.Action, e.ActorID, e.CredentialID, by.User)
			}
		}
		want := []string{}
		for _, action := range strings.Fields(c.want) {
			want = append(want, action+" "+string(outcome))
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			s.t.Errorf("%s %s answered %d; in %s trail (-want +got)\n%s", r.method, r.path, a.status, c.whose, diff)
		}
	}
	return a
}

func credentialOfPrincipal(p auth.Principal) tenancy.ID {
	if p.Session.IsZero() {
		return p.Credential
	}
	return p.Session
}

// TestEveryChangeLeavesOneEvent tries every operation of the OpenAPI document that
// may change something: with success, which leaves one event of the right action, and
// refused, which leaves none of success. No secret that comes up on the way is in
// any event, and every chain is sound.
func TestEveryChangeLeavesOneEvent(t *testing.T) {
	w := newWorld(t)
	s := &stage{t: t, w: w, secrets: []string{goodPassword, otherPassword, "not her secret phrase", "hunter2hunter2"}}
	made := w.acme.send("POST", "/auth/tokens", `{"name":"job","scopes":["projects:view"]}`).want(201).object()
	s.token = w.nobody.with(made["token"].(string))
	var err error
	if s.token.principal, err = w.auth.Authenticate(background, s.token.credential); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*caller{w.acme, w.viewer, w.operator} {
		s.secrets = append(s.secrets, c.grant.AccessToken, c.grant.RefreshToken, c.grant.Device)
	}
	s.secrets = append(s.secrets, s.token.credential)
	known := map[string]bool{}
	for _, o := range readAPI(t, w.server.OpenAPI()).all {
		if o.reads() {
			continue
		}
		known[o.ID] = true
		change, ok := changes[o.ID]
		if !ok {
			t.Errorf("%s %s (%s) is not tried: say in changes what it leaves in the audit trail", o.method, o.path, o.ID)
			continue
		}
		if change.request == nil {
			continue
		}
		r := change.request(s)
		a := s.wantEvents(r, audit.Success, change.tenant, change.installation)
		if a.status >= 300 {
			t.Errorf("%s answered %d: %s", o.ID, a.status, a.body)
		}
		for _, name := range []string{"token", "invitation", "link", "secret", "access_token", "refresh_token", "device_token"} {
			if secret, ok := anyField(a, name); ok {
				s.secrets = append(s.secrets, secret)
			}
		}
		if change.refused == nil {
			if r.by = w.viewer; o.Permission == "operator" {
				r.by = w.acme
			}
		} else {
			r = change.refused(s, r)
		}
		refusal := change.refusal
		switch refusal {
		case "":
			refusal = "access.deny"
		case "none":
			refusal = ""
		}
		if a := s.wantEvents(r, audit.Denied, refusal, change.elsewhere); a.status < 400 || a.status >= 500 {
			t.Errorf("%s is not refused: %d %s", o.ID, a.status, a.body)
		}
	}
	for id := range changes {
		if !known[id] {
			t.Errorf("no operation is called %s", id)
		}
	}
	furnished := furnish(t, w.acme, "x")
	before, beforeInstallation := s.trails()
	everything(w.acme, furnished)
	if after, afterInstallation := s.trails(); len(after) != len(before) || len(afterInstallation) != len(beforeInstallation) {
		t.Errorf("reading left %d events", len(after)-len(before))
	}
	s.wantNoSecret()
}

// anyField finds a text of that name in an answer's object or in an object of it.
func anyField(a answer, name string) (string, bool) {
	if a.body == "" || a.body[0] != '{' {
		return "", false
	}
	text, ok := a.object()[name].(string)
	return text, ok
}

// wantNoSecret fails the test if a secret is in any event, or a chain is broken.
func (s *stage) wantNoSecret() {
	s.t.Helper()
	tenant, installation := s.trails()
	var all []byte
	for _, e := range slices.Concat(tenant, installation) {
		all = append(e.AppendJSON(all), '\n')
	}
	tried := 0
	for _, secret := range s.secrets {
		if secret == "" {
			continue
		}
		tried++
		if i := strings.Index(string(all), secret); i >= 0 {
			s.t.Errorf("a secret is in the trail: …%s…", all[max(0, i-200):i+len(secret)])
		}
	}
	if len(all) < 10_000 || tried < 20 {
		s.t.Errorf("%d secrets and %d bytes of events: the test does not test", tried, len(all))
	}
	if err := s.w.store.Check(background); err != nil {
		s.t.Error(err)
	}
}

// TestASetupIsRecorded makes the first operator.
func TestASetupIsRecorded(t *testing.T) {
	w := newEmptyWorld(t)
	token, err := w.auth.BeginSetup(background)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"setup_token":%q,"email":"root@example.com","password":"` + goodPassword + `","name":"Root"}`
	w.nobody.send("POST", "/auth/setup", fmt.Sprintf(body, "mss_x")).problem(problem.Unauthenticated)
	w.nobody.send("POST", "/auth/setup", fmt.Sprintf(body, token)).want(201)
	list, err := w.store.InstallationEvents(background, storage.Page{Limit: 10}, storage.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(list.Items) {
		got = append(got, string(e.Action)+" "+string(e.Outcome)+" "+string(e.ActorKind))
	}
	if diff := gocmp.Diff([]string{"setup.complete denied anonymous", "operator.create success anonymous"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAReusedRefreshTokenIsRecorded shows a refresh token again, long after it was
// exchanged.
func TestAReusedRefreshTokenIsRecorded(t *testing.T) {
	w := newWorld(t)
	s := &stage{t: t, w: w}
	c := s.newcomer()
	refresh := attempt{w.nobody, "POST", "/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, c.grant.RefreshToken), nil}
	s.wantEvents(refresh, audit.Success, "session.refresh", "").want(200)
	w.clock.pass(time.Minute)
	s.wantEvents(refresh, audit.Denied, "session.reuse", "").want(401)
	tenant, _ := s.trails()
	e := tenant[len(tenant)-1]
	if e.Object != c.principal.Session.String() || !strings.Contains(string(e.After), `"reason":"refresh_reuse"`) ||
		!strings.Contains(string(e.Before), c.principal.User.String()) || e.ActorKind != audit.ActorNobody {
		t.Errorf("the event is %s", e.AppendJSON(nil))
	}
}

// TestRefusalsAreBounded is refused a thousand times within a minute.
func TestRefusalsAreBounded(t *testing.T) {
	w := newWorld(t)
	s := &stage{t: t, w: w}
	before, beforeInstallation := s.trails()
	for range 300 {
		w.viewer.send("POST", "/projects", `{"name":"x"}`).problem(problem.Forbidden)
	}
	for range 300 {
		w.nobody.with("nonsense").send("POST", "/projects", `{"name":"x"}`).problem(problem.Unauthenticated)
		w.nobody.send("POST", "/auth/refresh", `{"refresh_token":"nonsense"}`).problem(problem.Unauthenticated)
	}
	if err := w.store.Maintain(background); err != nil {
		t.Fatal(err)
	}
	after, afterInstallation := s.trails()
	after, afterInstallation = after[len(before):], afterInstallation[len(beforeInstallation):]
	if len(after) > 130 || len(afterInstallation) > 30 { // twice the bound of a minute: it may end on the way
		t.Errorf("%d and %d events", len(after), len(afterInstallation))
	}
	total := map[string]int{}
	for _, e := range slices.Concat(after, afterInstallation) {
		var said struct{ Count int }
		answer{t: t, body: string(e.After)}.into(&said)
		total[string(e.Action)+" "+string(e.ActorKind)] += max(said.Count, 1)
	}
	want := map[string]int{"access.deny user": 300, "access.deny anonymous": 300, "session.refresh anonymous": 300}
	if diff := gocmp.Diff(want, total); diff != "" {
		t.Errorf("the refusals told (-want +got)\n%s", diff)
	}
}

// TestTheTrailIsReadOverHTTP reads trails as a tenant_admin, as an operator and as
// those who may not.
func TestTheTrailIsReadOverHTTP(t *testing.T) {
	w := newWorld(t)
	project := w.acme.send("POST", "/projects", `{"name":"churn <&>"}`).want(201).object()["id"].(string)
	w.acme.send("DELETE", "/projects/"+project, "").want(204)
	w.beta.send("POST", "/projects", `{"name":"beta's own"}`).want(201)

	w.viewer.send("GET", "/audit", "").problem(problem.Forbidden)
	w.acme.send("GET", "/system/audit", "").problem(problem.Forbidden)
	w.operator.send("GET", "/audit", "").problem(problem.Forbidden)
	w.nobody.send("GET", "/audit", "").problem(problem.Unauthenticated)

	type page struct {
		Items      []audit.Event
		NextCursor *string `json:"next_cursor"`
	}
	read := func(c *caller, path string) (all []audit.Event) {
		t.Helper()
		for cursor := ""; ; {
			var p page
			c.send("GET", path+"&limit=2&cursor="+cursor, "").want(200).into(&p)
			all = append(all, p.Items...)
			if p.NextCursor == nil {
				return all
			}
			cursor = *p.NextCursor
		}
	}
	// The client can follow the chain: what it receives is what was hashed.
	for _, c := range []struct {
		by   *caller
		path string
	}{{w.acme, "/audit?"}, {w.beta, "/audit?"}, {w.operator, "/system/audit?"}} {
		all := read(c.by, c.path)
		slices.Reverse(all)
		link := audit.Link{}
		for i := range all {
			e := &all[i]
			if fault := e.Follows(link); fault != nil {
				t.Fatalf("%s: %v", c.path, fault)
			}
			link = e.Link()
			if own := e.TenantID != nil && *e.TenantID == c.by.principal.Tenant; own == strings.HasPrefix(c.path, "/system") {
				t.Errorf("%s shows an event of %v", c.path, e.TenantID)
			}
		}
		if len(all) < 2 {
			t.Errorf("%s shows %d events", c.path, len(all))
		}
	}
	for query, want := range map[string]string{
		"action=project":                                 "project.delete project.create",
		"action=project.create":                          "project.create",
		"object=" + project:                              "project.delete project.create",
		"outcome=denied":                                 "access.deny access.deny access.deny",
		"action=project&until=2020-01-01":                "",
		"action=project&from=2020-01-01":                 "project.delete project.create",
		"actor_id=" + w.viewer.principal.User.String():   "access.deny session.open",
		"actor_id=" + tenancy.NewID().String():           "",
		"actor_id=" + w.beta.principal.User.String():     "",
		"action=metrics.create&outcome=success&object=x": "",
	} {
		var got []string
		for _, e := range read(w.acme, "/audit?"+query) {
			got = append(got, string(e.Action))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
	for _, query := range []string{"actor_id=x", "outcome=perhaps", "from=yesterday", "limit=501", "sort=time"} {
		if a := w.acme.send("GET", "/audit?"+query, ""); a.status != 422 && a.status != 400 {
			t.Errorf("%s answers %d: %s", query, a.status, a.body)
		}
	}
	var p page
	w.acme.send("GET", "/audit?limit=1", "").want(200).into(&p)
	w.beta.send("GET", "/audit?limit=1&cursor="+*p.NextCursor, "").problem(problem.Malformed)
}
