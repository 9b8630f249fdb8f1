package storage

import (
	"context"
	"errors"

	"maestro/audit"
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
		if _, err = tx.exec(raiseGlobalEpoch, epoch); err != nil {
			return err
		}
		return tx.record(installationChain, audit.InstallationRevoke, "", audit.Updated().Int("global_epoch", now.GlobalEpoch, epoch))
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
func (s *Store) EndTenantSessions(ctx context.Context, tenant tenancy.ID, reason string, _ tenancy.Time) error {
	return s.writer.do(ctx, tenant, func(tx *Tx) error {
		if there, err := s.endTenantSessions(tx, tenant); err != nil || !there {
			return err
		}
		return recordForBoth(tx, tenant, audit.TenantRevoke, audit.Updated().Note("reason", reason))
	})
}

// recordForBoth records what was done to a tenant as a whole, for the operator and
// for the tenant.
func recordForBoth(tx *Tx, tenant tenancy.ID, action audit.Action, changes *audit.Changes) error {
	if err := tx.record(installationChain, action, tenant.String(), changes); err != nil {
		return err
	}
	return tx.record(tenant, action, tenant.String(), changes)
}

// endTenantSessions reports whether the tenant is there.
func (s *Store) endTenantSessions(tx *Tx, tenant tenancy.ID) (there bool, err error) {
	s.notify(tx, auth.Change{Kind: auth.TenantChanged, Tenant: tenant})
	changed, err := tx.exec(raiseTenantEpoch, tenant)
	return changed > 0, err
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
			if user, err = s.insertUser(tx, tenant, &u); err != nil {
				return err
			}
			return recordOperator(tx, nil, &user)
		}
		if err != nil {
			return err
		}
		before, err := userByKey(tx.conn, key)
		if err != nil {
			return err
		}
		if user, err = s.promote(tx, &before, u.PasswordHash); err != nil {
			return err
		}
		return recordOperator(tx, &before, &user)
	})
	return user, err
}

// recordOperator records a first operator, for the installation and for the tenant
// that the user is of.
func recordOperator(tx *Tx, before, user *auth.User) error {
	if err := tx.record(installationChain, audit.OperatorCreate, user.ID.String(), userChanges(before, user)); err != nil {
		return err
	}
	action := audit.UserUpdate
	if before == nil {
		action = audit.UserCreate
	}
	return tx.record(user.TenantID, action, user.ID.String(), userChanges(before, user).Bool("has_password", before != nil && before.HasPassword, true))
}

// defaultTenant returns the tenant default, made or brought back to use if need be.
func (s *Store) defaultTenant(tx *Tx) (tenancy.ID, error) {
	var found tenancy.Tenant
	err := tx.queryRow(selectTenantBySlug, []any{tenancy.DefaultSlug}, func(r row) { found = readTenant(r) })
	switch {
	case errors.Is(err, errNoRow):
		fields := tenancy.NewTenantFields("Default", tenancy.DefaultSlug)
		found = tenancy.Tenant{ID: tenancy.NewID(), TenantFields: fields}
		if err := insertNewTenant(tx, found.ID, fields); err != nil {
			return tenancy.ID{}, err
		}
		return found.ID, tx.record(installationChain, audit.TenantCreate, found.ID.String(), tenantChanges(nil, &found))
	case err != nil:
		return tenancy.ID{}, err
	case !found.IsActive:
		s.notify(tx, auth.Change{Kind: auth.TenantChanged, Tenant: found.ID})
		if _, err := tx.exec(activateTenant, found.ID, tx.Now); err != nil {
			return tenancy.ID{}, err
		}
		active := found
		active.IsActive = true
		return found.ID, recordForBoth(tx, found.ID, audit.TenantUpdate, tenantChanges(&found, &active))
	}
	return found.ID, nil
}

// promote makes a user who is there an operator and tenant_admin with a new
// password.
func (s *Store) promote(tx *Tx, before *auth.User, hash string) (user auth.User, err error) {
	key := auth.UserKey{Tenant: before.TenantID, User: before.ID}
	if before.IsService {
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
