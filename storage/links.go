package storage

import (
	"context"
	"errors"

	"maestro/audit"
	"maestro/auth"
	"maestro/tenancy"
)

const (
	upsertLink = `INSERT INTO links (tenant_id, user_id, kind, digest, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant_id, user_id, kind) DO UPDATE SET digest = excluded.digest, created_by = excluded.created_by,
		created_at = excluded.created_at, expires_at = excluded.expires_at`

	selectLinkAccount = `SELECT ` + accountColumns + ` FROM links l JOIN users u ON u.tenant_id = l.tenant_id AND u.id = l.user_id
		JOIN tenants t ON t.id = l.tenant_id
		WHERE l.digest = $1 AND l.kind = $2 AND l.expires_at > $3 AND u.is_active = 1 AND t.is_active = 1 AND t.deleted_at IS NULL`

	deleteUserLinks = `DELETE FROM links WHERE tenant_id = $1 AND user_id = $2`

	setPasswordHash = `UPDATE users SET password_hash = $3, password_changed_at = $4, updated_at = $4, version = version + 1, epoch = epoch + 1
		WHERE tenant_id = $1 AND id = $2`
)

// CreateLink implements auth.UserStore.
func (s *Store) CreateLink(ctx context.Context, scope tenancy.Scope, link auth.Link, decide func(auth.UserView) error) error {
	return s.writeAs(ctx, scope, func(tx *Tx) error {
		view, err := userView(tx.conn, auth.UserKey{Tenant: scope.Tenant(), User: link.User})
		if err != nil {
			return err
		}
		if err := decide(view); err != nil {
			return err
		}
		if err := putLink(tx, scope.Tenant(), &link); err != nil {
			return err
		}
		return tx.record(scope.Tenant(), audit.UserPasswordReset, link.User.String(),
			audit.Created().Note("link", string(link.Kind)).Time("expires_at", nil, &link.ExpiresAt))
	})
}

func putLink(tx *Tx, tenant tenancy.ID, link *auth.Link) error {
	_, err := tx.exec(upsertLink, tenant, link.User, string(link.Kind), link.Digest[:], link.CreatedBy, link.CreatedAt, link.ExpiresAt)
	return err
}

// LinkAccount implements auth.UserStore.
func (s *Store) LinkAccount(ctx context.Context, kind auth.LinkKind, digest auth.Digest, now tenancy.Time) (account auth.Account, err error) {
	err = s.read(ctx, func(c *conn) error {
		account, err = linkAccount(c, kind, digest, now)
		return err
	})
	return account, err
}

func linkAccount(c *conn, kind auth.LinkKind, digest auth.Digest, now tenancy.Time) (account auth.Account, err error) {
	err = c.queryRow(selectLinkAccount, []any{digest[:], string(kind), now}, func(r row) { account = readAccount(r) })
	return account, notFound(err, "link")
}

// RedeemLink implements auth.UserStore. The tenant is known only once the link is
// found, so the write waits in the installation's own turn.
func (s *Store) RedeemLink(ctx context.Context, kind auth.LinkKind, digest auth.Digest, hash string, now tenancy.Time) (user auth.User, err error) {
	err = s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
		account, err := linkAccount(tx.conn, kind, digest, now)
		if err != nil {
			return err
		}
		if err := s.setPassword(tx, account.Key, hash, now); err != nil {
			return err
		}
		if user, err = userByKey(tx.conn, account.Key); err != nil {
			return err
		}
		return tx.recordFor(account.Key, tenancy.ID{}, audit.UserPassword, account.Key.User.String(), audit.Created().Note("by", string(kind)))
	})
	return user, err
}

// ChangePassword implements auth.UserStore.
func (s *Store) ChangePassword(ctx context.Context, hash string, session auth.NewSession) (login auth.Login, err error) {
	err = s.writer.do(ctx, session.Key.Tenant, func(tx *Tx) error {
		if _, err := openable(tx, &session); err != nil {
			return err
		}
		if err := s.setPassword(tx, session.Key, hash, session.Now); err != nil {
			return err
		}
		e, err := epochsOf(tx.conn, session.Key)
		if err != nil {
			return err
		}
		if login, err = open(tx, &session, e); err != nil {
			return err
		}
		return tx.recordFor(session.Key, session.ID, audit.UserPassword, session.Key.User.String(), audit.Created().Note("by", "password"))
	})
	return login, err
}

// setPassword sets a user's password, ends all sessions and deletes all links.
func (s *Store) setPassword(tx *Tx, key auth.UserKey, hash string, now tenancy.Time) error {
	_, err := tx.exec(setPasswordHash, key.Tenant, key.User, hash, now)
	_, links := tx.exec(deleteUserLinks, key.Tenant, key.User)
	s.userChanged(tx, key)
	return errors.Join(err, links)
}
