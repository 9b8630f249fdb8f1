package storage

import (
	"bytes"
	"context"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// maxSessions is how many sessions of one user are kept. The ones longest unused
// go first, so that a job that logs in again and again takes nobody's browser
// session, and deleting a user stays a short write.
const maxSessions = 500

const sessionColumns = `id, tenant_id, user_id, created_at, last_used_at, ends_at, address, user_agent, access_until, user_epoch, tenant_epoch, global_epoch`

const (
	selectAccountsAnywhere = `SELECT ` + accountColumns + ` FROM users u JOIN tenants t ON t.id = u.tenant_id
		WHERE u.email_key = $1 AND t.deleted_at IS NULL LIMIT 2`

	selectAccountBySlug = `SELECT ` + accountColumns + ` FROM tenants t CROSS JOIN users u
		WHERE t.slug = $2 AND t.deleted_at IS NULL AND u.tenant_id = t.id AND u.email_key = $1`

	selectAccount = `SELECT ` + accountColumns + ` FROM users u JOIN tenants t ON t.id = u.tenant_id
		WHERE u.tenant_id = $1 AND u.id = $2 AND t.deleted_at IS NULL`

	accountColumns = `u.tenant_id, u.id, u.email, u.name, t.name, t.slug, coalesce(u.password_hash, ''), u.is_active, t.is_active, u.is_service, u.epoch`

	// The epochs of today, and whether the user and the tenant are active.
	selectEpochs = `SELECT u.epoch, t.epoch, i.global_epoch, u.is_active, t.is_active FROM users u
		JOIN tenants t ON t.id = u.tenant_id JOIN installation i ON i.only = 1
		WHERE u.tenant_id = $1 AND u.id = $2 AND t.deleted_at IS NULL`

	insertSession = `INSERT INTO sessions (tenant_id, id, user_id, user_epoch, tenant_epoch, global_epoch, current_hash, address, user_agent,
		created_at, last_used_at, access_until, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12)`

	deleteOldestSessions = `DELETE FROM sessions WHERE tenant_id = $1 AND id IN
		(SELECT id FROM sessions WHERE tenant_id = $1 AND user_id = $2 ORDER BY last_used_at DESC, id DESC LIMIT 10 OFFSET $3)`

	noteLogin = `UPDATE users SET last_login_at = $3 WHERE tenant_id = $1 AND id = $2`

	renewHash = `UPDATE users SET password_hash = $3 WHERE tenant_id = $1 AND id = $2 AND password_hash = $4`

	selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE tenant_id = $1 AND id = $2 AND end_reason IS NULL`

	selectRotation = `SELECT generation, current_hash, previous_hash, rotated_at FROM sessions WHERE tenant_id = $1 AND id = $2`

	rotateSession = `UPDATE sessions SET generation = generation + 1, previous_hash = current_hash, current_hash = $3, rotated_at = $4,
		last_used_at = $4, access_until = $5 WHERE tenant_id = $1 AND id = $2`

	repeatSession = `UPDATE sessions SET access_until = $3 WHERE tenant_id = $1 AND id = $2`

	endSession = `UPDATE sessions SET ends_at = min(ends_at, $3), end_reason = $4 WHERE tenant_id = $1 AND id = $2 AND end_reason IS NULL`

	selectExpiredSession = `SELECT 1 FROM sessions WHERE ends_at < $1 LIMIT 1`
	selectExpiredLink    = `SELECT 1 FROM links WHERE expires_at < $1 LIMIT 1`
	deleteExpiredSession = `DELETE FROM sessions WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM sessions WHERE ends_at < $1 LIMIT $2)`
	deleteExpiredLinks   = `DELETE FROM links WHERE (tenant_id, user_id, kind) IN (SELECT tenant_id, user_id, kind FROM links WHERE expires_at < $1 LIMIT $2)`
)

// sessionList lists one user's live sessions.
var sessionList = listing{
	name:    "sessions",
	columns: sessionColumns,
	from:    "sessions",
	where:   "end_reason IS NULL",
	within:  "user_id",
	owned:   true,
	order:   "-last_used_at",
	sorts:   map[string]sortKey{"last_used_at": {expression: "last_used_at", kind: sortTime}},
}

// Sessions returns one page of the acting user's live sessions.
func (t *Tenant) Sessions(ctx context.Context, page Page) (list List[auth.Session], err error) {
	user := t.scope.Actor().ID
	var now epochs
	err = t.read(ctx, func(c *conn) error {
		now, err = epochsOf(c, auth.UserKey{Tenant: t.scope.Tenant(), User: user})
		return err
	})
	if err != nil {
		return list, err
	}
	list.Items = []auth.Session{}
	list.Next, err = sessionList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: []filter{
		sessionList.of(user), {"ends_at > %s", tenancy.TimeOf(t.now())},
		{"user_epoch = %s", now.user}, {"tenant_epoch = %s", now.tenant}, {"global_epoch = %s", now.global},
	}}, func(r row) { list.Items = append(list.Items, readSession(r)) })
	return list, err
}

// Accounts implements auth.SessionStore.
func (s *Store) Accounts(ctx context.Context, emailKey, slug string) (accounts []auth.Account, err error) {
	query, args := selectAccountsAnywhere, []any{emailKey}
	if slug != "" {
		query, args = selectAccountBySlug, []any{emailKey, slug}
	}
	err = s.read(ctx, func(c *conn) error {
		return c.query(context.Background(), query, args, func(r row) error {
			accounts = append(accounts, readAccount(r))
			return nil
		})
	})
	return accounts, err
}

// Password implements auth.UserStore.
func (s *Store) Password(ctx context.Context, key auth.UserKey) (account auth.Account, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.queryRow(selectAccount, []any{key.Tenant, key.User}, func(r row) { account = readAccount(r) })
	})
	return account, notFound(err, "user")
}

func readAccount(r row) auth.Account {
	return auth.Account{
		Key: auth.UserKey{Tenant: r.id(0), User: r.id(1)}, Email: r.text(2), Name: r.text(3), TenantName: r.text(4), TenantSlug: r.text(5),
		PasswordHash: r.text(6), Usable: r.bool(7) && r.bool(8) && !r.bool(9), Epoch: r.int(10),
	}
}

// epochs are what ends sessions without touching them.
type epochs struct {
	user, tenant, global int64
	active               bool // user and tenant both
}

func epochsOf(c *conn, key auth.UserKey) (e epochs, err error) {
	err = c.queryRow(selectEpochs, []any{key.Tenant, key.User}, func(r row) {
		e = epochs{user: r.int(0), tenant: r.int(1), global: r.int(2), active: r.bool(3) && r.bool(4)}
	})
	return e, notFound(err, "user")
}

func (e epochs) of(session *auth.Session) bool {
	return e.user == session.UserEpoch && e.tenant == session.TenantEpoch && e.global == session.GlobalEpoch
}

var errNotOpenable = problem.New(problem.Unauthenticated, "The account was changed meanwhile.")

// openable returns the epochs for a new session of an account that still is as it
// was when its password was compared.
func openable(tx *Tx, session *auth.NewSession) (epochs, error) {
	e, err := epochsOf(tx.conn, session.Key)
	if problem.CodeOf(err) == problem.NotFound || err == nil && (!e.active || e.user != session.VerifiedEpoch) {
		return e, errNotOpenable
	}
	return e, err
}

// OpenSession implements auth.SessionStore.
func (s *Store) OpenSession(ctx context.Context, session auth.NewSession) (login auth.Login, err error) {
	err = s.writer.do(ctx, session.Key.Tenant, func(tx *Tx) error {
		e, err := openable(tx, &session)
		if err != nil {
			return err
		}
		if session.NewHash != "" {
			if _, err := tx.exec(renewHash, session.Key.Tenant, session.Key.User, session.NewHash, session.VerifiedHash); err != nil {
				return err
			}
		}
		if login, err = open(tx, &session, e); err != nil {
			return err
		}
		changes := audit.Created().Text("user_agent", "", session.UserAgent).Time("expires_at", nil, &session.ExpiresAt).
			Bool("hash_renewed", false, session.NewHash != "")
		return tx.recordFor(session.Key, session.ID, audit.SessionOpen, session.ID.String(), changes)
	})
	return login, err
}

// open records a session with the epochs given.
func open(tx *Tx, session *auth.NewSession, e epochs) (login auth.Login, err error) {
	key := session.Key
	_, err = tx.exec(insertSession, key.Tenant, session.ID, key.User, e.user, e.tenant, e.global, session.Refresh[:], session.Address, session.UserAgent,
		session.Now, session.AccessUntil, session.ExpiresAt)
	if err != nil {
		return login, err
	}
	if _, err := tx.exec(deleteOldestSessions, key.Tenant, key.User, maxSessions); err != nil {
		return login, err
	}
	if _, err := tx.exec(noteLogin, key.Tenant, key.User, session.Now); err != nil {
		return login, err
	}
	login.Session = auth.Session{
		ID: session.ID, TenantID: key.Tenant, UserID: key.User, CreatedAt: session.Now, LastUsedAt: session.Now, ExpiresAt: session.ExpiresAt,
		Address: session.Address, UserAgent: session.UserAgent, AccessUntil: session.AccessUntil,
		UserEpoch: e.user, TenantEpoch: e.tenant, GlobalEpoch: e.global,
	}
	login.User, err = userByKey(tx.conn, key)
	return login, err
}

// RotateSession implements auth.SessionStore.
func (s *Store) RotateSession(ctx context.Context, r auth.Rotation) (result auth.RotationResult, err error) {
	err = s.writer.do(ctx, r.Tenant, func(tx *Tx) error {
		result, err = rotate(tx, &r)
		return err
	})
	return result, err
}

func rotate(tx *Tx, r *auth.Rotation) (result auth.RotationResult, err error) {
	session, e, err := liveSession(tx.conn, r.Tenant, r.Session)
	if problem.CodeOf(err) == problem.NotFound {
		return result, nil
	}
	if err != nil {
		return result, err
	}
	var family struct {
		generation        int64
		current, previous []byte
		rotated           tenancy.Time
	}
	err = tx.queryRow(selectRotation, []any{r.Tenant, r.Session}, func(row row) {
		family.generation, family.current = row.int(0), bytes.Clone(row.bytes(1))
		if !row.null(2) {
			family.previous, family.rotated = bytes.Clone(row.bytes(2)), row.time(3)
		}
	})
	if err != nil {
		return result, err
	}
	presented := int64(r.Generation)
	if !e.active || r.Now >= session.ExpiresAt || presented > family.generation {
		return result, nil
	}
	until := max(session.AccessUntil, r.AccessUntil)
	switch {
	case presented == family.generation && bytes.Equal(r.Presented[:], family.current):
		result.Outcome = auth.Rotated
		session.LastUsedAt = r.Now
		_, err = tx.exec(rotateSession, r.Tenant, r.Session, r.Successor[:], r.Now, until)
	case presented+1 == family.generation && bytes.Equal(r.Presented[:], family.previous) && bytes.Equal(r.Successor[:], family.current) &&
		r.Now < family.rotated+r.Grace:
		result.Outcome = auth.Repeated
		_, err = tx.exec(repeatSession, r.Tenant, r.Session, until)
	default:
		if _, err = tx.exec(endSession, r.Tenant, r.Session, r.Now, auth.EndedReuse); err != nil {
			return result, err
		}
		return auth.RotationResult{Outcome: auth.Reused, Login: auth.Login{Session: session}}, recordReuse(tx, &session, r, family.generation)
	}
	if err != nil {
		return result, err
	}
	session.AccessUntil = until
	result.Session = session
	key := auth.UserKey{Tenant: r.Tenant, User: session.UserID}
	if result.User, err = userByKey(tx.conn, key); err != nil {
		return result, err
	}
	changes := audit.Created().Bool("repeated", false, result.Outcome == auth.Repeated)
	return result, tx.recordFor(key, r.Session, audit.SessionRefresh, r.Session.String(), changes)
}

// recordReuse records that a refresh token came again that was exchanged before:
// somebody else has it too. The session is ended.
func recordReuse(tx *Tx, session *auth.Session, r *auth.Rotation, generation int64) error {
	by := audit.Origin{Tenant: r.Tenant}
	if tx.origin != nil {
		by.Address, by.RequestID = tx.origin.Address, tx.origin.RequestID
	}
	tx.origin = &by
	changes := audit.Deleted().ID("user_id", &session.UserID, nil).Note("reason", auth.EndedReuse).
		Count("generation", int64(r.Generation)).Count("current_generation", generation)
	return tx.writeEvent(r.Tenant, &audit.Event{Action: audit.SessionReuse, Object: r.Session.String(), Outcome: audit.Denied}, changes)
}

// Session implements auth.SessionStore.
func (s *Store) Session(ctx context.Context, tenant, id tenancy.ID) (session auth.Session, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		session, _, err = liveSession(c, tenant, id)
		return err
	})
	return session, err
}

// liveSession reads a session that has not ended, with the epochs of its user.
func liveSession(c *conn, tenant, id tenancy.ID) (session auth.Session, e epochs, err error) {
	err = c.queryRow(selectSession, []any{tenant, id}, func(r row) { session = readSession(r) })
	if err != nil {
		return session, e, notFound(err, "session")
	}
	e, err = epochsOf(c, auth.UserKey{Tenant: tenant, User: session.UserID})
	if problem.CodeOf(err) == problem.NotFound || err == nil && !e.of(&session) {
		return session, e, notFound(errNoRow, "session")
	}
	return session, e, err
}

// EndSession implements auth.SessionStore.
func (s *Store) EndSession(ctx context.Context, end auth.SessionEnd) error {
	return s.writer.do(ctx, end.Tenant, func(tx *Tx) error {
		if _, err := tx.exec(acknowledgeRevocation, int64(end.Revoked)); err != nil {
			return err
		}
		ended, err := tx.exec(endSession, end.Tenant, end.Session, end.Now, end.Reason)
		if err != nil || ended == 0 {
			return err
		}
		return tx.record(end.Tenant, audit.SessionEnd, end.Session.String(), audit.Deleted().Note("reason", end.Reason))
	})
}

// EndUserSessions implements auth.SessionStore.
func (s *Store) EndUserSessions(ctx context.Context, end auth.UserSessionsEnd) error {
	key := end.Key
	return s.writer.do(ctx, key.Tenant, func(tx *Tx) error {
		view, err := userView(tx.conn, key)
		if err != nil {
			return err
		}
		if end.Decide != nil {
			if err := end.Decide(view); err != nil {
				return err
			}
		}
		tokens := 0
		if end.APITokens {
			if tokens, err = s.deleteUserTokens(tx, key); err != nil {
				return err
			}
		}
		s.userChanged(tx, key)
		if _, err = tx.exec(raiseUserEpoch, key.Tenant, key.User); err != nil {
			return err
		}
		return tx.record(key.Tenant, audit.UserRevoke, key.User.String(), audit.Updated().Note("reason", end.Reason).Count("api_tokens_deleted", int64(tokens)))
	})
}

// DeleteExpired implements auth.SessionStore. It writes only if there is something
// to delete.
func (s *Store) DeleteExpired(ctx context.Context, before tenancy.Time, limit int) (deleted int, err error) {
	found := false
	err = s.read(ctx, func(c *conn) error {
		sessions, err := c.exists(selectExpiredSession, before)
		if err != nil {
			return err
		}
		links, err := c.exists(selectExpiredLink, before)
		found = sessions || links
		return err
	})
	if err != nil || !found {
		return 0, err
	}
	err = s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
		sessions, err := tx.exec(deleteExpiredSession, before, limit)
		if err != nil {
			return err
		}
		links, err := tx.exec(deleteExpiredLinks, before, limit)
		deleted = int(sessions + links)
		return err
	})
	return deleted, err
}

func readSession(r row) auth.Session {
	return auth.Session{
		ID: r.id(0), TenantID: r.id(1), UserID: r.id(2), CreatedAt: r.time(3), LastUsedAt: r.time(4), ExpiresAt: r.time(5),
		Address: r.text(6), UserAgent: r.text(7), AccessUntil: r.time(8), UserEpoch: r.int(9), TenantEpoch: r.int(10), GlobalEpoch: r.int(11),
	}
}
