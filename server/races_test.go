package server

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// raceRounds is how many rounds the race of refreshes and revocations has: some in
// the ordinary suite, as many as MAESTRO_RACE_ROUNDS says in `make races`.
func raceRounds(t *testing.T) int {
	text, set := os.LookupEnv("MAESTRO_RACE_ROUNDS")
	if !set {
		return 400
	}
	rounds, err := strconv.Atoi(text)
	if err != nil || rounds < 1 {
		t.Fatalf("MAESTRO_RACE_ROUNDS is %q", text)
	}
	return rounds
}

// endings are the ways to end a session that race with its refresh.
var endings = []struct {
	name string
	end  func(w *world, victim *caller) answer
}{
	{"logout", func(_ *world, victim *caller) answer { return victim.send("POST", "/auth/logout", "") }},
	{"logout with the refresh token", func(w *world, victim *caller) answer {
		return w.nobody.send("POST", "/auth/logout", `{"refresh_token":"`+victim.grant.RefreshToken+`"}`)
	}},
	{"end of the session", func(_ *world, victim *caller) answer {
		return victim.send("DELETE", "/auth/sessions/"+victim.principal.Session.String(), "")
	}},
	{"logout everywhere", func(_ *world, victim *caller) answer { return victim.send("POST", "/auth/logout-all", "") }},
	{"revocation by an admin", func(w *world, victim *caller) answer {
		return w.acme.send("POST", "/users/"+victim.principal.User.String()+"/revoke", "")
	}},
}

// TestNoRefreshOutlivesARevocation races refreshes against every way to end a
// session. Once the end is acknowledged, no token of either order may work: not
// the old pair, and not the pair that the refresh gave.
func TestNoRefreshOutlivesARevocation(t *testing.T) {
	w := newWorld(t)
	rounds := raceRounds(t)
	const victims = 16
	// A user has so many sessions before the next one takes the place: past
	// DefaultRevocationsPerUser a logout ends by the epoch, so both ways are raced.
	const sessionsOfOne = auth.DefaultRevocationsPerUser + 16
	var next, refreshes atomic.Int64
	var group sync.WaitGroup
	for range victims {
		group.Go(func() {
			email := ""
			for n := 0; ; n++ {
				round := next.Add(1)
				if round > int64(rounds) {
					return
				}
				if n%sessionsOfOne == 0 {
					email = fmt.Sprintf("victim%d@acme.example", round)
					w.user(w.acme.principal.Tenant, email, nil, auth.RoleViewer)
				}
				if w.race(w.login(email), int(round)%len(endings)) {
					refreshes.Add(1)
				}
			}
		})
	}
	group.Wait()
	if refreshes.Load() == 0 || refreshes.Load() == int64(rounds) {
		t.Errorf("of %d refreshes %d came first: the test did not race", rounds, refreshes.Load())
	}
	t.Logf("%d rounds, the refresh was answered with a pair in %d of them", rounds, refreshes.Load())
}

// race refreshes and ends a session at once and reports whether the refresh was
// answered with a pair.
func (w *world) race(victim *caller, way int) (refreshed bool) {
	var grant auth.Grant
	var both sync.WaitGroup
	both.Go(func() {
		if a := w.tryRefresh(victim.grant.RefreshToken); a.status == 200 {
			a.into(&grant)
			refreshed = true
		}
	})
	both.Go(func() {
		if a := endings[way].end(w, victim); a.status != 204 {
			w.t.Errorf("%s answers %d %s", endings[way].name, a.status, a.body)
		}
	})
	both.Wait()
	tokens := []string{victim.credential}
	refreshes := []string{victim.grant.RefreshToken}
	if refreshed {
		tokens, refreshes = append(tokens, grant.AccessToken), append(refreshes, grant.RefreshToken)
	}
	for i := range tokens {
		if _, err := w.auth.Authenticate(background, tokens[i]); problem.CodeOf(err) != problem.Unauthenticated {
			w.t.Errorf("after a %s access token %d is answered with %v", endings[way].name, i, err)
		}
		if _, err := w.auth.Refresh(background, refreshes[i]); problem.CodeOf(err) != problem.Unauthenticated {
			w.t.Errorf("after a %s refresh token %d is answered with %v", endings[way].name, i, err)
		}
	}
	return refreshed
}

// TestOneSuccessorWhateverTheOrder uses every token of a session again and again
// at once: whatever succeeds yields one successor for each token.
func TestOneSuccessorWhateverTheOrder(t *testing.T) {
	w := newWorld(t)
	token := w.viewer.grant.RefreshToken
	for generation := range 10 {
		successors := make(chan string, 20)
		var group sync.WaitGroup
		for range cap(successors) {
			group.Go(func() {
				var grant auth.Grant
				w.tryRefresh(token).want(200).into(&grant)
				successors <- grant.RefreshToken
			})
		}
		group.Wait()
		close(successors)
		token = <-successors
		for other := range successors {
			if other != token {
				t.Fatalf("generation %d has two successors", generation)
			}
		}
	}
	var page struct{ Items []struct{ ID tenancy.ID } }
	w.viewer.send("GET", "/auth/sessions", "").want(200).into(&page)
	if len(page.Items) != 1 {
		t.Errorf("there are %d sessions, want 1", len(page.Items))
	}
}
