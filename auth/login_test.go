package auth

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/problem"
	"maestro/tenancy"
)

func TestLoginGivesAPairThatWorks(t *testing.T) {
	w := newWorld(t)
	grant := w.login("Ada@Example.com")
	p := w.principal(grant.AccessToken)
	if p.User != w.ada.User || p.Tenant != w.acme || p.Scope.Tenant() != w.acme || p.Scope.Actor().ID != w.ada.User || p.Session != grant.Session {
		t.Errorf("the principal is %+v", p)
	}
	if p.Permissions != dataScientistPermissions || p.Operator || !p.Interactive() {
		t.Errorf("the rights are %v, operator %v", p.Permissions.Names(), p.Operator)
	}
	if grant.TokenType != "Bearer" || grant.ExpiresIn != 900 || grant.User.ID != w.ada.User || grant.User.LastLoginAt == nil {
		t.Errorf("the grant is %+v", grant)
	}
	w.mustBeDead("the refresh token as access token", grant.RefreshToken)
	_, err := w.service.Refresh(w.ctx, grant.AccessToken)
	mustCode(t, "the access token as refresh token", err, problem.Unauthenticated)
	for _, prefix := range []string{invitationPrefix, resetPrefix, setupPrefix, devicePrefix} {
		secret := newSecret(prefix)
		w.mustBeDead(prefix, secret)
		_, err := w.service.Refresh(w.ctx, secret)
		mustCode(t, prefix, err, problem.Unauthenticated)
	}
}

func TestRefusedLoginsLookTheSame(t *testing.T) {
	w := newWorld(t)
	disabled := w.user(w.acme, "disabled@example.com", RoleViewer)
	w.store.users[disabled].IsActive = false
	service := w.user(w.acme, "service@example.com", RoleViewer)
	w.store.users[service].IsService = true
	invited := w.user(w.acme, "invited@example.com", RoleViewer)
	w.store.users[invited].hash = ""
	w.user(w.acme, "both@example.com", RoleViewer)
	w.user(w.globex, "both@example.com", RoleViewer)
	suspended := w.store.addTenant("suspended")
	w.user(suspended, "suspended@example.com", RoleViewer)
	w.store.setTenantActive(suspended, false)

	for name, c := range map[string]Credentials{
		"wrong password":    {Email: "ada@example.com", Password: "wrong"},
		"over-long":         {Email: "ada@example.com", Password: strings.Repeat("x", 10_000)},
		"unknown":           {Email: "nobody@example.com", Password: goodPassword},
		"no address":        {Email: "\x00", Password: goodPassword},
		"wrong tenant":      {Email: "ada@example.com", Password: goodPassword, Tenant: "globex"},
		"unknown tenant":    {Email: "ada@example.com", Password: goodPassword, Tenant: "nowhere"},
		"disabled":          {Email: "disabled@example.com", Password: goodPassword},
		"service account":   {Email: "service@example.com", Password: goodPassword},
		"invited":           {Email: "invited@example.com", Password: ""},
		"two accounts":      {Email: "both@example.com", Password: goodPassword},
		"suspended tenant":  {Email: "suspended@example.com", Password: goodPassword},
		"tenant of 1 MB":    {Email: "ada@example.com", Password: goodPassword, Tenant: strings.Repeat("x", 1<<20)},
		"empty credentials": {},
	} {
		before := w.service.hasher.Computed()
		_, err := w.service.Login(w.ctx, c, someClient)
		if !errors.Is(err, errCredentials) || err.Error() != errCredentials.Error() {
			t.Errorf("%s: got %v, want %v", name, err, errCredentials)
		}
		if n := w.service.hasher.Computed() - before; n != 1 {
			t.Errorf("%s: bcrypt ran %d times, want once", name, n)
		}
	}
	for _, slug := range []string{"acme", "globex", " Acme "} {
		if _, err := w.service.Login(w.ctx, Credentials{Email: "both@example.com", Password: goodPassword, Tenant: slug}, someClient); err != nil {
			t.Errorf("an e-mail in two tenants, with the tenant %q: %v", slug, err)
		}
	}
}

func TestOutdatedHashIsRenewedAtLogin(t *testing.T) {
	w := newWorld(t)
	legacy, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
	must(t, err)
	w.store.users[w.ada].hash = "$2b$" + string(legacy[4:])
	before := w.store.users[w.ada].hash
	_, err = w.service.Login(w.ctx, Credentials{Email: "ada@example.com", Password: "wrong"}, someClient)
	mustCode(t, "wrong password", err, problem.Unauthenticated)
	if w.store.users[w.ada].hash != before {
		t.Fatal("a wrong password changed the hash")
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := w.service.Login(w.ctx, w.adaCredential, Client{Address: someClient.Address}); err != nil && problem.CodeOf(err) != problem.TooManyRequests {
				t.Errorf("login during the renewal: %v", err)
			}
		})
	}
	group.Wait()
	if hash := w.store.users[w.ada].hash; !strings.HasPrefix(hash, preHashed) {
		t.Errorf("the hash is still %.10s", hash)
	}
	grant := w.login("ada@example.com")
	w.mustLive("after the renewal", grant.AccessToken)

	w.config.Hash.InsecureTestCost = bcrypt.MinCost + 1
	w.reopen()
	w.mustLive("the renewal ends no session", grant.AccessToken)
	w.login("ada@example.com")
	if hash := w.store.users[w.ada].hash; !strings.HasPrefix(hash, preHashed+"$2a$05$") {
		t.Errorf("after the cost was raised the hash is %.25s", hash)
	}
}

func TestThrottledLoginReachesNoHash(t *testing.T) {
	w := newWorld(t)
	for range AccountPace.Free {
		_, err := w.service.Login(w.ctx, Credentials{Email: "ada@example.com", Password: "wrong"}, someClient)
		mustCode(t, "wrong password", err, problem.Unauthenticated)
	}
	before := w.service.hasher.Computed()
	for _, email := range []string{"ada@example.com", " ADA@example.com", "ada@example.com."} {
		_, err := w.service.Login(w.ctx, Credentials{Email: email, Password: goodPassword}, Client{Address: netip.MustParseAddr("203.0.113.1")})
		if retryAfter(err) == 0 {
			t.Errorf("the right password as %q during the delay: got %v", email, err)
		}
	}
	if n := w.service.hasher.Computed() - before; n != 0 {
		t.Errorf("bcrypt ran %d times during the delay", n)
	}
	w.clock.pass(2 * time.Second)
	w.login("ada@example.com")
	w.login("ada@example.com") // the success cleared the counter
}

func TestUnknownAccountsAreThrottledAlike(t *testing.T) {
	w := newWorld(t)
	outcome := func(email string) string {
		var log []string
		for i := range 9 {
			_, err := w.service.Login(w.ctx, Credentials{Email: email, Password: "wrong", Tenant: [3]string{"", "acme", "globex"}[i%3]}, Client{Address: netip.AddrFrom4([4]byte{10, 0, byte(i), 1})})
			log = append(log, err.Error())
		}
		return strings.Join(log, "\n")
	}
	if known, unknown := outcome("ada@example.com"), outcome("nobody@example.com"); known != unknown {
		t.Errorf("a known account:\n%s\nan unknown one:\n%s", known, unknown)
	}
}

func TestVictimWithAKnownClientIsNotLockedOut(t *testing.T) {
	w := newWorld(t)
	grant := w.login("ada@example.com")
	stranger := Client{Address: netip.MustParseAddr("198.51.100.1")}
	for range 1000 {
		_, _ = w.service.Login(w.ctx, Credentials{Email: "ada@example.com", Password: "wrong"}, stranger)
		w.clock.pass(time.Second)
	}
	_, err := w.service.Login(w.ctx, w.adaCredential, Client{Address: victim})
	if retryAfter(err) == 0 {
		t.Errorf("an unknown client during the attack: got %v", err)
	}
	for name, known := range map[string]string{"device": grant.Device, "refresh token": grant.RefreshToken} {
		if _, err := w.service.Login(w.ctx, w.adaCredential, Client{Address: victim, Known: known}); err != nil {
			t.Errorf("with a %s: %v", name, err)
		}
	}
	w.user(w.acme, "eve@example.com", RoleViewer)
	eve := w.login("eve@example.com")
	for name, known := range map[string]string{"device": eve.Device, "refresh token": eve.RefreshToken, "access token": grant.AccessToken} {
		if _, err := w.service.Login(w.ctx, w.adaCredential, Client{Address: victim, Known: known}); retryAfter(err) == 0 {
			t.Errorf("with another's %s: got %v", name, err)
		}
	}
}

// TestAnAccountElsewhereFreesNoGuesses is the admin of another tenant, who makes an
// account of the victim's e-mail there and logs in to it between his guesses.
func TestAnAccountElsewhereFreesNoGuesses(t *testing.T) {
	w := newWorld(t)
	w.user(w.globex, "ada@example.com", RoleViewer)
	attacker := Client{Address: netip.MustParseAddr("198.51.100.1")}
	own := Credentials{Email: "ada@example.com", Password: goodPassword, Tenant: "globex"}
	guess := Credentials{Email: "ada@example.com", Password: "a wrong but long guess", Tenant: "acme"}
	before := w.service.hasher.Computed()
	logins := uint64(0)
	for range 20 {
		if grant, err := w.service.Login(w.ctx, own, attacker); err == nil {
			logins++
			attacker.Known = grant.Device
		}
		for range AccountPace.Free {
			_, _ = w.service.Login(w.ctx, guess, attacker)
		}
	}
	if guesses := w.service.hasher.Computed() - before - logins; guesses > uint64(AccountPace.Free) {
		t.Errorf("%d guesses were looked at, want at most %d", guesses, AccountPace.Free)
	}
}

func TestWhatIsTypedDelaysNoLinks(t *testing.T) {
	w := newWorld(t)
	address := netip.MustParseAddr("198.51.100.1")
	for _, email := range []string{"link 198.51.100.1", "link198.51.100.1", "setup 198.51.100.1"} {
		for range 2 * AccountPace.Free {
			_, _ = w.service.Login(w.ctx, Credentials{Email: email, Password: "wrong"}, Client{Address: netip.MustParseAddr("203.0.113.9")})
		}
	}
	_, err := w.service.RedeemLink(w.ctx, "msi_no", goodPassword, Client{Address: address})
	if retryAfter(err) != 0 {
		t.Errorf("the first link that comes from %s is delayed: %v", address, err)
	}
}

func TestParallelGuessesReachFewHashes(t *testing.T) {
	w := newWorld(t)
	before := w.service.hasher.Computed()
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			_, _ = w.service.Login(w.ctx, Credentials{Email: "ada@example.com", Password: "wrong"}, Client{Address: netip.AddrFrom4([4]byte{10, 0, byte(i), 1})})
		})
	}
	group.Wait()
	if n := w.service.hasher.Computed() - before; n != uint64(AccountPace.Free) {
		t.Errorf("bcrypt ran %d times for 200 guesses, want %d", n, AccountPace.Free)
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	const next = "another kettle, less rain"
	other := w.login("ada@example.com")
	mine := w.login("ada@example.com")
	p := w.principal(mine.AccessToken)

	_, err := w.service.ChangePassword(w.ctx, p, "wrong", next, someClient)
	mustCode(t, "wrong current password", err, problem.Forbidden)
	for _, bad := range []string{"short", goodPassword, "ada@example.com-acme", "passwordpassword", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		_, err = w.service.ChangePassword(w.ctx, p, goodPassword, bad, someClient)
		mustCode(t, bad, err, problem.Validation)
	}
	w.mustLive("after refused changes", other.AccessToken)

	grant, err := w.service.ChangePassword(w.ctx, p, goodPassword, next, someClient)
	must(t, err)
	for name, old := range map[string]Grant{"the other session": other, "the old session": mine} {
		w.mustBeDead(name, old.AccessToken)
		_, err := w.service.Refresh(w.ctx, old.RefreshToken)
		mustCode(t, name+", refresh", err, problem.Unauthenticated)
	}
	w.mustLive("the new session", grant.AccessToken)
	if grant.Session == mine.Session {
		t.Error("the session kept its id")
	}
	_, err = w.service.Login(w.ctx, w.adaCredential, someClient)
	mustCode(t, "the old password", err, problem.Unauthenticated)
	_, err = w.service.Login(w.ctx, Credentials{Email: "ada@example.com", Password: next}, someClient)
	must(t, err)
}

func TestWrongCurrentPasswordsAreThrottled(t *testing.T) {
	w := newWorld(t)
	p := w.principal(w.login("ada@example.com").AccessToken)
	for range AccountPace.Free {
		_, err := w.service.ChangePassword(w.ctx, p, "wrong", "another kettle, less rain", someClient)
		mustCode(t, "wrong", err, problem.Forbidden)
	}
	_, err := w.service.ChangePassword(w.ctx, p, goodPassword, "another kettle, less rain", someClient)
	mustCode(t, "after many wrong ones", err, problem.TooManyRequests)
}

func TestInvitationAndReset(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.acme, "admin@example.com", RoleTenantAdmin)
	const password = "twelve green umbrellas"

	invited, err := w.service.CreateUser(w.ctx, admin, UserFields{Email: "new@example.com", Name: "New", Roles: []string{RoleViewer}, IsActive: true}, "")
	must(t, err)
	if invited.User.HasPassword || invited.Invitation == "" {
		t.Fatalf("invited: %+v", invited)
	}
	_, err = w.service.RedeemLink(w.ctx, newSecret(invitationPrefix), password, someClient)
	mustCode(t, "an invented link", err, problem.NotFound)
	_, err = w.service.RedeemLink(w.ctx, resetPrefix+invited.Invitation[4:], password, someClient)
	mustCode(t, "the invitation as a reset", err, problem.NotFound)
	_, err = w.service.RedeemLink(w.ctx, invited.Invitation, "new@example.com", someClient)
	mustCode(t, "a bad password", err, problem.Validation)

	results := make(chan error, 20)
	for i := range 20 {
		go func() {
			_, err := w.service.RedeemLink(w.ctx, invited.Invitation, password, Client{Address: netip.AddrFrom4([4]byte{10, 0, byte(i), 1})})
			results <- err
		}()
	}
	redeemed := 0
	for range 20 {
		if err := <-results; err == nil {
			redeemed++
		} else {
			mustCode(t, "a second use", err, problem.NotFound)
		}
	}
	if redeemed != 1 {
		t.Errorf("the invitation was used %d times", redeemed)
	}
	login := func(password string) (Grant, error) {
		return w.service.Login(w.ctx, Credentials{Email: "new@example.com", Password: password}, someClient)
	}
	grant, err := login(password)
	must(t, err)

	first, _, err := w.service.ResetPassword(w.ctx, admin, invited.User.ID)
	must(t, err)
	second, expires, err := w.service.ResetPassword(w.ctx, admin, invited.User.ID)
	must(t, err)
	w.mustLive("before the reset is used", grant.AccessToken)
	_, err = w.service.RedeemLink(w.ctx, first, "a third long password", someClient)
	mustCode(t, "a link that was replaced", err, problem.NotFound)
	_, err = w.service.RedeemLink(w.ctx, second, "a third long password", someClient)
	must(t, err)
	w.mustBeDead("the session before the reset", grant.AccessToken)
	_, err = login(password)
	mustCode(t, "the password before the reset", err, problem.Unauthenticated)

	late, _, err := w.service.ResetPassword(w.ctx, admin, invited.User.ID)
	must(t, err)
	w.clock.pass(expires.Std().Sub(w.clock.Now()))
	_, err = w.service.RedeemLink(w.ctx, late, password, someClient)
	mustCode(t, "an expired link", err, problem.NotFound)
	disabled, _, err := w.service.ResetPassword(w.ctx, admin, invited.User.ID)
	must(t, err)
	w.store.users[UserKey{w.acme, invited.User.ID}].IsActive = false
	_, err = w.service.RedeemLink(w.ctx, disabled, password, someClient)
	mustCode(t, "the link of a disabled user", err, problem.NotFound)
}

func TestSetup(t *testing.T) {
	w := newWorld(t)
	operator := FirstOperator{Email: "root@example.com", Password: "some long enough words", Name: "Root"}
	_, err := w.service.CompleteSetup(w.ctx, newSecret(setupPrefix), operator, someClient)
	mustCode(t, "before setup began", err, problem.Unauthenticated)
	_, err = w.service.CompleteSetup(w.ctx, "", operator, someClient)
	mustCode(t, "no token before setup began", err, problem.Unauthenticated)

	expired, err := w.service.BeginSetup(w.ctx)
	must(t, err)
	mustBeSecretFile(t, w.service.setup.path, expired)
	w.clock.pass(SetupLife)
	_, err = w.service.CompleteSetup(w.ctx, expired, operator, someClient)
	mustCode(t, "expired", err, problem.Unauthenticated)

	token, err := w.service.BeginSetup(w.ctx)
	must(t, err)
	_, err = w.service.CompleteSetup(w.ctx, expired, operator, someClient)
	mustCode(t, "replaced", err, problem.Unauthenticated)
	_, err = w.service.CompleteSetup(w.ctx, token, FirstOperator{Email: "x", Password: "y"}, someClient)
	mustCode(t, "bad values", err, problem.Validation)
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := w.service.CompleteSetup(w.ctx, token, operator, someClient)
			results <- err
		}()
	}
	if a, b := <-results, <-results; (a == nil) == (b == nil) {
		t.Errorf("two at a time: %v and %v", a, b)
	}
	grant, err := w.service.Login(w.ctx, Credentials{Email: operator.Email, Password: operator.Password}, someClient)
	must(t, err)
	p := w.principal(grant.AccessToken)
	if !p.Operator || p.Permissions != EveryPermission || w.store.tenants[p.Tenant].slug != tenancy.DefaultSlug {
		t.Errorf("the first operator is %+v", p)
	}
	if again, err := w.service.BeginSetup(w.ctx); again != "" || err != nil {
		t.Errorf("setup begins again: %q, %v", again, err)
	}
	mustBeNoFile(t, w.service.setup.path)
	_, err = w.service.CreateOperator(w.ctx, FirstOperator{Email: "second@example.com", Password: operator.Password, Name: "Second"}, false)
	mustCode(t, "another operator, unasked for", err, problem.Conflict)
	_, err = w.service.CreateOperator(w.ctx, FirstOperator{Email: "second@example.com", Password: operator.Password, Name: "Second"}, true)
	must(t, err)
}
