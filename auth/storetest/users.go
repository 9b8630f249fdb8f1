package storetest

import (
	"errors"
	"slices"
	"sync"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

func addresses(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	_, err := f.CreateUser(f.ctx, scope(f.acme), f.newUser("ada@example.com", auth.RoleViewer), agree)
	f.want("taken", err, problem.Conflict)
	f.user(f.beta, "ada@example.com", auth.RoleViewer)
	eve := f.user(f.acme, "eve@example.com", auth.RoleViewer)
	f.want("changed to a taken one", f.change(eve, func(c *auth.UserChange) { c.EmailKey = "ada@example.com" }), problem.Conflict)
	f.must(f.change(ada, func(c *auth.UserChange) { c.Fields.Email, c.EmailKey = "Ada@new.example", "ada@new.example" }))
	f.must(f.change(eve, func(c *auth.UserChange) { c.EmailKey = "ada@example.com" }))
	if found, err := f.Accounts(f.ctx, "ada@new.example", "acme"); err != nil || len(found) != 1 || found[0].Key != ada || found[0].Email != "Ada@new.example" {
		f.t.Errorf("found %+v, %v", found, err)
	}
}

// refusals: the error of a decide function comes back as it is and undoes all.
func refusals(f *fixture) {
	refusal := errors.New("refused")
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	before, err := f.UserState(f.ctx, ada)
	f.must(err)
	f.heard()
	view := func(auth.UserView) error { return refusal }
	link := auth.Link{Kind: auth.LinkReset, User: ada.User, Digest: token(1), CreatedAt: f.now, ExpiresAt: f.now + second}
	_, create := f.CreateUser(f.ctx, scope(f.acme), f.newUser("eve@example.com"), func(auth.RoleBook) error { return refusal })
	_, change := f.ChangeUser(f.ctx, scope(f.acme), ada.User, f.now, func(auth.UserView) (auth.UserChange, error) { return auth.UserChange{}, refusal })
	_, apiToken := f.CreateAPIToken(f.ctx, scope(f.acme), auth.NewAPIToken{ID: tenancy.NewID(), User: ada.User, Digest: token(2)}, view)
	for name, err := range map[string]error{
		"create": create, "change": change, "API token": apiToken,
		"delete": f.DeleteUser(f.ctx, scope(f.acme), ada.User, view),
		"link":   f.CreateLink(f.ctx, scope(f.acme), link, view),
		"end":    f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: ada, Now: f.now, APITokens: true, Decide: view}),
	} {
		if !errors.Is(err, refusal) {
			f.t.Errorf("%s: got %v", name, err)
		}
	}
	if after, err := f.UserState(f.ctx, ada); err != nil || after != before {
		f.t.Errorf("the user is %+v, was %+v, %v", after, before, err)
	}
	if found, err := f.Accounts(f.ctx, "eve@example.com", ""); err != nil || len(found) != 0 {
		f.t.Errorf("a refused user is there: %+v, %v", found, err)
	}
	_, err = f.LinkAccount(f.ctx, auth.LinkReset, token(1), f.now)
	f.want("a refused link", err, problem.NotFound)
	_, err = f.APITokenState(f.ctx, token(2))
	f.want("a refused API token", err, problem.NotFound)
	if changes := f.heard(); len(changes) != 0 {
		f.t.Errorf("the listener heard %+v", changes)
	}
	foreign := scope(f.beta)
	_, change = f.ChangeUser(f.ctx, foreign, ada.User, f.now, func(auth.UserView) (auth.UserChange, error) {
		f.t.Error("another tenant was shown the user")
		return auth.UserChange{}, nil
	})
	f.want("change through another tenant", change, problem.NotFound)
	f.want("delete through another tenant", f.DeleteUser(f.ctx, foreign, ada.User, func(auth.UserView) error { return nil }), problem.NotFound)
	f.want("link through another tenant", f.CreateLink(f.ctx, foreign, link, func(auth.UserView) error { return nil }), problem.NotFound)
}

func lastOnes(f *fixture) {
	first, second := f.user(f.acme, "first@example.com", auth.RoleTenantAdmin), f.user(f.acme, "second@example.com", auth.RoleTenantAdmin, auth.RoleViewer)
	f.user(f.beta, "other@example.com", auth.RoleTenantAdmin)
	invited := f.newUser("invited@example.com", auth.RoleTenantAdmin)
	invited.PasswordHash = ""
	_, err := f.CreateUser(f.ctx, scope(f.acme), invited, agree)
	f.must(err)
	demote := func(c *auth.UserChange) { c.Fields.Roles = []string{auth.RoleViewer} }
	disable := func(c *auth.UserChange) { c.Fields.IsActive = false }
	remove := func(key auth.UserKey) error {
		return f.DeleteUser(f.ctx, scope(key.Tenant), key.User, func(auth.UserView) error { return nil })
	}
	f.must(f.change(first, demote))
	f.want("demote the last admin", f.change(second, demote), problem.Conflict)
	f.want("disable the last admin", f.change(second, disable), problem.Conflict)
	f.want("delete the last admin", remove(second), problem.Conflict)
	f.must(f.change(second, func(c *auth.UserChange) { c.Fields.Name = "Renamed" }))
	f.must(f.change(first, func(c *auth.UserChange) { c.Fields.Roles = []string{auth.RoleTenantAdmin} }))
	f.must(remove(second))
	f.want("delete the last admin", remove(first), problem.Conflict)

	operator := func(on bool) func(*auth.UserChange) { return func(c *auth.UserChange) { c.Fields.IsOperator = on } }
	one, two := f.user(f.beta, "one@example.com", auth.RoleViewer), f.user(f.acme, "two@example.com", auth.RoleViewer)
	f.must(f.change(one, operator(true)))
	f.want("the only operator resigns", f.change(one, operator(false)), problem.Conflict)
	f.want("disable the only operator", f.change(one, disable), problem.Conflict)
	f.want("delete the only operator", remove(one), problem.Conflict)
	f.must(f.change(two, operator(true)))
	f.must(f.change(one, operator(false)))
	f.want("the other resigns", f.change(two, operator(false)), problem.Conflict)
}

func passwords(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	old := f.login(ada)
	f.must(f.CreateLink(f.ctx, scope(f.acme), auth.Link{Kind: auth.LinkReset, User: ada.User, Digest: token(1), CreatedAt: f.now, ExpiresAt: f.now + 100*second}, func(auth.UserView) error { return nil }))
	next := f.session(ada)
	f.now += second
	next.Now = f.now
	login, err := f.ChangePassword(f.ctx, "new hash", next)
	f.must(err)
	if account := f.account(ada); account.PasswordHash != "new hash" || account.Epoch == next.VerifiedEpoch {
		f.t.Errorf("the account is %+v", account)
	}
	if u := login.User; u.PasswordChangedAt == nil || *u.PasswordChangedAt != f.now {
		f.t.Errorf("the user is %+v", u)
	}
	if r := f.rotate(old, 0); r.Outcome != auth.Refused {
		f.t.Errorf("the session before: %+v", r)
	}
	if r := f.rotate(login.Session, 0); r.Outcome != auth.Rotated {
		f.t.Errorf("the new session: %+v", r)
	}
	_, err = f.LinkAccount(f.ctx, auth.LinkReset, token(1), f.now)
	f.want("a link of before", err, problem.NotFound)
	next.ID = tenancy.NewID()
	_, err = f.ChangePassword(f.ctx, "newer hash", next)
	f.want("compared before the change", err, problem.Unauthenticated)
	if account := f.account(ada); account.PasswordHash != "new hash" {
		f.t.Errorf("a refused change left the hash %q", account.PasswordHash)
	}
}

func links(f *fixture) {
	invited := f.newUser("invited@example.com", auth.RoleViewer)
	invited.PasswordHash = ""
	link := func(kind auth.LinkKind, n int) auth.Link {
		return auth.Link{Kind: kind, User: invited.ID, Digest: token(n), CreatedBy: tenancy.NewID(), CreatedAt: f.now, ExpiresAt: f.now + 10*second}
	}
	first := link(auth.LinkInvitation, 1)
	invited.Invitation = &first
	made, err := f.CreateUser(f.ctx, scope(f.acme), invited, agree)
	f.must(err)
	if made.HasPassword || made.PasswordChangedAt != nil {
		f.t.Errorf("invited: %+v", made)
	}
	ask := func(what string, kind auth.LinkKind, n int, at tenancy.Time, want problem.Code) {
		f.t.Helper()
		_, err := f.LinkAccount(f.ctx, kind, token(n), at)
		f.want(what, err, want)
	}
	ask("the invitation", auth.LinkInvitation, 1, f.now, "")
	ask("the invitation as a reset", auth.LinkReset, 1, f.now, problem.NotFound)
	ask("before it expires", auth.LinkInvitation, 1, f.now+10*second-1, "")
	ask("when it expires", auth.LinkInvitation, 1, f.now+10*second, problem.NotFound)
	always := func(auth.UserView) error { return nil }
	f.must(f.CreateLink(f.ctx, scope(f.acme), link(auth.LinkInvitation, 2), always))
	f.must(f.CreateLink(f.ctx, scope(f.acme), link(auth.LinkReset, 3), always))
	ask("a link that was replaced", auth.LinkInvitation, 1, f.now, problem.NotFound)
	ask("its replacement", auth.LinkInvitation, 2, f.now, "")
	f.SetActive(f.acme, false)
	ask("in a suspended tenant", auth.LinkInvitation, 2, f.now, problem.NotFound)
	f.SetActive(f.acme, true)

	redeemed := 0
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			user, err := f.RedeemLink(f.ctx, auth.LinkInvitation, token(2), "hash", f.now)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.want("a second use", err, problem.NotFound)
			} else if redeemed++; !user.HasPassword || user.ID != invited.ID {
				f.t.Errorf("redeemed as %+v", user)
			}
		})
	}
	group.Wait()
	if redeemed != 1 {
		f.t.Errorf("used %d times", redeemed)
	}
	ask("another link of a user who set a password", auth.LinkReset, 3, f.now, problem.NotFound)
	f.must(f.CreateLink(f.ctx, scope(f.acme), link(auth.LinkReset, 4), always))
	f.must(f.change(auth.UserKey{Tenant: f.acme, User: invited.ID}, func(c *auth.UserChange) { c.Fields.IsActive = false }))
	_, err = f.RedeemLink(f.ctx, auth.LinkReset, token(4), "hash", f.now)
	f.want("a disabled user's", err, problem.NotFound)
}

func roles(f *fixture) {
	role := func(name string, grants ...auth.Permission) auth.Role {
		set := auth.PermissionsOf(grants...)
		return auth.Role{RoleFields: auth.RoleFields{Name: name, Permissions: set.Names()}, Grants: set, CreatedAt: f.now, UpdatedAt: f.now, Version: 1}
	}
	made, err := f.CreateRole(f.ctx, scope(f.acme), role("reader", auth.AuditView))
	f.must(err)
	_, err = f.CreateRole(f.ctx, scope(f.acme), role("reader"))
	f.want("taken", err, problem.Conflict)
	_, err = f.CreateRole(f.ctx, scope(f.beta), role("reader", auth.UsersView))
	f.must(err)
	list, err := f.Roles(f.ctx, scope(f.acme))
	f.must(err)
	if len(list) != 1 || list[0].Name != "reader" || list[0].Grants != made.Grants || !slices.Equal(list[0].Permissions, made.Permissions) || list[0].Version != 1 {
		f.t.Errorf("listed %+v", list)
	}
	ada := f.user(f.acme, "ada@example.com", "reader", auth.RoleViewer)
	viewer, _ := auth.SystemRole(auth.RoleViewer)
	grants := func(want auth.Permissions) {
		f.t.Helper()
		state, err := f.UserState(f.ctx, ada)
		f.must(err)
		if state.Grants != want || !state.Active || state.Operator {
			f.t.Errorf("the state is %+v, want %v", state, want.Names())
		}
	}
	grants(viewer | auth.PermissionsOf(auth.AuditView))
	_, err = f.ChangeUser(f.ctx, scope(f.acme), ada.User, f.now, func(view auth.UserView) (auth.UserChange, error) {
		if view.Grants != viewer|auth.PermissionsOf(auth.AuditView) || len(view.Roles) != 1 || view.Roles["reader"] != auth.PermissionsOf(auth.AuditView) {
			f.t.Errorf("decided with %+v", view)
		}
		return auth.UserChange{Fields: view.UserFields, EmailKey: "ada@example.com"}, nil
	})
	f.must(err)
	changed, err := f.ChangeRole(f.ctx, scope(f.acme), "reader", f.now+second, func(r auth.Role) (auth.Role, error) {
		r.Grants = auth.PermissionsOf(auth.UsersView)
		r.Permissions = r.Grants.Names()
		return r, nil
	})
	f.must(err)
	if changed.Version != 2 || changed.UpdatedAt != f.now+second {
		f.t.Errorf("changed to %+v", changed)
	}
	grants(viewer | auth.PermissionsOf(auth.UsersView))
	always := func(auth.Role) error { return nil }
	f.want("delete a role in use", f.DeleteRole(f.ctx, scope(f.acme), "reader", always), problem.Conflict)
	f.want("delete no role", f.DeleteRole(f.ctx, scope(f.acme), "unheard-of", always), problem.NotFound)
	f.must(f.DeleteRole(f.ctx, scope(f.beta), "reader", always))
	f.must(f.change(ada, func(c *auth.UserChange) { c.Fields.Roles = []string{auth.RoleViewer} }))
	f.must(f.DeleteRole(f.ctx, scope(f.acme), "reader", always))
	grants(viewer)
	_, err = f.UserState(f.ctx, auth.UserKey{Tenant: f.beta, User: ada.User})
	f.want("through another tenant", err, problem.NotFound)
}

func apiTokens(f *fixture) {
	ada, eve := f.user(f.acme, "ada@example.com", auth.RoleViewer), f.user(f.acme, "eve@example.com", auth.RoleViewer)
	create := func(owner auth.UserKey, n int) (auth.APIToken, error) {
		return f.CreateAPIToken(f.ctx, scope(owner.Tenant), auth.NewAPIToken{
			ID: tenancy.NewID(), User: owner.User, Name: "job", Digest: token(n), Scopes: auth.PermissionsOf(auth.ProjectsView), Operator: n == 1,
			CreatedBy: owner.User, CreatedAt: f.now, ExpiresAt: f.now + 60*second,
		}, func(auth.UserView) error { return nil })
	}
	made, err := create(ada, 1)
	f.must(err)
	if !slices.Equal(made.Scopes, []string{"projects:view", auth.ScopeOperator}) || made.LastUsedAt != nil || made.UserID != ada.User {
		f.t.Errorf("made %+v", made)
	}
	state, err := f.APITokenState(f.ctx, token(1))
	f.must(err)
	want := auth.APITokenState{ID: made.ID, Tenant: f.acme, User: ada.User, Scopes: auth.PermissionsOf(auth.ProjectsView), Operator: true, ExpiresAt: (f.now + 60*second).Std().Unix()}
	if state != want {
		f.t.Errorf("the state is %+v, want %+v", state, want)
	}
	_, err = f.APITokenState(f.ctx, token(99))
	f.want("unknown", err, problem.NotFound)
	_, err = create(auth.UserKey{Tenant: f.beta, User: ada.User}, 2)
	f.want("for another tenant's user", err, problem.NotFound)

	f.must(f.TouchAPITokens(f.ctx, []auth.APITokenUse{{Tenant: f.acme, ID: made.ID, At: f.now}, {Tenant: f.acme, ID: tenancy.NewID(), At: f.now}}))
	remove := func(tenant tenancy.ID, id tenancy.ID) error {
		return f.DeleteAPIToken(f.ctx, scope(tenant), id, func(t auth.APIToken) error {
			if t.ID == made.ID && (t.LastUsedAt == nil || *t.LastUsedAt != f.now) {
				f.t.Errorf("decided with %+v", t)
			}
			return nil
		})
	}
	f.want("delete through another tenant", remove(f.beta, made.ID), problem.NotFound)
	f.must(remove(f.acme, made.ID))
	f.want("delete twice", remove(f.acme, made.ID), problem.NotFound)
	_, err = f.APITokenState(f.ctx, token(1))
	f.want("deleted", err, problem.NotFound)

	for n := range auth.MaxAPITokens {
		_, err := create(ada, 1000+n)
		f.must(err)
	}
	_, err = create(ada, 5000)
	f.want("one more than a user may have", err, problem.LimitReached)
	_, err = create(eve, 5001)
	f.must(err)
	f.must(f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: ada, Now: f.now, APITokens: true}))
	_, err = f.APITokenState(f.ctx, token(1000))
	f.want("after the user's were deleted", err, problem.NotFound)
	_, err = f.APITokenState(f.ctx, token(5001))
	f.want("another user's", err, "")
}

// watching: every change of a state is told once, before the caller is answered.
func watching(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	f.heard()
	user := auth.Change{Kind: auth.UserChanged, Tenant: f.acme, User: ada.User}
	tenant := auth.Change{Kind: auth.TenantChanged, Tenant: f.acme}
	told := func(what string, want auth.Change) {
		f.t.Helper()
		if changes := f.heard(); !slices.Contains(changes, want) {
			f.t.Errorf("%s: heard %+v, want %+v", what, changes, want)
		}
	}
	f.must(f.change(ada, func(*auth.UserChange) {}))
	told("change", user)
	f.must(f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: ada, Now: f.now}))
	told("end of sessions", user)
	_, err := f.ChangePassword(f.ctx, "new hash", f.session(ada))
	f.must(err)
	told("new password", user)
	f.must(f.CreateLink(f.ctx, scope(f.acme), auth.Link{Kind: auth.LinkReset, User: ada.User, Digest: token(1), CreatedAt: f.now, ExpiresAt: f.now + second}, func(auth.UserView) error { return nil }))
	_, err = f.RedeemLink(f.ctx, auth.LinkReset, token(1), "newer hash", f.now)
	f.must(err)
	told("link", user)
	_, err = f.CreateRole(f.ctx, scope(f.acme), auth.Role{RoleFields: auth.RoleFields{Name: "reader"}})
	f.must(err)
	_, err = f.ChangeRole(f.ctx, scope(f.acme), "reader", f.now, func(r auth.Role) (auth.Role, error) { return r, nil })
	f.must(err)
	told("role", auth.Change{Kind: auth.RolesChanged, Tenant: f.acme})
	made, err := f.CreateAPIToken(f.ctx, scope(f.acme), auth.NewAPIToken{ID: tenancy.NewID(), User: ada.User, Digest: token(2), CreatedBy: ada.User}, func(auth.UserView) error { return nil })
	f.must(err)
	f.must(f.DeleteAPIToken(f.ctx, scope(f.acme), made.ID, func(auth.APIToken) error { return nil }))
	told("API token", auth.Change{Kind: auth.APITokenChanged, Tenant: f.acme, Token: token(2)})
	f.must(f.EndTenantSessions(f.ctx, f.acme, auth.EndedCollapse, f.now))
	told("end of the tenant's sessions", tenant)
	f.SetActive(f.acme, false)
	told("suspension", tenant)
	f.SetActive(f.acme, true)
	told("its end", tenant)
	f.must(f.DeleteUser(f.ctx, scope(f.acme), ada.User, func(auth.UserView) error { return nil }))
	told("deletion", user)
	epoch, err := f.RaiseGlobalEpoch(f.ctx)
	f.must(err)
	told("global epoch", auth.Change{Kind: auth.GlobalEpochChanged, Epoch: epoch})
}

func installation(f *fixture) {
	before, err := f.Installation(f.ctx)
	f.must(err)
	if before.HasOperator || before.Revoked != 0 {
		f.t.Errorf("new: %+v", before)
	}
	for _, sequence := range []uint64{3, 9, 4} {
		f.must(f.EndSession(f.ctx, auth.SessionEnd{Tenant: f.acme, Session: tenancy.NewID(), Now: f.now, Revoked: sequence}))
	}
	last := before.GlobalEpoch
	for range 2 {
		epoch, err := f.RaiseGlobalEpoch(f.ctx)
		f.must(err)
		if epoch <= last {
			f.t.Errorf("the epoch went from %d to %d", last, epoch)
		}
		last = epoch
	}
	if after, err := f.Installation(f.ctx); err != nil || after.Revoked != 9 || after.GlobalEpoch != last {
		f.t.Errorf("then: %+v, %v", after, err)
	}
}

func firstOperator(f *fixture) {
	root := func(email string) auth.NewUser {
		u := f.newUser(email, auth.RoleTenantAdmin)
		u.IsOperator = true
		return u
	}
	var errs [2]error
	var users [2]auth.User
	var both sync.WaitGroup
	for i, email := range []string{"one@example.com", "two@example.com"} {
		both.Go(func() { users[i], errs[i] = f.CreateFirstOperator(f.ctx, root(email), false) })
	}
	both.Wait()
	winner := 0
	if errs[0] != nil {
		winner = 1
	}
	f.want("the first", errs[winner], "")
	f.want("another, unasked for", errs[1-winner], problem.Conflict)
	first := users[winner]
	state, err := f.UserState(f.ctx, auth.UserKey{Tenant: first.TenantID, User: first.ID})
	f.must(err)
	if !state.Active || !state.Operator || state.Grants != auth.EveryPermission {
		f.t.Errorf("the operator is %+v", state)
	}
	if found, err := f.Accounts(f.ctx, users[winner].Email, tenancy.DefaultSlug); err != nil || len(found) != 1 {
		f.t.Errorf("in the tenant default: %+v, %v", found, err)
	}
	if now, err := f.Installation(f.ctx); err != nil || !now.HasOperator {
		f.t.Errorf("the installation: %+v, %v", now, err)
	}

	// A user who is there is given the password and the rights.
	member := auth.UserKey{Tenant: first.TenantID, User: f.user(first.TenantID, "member@example.com", auth.RoleViewer).User}
	session := f.login(member)
	f.must(f.change(member, func(c *auth.UserChange) { c.Fields.IsActive = false }))
	again := root("member@example.com")
	again.PasswordHash = "recovered"
	promoted, err := f.CreateFirstOperator(f.ctx, again, true)
	f.must(err)
	if promoted.ID != member.User || !promoted.IsActive || !promoted.IsOperator || !slices.Contains(promoted.Roles, auth.RoleTenantAdmin) {
		f.t.Errorf("promoted to %+v", promoted)
	}
	if account := f.account(member); account.PasswordHash != "recovered" || !account.Usable {
		f.t.Errorf("the account is %+v", account)
	}
	if r := f.rotate(session, 0); r.Outcome != auth.Refused {
		f.t.Errorf("a session of before: %+v", r)
	}
}
