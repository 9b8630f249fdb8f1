package auth

import (
	"context"
	"sync"
	"testing"
	"time"

	"maestro/problem"
)

func (w *world) refresh(token string) Grant {
	w.t.Helper()
	grant, err := w.service.Refresh(w.ctx, token)
	if err != nil {
		w.t.Fatalf("refresh: %v", err)
	}
	return grant
}

func (w *world) mustNotRefresh(what, token string) {
	w.t.Helper()
	if _, err := w.service.Refresh(w.ctx, token); problem.CodeOf(err) != problem.Unauthenticated {
		w.t.Errorf("%s: got %v, want the refresh refused", what, err)
	}
}

func TestRefreshRotates(t *testing.T) {
	w := newWorld(t)
	first := w.login("ada@example.com")
	w.clock.pass(time.Minute)
	second := w.refresh(first.RefreshToken)
	if second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken || second.Session != first.Session {
		t.Error("the refresh repeats a token or changes the session")
	}
	w.mustLive("the access token before", first.AccessToken)
	w.mustLive("the new access token", second.AccessToken)
	w.clock.pass(time.Minute)
	third := w.refresh(second.RefreshToken)

	w.mustNotRefresh("the first token, two rotations later", first.RefreshToken)
	for name, grant := range map[string]Grant{"first": first, "second": second, "third": third} {
		w.mustBeDead(name+" access token after the reuse", grant.AccessToken)
		w.mustNotRefresh(name+" refresh token after the reuse", grant.RefreshToken)
	}
	w.mustLive("another session", w.login("ada@example.com").AccessToken)
}

func TestGrace(t *testing.T) {
	for _, c := range []struct {
		name   string
		replay time.Duration
		same   bool
	}{{"at once", 0, true}, {"9.9 s later", 9900 * time.Millisecond, true}, {"10.1 s later", 10100 * time.Millisecond, false}} {
		w := newWorld(t)
		first := w.login("ada@example.com")
		second := w.refresh(first.RefreshToken)
		w.clock.pass(c.replay / 2)
		if c.same {
			w.refresh(first.RefreshToken) // must not extend the grace
		}
		w.clock.pass(c.replay - c.replay/2)
		again, err := w.service.Refresh(w.ctx, first.RefreshToken)
		if (err == nil) != c.same || c.same && again.RefreshToken != second.RefreshToken {
			t.Errorf("%s: got %v, same successor %v", c.name, err, again.RefreshToken == second.RefreshToken)
		}
		if !c.same {
			w.mustNotRefresh(c.name+": the successor after the reuse", second.RefreshToken)
		}
	}
}

func TestGraceIsNotExtendedByItsUse(t *testing.T) {
	w := newWorld(t)
	first := w.login("ada@example.com")
	w.refresh(first.RefreshToken)
	for range 3 {
		w.clock.pass(3 * time.Second)
		w.refresh(first.RefreshToken)
	}
	w.clock.pass(1100 * time.Millisecond)
	w.mustNotRefresh("10.1 s after the first use", first.RefreshToken)
}

func TestGraceIsForTheImmediatelyPreviousTokenOnly(t *testing.T) {
	w := newWorld(t)
	first := w.login("ada@example.com")
	second := w.refresh(first.RefreshToken)
	third := w.refresh(second.RefreshToken)
	w.mustNotRefresh("the token before the previous one", first.RefreshToken)
	w.mustNotRefresh("the current one after the reuse", third.RefreshToken)
}

func TestGraceCanBeTurnedOff(t *testing.T) {
	w := newWorld(t)
	w.config.Grace = -1
	w.reopen()
	first := w.login("ada@example.com")
	w.refresh(first.RefreshToken)
	w.mustNotRefresh("the previous token", first.RefreshToken)
}

func TestSessionEndsAfterSevenDays(t *testing.T) {
	w := newWorld(t)
	grant := w.login("ada@example.com")
	for range 7 {
		w.clock.pass(24*time.Hour - time.Second)
		grant = w.refresh(grant.RefreshToken)
	}
	w.clock.pass(7 * time.Second)
	w.mustNotRefresh("on day 8", grant.RefreshToken)
}

func TestOneSuccessorUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	first := w.login("ada@example.com")
	var group sync.WaitGroup
	successors := make(chan string, 200)
	for range 200 {
		group.Go(func() {
			grant, err := w.service.Refresh(context.Background(), first.RefreshToken)
			if err != nil {
				t.Errorf("within the grace: %v", err)
				return
			}
			successors <- grant.RefreshToken
		})
	}
	group.Wait()
	close(successors)
	distinct := map[string]bool{}
	for s := range successors {
		distinct[s] = true
	}
	if len(distinct) != 1 {
		t.Errorf("%d successors, want 1", len(distinct))
	}
	if session := w.store.sessions[first.Session]; session.generation != 1 || len(w.store.sessions) != 1 {
		t.Errorf("generation %d, %d sessions", session.generation, len(w.store.sessions))
	}
}

func TestRotationSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	first := w.login("ada@example.com")
	second := w.refresh(first.RefreshToken)
	w.reopen()
	if again := w.refresh(first.RefreshToken); again.RefreshToken != second.RefreshToken {
		t.Error("the restart forgets the successor")
	}
	w.clock.pass(11 * time.Second)
	w.mustNotRefresh("reuse after the restart", first.RefreshToken)
	w.mustNotRefresh("its successor", second.RefreshToken)
	w.mustBeDead("its access token", second.AccessToken)
}

// A forged token names a live session and ends nothing.
func TestForgedRefreshTokenEndsNothing(t *testing.T) {
	w := newWorld(t)
	grant := w.login("ada@example.com")
	token, _ := w.service.refresh.parse(grant.RefreshToken)
	token.secret[0] ^= 1
	other := testRefreshMint(t)
	w.mustNotRefresh("made with other keys", other.text(token))
	w.mustNotRefresh("cut", grant.RefreshToken[:80])
	ahead := token
	ahead.generation = 7
	w.mustNotRefresh("of a generation to come", w.service.refresh.text(ahead))
	w.mustLive("the session", grant.AccessToken)
	w.refresh(grant.RefreshToken)
}

func TestRefreshAgainstRevoke(t *testing.T) {
	t.Parallel()
	rounds := 300
	if testing.Short() {
		rounds = 100
	}
	w := newWorld(t)
	for range rounds {
		grant := w.login("ada@example.com")
		p := w.principal(grant.AccessToken)
		var refreshed Grant
		var refreshErr error
		var group sync.WaitGroup
		group.Go(func() { refreshed, refreshErr = w.service.Refresh(context.Background(), grant.RefreshToken) })
		group.Go(func() {
			if err := w.service.Logout(context.Background(), p, ""); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		w.mustBeDead("the token before", grant.AccessToken)
		w.mustNotRefresh("the refresh token before", grant.RefreshToken)
		if refreshErr == nil {
			w.mustBeDead("the new token", refreshed.AccessToken)
			w.mustNotRefresh("the new refresh token", refreshed.RefreshToken)
		}
		w.clock.pass(time.Minute)
		w.service.Maintain(w.ctx)
	}
}
