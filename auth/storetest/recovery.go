package storetest

import (
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

func recovery(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	session := f.login(ada)
	f.must(f.change(ada, func(c *auth.UserChange) { c.Fields.IsActive = false }))

	user, err := f.Recover(f.ctx, ada, auth.Recovery{PasswordHash: "recovered", Now: f.now})
	f.must(err)
	if user.ID != ada.User || user.IsActive || user.PasswordChangedAt == nil || *user.PasswordChangedAt != f.now {
		f.t.Errorf("with a new password the user is %+v", user)
	}
	if r := f.rotate(session, 0); r.Outcome != auth.Refused {
		f.t.Errorf("a session of before: %+v", r)
	}
	user, err = f.Recover(f.ctx, ada, auth.Recovery{Activate: true, Now: f.now})
	f.must(err)
	if account := f.account(ada); !user.IsActive || account.PasswordHash != "recovered" || !account.Usable {
		f.t.Errorf("activated, the user is %+v, the account %+v", user, account)
	}
	if state, err := f.UserState(f.ctx, ada); err != nil || !state.Active {
		f.t.Errorf("the state is %+v, %v", state, err)
	}

	robot := f.newUser("robot@example.com", auth.RoleViewer)
	robot.IsService, robot.PasswordHash = true, ""
	_, err = f.CreateUser(f.ctx, scope(f.acme), robot, agree)
	f.must(err)
	_, err = f.Recover(f.ctx, auth.UserKey{Tenant: f.acme, User: robot.ID}, auth.Recovery{PasswordHash: "x", Now: f.now})
	f.want("a password for a service account", err, problem.Conflict)
	_, err = f.Recover(f.ctx, auth.UserKey{Tenant: f.beta, User: ada.User}, auth.Recovery{Activate: true, Now: f.now})
	f.want("through another tenant", err, problem.NotFound)
	_, err = f.Recover(f.ctx, auth.UserKey{Tenant: f.acme, User: tenancy.NewID()}, auth.Recovery{Activate: true, Now: f.now})
	f.want("nobody", err, problem.NotFound)
}
