package auth

import (
	"regexp"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

// The system roles. They exist in every tenant and cannot be changed.
const (
	RoleViewer        = "viewer"
	RoleDataScientist = "data_scientist"
	RoleMLEngineer    = "ml_engineer"
	RoleTenantAdmin   = "tenant_admin"
)

const (
	viewerPermissions = Permissions(1<<ProjectsView | 1<<ArtifactsView | 1<<UsagesView |
		1<<MembersView | 1<<MetricsView | 1<<PredictionsView)
	dataScientistPermissions = viewerPermissions |
		Permissions(1<<ProjectsCreate|1<<ProjectsUpdate|
			1<<ArtifactsCreate|1<<ArtifactsUpdate|1<<ArtifactsUpload|
			1<<UsagesCreate|1<<MembersCreate|1<<MembersUpdate|
			1<<MetricsCreate|1<<PredictionsCreate)
	mlEngineerPermissions = dataScientistPermissions | Permissions(1<<ArtifactsDelete|1<<ProjectsDelete)
)

// RoleFields are what a caller sets of a role of the tenant's own.
type RoleFields struct {
	Name        string   `json:"name" minLength:"2" maxLength:"63" pattern:"^[a-z][a-z0-9_-]+$" doc:"Unique in the tenant"`
	Description string   `json:"description,omitempty" maxLength:"1000"`
	Permissions []string `json:"permissions" nullable:"false" maxItems:"64" doc:"Only permissions that you hold yourself"`
}

// Role is a named set of permissions in a tenant.
type Role struct {
	RoleFields
	System    bool         `json:"system" doc:"A system role exists in every tenant and cannot be changed"`
	Grants    Permissions  `json:"-"`
	CreatedAt tenancy.Time `json:"created_at"`
	UpdatedAt tenancy.Time `json:"updated_at"`
	Version   int64        `json:"version"`
}

// SystemRoles returns the system roles, from the least to the most powerful.
func SystemRoles() []Role {
	return []Role{
		systemRole(RoleViewer, "Sees projects, artifacts, usages, teams, metrics and predictions", viewerPermissions),
		systemRole(RoleDataScientist, "A viewer who also creates and changes them and uploads content", dataScientistPermissions),
		systemRole(RoleMLEngineer, "A data scientist who also deletes artifacts and projects", mlEngineerPermissions),
		systemRole(RoleTenantAdmin, "Everything in the tenant: users, roles, API tokens, audit, limits", EveryPermission),
	}
}

func systemRole(name, description string, grants Permissions) Role {
	return Role{
		RoleFields: RoleFields{Name: name, Description: description, Permissions: grants.Names()},
		System:     true, Grants: grants, Version: 1,
	}
}

// SystemRole returns what the system role of that name grants.
func SystemRole(name string) (Permissions, bool) {
	switch name {
	case RoleViewer:
		return viewerPermissions, true
	case RoleDataScientist:
		return dataScientistPermissions, true
	case RoleMLEngineer:
		return mlEngineerPermissions, true
	case RoleTenantAdmin:
		return EveryPermission, true
	}
	return 0, false
}

var roleNamePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{1,62}$`)

// reservedRoleNames may not be taken by a tenant's role, because people would
// read more into them than they mean.
var reservedRoleNames = [...]string{"operator", "admin", "root", "system"}

// Validate names every value that is not allowed.
func (f *RoleFields) Validate() error {
	_, err := f.parse()
	return err
}

// parse is Validate and returns the permissions.
func (f *RoleFields) parse() (Permissions, error) {
	var c problem.Checks
	c.Require(roleNamePattern.MatchString(f.Name), "body.name", "must be 2 to 63 lower-case letters, digits, _ or -, beginning with a letter")
	_, isSystem := SystemRole(f.Name)
	c.Require(!isSystem && !slices.Contains(reservedRoleNames[:], f.Name), "body.name", "is reserved")
	tenancy.CheckText(&c, "body.description", f.Description, 0, 1000)
	grants := ParsePermissions(&c, "body.permissions", f.Permissions)
	return grants, c.Err()
}
