package auth

import "maestro/problem"

// Access is what a route asks of its caller. The zero value, Undeclared, is not
// an answer: a route that has it must stop the start of the server.
type Access uint8

// What a route can ask for, besides a permission (Requires).
const (
	Undeclared    Access = iota
	Public               // anybody, without a credential
	Authenticated        // any caller with a valid credential, acting on its own behalf
	Operator             // whoever runs the installation
	firstPermission
)

// Requires asks for a permission in the caller's tenant.
func Requires(p Permission) Access { return firstPermission + Access(p) }

// Permission returns the permission asked for, if it is one.
func (a Access) Permission() (Permission, bool) {
	if a < firstPermission || a-firstPermission >= Access(permissionCount) {
		return 0, false
	}
	return Permission(a - firstPermission), true
}

// String returns "public", "authenticated", "operator", a permission's name, or
// "undeclared".
func (a Access) String() string {
	switch a {
	case Public:
		return "public"
	case Authenticated:
		return "authenticated"
	case Operator:
		return "operator"
	}
	if p, ok := a.Permission(); ok {
		return p.String()
	}
	return "undeclared"
}

var (
	errNoCredential = problem.New(problem.Unauthenticated, "This needs a valid access token or API token.")
	errForbidden    = problem.New(problem.Forbidden, "You do not have the permission for this.")
	errUndeclared   = problem.New(problem.Internal, "")
)

// Check decides whether p, the zero Principal for a caller without a credential,
// may pass. It fails with Unauthenticated or Forbidden, and with Internal for
// Undeclared.
func (a Access) Check(p *Principal) error {
	if a == Public {
		return nil
	}
	if p.User.IsZero() {
		return errNoCredential
	}
	switch a {
	case Undeclared:
		return errUndeclared
	case Authenticated:
		return nil
	case Operator:
		if p.Operator {
			return nil
		}
		return errForbidden
	}
	if permission, ok := a.Permission(); ok && p.Permissions.Has(permission) {
		return nil
	}
	return errForbidden
}
