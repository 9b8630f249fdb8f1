package storetest

import (
	"sync"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

func accounts(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	f.user(f.acme, "both@example.com", auth.RoleViewer)
	f.user(f.beta, "both@example.com", auth.RoleViewer)
	off := f.user(f.beta, "off@example.com", auth.RoleViewer)
	f.must(f.change(off, func(c *auth.UserChange) { c.Fields.IsActive = false }))
	service := f.newUser("service@example.com", auth.RoleViewer)
	service.IsService, service.PasswordHash = true, ""
	_, err := f.CreateUser(f.ctx, scope(f.beta), service, agree)
	f.must(err)

	for _, c := range []struct {
		key, slug      string
		found, useable int
	}{
		{"ada@example.com", "", 1, 1}, {"ada@example.com", "acme", 1, 1}, {"ada@example.com", "beta", 0, 0}, {"ada@example.com", "nowhere", 0, 0},
		{"both@example.com", "", 2, 2}, {"both@example.com", "beta", 1, 1}, {"off@example.com", "", 1, 0}, {"service@example.com", "", 1, 0},
		{"nobody@example.com", "", 0, 0}, {"", "", 0, 0},
	} {
		found, err := f.Accounts(f.ctx, c.key, c.slug)
		f.must(err)
		useable := 0
		for _, account := range found {
			if account.Usable {
				useable++
			}
		}
		if len(found) != c.found || useable != c.useable {
			f.t.Errorf("%q in %q: found %d, %d usable, want %d and %d", c.key, c.slug, len(found), useable, c.found, c.useable)
		}
	}
	found, err := f.Accounts(f.ctx, "ada@example.com", "")
	f.must(err)
	if a := found[0]; a.Key != ada || a.Email != "ada@example.com" || a.PasswordHash != "hash of ada@example.com" || a.TenantSlug != "acme" || a.TenantName == "" {
		f.t.Errorf("the account is %+v", a)
	}
	if own := f.account(ada); own != found[0] {
		f.t.Errorf("by its key the account is %+v", own)
	}
	f.SetActive(f.acme, false)
	if found, err = f.Accounts(f.ctx, "ada@example.com", ""); err != nil || len(found) != 1 || found[0].Usable {
		f.t.Errorf("in a suspended tenant: %+v, %v", found, err)
	}
	_, err = f.Password(f.ctx, auth.UserKey{Tenant: f.beta, User: ada.User})
	f.want("another tenant's account", err, problem.NotFound)
}

func opening(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	s := f.session(ada)
	login, err := f.OpenSession(f.ctx, s)
	f.must(err)
	if u := login.User; u.ID != ada.User || u.LastLoginAt == nil || *u.LastLoginAt != f.now {
		f.t.Errorf("the user is %+v", u)
	}
	read, err := f.Session(f.ctx, f.acme, s.ID)
	f.must(err)
	if read != login.Session || read.UserID != ada.User || read.Address != "192.0.2.1" || read.ExpiresAt != s.ExpiresAt || read.AccessUntil != s.AccessUntil {
		f.t.Errorf("read %+v, opened %+v", read, login.Session)
	}
	_, err = f.Session(f.ctx, f.beta, s.ID)
	f.want("through another tenant", err, problem.NotFound)

	renewed := f.session(ada)
	renewed.NewHash = "renewed"
	_, err = f.OpenSession(f.ctx, renewed)
	f.must(err)
	late := f.session(ada)
	late.VerifiedHash, late.NewHash = "hash of ada@example.com", "renewed again"
	_, err = f.OpenSession(f.ctx, late)
	f.must(err)
	if hash := f.account(ada).PasswordHash; hash != "renewed" {
		f.t.Errorf("the hash is %q", hash)
	}
	if _, err := f.Session(f.ctx, f.acme, s.ID); err != nil {
		f.t.Errorf("the renewal of the hash ended a session: %v", err)
	}

	stale := f.session(ada)
	f.must(f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: ada, Now: f.now}))
	_, err = f.OpenSession(f.ctx, stale)
	f.want("the epoch was raised meanwhile", err, problem.Unauthenticated)
	fresh := f.session(ada)
	f.SetActive(f.acme, false)
	_, err = f.OpenSession(f.ctx, fresh)
	f.want("the tenant was suspended meanwhile", err, problem.Unauthenticated)
	f.SetActive(f.acme, true)
	f.must(f.change(ada, func(c *auth.UserChange) { c.Fields.IsActive = false }))
	_, err = f.OpenSession(f.ctx, fresh)
	f.want("the user was disabled meanwhile", err, problem.Unauthenticated)
	fresh.Key.User = tenancy.NewID()
	_, err = f.OpenSession(f.ctx, fresh)
	f.want("no such user", err, problem.Unauthenticated)
}

func rotation(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	s := f.login(ada)
	f.now += 60 * second
	first := f.rotate(s, 0)
	if first.Outcome != auth.Rotated || first.User.ID != ada.User || first.Session.LastUsedAt != f.now || first.Session.AccessUntil != f.now+15*second {
		f.t.Fatalf("rotated: %+v", first)
	}
	f.now += second
	again := f.rotate(s, 0)
	if again.Outcome != auth.Repeated || again.Session.ID != s.ID || again.Session.AccessUntil != f.now+15*second || again.Session.LastUsedAt != f.now-second {
		f.t.Errorf("repeated: %+v", again)
	}
	if r := f.rotate(s, 1); r.Outcome != auth.Rotated {
		f.t.Errorf("the successor: %+v", r)
	}
	if r := f.rotate(s, 7); r.Outcome != auth.Refused {
		f.t.Errorf("of a generation to come: %+v", r)
	}
	if r := f.rotate(s, 0); r.Outcome != auth.Reused || r.Session.ID != s.ID || r.Session.UserID != ada.User {
		f.t.Errorf("two generations old: %+v", r)
	}
	for generation := range 4 {
		if r := f.rotate(s, generation); r.Outcome != auth.Refused {
			f.t.Errorf("generation %d after the reuse: %+v", generation, r)
		}
	}
	_, err := f.Session(f.ctx, f.acme, s.ID)
	f.want("the session after the reuse", err, problem.NotFound)

	other := f.login(ada)
	forged := rotationOf(other, 0, f.now)
	forged.Presented = token(99)
	if r, err := f.RotateSession(f.ctx, forged); err != nil || r.Outcome != auth.Reused {
		f.t.Errorf("a token of the right generation that is not the one: %+v, %v", r, err)
	}
}

func grace(f *fixture) {
	ada := f.user(f.acme, "ada@example.com", auth.RoleViewer)
	for _, c := range []struct {
		name  string
		later tenancy.Time
		want  auth.RotationOutcome
	}{
		{"at once", 0, auth.Repeated}, {"a microsecond before its end", 10*second - 1, auth.Repeated}, {"at its end", 10 * second, auth.Reused},
	} {
		s := f.login(ada)
		f.rotate(s, 0)
		f.now += c.later / 2
		if c.want == auth.Repeated {
			f.rotate(s, 0) // does not extend it
		}
		f.now += c.later - c.later/2
		if r := f.rotate(s, 0); r.Outcome != c.want {
			f.t.Errorf("%s: outcome %d, want %d", c.name, r.Outcome, c.want)
		}
	}
	s := f.login(ada)
	f.rotate(s, 0)
	otherSuccessor := rotationOf(s, 0, f.now)
	otherSuccessor.Successor = token(99)
	if r, err := f.RotateSession(f.ctx, otherSuccessor); err != nil || r.Outcome != auth.Reused {
		f.t.Errorf("with another successor: %+v, %v", r, err)
	}
	s = f.login(ada)
	none := rotationOf(s, 0, f.now)
	none.Grace = 0
	for i, want := range []auth.RotationOutcome{auth.Rotated, auth.Reused} {
		if r, err := f.RotateSession(f.ctx, none); err != nil || r.Outcome != want {
			f.t.Errorf("without a grace, use %d: %+v, %v", i, r, err)
		}
	}
}

func refusedRotation(f *fixture) {
	expired := f.login(f.user(f.acme, "expired@example.com", auth.RoleViewer))
	at := rotationOf(expired, 0, expired.ExpiresAt)
	if r, err := f.RotateSession(f.ctx, at); err != nil || r.Outcome != auth.Refused {
		f.t.Errorf("at its expiry: %+v, %v", r, err)
	}
	if r := f.rotate(auth.Session{TenantID: f.acme, ID: tenancy.NewID()}, 0); r.Outcome != auth.Refused {
		f.t.Errorf("unknown: %+v", r)
	}
	foreign := expired
	foreign.TenantID = f.beta
	if r := f.rotate(foreign, 0); r.Outcome != auth.Refused {
		f.t.Errorf("through another tenant: %+v", r)
	}
	for name, end := range map[string]func(auth.UserKey, auth.Session){
		"ended": func(_ auth.UserKey, s auth.Session) {
			f.must(f.EndSession(f.ctx, auth.SessionEnd{Tenant: s.TenantID, Session: s.ID, Reason: auth.EndedLogout, Now: f.now}))
		},
		"disabled": func(key auth.UserKey, _ auth.Session) {
			f.must(f.change(key, func(c *auth.UserChange) { c.Fields.IsActive = false }))
		},
		"user's epoch": func(key auth.UserKey, _ auth.Session) {
			f.must(f.change(key, func(c *auth.UserChange) { c.EndSessions = true }))
		},
		"deleted": func(key auth.UserKey, _ auth.Session) {
			f.must(f.DeleteUser(f.ctx, scope(key.Tenant), key.User, func(auth.UserView) error { return nil }))
		},
		"tenant's epoch": func(key auth.UserKey, _ auth.Session) {
			f.must(f.EndTenantSessions(f.ctx, key.Tenant, auth.EndedCollapse, f.now))
		},
		"suspended": func(key auth.UserKey, _ auth.Session) { f.SetActive(key.Tenant, false) },
		"global epoch": func(auth.UserKey, auth.Session) {
			_, err := f.RaiseGlobalEpoch(f.ctx)
			f.must(err)
		},
	} {
		tenant := f.NewTenant("t-" + tenancy.NewID().String()[:18])
		key := f.user(tenant, "somebody@example.com", auth.RoleViewer)
		s := f.login(key)
		end(key, s)
		if r := f.rotate(s, 0); r.Outcome != auth.Refused {
			f.t.Errorf("%s: %+v", name, r)
		}
	}
}

func parallelRotation(f *fixture) {
	s := f.login(f.user(f.acme, "ada@example.com", auth.RoleViewer))
	outcomes := map[auth.RotationOutcome]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			r, err := f.RotateSession(f.ctx, rotationOf(s, 0, f.now))
			if err != nil {
				f.t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[r.Outcome]++
		})
	}
	group.Wait()
	if outcomes[auth.Rotated] != 1 || outcomes[auth.Repeated] != 199 {
		f.t.Errorf("outcomes %v, want one rotation and 199 repetitions", outcomes)
	}
}

func ending(f *fixture) {
	ada, eve := f.user(f.acme, "ada@example.com", auth.RoleViewer), f.user(f.acme, "eve@example.com", auth.RoleViewer)
	other := f.user(f.beta, "ada@example.com", auth.RoleViewer)
	alive := func(sessions ...auth.Session) (n int) {
		for _, s := range sessions {
			if _, err := f.Session(f.ctx, s.TenantID, s.ID); err == nil {
				n++
			} else {
				f.want("an ended session", err, problem.NotFound)
			}
		}
		return n
	}
	one, two, hers, theirs := f.login(ada), f.login(ada), f.login(eve), f.login(other)
	end := auth.SessionEnd{Tenant: f.beta, Session: one.ID, Reason: auth.EndedLogout, Now: f.now, Revoked: 5}
	f.must(f.EndSession(f.ctx, end)) // another tenant's: nothing ends
	if n := alive(one, two, hers, theirs); n != 4 {
		f.t.Errorf("%d are alive, want 4", n)
	}
	end.Tenant = f.acme
	f.must(f.EndSession(f.ctx, end))
	f.must(f.EndSession(f.ctx, end))
	if alive(one) != 0 || alive(two, hers, theirs) != 3 {
		f.t.Error("ending one session ended others, or not itself")
	}
	f.must(f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: ada, Reason: auth.EndedByAdmin, Now: f.now}))
	if alive(two) != 0 || alive(hers, theirs) != 2 {
		f.t.Error("ending a user's sessions ended others, or not its own")
	}
	refusal := problem.New(problem.Forbidden, "no")
	f.want("a refused end", f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: eve, Now: f.now, Decide: func(auth.UserView) error { return refusal }}), problem.Forbidden)
	f.want("nobody's", f.EndUserSessions(f.ctx, auth.UserSessionsEnd{Key: auth.UserKey{Tenant: f.beta, User: eve.User}, Now: f.now}), problem.NotFound)
	if alive(hers, theirs) != 2 {
		f.t.Error("a refused end left a trace")
	}
	f.must(f.EndTenantSessions(f.ctx, f.acme, auth.EndedCollapse, f.now))
	if alive(hers) != 0 || alive(theirs, f.login(eve)) != 2 {
		f.t.Error("ending a tenant's sessions ended others, or not its own")
	}
	_, err := f.RaiseGlobalEpoch(f.ctx)
	f.must(err)
	if alive(theirs) != 0 || alive(f.login(other)) != 1 {
		f.t.Error("the global epoch did not end a session, or ends new ones")
	}
}
