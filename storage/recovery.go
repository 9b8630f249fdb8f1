package storage

import (
	"context"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
)

const activateUser = `UPDATE users SET is_active = 1, updated_at = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND is_active = 0`

// Recover implements auth.UserStore.
func (s *Store) Recover(ctx context.Context, key auth.UserKey, r auth.Recovery) (user auth.User, err error) {
	err = s.writer.do(ctx, key.Tenant, func(tx *Tx) error {
		if user, err = userByKey(tx.conn, key); err != nil {
			return err
		}
		before := user
		if r.Activate {
			if _, err := tx.exec(activateUser, key.Tenant, key.User, r.Now); err != nil {
				return err
			}
			s.userChanged(tx, key)
		}
		if r.PasswordHash != "" {
			if user.IsService {
				return problem.New(problem.Conflict, "A service account has no password.")
			}
			if err := s.setPassword(tx, key, r.PasswordHash, r.Now); err != nil {
				return err
			}
		}
		if user, err = userByKey(tx.conn, key); err != nil {
			return err
		}
		changes := audit.Updated().Bool("is_active", before.IsActive, user.IsActive).Bool("password_set", false, r.PasswordHash != "")
		return tx.record(key.Tenant, audit.UserRecover, key.User.String(), changes)
	})
	return user, err
}
