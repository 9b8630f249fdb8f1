package auth

import (
	"context"
	"slices"
	"testing"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

func fieldsOf(email string, roles ...string) UserFields {
	return UserFields{Email: email, Name: "Somebody", Roles: roles, IsActive: true}
}

// helpdesk is a role that manages users and little else.
var helpdesk = RoleFields{Name: "helpdesk", Permissions: []string{"users:view", "users:create", "users:update", "users:delete", "roles:create", "roles:update", "roles:delete", "projects:view", "tokens:create"}}

func TestNobodyGrantsWhatTheyLack(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	_, err := w.service.CreateRole(w.ctx, admin, helpdesk)
	must(t, err)
	_, err = w.service.CreateRole(w.ctx, admin, RoleFields{Name: "watcher", Permissions: []string{"projects:view"}})
	must(t, err)
	desk := w.as(w.acme, "desk@example.com", "helpdesk")
	low := w.user(w.acme, "low@example.com", "watcher")
	adminID := admin.User
	operator := w.user(w.acme, "operator@example.com", "watcher")
	w.store.users[operator].IsOperator = true

	create := func(fields UserFields) error {
		_, err := w.service.CreateUser(w.ctx, desk, fields, "")
		return err
	}
	update := func(id tenancy.ID, change func(*UserFields)) error {
		_, err := w.service.UpdateUser(w.ctx, desk, id, func(u User) (UserFields, error) { change(&u.UserFields); return u.UserFields, nil })
		return err
	}
	withOperator := fieldsOf("x@example.com", "watcher")
	withOperator.IsOperator = true
	for name, c := range map[string]struct {
		err  error
		want problem.Code
	}{
		"create with a stronger role":   {create(fieldsOf("a@example.com", RoleMLEngineer)), problem.Forbidden},
		"create an operator":            {create(withOperator), problem.Forbidden},
		"create within the own rights":  {create(fieldsOf("b@example.com", "watcher")), ""},
		"create with an unknown role":   {create(fieldsOf("c@example.com", "nonsense")), problem.Validation},
		"create with an odd spelling":   {create(fieldsOf("d@example.com", "Tenant_Admin")), problem.Validation},
		"create with a taken e-mail":    {create(fieldsOf("B@EXAMPLE.com", "watcher")), problem.Conflict},
		"promote beyond the own rights": {update(low.User, func(f *UserFields) { f.Roles = []string{RoleTenantAdmin} }), problem.Forbidden},
		"promote oneself":               {update(desk.User, func(f *UserFields) { f.Roles = []string{"helpdesk", RoleTenantAdmin} }), problem.Forbidden},
		"make an operator":              {update(low.User, func(f *UserFields) { f.IsOperator = true }), problem.Forbidden},
		"rename a stronger user":        {update(adminID, func(f *UserFields) { f.Name = "Fool" }), problem.Forbidden},
		"deactivate a stronger user":    {update(adminID, func(f *UserFields) { f.IsActive = false }), problem.Forbidden},
		"change an operator":            {update(operator.User, func(f *UserFields) { f.Name = "Fool" }), problem.Forbidden},
		"deactivate oneself":            {update(desk.User, func(f *UserFields) { f.IsActive = false }), problem.Conflict},
		"turn into a service account":   {update(low.User, func(f *UserFields) { f.IsService = true }), problem.Validation},
		"rename a weaker user":          {update(low.User, func(f *UserFields) { f.Name = "Low" }), ""},
		"change nobody":                 {update(tenancy.NewID(), func(*UserFields) {}), problem.NotFound},
		"delete a stronger user":        {w.service.DeleteUser(w.ctx, desk, adminID, func(User) error { return nil }), problem.Forbidden},
		"delete oneself":                {w.service.DeleteUser(w.ctx, desk, desk.User, func(User) error { return nil }), problem.Conflict},
		"revoke a stronger user":        {w.service.RevokeUser(w.ctx, desk, adminID), problem.Forbidden},
		"revoke a weaker user":          {w.service.RevokeUser(w.ctx, desk, low.User), ""},
		"revoke nobody":                 {w.service.RevokeUser(w.ctx, desk, tenancy.NewID()), problem.NotFound},
	} {
		mustCode(t, name, c.err, c.want)
	}
	_, _, err = w.service.ResetPassword(w.ctx, desk, adminID)
	mustCode(t, "reset a stronger user's password", err, problem.Forbidden)
	_, _, err = w.service.ResetPassword(w.ctx, desk, operator.User)
	mustCode(t, "reset an operator's password", err, problem.Forbidden)
	_, _, err = w.service.ResetPassword(w.ctx, desk, low.User)
	must(t, err)

	_, err = w.service.CreateRole(w.ctx, desk, RoleFields{Name: "stronger", Permissions: []string{"audit:view"}})
	mustCode(t, "define a stronger role", err, problem.Forbidden)
	_, err = w.service.CreateRole(w.ctx, desk, RoleFields{Name: "weaker", Permissions: []string{"users:view"}})
	must(t, err)
	grow := func(name string, permissions ...string) error {
		_, err := w.service.UpdateRole(w.ctx, desk, name, func(r Role) (RoleFields, error) { r.RoleFields.Permissions = permissions; return r.RoleFields, nil })
		return err
	}
	mustCode(t, "make a role stronger", grow("weaker", "audit:view"), problem.Forbidden)
	mustCode(t, "make one's own role stronger", grow("helpdesk", append(slices.Clone(helpdesk.Permissions), "audit:view")...), problem.Forbidden)
	mustCode(t, "make a role weaker", grow("weaker"), "")
	mustCode(t, "change a system role", grow(RoleViewer, "users:view"), problem.Conflict)
	agree := func(Role) error { return nil }
	mustCode(t, "delete a system role", w.service.DeleteRole(w.ctx, admin, RoleTenantAdmin, agree), problem.Conflict)
	mustCode(t, "delete a role in use", w.service.DeleteRole(w.ctx, admin, "watcher", agree), problem.Conflict)
	mustCode(t, "delete an unused role", w.service.DeleteRole(w.ctx, desk, "weaker", agree), "")
}

func TestOtherTenantsUsersAreNotThere(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.globex, "admin@example.com", RoleTenantAdmin)
	mustCode(t, "change", w.edit(admin, func(*UserFields) {}), problem.NotFound)
	mustCode(t, "delete", w.service.DeleteUser(w.ctx, admin, w.ada.User, func(User) error { return nil }), problem.NotFound)
	mustCode(t, "revoke", w.service.RevokeUser(w.ctx, admin, w.ada.User), problem.NotFound)
	_, _, err := w.service.ResetPassword(w.ctx, admin, w.ada.User)
	mustCode(t, "reset", err, problem.NotFound)
}

func TestTheLastOnesStay(t *testing.T) {
	w := newWorld(t)
	first := w.as(w.acme, "first@example.com", RoleTenantAdmin)
	second := w.as(w.acme, "second@example.com", RoleTenantAdmin)
	demote := func(by *Principal, id tenancy.ID) error {
		_, err := w.service.UpdateUser(w.ctx, by, id, func(u User) (UserFields, error) { u.Roles = []string{RoleViewer}; return u.UserFields, nil })
		return err
	}
	must(t, demote(first, second.User))
	mustCode(t, "demote the last admin", demote(first, first.User), problem.Conflict)
	first = w.principal(w.login("first@example.com").AccessToken)

	must(t, w.edit(first, func(f *UserFields) { f.Roles = []string{RoleTenantAdmin} }))
	ada := w.principal(w.login("ada@example.com").AccessToken)
	must(t, w.service.DeleteUser(w.ctx, ada, first.User, func(User) error { return nil }))
	mustCode(t, "demote the last admin", demote(ada, ada.User), problem.Conflict)
}

func TestRoleChangesApplyAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	_, err := w.service.CreateRole(w.ctx, admin, RoleFields{Name: "reader", Permissions: []string{"projects:view", "audit:view"}})
	must(t, err)
	w.user(w.acme, "reader@example.com", "reader")
	token := w.login("reader@example.com").AccessToken
	if p := w.principal(token); !p.Permissions.Has(AuditView) {
		t.Fatal("the role does not grant")
	}
	_, err = w.service.UpdateRole(w.ctx, admin, "reader", func(r Role) (RoleFields, error) {
		r.RoleFields.Permissions = []string{"projects:view"}
		r.RoleFields.Name = "renamed"
		return r.RoleFields, nil
	})
	must(t, err)
	if p := w.principal(token); p.Permissions != PermissionsOf(ProjectsView) {
		t.Errorf("the rights are %v", p.Permissions.Names())
	}
	roles, err := w.service.Roles(w.ctx, admin)
	must(t, err)
	if len(roles) != 5 || roles[4].Name != "reader" || roles[4].System || !roles[0].System {
		t.Errorf("roles: %+v", roles)
	}
}

func TestInputOfUsersIsChecked(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	for name, c := range map[string]struct {
		fields   UserFields
		password string
	}{
		"no e-mail":                {fieldsOf("", RoleViewer), ""},
		"no roles":                 {fieldsOf("x@example.com"), ""},
		"a role twice":             {fieldsOf("x@example.com", RoleViewer, RoleViewer), ""},
		"too many roles":           {fieldsOf("x@example.com", make([]string, 1000)...), ""},
		"no name":                  {UserFields{Email: "x@example.com", Roles: []string{RoleViewer}}, ""},
		"short password":           {fieldsOf("x@example.com", RoleViewer), "short"},
		"password with the tenant": {fieldsOf("x@example.com", RoleViewer), "maestro-acme-2026"},
		"service with password":    {UserFields{Email: "x@example.com", Name: "X", Roles: []string{RoleViewer}, IsService: true}, goodPassword},
		"service that is operator": {UserFields{Email: "x@example.com", Name: "X", Roles: []string{RoleViewer}, IsService: true, IsOperator: true}, ""},
	} {
		_, err := w.service.CreateUser(w.ctx, admin, c.fields, c.password)
		mustCode(t, name, err, problem.Validation)
	}
	if n := len(w.store.users); n != 2 {
		t.Errorf("refused users left a trace: %d users", n)
	}
}

func TestAPITokens(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	me := w.principal(w.login("ada@example.com").AccessToken)
	job := APITokenFields{Name: "nightly", Scopes: []string{"projects:view", "metrics:create"}}

	token, secret, err := w.service.CreateAPIToken(w.ctx, me, job)
	must(t, err)
	p := w.principal(secret)
	if p.User != w.ada.User || p.Tenant != w.acme || p.Kind != APITokenCredential || p.Credential != token.ID || !p.Session.IsZero() {
		t.Errorf("the principal is %+v", p)
	}
	if p.Permissions != PermissionsOf(ProjectsView, MetricsCreate) || p.Operator || p.Scope.Actor().Kind != tenancy.ActorAPIToken {
		t.Errorf("the rights are %v", p.Permissions.Names())
	}
	for _, changed := range mutations(secret)[:200] {
		w.mustBeDead("a changed token", changed)
	}

	for name, fields := range map[string]APITokenFields{
		"a permission the user lacks": {Name: "x", Scopes: []string{"users:view"}},
		"operator without being one":  {Name: "x", Scopes: []string{ScopeOperator}},
		"for another person":          {Name: "x", Scopes: []string{"projects:view"}, UserID: &admin.User},
	} {
		_, _, err := w.service.CreateAPIToken(w.ctx, me, fields)
		mustCode(t, name, err, problem.Forbidden)
	}
	past, far := w.service.now(), w.service.now()+tenancy.Time((367*24*time.Hour).Microseconds())
	for name, fields := range map[string]APITokenFields{
		"no scopes": {Name: "x"}, "no name": {Scopes: []string{"projects:view"}}, "unknown scope": {Name: "x", Scopes: []string{"projects:*"}},
		"expired": {Name: "x", Scopes: []string{"projects:view"}, ExpiresAt: &past}, "too long": {Name: "x", Scopes: []string{"projects:view"}, ExpiresAt: &far},
	} {
		_, _, err := w.service.CreateAPIToken(w.ctx, me, fields)
		mustCode(t, name, err, problem.Validation)
	}
	for name, err := range map[string]error{
		"create a token": second(w.service.CreateAPIToken(w.ctx, p, job)), "log out everywhere": w.service.LogoutAll(w.ctx, p),
		"end a session": w.service.EndSession(w.ctx, p, me.Session), "change the password": func() error {
			_, err := w.service.ChangePassword(w.ctx, p, goodPassword, "another kettle, less rain", someClient)
			return err
		}(),
	} {
		mustCode(t, "an API token must not "+name, err, problem.Forbidden)
	}

	must(t, w.edit(admin, func(f *UserFields) { f.Roles = []string{RoleViewer} }))
	if p := w.principal(secret); p.Permissions != PermissionsOf(ProjectsView) {
		t.Errorf("after the demotion the token has %v", p.Permissions.Names())
	}
	must(t, w.edit(admin, func(f *UserFields) { f.IsActive = false }))
	w.mustBeDead("the token of a disabled user", secret)
	must(t, w.edit(admin, func(f *UserFields) { f.IsActive = true }))
	w.mustLive("the token of an enabled user", secret)

	w.clock.pass(2 * time.Minute)
	w.mustLive("used", secret)
	w.service.Maintain(w.ctx)
	if used := w.store.used[token.ID]; w.service.now()-used >= tenancy.Time(time.Minute.Microseconds()) {
		t.Errorf("the last use is %v", used)
	}

	stranger := w.as(w.globex, "stranger@example.com", RoleTenantAdmin)
	colleague := w.as(w.acme, "colleague@example.com", RoleMLEngineer)
	mustCode(t, "delete as another tenant", w.service.DeleteAPIToken(w.ctx, stranger, token.ID), problem.NotFound)
	mustCode(t, "delete as a colleague", w.service.DeleteAPIToken(w.ctx, colleague, token.ID), problem.NotFound)
	must(t, w.service.DeleteAPIToken(w.ctx, admin, token.ID))
	w.mustBeDead("the deleted token", secret)

	_, secret, err = w.service.CreateAPIToken(w.ctx, w.principal(w.login("ada@example.com").AccessToken), APITokenFields{Name: "x", Scopes: []string{"projects:view"}})
	must(t, err)
	w.clock.pass(DefaultAPITokenLife - time.Second)
	w.mustLive("a second before the expiry", secret)
	w.clock.pass(time.Second)
	w.mustBeDead("at the expiry", secret)
}

func second(_ APIToken, _ string, err error) error { return err }

func TestServiceAccounts(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	fields := fieldsOf("ci@example.com", RoleDataScientist)
	fields.IsService = true
	made, err := w.service.CreateUser(w.ctx, admin, fields, "")
	must(t, err)
	if made.Invitation != "" || made.User.HasPassword {
		t.Errorf("a service account was given %+v", made)
	}
	_, _, err = w.service.ResetPassword(w.ctx, admin, made.User.ID)
	mustCode(t, "reset its password", err, problem.Conflict)
	scopes := APITokenFields{Name: "ci", Scopes: []string{"artifacts:upload", "audit:view"}, UserID: &made.User.ID}
	_, secret, err := w.service.CreateAPIToken(w.ctx, admin, scopes)
	must(t, err)
	if p := w.principal(secret); p.User != made.User.ID || p.Permissions != PermissionsOf(ArtifactsUpload) {
		t.Errorf("the principal is %+v", p)
	}
	me := w.principal(w.login("ada@example.com").AccessToken)
	_, _, err = w.service.CreateAPIToken(w.ctx, me, APITokenFields{Name: "x", Scopes: []string{"projects:view"}, UserID: &made.User.ID})
	mustCode(t, "without tokens:create", err, problem.Forbidden)
	must(t, w.service.RevokeUser(w.ctx, admin, made.User.ID))
	w.mustBeDead("after the account was revoked", secret)
}

func TestOperatorTokens(t *testing.T) {
	w := newWorld(t)
	_, err := w.service.CreateOperator(w.ctx, FirstOperator{Email: "root@example.com", Password: goodPassword, Name: "Root"}, false)
	must(t, err)
	root := w.principal(w.login("root@example.com").AccessToken)
	_, plain, err := w.service.CreateAPIToken(w.ctx, root, APITokenFields{Name: "x", Scopes: []string{"projects:view"}})
	must(t, err)
	_, backup, err := w.service.CreateAPIToken(w.ctx, root, APITokenFields{Name: "backup", Scopes: []string{ScopeOperator}})
	must(t, err)
	if w.principal(plain).Operator || !w.principal(backup).Operator || w.principal(backup).Permissions != 0 {
		t.Error("only a token with the scope operator runs the installation, and nothing else")
	}
}

// A state loaded while it changes must not be kept.
func TestMirrorKeepsNothingStale(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	token := w.login("ada@example.com").AccessToken
	load := w.service.mirror.users.load
	w.service.mirror.users.forget(w.ada)
	raced := false
	w.service.mirror.users.load = func(ctx context.Context, key UserKey) (UserState, error) {
		state, err := load(ctx, key)
		if key == w.ada && !raced {
			raced = true
			must(t, w.edit(admin, func(f *UserFields) { f.IsActive = false }))
		}
		return state, err
	}
	_, _ = w.service.Authenticate(w.ctx, token)
	if !raced {
		t.Fatal("the state was not loaded")
	}
	w.mustBeDead("after a change that raced with the load", token)
}

func TestMirrorIsBounded(t *testing.T) {
	cache := newStateCache(64, func(context.Context, tenancy.ID) (int, error) { return 1, nil }, func(id tenancy.ID) byte { return id[15] })
	for range 10_000 {
		_, err := cache.get(t.Context(), tenancy.NewID())
		must(t, err)
	}
	held := 0
	for i := range cache.shards {
		held += len(cache.shards[i].entries)
	}
	if held > 64 {
		t.Errorf("%d entries are held, want 64 at most", held)
	}
}
