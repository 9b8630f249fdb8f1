package auth

import (
	"maestro/audit"
	"maestro/tenancy"
)

// CredentialKind says which sort of credential a caller showed.
type CredentialKind uint8

// The credentials that authenticate a request.
const (
	NoCredential CredentialKind = iota
	AccessToken                 // a person's session
	APITokenCredential
	HookSignature // of a delivery to a hook: it reaches nothing but that
)

// Principal is an authenticated caller, as of the moment of the request. It is
// not kept beyond the request. The zero Principal is nobody.
type Principal struct {
	Scope       tenancy.Scope
	User        tenancy.ID
	Tenant      tenancy.ID
	Session     tenancy.ID // zero for an API token
	Credential  tenancy.ID // the jti of the access token, or the id of the API token or of the hook
	Kind        CredentialKind
	Permissions Permissions
	Operator    bool
	ExpiresAt   int64 // when the credential expires, Unix seconds
}

// Interactive reports whether a person with a session acts. Only such a caller
// may change passwords, end sessions and create API tokens: a token given to a
// job must not be able to outlive its own deletion.
func (p *Principal) Interactive() bool { return p.Kind == AccessToken }

// Origin completes, for the audit trail, what is known of a request with who makes
// it.
func (p *Principal) Origin(o *audit.Origin) {
	o.Actor, o.Tenant, o.Credential = p.Scope.Actor(), p.Tenant, p.Session
	if o.Credential.IsZero() {
		o.Credential = p.Credential
	}
}

// MayGrant reports whether p may hand out permissions: only those it holds.
func (p *Principal) MayGrant(permissions Permissions) bool {
	return p.Permissions.Contains(permissions)
}
