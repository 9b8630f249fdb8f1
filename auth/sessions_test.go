package auth

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

func TestLogoutEndsTheSessionAtOnce(t *testing.T) {
	w := newWorld(t)
	grant := w.login("ada@example.com")
	refreshed := w.refresh(grant.RefreshToken)
	other := w.login("ada@example.com")
	must(t, w.service.Logout(w.ctx, w.principal(grant.AccessToken), ""))
	for round := range 2 {
		w.mustBeDead("the access token", grant.AccessToken)
		w.mustBeDead("the other access token of the session", refreshed.AccessToken)
		w.mustNotRefresh("the refresh token", refreshed.RefreshToken)
		w.mustLive("the other session", other.AccessToken)
		if round == 0 {
			w.reopen()
		}
	}
	if w.store.global != 1 {
		t.Error("the restart made all tokens invalid")
	}
}

// Every other spelling of the token is refused as well (golang-jwt alone would
// accept some).
func TestMalleatedTokenStillRevoked(t *testing.T) {
	w := newWorld(t)
	grant := w.login("ada@example.com")
	w.mustLive("before the logout", grant.AccessToken)
	must(t, w.service.Logout(w.ctx, w.principal(grant.AccessToken), ""))
	forms := respelled(grant.AccessToken)
	if len(forms) < 3*63 {
		t.Fatalf("only %d forms", len(forms))
	}
	for _, form := range forms {
		w.mustBeDead("a form of the revoked token", form)
	}
}

// respelled returns other ways to write a token down: with other characters at
// the end of a segment (some decode to the same bytes), with padding, space, line
// ends and NUL at each place that a lax decoder skips, in the standard alphabet,
// escaped, and in JSON.
func respelled(token string) []string {
	parts := strings.Split(token, ".")
	forms := []string{token, strings.NewReplacer("-", "+", "_", "/").Replace(token), strings.ReplaceAll(token, ".", "%2E"), url.QueryEscape(token) + "%00",
		strings.ToUpper(token), "Bearer " + token, `"` + token + `"`, token + "." + parts[2],
		fmt.Sprintf(`{"payload":"%s","protected":"%s","signature":"%s"}`, parts[1], parts[0], parts[2]),
		fmt.Sprintf(`{"payload":"%s","signatures":[{"protected":"%s","signature":"%s"}]}`, parts[1], parts[0], parts[2])}
	for i, part := range parts {
		with := func(other string) {
			changed := slices.Clone(parts)
			changed[i] = other
			forms = append(forms, strings.Join(changed, "."))
		}
		for _, c := range base64URL {
			with(part[:len(part)-1] + string(c))
		}
		for _, filler := range []string{"=", "==", "\n", "\r\n", " ", "\t", "\x00", "\u200b"} {
			with(part + filler)
			with(filler + part)
			with(part[:8] + filler + part[8:])
		}
	}
	return forms
}

func TestLogoutWithARefreshToken(t *testing.T) {
	w := newWorld(t)
	w.user(w.acme, "eve@example.com", RoleViewer)
	mine, mine2, eve := w.login("ada@example.com"), w.login("ada@example.com"), w.login("eve@example.com")
	me := w.principal(mine.AccessToken)

	must(t, w.service.Logout(w.ctx, w.principal(w.login("ada@example.com").AccessToken), eve.RefreshToken))
	w.mustLive("another user's session", eve.AccessToken)
	must(t, w.service.Logout(w.ctx, &Principal{}, "msr_nonsense"))
	must(t, w.service.Logout(w.ctx, &Principal{}, ""))

	must(t, w.service.Logout(w.ctx, me, mine2.RefreshToken))
	w.mustBeDead("the caller's session", mine.AccessToken)
	w.mustBeDead("the session of the refresh token", mine2.AccessToken)
	must(t, w.service.Logout(w.ctx, &Principal{}, mine2.RefreshToken)) // again: no error

	must(t, w.service.Logout(w.ctx, &Principal{}, eve.RefreshToken)) // the access token has expired
	w.mustBeDead("the session whose refresh token was given", eve.AccessToken)
}

func TestLogoutThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	grant := w.login("ada@example.com")
	p := w.principal(grant.AccessToken)
	w.store.fail = unavailable("The disk is full.", errors.New("ENOSPC"))
	mustCode(t, "the database fails", w.service.Logout(w.ctx, p, ""), problem.Unavailable)
	w.mustBeDead("after the failure", grant.AccessToken)
	w.store.fail = nil

	second := w.login("ada@example.com")
	p = w.principal(second.AccessToken)
	must(t, w.service.revocations.file.db.Close())
	mustCode(t, "the file fails", w.service.Logout(w.ctx, p, ""), problem.Unavailable)
	w.mustBeDead("after the failure", second.AccessToken)
}

func TestSessionsAreRecordedAndEnded(t *testing.T) {
	w := newWorld(t)
	w.user(w.acme, "eve@example.com", RoleViewer)
	mine, other, eve := w.login("ada@example.com"), w.login("ada@example.com"), w.login("eve@example.com")
	p := w.principal(mine.AccessToken)
	for _, grant := range []Grant{mine, other} {
		s, err := w.store.Session(w.ctx, w.acme, grant.Session)
		must(t, err)
		if s.Address != "192.0.2.7" || s.UserAgent != "test" || s.UserID != w.ada.User {
			t.Errorf("recorded: %+v", s)
		}
	}
	mustCode(t, "another user's session", w.service.EndSession(w.ctx, p, eve.Session), problem.NotFound)
	mustCode(t, "no session", w.service.EndSession(w.ctx, p, tenancy.NewID()), problem.NotFound)
	w.mustLive("another user's session", eve.AccessToken)
	must(t, w.service.EndSession(w.ctx, p, other.Session))
	w.mustBeDead("the ended session", other.AccessToken)
	w.mustNotRefresh("the ended session", other.RefreshToken)
	w.mustLive("the caller's session", mine.AccessToken)

	must(t, w.service.LogoutAll(w.ctx, p))
	w.mustBeDead("after logout everywhere", mine.AccessToken)
	w.mustNotRefresh("after logout everywhere", mine.RefreshToken)
	w.mustLive("another user", eve.AccessToken)
}

// What changes about user or tenant is in force at the very next request.
func TestEveryCauseTakesEffectOnTheNextRequest(t *testing.T) {
	for name, act := range map[string]func(w *world, admin *Principal){
		"deactivated": func(w *world, admin *Principal) {
			must(w.t, w.edit(admin, func(f *UserFields) { f.IsActive = false }))
		},
		"demoted": func(w *world, admin *Principal) {
			must(w.t, w.edit(admin, func(f *UserFields) { f.Roles = []string{RoleViewer} }))
		},
		"deleted": func(w *world, admin *Principal) {
			must(w.t, w.service.DeleteUser(w.ctx, admin, w.ada.User, func(User) error { return nil }))
		},
		"revoked":          func(w *world, admin *Principal) { must(w.t, w.service.RevokeUser(w.ctx, admin, w.ada.User)) },
		"tenant suspended": func(w *world, _ *Principal) { w.store.setTenantActive(w.acme, false) },
		"tenant suspended and resumed": func(w *world, _ *Principal) {
			w.store.setTenantActive(w.acme, false)
			w.store.setTenantActive(w.acme, true)
		},
		"tenant's sessions ended": func(w *world, _ *Principal) {
			must(w.t, w.store.EndTenantSessions(w.ctx, w.acme, "test", w.service.now()))
		},
		"everything revoked": func(w *world, _ *Principal) { must(w.t, w.service.RevokeEverything(w.ctx)) },
	} {
		w := newWorld(t)
		admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
		grant := w.login("ada@example.com")
		w.mustLive(name+": before", grant.AccessToken)
		act(w, admin)
		w.mustBeDead(name, grant.AccessToken)
		w.mustNotRefresh(name, grant.RefreshToken)
	}
}

func (w *world) edit(p *Principal, change func(*UserFields)) error {
	_, err := w.service.UpdateUser(w.ctx, p, w.ada.User, func(u User) (UserFields, error) {
		change(&u.UserFields)
		return u.UserFields, nil
	})
	return err
}

func TestPromotionKeepsTheSessionAndWorksAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	grant := w.login("ada@example.com")
	must(t, w.edit(admin, func(f *UserFields) { f.Roles = []string{RoleMLEngineer} }))
	if p := w.principal(grant.AccessToken); p.Permissions != mlEngineerPermissions {
		t.Errorf("the rights are %v", p.Permissions.Names())
	}
}

func TestManyLogoutsCollapseIntoTheEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var grants []Grant
	for range DefaultRevocationsPerUser + 6 {
		grants = append(grants, w.login("ada@example.com"))
	}
	for _, grant := range grants {
		p, err := w.service.Authenticate(w.ctx, grant.AccessToken)
		if err == nil {
			must(t, w.service.Logout(w.ctx, &p, ""))
		}
	}
	for _, grant := range grants {
		w.mustBeDead("a session that was logged out", grant.AccessToken)
		w.mustNotRefresh("a session that was logged out", grant.RefreshToken)
	}
	if n := w.service.revocations.Len(); n != DefaultRevocationsPerUser {
		t.Errorf("%d revocations are held", n)
	}
	w.mustLive("a login afterwards", w.login("ada@example.com").AccessToken)
}

func TestLostRevocationsMeanThatEverybodyLogsInAgain(t *testing.T) {
	w := newWorld(t)
	ended, live := w.login("ada@example.com"), w.login("ada@example.com")
	must(t, w.service.Logout(w.ctx, w.principal(ended.AccessToken), ""))
	must(t, w.service.Close(w.ctx))
	must(t, os.Remove(filepath.Join(w.dir, "revocations.bolt")))
	w.open()
	for name, grant := range map[string]Grant{"logged out": ended, "still logged in": live} {
		w.mustBeDead(name, grant.AccessToken)
		w.mustNotRefresh(name, grant.RefreshToken)
	}
	again := w.login("ada@example.com")
	w.reopen()
	w.mustLive("a login afterwards", again.AccessToken)
}

// The clock was ahead, revocations were swept, the clock is right again: nothing
// comes back, and logging in works.
func TestClockThatWasAhead(t *testing.T) {
	w := newWorld(t)
	before := w.login("ada@example.com")
	w.clock.setBack(-365 * 24 * time.Hour)
	ahead := w.login("ada@example.com")
	must(t, w.service.Logout(w.ctx, w.principal(ahead.AccessToken), ""))
	w.clock.pass(2 * time.Hour)
	w.service.Maintain(w.ctx)
	if n := w.service.revocations.Len(); n != 0 {
		t.Fatalf("%d revocations are left", n)
	}
	w.clock.setBack(365 * 24 * time.Hour)
	w.mustBeDead("issued ahead", ahead.AccessToken)
	after := w.login("ada@example.com")
	w.mustLive("a login afterwards", after.AccessToken)
	w.mustNotRefresh("the session before", before.RefreshToken)
	w.refresh(after.RefreshToken)
}

func TestIntrospection(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	colleague := w.as(w.acme, "colleague@example.com", RoleMLEngineer)
	stranger := w.as(w.globex, "stranger@example.com", RoleTenantAdmin)
	grant := w.login("ada@example.com")
	me := w.principal(grant.AccessToken)
	_, secret, err := w.service.CreateAPIToken(w.ctx, me, APITokenFields{Name: "job", Scopes: []string{"projects:view"}})
	must(t, err)
	for _, c := range []struct {
		name, token string
		asked       *Principal
		active      bool
	}{
		{"own access token", grant.AccessToken, me, true}, {"own API token", secret, me, true},
		{"by an admin", grant.AccessToken, admin, true}, {"by a colleague", grant.AccessToken, colleague, false},
		{"by another tenant", grant.AccessToken, stranger, false}, {"refresh token", grant.RefreshToken, me, false},
		{"nonsense", "nonsense", me, false}, {"empty", "", me, false},
	} {
		got, err := w.service.Introspect(w.ctx, c.asked, c.token)
		must(t, err)
		if got.Active != c.active || !c.active && got != (Introspection{}) {
			t.Errorf("%s: got %+v", c.name, got)
		}
		if c.active && (*got.Subject != w.ada.User || *got.Tenant != w.acme || got.ExpiresAt == 0 || got.Scope == "") {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
	must(t, w.service.Logout(w.ctx, me, ""))
	if got, err := w.service.Introspect(w.ctx, admin, grant.AccessToken); err != nil || got != (Introspection{}) {
		t.Errorf("after the logout: %+v, %v", got, err)
	}
}
