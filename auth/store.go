package auth

import (
	"context"

	"maestro/audit"
	"maestro/tenancy"
)

// Store keeps identity in the database: what Service decides by and what it
// changes. Lists for people to read are no part of it. Each method that changes
// something is one transaction: it happens whole, durably, before it returns, or
// not at all.
//
// Methods fail with a *problem.Error: NotFound when the thing, in that tenant, is
// not there; Conflict and LimitReached as each says; Unavailable when nothing can
// be said. decide functions are called inside the transaction and must be quick
// and pure; their error undoes the transaction and is returned as it is.
//
// After the commit of any change to what a method of StateStore answers, made by
// whatever part of the program, and before that change is acknowledged to
// anybody, the Store calls the function given to Watch.
type Store interface {
	StateStore
	SessionStore
	UserStore
	RoleStore
	APITokenStore
	InstallationStore
	AuditStore
}

// AuditStore records what was refused. What was done, every method records by
// itself, in its transaction, with who asks for it by the context's audit.Origin.
type AuditStore interface {
	// RecordDenial returns when the refusal is on disk, alone or as one more of many.
	RecordDenial(ctx context.Context, d audit.Denial)
}

// StateStore answers what is looked at in every request. The answers are kept in
// memory until Watch says that they changed.
type StateStore interface {
	// Watch registers the only listener. It is called one change at a time, in the
	// order of the commits, and must not call the Store.
	Watch(listener func(Change))

	// UserState fails with NotFound for a user that is not in that tenant.
	UserState(ctx context.Context, key UserKey) (UserState, error)

	// TenantState fails with NotFound for a tenant that is deleted or being deleted.
	TenantState(ctx context.Context, tenant tenancy.ID) (TenantState, error)

	// APITokenState finds an API token by its digest, whatever tenant it is of.
	APITokenState(ctx context.Context, digest Digest) (APITokenState, error)
}

// Change says that an answer of StateStore is not valid any more.
type Change struct {
	Kind   ChangeKind
	Tenant tenancy.ID
	User   tenancy.ID // for UserChanged
	Token  Digest     // for APITokenChanged
	Epoch  int64      // for GlobalEpochChanged: the new one
}

// ChangeKind says whose state changed.
type ChangeKind uint8

// The kinds of changes.
const (
	UserChanged        ChangeKind = iota + 1 // a user was changed or deleted
	TenantChanged                            // a tenant was suspended, resumed or deleted, or its epoch raised
	RolesChanged                             // a role of the tenant was changed or deleted
	APITokenChanged                          // an API token was deleted
	GlobalEpochChanged                       // the global epoch was raised
)

// UserKey names a user in its tenant.
type UserKey struct{ Tenant, User tenancy.ID }

// UserState is what a request must know of its user.
type UserState struct {
	Active   bool
	Operator bool
	Epoch    int64
	Grants   Permissions // of all roles together
}

// TenantState is what a request must know of its tenant.
type TenantState struct {
	Active bool
	Epoch  int64
}

// APITokenState is what a request must know of its API token.
type APITokenState struct {
	ID        tenancy.ID
	Tenant    tenancy.ID
	User      tenancy.ID
	Scopes    Permissions
	Operator  bool
	ExpiresAt int64 // Unix seconds
}

// SessionStore keeps logins.
type SessionStore interface {
	// Accounts finds up to two accounts by EmailKey, in the tenant with that slug or,
	// for "", in any. Inactive users and tenants are found as well.
	Accounts(ctx context.Context, emailKey, slug string) ([]Account, error)

	// OpenSession records a login and the time of it. It fails with Unauthenticated
	// unless the user and the tenant are there and active and the user's epoch is
	// still VerifiedEpoch. The session takes the current epochs of user, tenant and
	// installation. NewHash, when not empty, replaces the password hash if that is
	// still VerifiedHash; the epoch does not change.
	OpenSession(ctx context.Context, s NewSession) (Login, error)

	// RotateSession replaces the refresh token of a session, or says why not. The
	// whole decision is one transaction:
	//  - Refused: no such live session, expired at Now, user or tenant gone or
	//    inactive, or an epoch that is not the session's any more; or Generation is
	//    higher than the session's.
	//  - Rotated: Generation and Presented are the session's current ones. They
	//    become Generation+1 and Successor, rotated_at becomes Now.
	//  - Repeated: Generation+1 and Successor are the session's current ones and Now
	//    is before rotated_at + Grace. Nothing changes, rotated_at neither.
	//  - Reused: anything else. The session is ended in the same transaction.
	// AccessUntil is recorded when Rotated or Repeated, if it is later.
	RotateSession(ctx context.Context, r Rotation) (RotationResult, error)

	// Session returns a session that has not ended, expired ones included. One whose
	// epochs are not the current ones has ended.
	Session(ctx context.Context, tenant, session tenancy.ID) (Session, error)

	// EndSession ends a session, if it is live, and records Revoked as an
	// acknowledged sequence number of the revocations in any case.
	EndSession(ctx context.Context, end SessionEnd) error

	// EndUserSessions raises the user's epoch and ends all of the user's sessions. It
	// fails with NotFound for a user that is not in the tenant.
	EndUserSessions(ctx context.Context, end UserSessionsEnd) error

	// EndTenantSessions raises the tenant's epoch and ends all sessions in it.
	EndTenantSessions(ctx context.Context, tenant tenancy.ID, reason string, now tenancy.Time) error

	// DeleteExpired deletes sessions and links that expired or ended before the time
	// given, up to limit of each, and returns how many went.
	DeleteExpired(ctx context.Context, before tenancy.Time, limit int) (int, error)
}

// UserStore keeps users. A tenant always keeps an active user with a password and
// the role tenant_admin once it had one; the installation likewise an operator. A
// change that would take the last one fails with Conflict.
type UserStore interface {
	// CreateUser fails with Conflict for an e-mail that is taken in the tenant and
	// with LimitReached. decide is given the tenant's own roles.
	CreateUser(ctx context.Context, scope tenancy.Scope, u NewUser, decide func(RoleBook) error) (User, error)

	// ChangeUser asks decide what becomes of the user and does it.
	ChangeUser(ctx context.Context, scope tenancy.Scope, id tenancy.ID, now tenancy.Time, decide func(UserView) (UserChange, error)) (User, error)

	// DeleteUser deletes a user that decide agrees to, with sessions, API tokens and
	// links.
	DeleteUser(ctx context.Context, scope tenancy.Scope, id tenancy.ID, decide func(UserView) error) error

	// Recover does what whoever controls the machine asks for a user, whatever state
	// the user is in. It fails with NotFound for a user that is not in the tenant.
	Recover(ctx context.Context, key UserKey, r Recovery) (User, error)

	// Password returns the user's account, for comparing the current password.
	Password(ctx context.Context, key UserKey) (Account, error)

	// ChangePassword sets the hash, raises the epoch, ends all sessions, deletes all
	// links, and opens the new session, if the user's epoch is still
	// Session.VerifiedEpoch and user and tenant are active; otherwise it fails with
	// Unauthenticated.
	ChangePassword(ctx context.Context, hash string, session NewSession) (Login, error)

	// CreateLink stores a one-time link in place of earlier ones of its kind for the
	// user. decide may refuse.
	CreateLink(ctx context.Context, scope tenancy.Scope, link Link, decide func(UserView) error) error

	// LinkAccount returns whose password the link sets. NotFound unless the link is
	// unused, not expired at now, and its user and tenant are active.
	LinkAccount(ctx context.Context, kind LinkKind, digest Digest, now tenancy.Time) (Account, error)

	// RedeemLink does what LinkAccount found: it deletes the link, sets the hash,
	// raises the epoch and ends all sessions. Of two at a time, one finds the link.
	RedeemLink(ctx context.Context, kind LinkKind, digest Digest, hash string, now tenancy.Time) (User, error)
}

// RoleStore keeps the roles that tenants define.
type RoleStore interface {
	Roles(ctx context.Context, scope tenancy.Scope) ([]Role, error)

	// CreateRole fails with Conflict for a name that is taken and with LimitReached
	// above MaxRoles.
	CreateRole(ctx context.Context, scope tenancy.Scope, role Role) (Role, error)

	// ChangeRole stores what decide makes of the role.
	ChangeRole(ctx context.Context, scope tenancy.Scope, name string, now tenancy.Time, decide func(Role) (Role, error)) (Role, error)

	// DeleteRole fails with Conflict while a user has the role.
	DeleteRole(ctx context.Context, scope tenancy.Scope, name string, decide func(Role) error) error
}

// APITokenStore keeps API tokens.
type APITokenStore interface {
	// CreateAPIToken fails with LimitReached above MaxAPITokens for the user. decide
	// is given the user whom the token stands for.
	CreateAPIToken(ctx context.Context, scope tenancy.Scope, t NewAPIToken, decide func(UserView) error) (APIToken, error)

	// DeleteAPIToken deletes a token that decide agrees to.
	DeleteAPIToken(ctx context.Context, scope tenancy.Scope, id tenancy.ID, decide func(APIToken) error) error

	// TouchAPITokens records when tokens were last used. Ones that are gone are
	// skipped.
	TouchAPITokens(ctx context.Context, uses []APITokenUse) error
}

// InstallationStore keeps what belongs to no tenant.
type InstallationStore interface {
	Installation(ctx context.Context) (Installation, error)

	// RaiseGlobalEpoch makes every token and session issued so far invalid. The new
	// epoch is the old one + 1 or the current Unix second, whichever is higher, so
	// that it rises even over a database that was restored from a backup.
	RaiseGlobalEpoch(ctx context.Context) (int64, error)

	// CreateFirstOperator makes the user an operator and tenant_admin of the tenant
	// with the slug default, which it creates if need be. A user of that e-mail who
	// is there already is given the password and these rights. It fails with Conflict
	// when an active operator exists and evenIfOneExists is false.
	CreateFirstOperator(ctx context.Context, u NewUser, evenIfOneExists bool) (User, error)
}

// Installation is what the installation as a whole knows.
type Installation struct {
	GlobalEpoch int64
	Revoked     uint64 // the highest acknowledged sequence number of the revocations
	HasOperator bool   // an active one
}
