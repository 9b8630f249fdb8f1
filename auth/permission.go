package auth

import (
	"math/bits"

	"maestro/problem"
)

// Permission is one right in a tenant, resource:action. Its number is not
// stored anywhere: what is stored and shown is its name.
type Permission uint8

// Every permission that exists.
const (
	ProjectsView Permission = iota
	ProjectsCreate
	ProjectsUpdate
	ProjectsDelete
	ArtifactsView
	ArtifactsCreate
	ArtifactsUpdate
	ArtifactsDelete
	ArtifactsUpload
	UsagesView
	UsagesCreate
	MembersView
	MembersCreate
	MembersUpdate
	MembersDelete
	MetricsView
	MetricsCreate
	PredictionsView
	PredictionsCreate
	UsersView
	UsersCreate
	UsersUpdate
	UsersDelete
	RolesView
	RolesCreate
	RolesUpdate
	RolesDelete
	TokensView
	TokensCreate
	TokensDelete
	AuditView
	LimitsView
	HooksView
	HooksCreate
	HooksDelete

	permissionCount
)

var permissionTexts = [permissionCount]struct{ name, description string }{
	ProjectsView:      {"projects:view", "See projects, their scores and similar ones"},
	ProjectsCreate:    {"projects:create", "Create projects"},
	ProjectsUpdate:    {"projects:update", "Change projects and record their success"},
	ProjectsDelete:    {"projects:delete", "Delete projects"},
	ArtifactsView:     {"artifacts:view", "See, search and download artifacts"},
	ArtifactsCreate:   {"artifacts:create", "Create artifacts"},
	ArtifactsUpdate:   {"artifacts:update", "Change artifacts"},
	ArtifactsDelete:   {"artifacts:delete", "Delete artifacts"},
	ArtifactsUpload:   {"artifacts:upload", "Upload the content of artifacts"},
	UsagesView:        {"usages:view", "See which projects used which artifacts"},
	UsagesCreate:      {"usages:create", "Record the use of an artifact"},
	MembersView:       {"members:view", "See the teams of projects"},
	MembersCreate:     {"members:create", "Add team members"},
	MembersUpdate:     {"members:update", "Change team members"},
	MembersDelete:     {"members:delete", "Remove team members"},
	MetricsView:       {"metrics:view", "See process metrics, velocity and collaboration"},
	MetricsCreate:     {"metrics:create", "Record process metrics"},
	PredictionsView:   {"predictions:view", "See predictions and the model card"},
	PredictionsCreate: {"predictions:create", "Ask for predictions"},
	UsersView:         {"users:view", "See users"},
	UsersCreate:       {"users:create", "Create and invite users"},
	UsersUpdate:       {"users:update", "Change users, end their sessions and reset their passwords"},
	UsersDelete:       {"users:delete", "Delete users"},
	RolesView:         {"roles:view", "See roles and permissions"},
	RolesCreate:       {"roles:create", "Define roles"},
	RolesUpdate:       {"roles:update", "Change roles"},
	RolesDelete:       {"roles:delete", "Delete roles"},
	TokensView:        {"tokens:view", "See and introspect the API tokens of others"},
	TokensCreate:      {"tokens:create", "Create API tokens for service accounts"},
	TokensDelete:      {"tokens:delete", "Delete the API tokens of others"},
	AuditView:         {"audit:view", "Read the audit trail"},
	LimitsView:        {"limits:view", "See the tenant's limits and use"},
	HooksView:         {"hooks:view", "See the hooks that take deliveries from CI systems"},
	HooksCreate:       {"hooks:create", "Make hooks, and see their secrets once"},
	HooksDelete:       {"hooks:delete", "Delete hooks"},
}

// String returns the permission's name, resource:action.
func (p Permission) String() string {
	if p < permissionCount {
		return permissionTexts[p].name
	}
	return "unknown"
}

// Description says in a few words what the permission allows.
func (p Permission) Description() string {
	if p < permissionCount {
		return permissionTexts[p].description
	}
	return ""
}

// AllPermissions lists every permission, in the order of their declaration.
func AllPermissions() []Permission {
	all := make([]Permission, permissionCount)
	for i := range all {
		all[i] = Permission(i)
	}
	return all
}

// ParsePermission finds a permission by its exact name.
func ParsePermission(name string) (Permission, bool) {
	for i := range permissionTexts {
		if permissionTexts[i].name == name {
			return Permission(i), true
		}
	}
	return 0, false
}

// Permissions is a set of permissions. The zero value is the empty set.
type Permissions uint64

// PermissionsOf returns the set of ps.
func PermissionsOf(ps ...Permission) Permissions {
	var set Permissions
	for _, p := range ps {
		set |= 1 << p
	}
	return set
}

// EveryPermission is the set of all permissions of a tenant.
const EveryPermission = Permissions(1<<permissionCount - 1)

// ParsePermissions reads names, each once, and records what is wrong with them
// at location.
func ParsePermissions(c *problem.Checks, location string, names []string) Permissions {
	var set Permissions
	c.Require(len(names) <= int(permissionCount), location, "must name each permission at most once")
	for i, name := range names {
		if i >= int(permissionCount) {
			break
		}
		p, ok := ParsePermission(name)
		if !ok {
			c.Require(false, location, "entry %d is not a permission", i)
			continue
		}
		c.Require(!set.Has(p), location, "names %s more than once", p)
		set |= 1 << p
	}
	return set
}

// PermissionsNamed returns the set of the names that are permissions. Others, which
// another version of the program may have stored, are left out.
func PermissionsNamed(names []string) Permissions {
	var set Permissions
	for _, name := range names {
		if p, ok := ParsePermission(name); ok {
			set |= 1 << p
		}
	}
	return set
}

// Has reports whether p is in the set.
func (s Permissions) Has(p Permission) bool { return s&(1<<p) != 0 }

// Contains reports whether every member of other is in the set.
func (s Permissions) Contains(other Permissions) bool { return other&^s == 0 }

// Len returns the number of members.
func (s Permissions) Len() int { return bits.OnesCount64(uint64(s)) }

// Names lists the members' names in the order of declaration, never nil.
func (s Permissions) Names() []string {
	names := make([]string, 0, s.Len())
	for p := range permissionCount {
		if s.Has(p) {
			names = append(names, p.String())
		}
	}
	return names
}
