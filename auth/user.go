package auth

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of a user.
const (
	MaxEmailBytes   = 254 // RFC 5321
	MaxRolesPerUser = 16
	MaxRoles        = 100 // that a tenant may define
)

// UserFields are what may be set of a user.
type UserFields struct {
	Email      string         `json:"email" format:"email" maxLength:"254" doc:"Unique in the tenant; upper and lower case are the same"`
	Name       string         `json:"name" minLength:"1" maxLength:"255"`
	Roles      []string       `json:"roles" nullable:"false" minItems:"1" maxItems:"16"`
	IsActive   bool           `json:"is_active" required:"false" default:"true" doc:"An inactive user's tokens stop at once"`
	IsOperator bool           `json:"is_operator" required:"false" doc:"Runs the installation; only an operator may grant it"`
	IsService  bool           `json:"is_service" required:"false" doc:"A service account has no password and acts through API tokens only"`
	Metadata   tenancy.Object `json:"metadata" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// User is a person or a service account of one tenant.
type User struct {
	ID       tenancy.ID `json:"id"`
	TenantID tenancy.ID `json:"tenant_id"`
	UserFields
	HasPassword       bool          `json:"has_password" doc:"False until an invitation is accepted, and for service accounts"`
	LastLoginAt       *tenancy.Time `json:"last_login_at" nullable:"true"`
	PasswordChangedAt *tenancy.Time `json:"password_changed_at" nullable:"true"`
	CreatedAt         tenancy.Time  `json:"created_at"`
	UpdatedAt         tenancy.Time  `json:"updated_at"`
	Version           int64         `json:"version" doc:"Counts the changes; the ETag is made of it"`
}

// NewUser is a user to be stored.
type NewUser struct {
	ID tenancy.ID
	UserFields
	EmailKey     string
	PasswordHash string // "" for a service account and until an invitation is accepted
	Invitation   *Link  // stored with the user, or nil
	Now          tenancy.Time
}

// UserView is a user with what its roles grant, inside a transaction.
type UserView struct {
	User
	Grants Permissions
	Roles  RoleBook // the tenant's own
}

// UserChange is what becomes of a user.
type UserChange struct {
	Fields      UserFields
	EmailKey    string
	EndSessions bool // raise the epoch and end the sessions
}

// Account is what a login needs of a user.
type Account struct {
	Key          UserKey
	Email        string
	Name         string
	TenantName   string
	TenantSlug   string
	PasswordHash string // "" when there is none
	Usable       bool   // user and tenant are active and it is no service account
	Epoch        int64
}

// contextWords are what an attacker knows of the account.
func (a *Account) contextWords() []string {
	return []string{a.Email, a.Name, a.TenantName, a.TenantSlug}
}

// RoleBook maps the names of a tenant's own roles to what they grant.
type RoleBook map[string]Permissions

// Grants returns what the named roles grant together. It fails with Validation
// for a name that is no role.
func (b RoleBook) Grants(names []string) (Permissions, error) {
	var grants Permissions
	for i, name := range names {
		role, ok := SystemRole(name)
		if !ok {
			role, ok = b[name]
		}
		if !ok {
			var c problem.Checks
			c.Require(false, fmt.Sprintf("body.roles[%d]", i), "is not a role of this tenant")
			return 0, c.Err()
		}
		grants |= role
	}
	return grants, nil
}

// EmailKey returns the form in which e-mail addresses are compared, and false for
// what is not an address.
func EmailKey(email string) (string, bool) {
	if len(email) > 4*MaxEmailBytes || !utf8.ValidString(email) {
		return "", false
	}
	key := strings.ToLower(norm.NFKC.String(strings.TrimSpace(email)))
	if len(key) > MaxEmailBytes {
		return "", false
	}
	for _, r := range key {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return "", false
		}
	}
	local, domain, ok := strings.Cut(key, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") {
		return "", false
	}
	return key, true
}

// Validate names every value that is not allowed.
func (f *UserFields) Validate() error {
	_, err := f.parse()
	return err
}

// parse is Validate and returns the e-mail's key.
func (f *UserFields) parse() (emailKey string, err error) {
	var c problem.Checks
	emailKey, ok := EmailKey(f.Email)
	c.Require(ok && strings.TrimSpace(f.Email) == f.Email && len(f.Email) <= MaxEmailBytes, "body.email", "must be an e-mail address")
	tenancy.CheckName(&c, "body.name", f.Name)
	c.Require(len(f.Roles) > 0 && len(f.Roles) <= MaxRolesPerUser, "body.roles", "must be 1 to %d roles", MaxRolesPerUser)
	c.Require(!slices.Contains(f.Roles, ""), "body.roles", "must name each role")
	sorted := slices.Sorted(slices.Values(f.Roles))
	c.Require(len(slices.Compact(sorted)) == len(f.Roles), "body.roles", "must not name a role twice")
	c.Require(!(f.IsService && f.IsOperator), "body.is_operator", "a service account cannot be an operator")
	f.Metadata.Check(&c, "body.metadata")
	return emailKey, c.Err()
}

// LinkKind says what a one-time link is for.
type LinkKind string

// The kinds of one-time links. Both set a password.
const (
	LinkInvitation LinkKind = "invitation"
	LinkReset      LinkKind = "password_reset"
)

// Link is a one-time link as it is stored.
type Link struct {
	Kind      LinkKind
	User      tenancy.ID
	Digest    Digest
	CreatedBy tenancy.ID
	CreatedAt tenancy.Time
	ExpiresAt tenancy.Time
}

func (k LinkKind) prefix() string {
	if k == LinkInvitation {
		return invitationPrefix
	}
	return resetPrefix
}
