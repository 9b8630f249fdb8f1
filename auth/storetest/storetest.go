// Package storetest holds an implementation of auth.Store to its contract. The
// database and the double that the tests of auth use both pass it, so that what is
// proved with the double holds for the database.
package storetest

import (
	"context"
	"sync"
	"testing"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// Subject is an empty Store, with what its contract leaves to other parts of the
// program.
type Subject struct {
	auth.Store
	NewTenant func(slug string) tenancy.ID
	SetActive func(tenant tenancy.ID, active bool) // suspends a tenant, or ends that
}

// Run holds what open returns to the contract.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(*fixture)
	}{
		{"accounts are found by address and tenant", accounts},
		{"a session opens for an account that is unchanged", opening},
		{"a refresh token has one successor", rotation},
		{"the grace has exact bounds", grace},
		{"a session that has ended is not rotated", refusedRotation},
		{"parallel rotations agree", parallelRotation},
		{"sessions end singly, by user, by tenant, and all", ending},
		{"users keep their addresses apart", addresses},
		{"a refused decision leaves no trace", refusals},
		{"the last ones stay", lastOnes},
		{"a new password ends what was before", passwords},
		{"a link is used once", links},
		{"roles grant what they say", roles},
		{"API tokens are found until they are deleted", apiTokens},
		{"the listener hears of changes before the caller", watching},
		{"the installation counts on", installation},
		{"the first operator is one", firstOperator},
		{"whoever has the machine recovers an account", recovery},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fixture{Subject: open(t), t: t, ctx: t.Context(), now: 1_750_000_000_000_000}
			f.Watch(func(change auth.Change) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.changes = append(f.changes, change)
			})
			f.acme, f.beta = f.NewTenant("acme"), f.NewTenant("beta")
			c.test(f)
		})
	}
}

// fixture is one Store under test, with two tenants.
type fixture struct {
	Subject
	t          *testing.T
	ctx        context.Context
	now        tenancy.Time
	acme, beta tenancy.ID

	mu      sync.Mutex
	changes []auth.Change
}

const second tenancy.Time = 1_000_000

func scope(tenant tenancy.ID) tenancy.Scope {
	return tenancy.Issue(tenant, tenancy.Actor{ID: tenancy.NewID(), Kind: tenancy.ActorUser})
}

func (f *fixture) want(what string, err error, code problem.Code) {
	f.t.Helper()
	if got := problem.CodeOf(err); got != code {
		f.t.Errorf("%s: got %q (%v), want %q", what, got, err, code)
	}
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) newUser(email string, roles ...string) auth.NewUser {
	return auth.NewUser{
		ID: tenancy.NewID(), EmailKey: email, PasswordHash: "hash of " + email, Now: f.now,
		UserFields: auth.UserFields{Email: email, Name: "Somebody", Roles: roles, IsActive: true},
	}
}

func agree(auth.RoleBook) error { return nil }

// user stores a user and returns its key.
func (f *fixture) user(tenant tenancy.ID, email string, roles ...string) auth.UserKey {
	f.t.Helper()
	u := f.newUser(email, roles...)
	_, err := f.CreateUser(f.ctx, scope(tenant), u, agree)
	f.must(err)
	return auth.UserKey{Tenant: tenant, User: u.ID}
}

// change changes a user's fields without asking anybody.
func (f *fixture) change(key auth.UserKey, edit func(*auth.UserChange)) error {
	_, err := f.ChangeUser(f.ctx, scope(key.Tenant), key.User, f.now, func(view auth.UserView) (auth.UserChange, error) {
		emailKey, _ := auth.EmailKey(view.Email)
		change := auth.UserChange{Fields: view.UserFields, EmailKey: emailKey}
		edit(&change)
		return change, nil
	})
	return err
}

func (f *fixture) account(key auth.UserKey) auth.Account {
	f.t.Helper()
	account, err := f.Password(f.ctx, key)
	f.must(err)
	return account
}

// session returns a login of the user as it is now.
func (f *fixture) session(key auth.UserKey) auth.NewSession {
	account := f.account(key)
	return auth.NewSession{
		ID: tenancy.NewID(), Key: key, Refresh: token(0), Now: f.now, ExpiresAt: f.now + 1000*second, AccessUntil: f.now + 15*second,
		Address: "192.0.2.1", UserAgent: "test", VerifiedEpoch: account.Epoch, VerifiedHash: account.PasswordHash,
	}
}

func (f *fixture) login(key auth.UserKey) auth.Session {
	f.t.Helper()
	login, err := f.OpenSession(f.ctx, f.session(key))
	f.must(err)
	return login.Session
}

// token stands for the refresh token of a generation.
func token(generation int) auth.Digest {
	return auth.Digest{byte(generation), byte(generation >> 8), 1}
}

func (f *fixture) rotate(session auth.Session, generation int) auth.RotationResult {
	f.t.Helper()
	result, err := f.RotateSession(f.ctx, rotationOf(session, generation, f.now))
	f.must(err)
	return result
}

func rotationOf(session auth.Session, generation int, now tenancy.Time) auth.Rotation {
	return auth.Rotation{
		Tenant: session.TenantID, Session: session.ID, Generation: uint32(generation),
		Presented: token(generation), Successor: token(generation + 1), Now: now, Grace: 10 * second, AccessUntil: now + 15*second,
	}
}

// heard returns the changes told since it was last asked.
func (f *fixture) heard() []auth.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := f.changes
	f.changes = nil
	return changes
}
