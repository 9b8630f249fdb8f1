package cli_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// claim is something that the server acknowledged before it was killed, as what
// must hold after the next start.
type claim struct {
	what  string
	holds func(p *process) bool
}

// pair is what a login or a refresh gives.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func (p *process) loginAs(email, password string) (pair, int) {
	var got pair
	status := p.call(context.Background(), "POST", "/auth/login", "", map[string]string{"email": email, "password": password}, &got)
	return got, status
}

func (p *process) mustLogIn(email, password string) pair {
	p.t.Helper()
	got, status := p.loginAs(email, password)
	if status != http.StatusOK {
		p.t.Fatalf("login of %s answers %d: %s", email, status, p.log.String())
	}
	return got
}

func (p *process) refresh(token string) (pair, int) {
	var got pair
	status := p.call(context.Background(), "POST", "/auth/refresh", "", map[string]string{"refresh_token": token}, &got)
	return got, status
}

func (p *process) lives(access string) bool {
	return p.call(context.Background(), "GET", "/auth/me", access, nil, nil) == http.StatusOK
}

// dead reports whether neither token of a pair is good any more.
func (p *process) dead(old pair) bool {
	access := p.call(context.Background(), "GET", "/auth/me", old.Access, nil, nil)
	_, refresh := p.refresh(old.Refresh)
	return access == http.StatusUnauthorized && refresh == http.StatusUnauthorized
}

// TestKillKeepsWhatIdentityAcknowledged kills the server right after it answered
// logouts, refreshes, new passwords, deactivations and rotations of the keys, a
// dozen at a time, at one of the answers. What was answered must hold afterwards;
// what was under way may have happened or not.
func TestKillKeepsWhatIdentityAcknowledged(t *testing.T) {
	binary, dir := builtProgram(t), t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	rounds := killRounds(t, 2)
	var claims []claim
	checked := map[string]int{}
	check := func(server *process) {
		for _, c := range claims {
			if !c.holds(server) {
				t.Errorf("%s was acknowledged and does not hold after a kill", c.what)
			}
			checked[c.what]++
		}
	}
	for round := range rounds {
		server := startProcess(t, binary, dir)
		check(server)
		claims = nil
		operator := server.mustLogIn(killEmail, killPassword)
		if round == 0 {
			raiseUsers(t, server, operator.Access)
		}
		actions := server.actions(round, operator.Access)
		var mu sync.Mutex
		var acknowledged atomic.Int64
		// Any of the answers, and every other time the last: a new password takes longest.
		enough := int64(len(actions))
		if round%2 == 1 {
			enough = 1 + rand.Int64N(enough)
		}
		reached := make(chan struct{})
		var group sync.WaitGroup
		for _, act := range actions {
			group.Go(func() {
				made, ok := act()
				if !ok {
					return
				}
				mu.Lock()
				claims = append(claims, made)
				mu.Unlock()
				if acknowledged.Add(1) == enough {
					close(reached)
				}
			})
		}
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatalf("round %d: %d of %d were acknowledged after 30 s", round, acknowledged.Load(), enough)
		}
		server.kill()
		group.Wait()
	}
	check(startProcess(t, binary, dir))
	total := 0
	for _, n := range checked {
		total += n
	}
	if total < 2*rounds {
		t.Errorf("only %d acknowledgements in %d rounds: the test did not test", total, rounds)
	}
	t.Logf("%d kills, acknowledged and held: %v", rounds, checked)
}

// actions returns what is asked of the server at once, each on an account and a
// session of its own. An action tells whether it was acknowledged, and what that
// means.
func (p *process) actions(round int, operator string) []func() (claim, bool) {
	p.t.Helper()
	const changed = "another long enough passphrase"
	account := func(what string, i int) (email, id string, session pair) {
		email = fmt.Sprintf("%s%d.%d@example.org", what, round, i)
		var made struct{ User struct{ ID string } }
		if status := p.call(context.Background(), "POST", "/users", operator, map[string]any{
			"email": email, "name": "Somebody", "roles": []string{"viewer"}, "password": killPassword}, &made); status != http.StatusCreated {
			p.t.Fatalf("making %s answers %d: %s", email, status, p.log.String())
		}
		return email, made.User.ID, p.mustLogIn(email, killPassword)
	}
	var actions []func() (claim, bool)
	// Sessions that end singly can be of one account; each hash takes a while.
	shared, _, kept := account("shared", 0)
	for range 4 {
		s := p.mustLogIn(shared, killPassword)
		actions = append(actions, func() (claim, bool) {
			ok := p.call(context.Background(), "POST", "/auth/logout", s.Access, nil, nil) == http.StatusNoContent
			return claim{"a logout", func(p *process) bool { return p.dead(s) }}, ok
		})
	}
	for range 3 {
		s := p.mustLogIn(shared, killPassword)
		second, status := p.refresh(s.Refresh)
		if status != http.StatusOK {
			p.t.Fatalf("a refresh answers %d", status)
		}
		actions = append(actions, func() (claim, bool) {
			third, status := p.refresh(second.Refresh)
			return claim{"a refresh", func(p *process) bool {
				fourth, status := p.refresh(third.Refresh)
				if status != http.StatusOK || !p.lives(fourth.Access) {
					return false
				}
				// The first token was replaced twice: showing it is reuse, and ends the session.
				_, status = p.refresh(s.Refresh)
				return status == http.StatusUnauthorized && p.dead(fourth)
			}}, status == http.StatusOK
		})
	}
	for i := range 2 {
		email, _, s := account("word", i)
		actions = append(actions, func() (claim, bool) {
			var next pair
			ok := p.call(context.Background(), "POST", "/auth/password", s.Access, map[string]string{"current_password": killPassword, "new_password": changed}, &next) == http.StatusOK
			return claim{"a new password", func(p *process) bool {
				_, old := p.loginAs(email, killPassword)
				_, now := p.loginAs(email, changed)
				return p.dead(s) && p.lives(next.Access) && old == http.StatusUnauthorized && now == http.StatusOK
			}}, ok
		})
	}
	email, id, s := account("off", 0)
	actions = append(actions, func() (claim, bool) {
		ok := p.call(context.Background(), "PATCH", "/users/"+id, operator, map[string]bool{"is_active": false}, nil) == http.StatusOK
		return claim{"a deactivation", func(p *process) bool {
			_, status := p.loginAs(email, killPassword)
			return p.dead(s) && status == http.StatusUnauthorized
		}}, ok
	})
	_, _, all := account("all", 0)
	actions = append(actions, func() (claim, bool) {
		ok := p.call(context.Background(), "POST", "/auth/logout-all", all.Access, nil, nil) == http.StatusNoContent
		return claim{"a logout everywhere", func(p *process) bool { return p.dead(all) }}, ok
	})
	actions = append(actions, func() (claim, bool) {
		var key struct{ Kid string }
		ok := p.call(context.Background(), "POST", "/system/keys/rotate", operator, nil, &key) == http.StatusCreated
		return claim{"a rotation of the keys", func(p *process) bool {
			var keys struct{ Items []struct{ Kid string } }
			found := p.call(context.Background(), "GET", "/system/keys", p.mustLogIn(killEmail, killPassword).Access, nil, &keys) == http.StatusOK
			return found && len(keys.Items) > 0 && keys.Items[0].Kid == key.Kid && p.lives(kept.Access)
		}}, ok
	})
	return actions
}

func raiseUsers(t *testing.T, server *process, token string) {
	t.Helper()
	var tenant struct{ ID string }
	if status := server.call(context.Background(), "GET", "/tenant", token, nil, &tenant); status != http.StatusOK {
		t.Fatalf("reading the tenant answers %d", status)
	}
	if status := server.call(context.Background(), "PATCH", "/tenants/"+tenant.ID, token, map[string]int{"max_users": 100_000}, nil); status != http.StatusOK {
		t.Fatalf("raising the limit answers %d", status)
	}
}
