package auth

import "maestro/tenancy"

// Session is one login: a family of refresh tokens, each the successor of one.
type Session struct {
	ID         tenancy.ID   `json:"id"`
	TenantID   tenancy.ID   `json:"-"`
	UserID     tenancy.ID   `json:"user_id"`
	CreatedAt  tenancy.Time `json:"created_at"`
	LastUsedAt tenancy.Time `json:"last_used_at" doc:"The login or the latest refresh"`
	ExpiresAt  tenancy.Time `json:"expires_at" doc:"Refreshing does not move it"`
	Address    string       `json:"address" doc:"Where the login came from"`
	UserAgent  string       `json:"user_agent"`
	Current    bool         `json:"current" doc:"This request belongs to the session"`

	AccessUntil tenancy.Time `json:"-"` // when the last access token issued expires
	UserEpoch   int64        `json:"-"`
	TenantEpoch int64        `json:"-"`
	GlobalEpoch int64        `json:"-"`
}

// NewSession is a login to be recorded.
type NewSession struct {
	ID          tenancy.ID
	Key         UserKey
	Refresh     Digest // of the first refresh token, whose generation is 0
	Now         tenancy.Time
	ExpiresAt   tenancy.Time
	AccessUntil tenancy.Time
	Address     string
	UserAgent   string

	VerifiedEpoch int64  // the user's epoch when the password was compared
	VerifiedHash  string // the hash that it matched
	NewHash       string // replaces it when it is outdated; else ""
}

// Login is a session with its user.
type Login struct {
	Session Session
	User    User
}

// Rotation asks for the replacement of a refresh token.
type Rotation struct {
	Tenant      tenancy.ID
	Session     tenancy.ID
	Generation  uint32 // of the token presented
	Presented   Digest
	Successor   Digest
	Now         tenancy.Time
	Grace       tenancy.Time // a duration in microseconds; 0 for none
	AccessUntil tenancy.Time
}

// RotationOutcome says what became of a Rotation; see SessionStore.RotateSession.
type RotationOutcome uint8

// The outcomes. The zero value refuses.
const (
	Refused RotationOutcome = iota
	Rotated
	Repeated
	Reused
)

// RotationResult is the outcome with the session: for Rotated and Repeated as it
// is now, with its user, for Reused as it was.
type RotationResult struct {
	Outcome RotationOutcome
	Login
}

// SessionEnd ends one session.
type SessionEnd struct {
	Tenant  tenancy.ID
	Session tenancy.ID
	Reason  string
	Now     tenancy.Time
	Revoked uint64 // the sequence number of its revocation; 0 for none
}

// UserSessionsEnd ends everything of one user.
type UserSessionsEnd struct {
	Key       UserKey
	Reason    string
	APITokens bool // delete the user's API tokens too
	Now       tenancy.Time
	Decide    func(UserView) error // may refuse; nil agrees
}

// Why sessions end.
const (
	EndedLogout   = "logout"
	EndedByUser   = "ended_by_user"
	EndedByAdmin  = "ended_by_admin"
	EndedReuse    = "refresh_reuse"
	EndedPassword = "password_change"
	EndedDemotion = "user_changed"
	EndedCollapse = "too_many_revocations"
	maxAgentBytes = 255
)
