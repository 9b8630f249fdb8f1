package server

import (
	"fmt"
	"testing"
	"time"

	"maestro/problem"
)

// TestTheClockJumps moves the clock of the machine ahead and back under a running
// server. Tokens expire by it, so logging in again may be needed; nothing else
// stops, nothing that was kept is lost, and what was revoked stays revoked.
func TestTheClockJumps(t *testing.T) {
	w := newWorld(t)
	w.acme.project("before")
	revoked := w.login("viewer@acme.example")
	revoked.send("POST", "/auth/logout", "").want(204)

	names := []string{"before"}
	for i, jump := range []time.Duration{26 * time.Hour, -3 * 24 * time.Hour, 24*time.Hour + 2*time.Hour, -time.Hour, time.Minute} {
		w.clock.jump(jump)
		revoked.send("GET", "/projects", "").problem(problem.Unauthenticated)
		again := w.login("admin@acme.example")
		name := fmt.Sprint("after jump ", i)
		again.project(name)
		names = append(names, name)
		w.auth.Maintain(background) // sweeps, by the clock as it is
		revoked.send("GET", "/projects", "").problem(problem.Unauthenticated)
		again.send("GET", "/projects", "").want(200)
		w.nobody.send("GET", "//readyz", "").want(200)
		// A session that is ended now stays ended, whatever the clock does next.
		again.send("POST", "/auth/logout", "").want(204)
		revoked = again
	}
	var page struct{ Items []struct{ Name string } }
	w.login("admin@acme.example").send("GET", "/projects?limit=100", "").want(200).into(&page)
	there := map[string]bool{}
	for _, p := range page.Items {
		there[p.Name] = true
	}
	for _, name := range names {
		if !there[name] {
			t.Errorf("%s is gone", name)
		}
	}
}
