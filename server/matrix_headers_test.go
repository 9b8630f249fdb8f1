package server

import (
	"slices"
	"strings"
	"testing"

	"maestro/auth"
	"maestro/problem"
)

// TestPreconditionsOfEveryRoute sends every operation that has a precondition one
// that cannot be read, in every way, and one that does not hold. Nothing changes by
// either, and all routes say the same.
func TestPreconditionsOfEveryRoute(t *testing.T) {
	m := newMatrix(t)
	tried := 0
	for _, o := range m.api.all {
		if !o.takes("If-Match") || o.method == "GET" || o.method == "HEAD" {
			continue // net/http answers those of content
		}
		tried++
		m.turn(o, func() {
			s, by := newSide(m.w.acme), m.w.acme
			if o.Permission == auth.Operator.String() {
				by = m.w.operator
			}
			r := m.valid(s, o)[0]
			before := m.digest(s.tenant)
			for _, unreadable := range []string{"x", `"x`, `x"`, `W/`, `W/x`, `"a" "b"`, `*,"a"`, "\"a\"\x80b", strings.Repeat(`"a", `, 100) + "x"} {
				a := m.send(by.credential, r, "If-Match", unreadable)
				if a.status != 400 {
					m.t.Errorf("%s with If-Match %q answers %d, want 400: %s", o, unreadable, a.status, a.body)
					continue
				}
				if places := a.problem(problem.Malformed).places(); !slices.Equal(places, []string{"header.if-match"}) {
					m.t.Errorf("%s with If-Match %q: wrong at %v", o, unreadable, places)
				}
			}
			if a := m.send(by.credential, r, "If-Match", `"another", W/"1", "and another"`); a.status != 412 {
				m.t.Errorf("%s with an If-Match that does not hold answers %d, want 412: %s", o, a.status, a.body)
			}
			if tables := changed(before, m.digest(s.tenant)); len(tables) > 0 {
				m.t.Errorf("%s with a precondition that does not hold changed rows in %v", o, tables)
			}
		})
	}
	if tried < 8 {
		t.Errorf("only %d operations take If-Match", tried)
	}
}

// TestKeysOfEveryRoute sends every operation that can be repeated with the key that
// another tenant used, and with the one that another user of the tenant did. Each
// makes something of its own, once.
func TestKeysOfEveryRoute(t *testing.T) {
	m := newMatrix(t)
	m.w.enter(m.w.beta.principal.Tenant, "second@beta.example", auth.RoleTenantAdmin)
	acme, beta := newSide(m.w.acme), newSide(m.w.beta)
	second := *beta
	second.admin = m.w.login("second@beta.example")
	tried := 0
	for _, o := range m.api.all {
		if !o.takes("Idempotency-Key") {
			continue
		}
		tried++
		m.turn(o, func() {
			for _, s := range []*side{acme, beta, &second} {
				r, by := m.valid(s, o)[0], s.admin
				first := m.send(by.credential, r, "Idempotency-Key", o.ID)
				if first.status != 201 || first.header.Get("Idempotency-Replayed") != "" {
					m.t.Errorf("%s by %s with a key that others used answers %d, repeated: %q, %s", o, by.email, first.status, first.header.Get("Idempotency-Replayed"), first.body)
				}
				again := m.send(by.credential, r, "Idempotency-Key", o.ID)
				if again.status != 201 || again.header.Get("Idempotency-Replayed") != "true" || again.body != first.body {
					m.t.Errorf("%s by %s, repeated, answers %d %s, the first time %s", o, by.email, again.status, again.body, first.body)
				}
			}
		})
	}
	if tried < 5 {
		t.Errorf("only %d operations take Idempotency-Key", tried)
	}
}

// takes reports whether the operation has a header among its parameters.
func (o *operation) takes(header string) bool {
	return slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.In == "header" && strings.EqualFold(p.Name, header) })
}
