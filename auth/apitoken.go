package auth

import (
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of API tokens.
const (
	DefaultAPITokenLife = 90 * 24 * time.Hour
	MaxAPITokenLife     = 366 * 24 * time.Hour
	MaxAPITokens        = 100 // of one user

	// ScopeOperator, among the scopes of an API token of an operator, lets the token
	// run the installation.
	ScopeOperator = "operator"
)

// APITokenFields are what a caller sets of an API token.
type APITokenFields struct {
	Name      string        `json:"name" minLength:"1" maxLength:"255" doc:"What the token is for"`
	Scopes    []string      `json:"scopes" nullable:"false" minItems:"1" maxItems:"64" doc:"Permissions, of those that you hold; and 'operator', if you are one"`
	ExpiresAt *tenancy.Time `json:"expires_at,omitempty" doc:"At most 366 days ahead; 90 days when left out"`
	UserID    *tenancy.ID   `json:"user_id,omitempty" doc:"The service account that the token stands for; yourself when left out"`
}

// APIToken lets a job act for a user, within scopes, until it expires or is
// deleted. Of the user's permissions it has those among its scopes, as they are
// at the moment of each request.
type APIToken struct {
	ID         tenancy.ID    `json:"id"`
	UserID     tenancy.ID    `json:"user_id"`
	Name       string        `json:"name"`
	Scopes     []string      `json:"scopes" nullable:"false"`
	CreatedBy  tenancy.ID    `json:"created_by"`
	CreatedAt  tenancy.Time  `json:"created_at"`
	ExpiresAt  tenancy.Time  `json:"expires_at"`
	LastUsedAt *tenancy.Time `json:"last_used_at" nullable:"true" doc:"To the minute"`
}

// NewAPIToken is an API token to be stored.
type NewAPIToken struct {
	ID        tenancy.ID
	User      tenancy.ID
	Name      string
	Digest    Digest
	Scopes    Permissions
	Operator  bool
	CreatedBy tenancy.ID
	CreatedAt tenancy.Time
	ExpiresAt tenancy.Time
}

// APITokenUse is the latest use of a token.
type APITokenUse struct {
	Tenant tenancy.ID
	ID     tenancy.ID
	At     tenancy.Time
}

// ParseAPIToken checks the form of an API token (mst_ and 48 characters with a
// checksum) and returns the digest by which it is known.
func ParseAPIToken(text string) (Digest, bool) { return parseSecret(apiTokenPrefix, text) }

// ScopeNames lists scopes the way callers give them.
func ScopeNames(scopes Permissions, operator bool) []string {
	names := scopes.Names()
	if operator {
		names = append(names, ScopeOperator)
	}
	return names
}

// validate names every value that is not allowed.
func (f *APITokenFields) validate(now time.Time) (scopes Permissions, operator bool, expires tenancy.Time, err error) {
	var c problem.Checks
	tenancy.CheckName(&c, "body.name", f.Name)
	var permissions []string
	for _, name := range f.Scopes {
		if name == ScopeOperator && !operator {
			operator = true
			continue
		}
		permissions = append(permissions, name)
	}
	scopes = ParsePermissions(&c, "body.scopes", permissions)
	c.Require(len(f.Scopes) > 0, "body.scopes", "must name at least one")
	expires = tenancy.TimeOf(now.Add(DefaultAPITokenLife))
	if f.ExpiresAt != nil {
		expires = *f.ExpiresAt
		c.Require(expires > tenancy.TimeOf(now), "body.expires_at", "must be in the future")
		c.Require(expires <= tenancy.TimeOf(now.Add(MaxAPITokenLife)), "body.expires_at", "must be at most 366 days ahead")
	}
	return scopes, operator, expires, c.Err()
}
