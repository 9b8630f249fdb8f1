package storage

import (
	"context"
	"errors"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// Tenant is the data of one tenant, reached with the proof that its actor may.
// Every statement of its methods binds the scope's tenant.
type Tenant struct {
	*Store
	scope tenancy.Scope
}

// Tenant returns the handle to the data that scope reaches.
func (s *Store) Tenant(scope tenancy.Scope) *Tenant { return &Tenant{Store: s, scope: scope} }

const selectTenantThere = `SELECT 1 FROM tenants WHERE id = $1 AND deleted_at IS NULL`

// write runs f in the tenant's turn of the writer. A tenant that was deleted
// since the caller was authenticated gets not-found.
func (t *Tenant) write(ctx context.Context, f func(*Tx) error) error {
	return t.writeAs(ctx, t.scope, func(tx *Tx) error {
		if err := t.requireThere(tx); err != nil {
			return err
		}
		return f(tx)
	})
}

func (t *Tenant) requireThere(tx *Tx) error {
	there, err := tx.exists(selectTenantThere, t.scope.Tenant())
	if err == nil && !there {
		err = notFound(errNoRow, "tenant")
	}
	return err
}

// writeAs runs f in the turn of the scope's tenant, for the scope's actor.
func (s *Store) writeAs(ctx context.Context, scope tenancy.Scope, f func(*Tx) error) error {
	return s.writer.do(ctx, scope.Tenant(), func(tx *Tx) error {
		tx.actFor(scope)
		return f(tx)
	})
}

// writeAgainAs is writeAs for an f that may run more than once (writer.doAgain).
func (s *Store) writeAgainAs(ctx context.Context, scope tenancy.Scope, f func(*Tx) error) error {
	return s.writer.doAgain(ctx, scope.Tenant(), func(tx *Tx) error {
		tx.actFor(scope)
		return f(tx)
	})
}

// actFor has what is recorded be by the scope's actor, where no request says who asks.
func (tx *Tx) actFor(scope tenancy.Scope) {
	if actor := scope.Actor(); tx.origin == nil && actor.Kind != tenancy.ActorSystem {
		tx.origin = &audit.Origin{Actor: actor, Tenant: scope.Tenant()}
	}
}

// Match is a precondition on the object's change counter, from If-Match. Nil
// admits any.
type Match func(revision int64) bool

// Check fails with PreconditionFailed unless the precondition holds.
func (m Match) Check(revision int64) error { return m.check(revision) }

func (m Match) check(revision int64) error {
	if m == nil || m(revision) {
		return nil
	}
	return problem.New(problem.PreconditionFailed, "It was changed since you read it.")
}

func notFound(err error, kind string) error {
	if errors.Is(err, errNoRow) {
		return problem.New(problem.NotFound, "There is no such %s.", kind)
	}
	return err
}

// List is one page of a list.
type List[T any] struct {
	Items []T
	Next  string // cursor of the next page; empty at the end
}
