package storage

import (
	"context"
	"errors"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

var _ auth.Store = (*Store)(nil)

// Watch implements auth.StateStore.
func (s *Store) Watch(listener func(auth.Change)) { s.listener.Store(&listener) }

// notify tells the listener of a change once it is committed.
func (s *Store) notify(tx *Tx, change auth.Change) {
	tx.OnCommit(func() {
		if listener := s.listener.Load(); listener != nil {
			(*listener)(change)
		}
	})
}

func (s *Store) userChanged(tx *Tx, key auth.UserKey) {
	s.notify(tx, auth.Change{Kind: auth.UserChanged, Tenant: key.Tenant, User: key.User})
}

const (
	selectInstallation = `SELECT global_epoch, revoked FROM installation WHERE only = 1`

	raiseGlobalEpoch = `UPDATE installation SET global_epoch = $1 WHERE only = 1`

	acknowledgeRevocation = `UPDATE installation SET revoked = $1 WHERE only = 1 AND revoked < $1`

	// An operator who can log in.
	selectOperator = `SELECT 1 FROM users u JOIN tenants t ON t.id = u.tenant_id
		WHERE u.is_operator = 1 AND u.is_active = 1 AND u.password_hash IS NOT NULL AND t.is_active = 1 AND t.deleted_at IS NULL LIMIT 1`

	selectOperatorOfTenant = `SELECT 1 FROM users WHERE tenant_id = $1 AND is_operator = 1 AND is_active = 1 AND password_hash IS NOT NULL LIMIT 1`

	selectTenantState = `SELECT is_active, epoch FROM tenants WHERE id = $1 AND deleted_at IS NULL`

	raiseTenantEpoch = `UPDATE tenants SET epoch = epoch + 1 WHERE id = $1 AND deleted_at IS NULL`

	activateTenant = `UPDATE tenants SET is_active = 1, updated_at = $2, revision = revision + 1 WHERE id = $1 AND is_active = 0`
)

// Installation implements auth.InstallationStore.
func (s *Store) Installation(ctx context.Context) (found auth.Installation, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		found, err = installation(c)
		if err != nil {
			return err
		}
		found.HasOperator, err = c.exists(selectOperator)
		return err
	})
	return found, err
}

func installation(c *conn) (found auth.Installation, err error) {
	err = c.queryRow(selectInstallation, nil, func(r row) {
		found.GlobalEpoch, found.Revoked = r.int(0), uint64(r.int(1))
	})
	return found, err
}

// RaiseGlobalEpoch implements auth.InstallationStore.
func (s *Store) RaiseGlobalEpoch(ctx context.Context) (epoch int64, err error) {
	err = s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
		now, err := installation(tx.conn)
		if err != nil {
			return err
		}
		epoch = max(now.GlobalEpoch+1, tx.Now.Std().Unix())
		s.notify(tx, auth.Change{Kind: auth.GlobalEpochChanged, Epoch: epoch})
		_, err = tx.exec(raiseGlobalEpoch, epoch)
		return err
	})
	return epoch, err
}

// TenantState implements auth.StateStore.
func (s *Store) TenantState(ctx context.Context, tenant tenancy.ID) (state auth.TenantState, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.queryRow(selectTenantState, []any{tenant}, func(r row) { state = auth.TenantState{Active: r.bool(0), Epoch: r.int(1)} })
	})
	return state, notFound(err, "tenant")
}

// EndTenantSessions implements auth.SessionStore. In a tenant that is gone every
// session has ended.
func (s *Store) EndTenantSessions(ctx context.Context, tenant tenancy.ID, _ string, _ tenancy.Time) error {
	return s.writer.do(ctx, tenant, func(tx *Tx) error { return s.endTenantSessions(tx, tenant) })
}

func (s *Store) endTenantSessions(tx *Tx, tenant tenancy.ID) error {
	s.notify(tx, auth.Change{Kind: auth.TenantChanged, Tenant: tenant})
	_, err := tx.exec(raiseTenantEpoch, tenant)
	return err
}

// keepOperator refuses to take a tenant out of use together with the last
// operator who can log in. It is asked after the change, with what was before.
func keepOperator(tx *Tx, had bool) error {
	if !had {
		return nil
	}
	remains, err := tx.exists(selectOperator)
	if err == nil && !remains {
		err = problem.New(problem.Conflict, "The installation must keep an operator who can log in.")
	}
	return err
}

// CreateFirstOperator implements auth.InstallationStore. It happens on the word of
// whoever controls the machine, so neither the tenant's limit nor its suspension
// stands against it.
func (s *Store) CreateFirstOperator(ctx context.Context, u auth.NewUser, evenIfOneExists bool) (user auth.User, err error) {
	err = s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
		exists, err := tx.exists(selectOperator)
		if err != nil {
			return err
		}
		if exists && !evenIfOneExists {
			return problem.New(problem.Conflict, "There is an operator already.")
		}
		tenant, err := s.defaultTenant(tx)
		if err != nil {
			return err
		}
		key := auth.UserKey{Tenant: tenant}
		err = tx.queryRow(selectUserByEmail, []any{tenant, u.EmailKey}, func(r row) { key.User = r.id(0) })
		if errors.Is(err, errNoRow) {
			if _, err := tx.exec(giveUsers, tenant, -1); err != nil {
				return err
			}
			user, err = s.insertUser(tx, tenant, &u)
			return err
		}
		if err != nil {
			return err
		}
		user, err = s.promote(tx, key, u.PasswordHash)
		return err
	})
	return user, err
}

// defaultTenant returns the tenant default, made or brought back to use if need be.
func (s *Store) defaultTenant(tx *Tx) (tenancy.ID, error) {
	var found tenancy.Tenant
	err := tx.queryRow(selectTenantBySlug, []any{tenancy.DefaultSlug}, func(r row) { found = readTenant(r) })
	switch {
	case errors.Is(err, errNoRow):
		id := tenancy.NewID()
		return id, insertNewTenant(tx, id, tenancy.NewTenantFields("Default", tenancy.DefaultSlug))
	case err != nil:
		return tenancy.ID{}, err
	case !found.IsActive:
		s.notify(tx, auth.Change{Kind: auth.TenantChanged, Tenant: found.ID})
		_, err = tx.exec(activateTenant, found.ID, tx.Now)
	}
	return found.ID, err
}

// promote makes a user who is there an operator and tenant_admin with a new
// password.
func (s *Store) promote(tx *Tx, key auth.UserKey, hash string) (user auth.User, err error) {
	if user, err = userByKey(tx.conn, key); err != nil {
		return user, err
	}
	if user.IsService {
		return user, problem.New(problem.Conflict, "A service account has this e-mail.")
	}
	if _, err := tx.exec(promoteUser, key.Tenant, key.User, tx.Now); err != nil {
		return user, err
	}
	if _, err := tx.exec(insertUserRole, key.Tenant, key.User, auth.RoleTenantAdmin); err != nil {
		return user, err
	}
	if err := s.setPassword(tx, key, hash, tx.Now); err != nil {
		return user, err
	}
	return userByKey(tx.conn, key)
}
