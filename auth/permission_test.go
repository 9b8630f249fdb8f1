package auth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
)

func TestEveryPermissionIsNamed(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range AllPermissions() {
		resource, action, ok := strings.Cut(p.String(), ":")
		if !ok || resource == "" || action == "" || p.Description() == "" || seen[p.String()] {
			t.Errorf("permission %d is %q: %q", p, p, p.Description())
		}
		seen[p.String()] = true
		if back, ok := ParsePermission(p.String()); !ok || back != p {
			t.Errorf("%s reads as %v", p, back)
		}
	}
	if len(seen) != EveryPermission.Len() {
		t.Errorf("%d permissions, a full set has %d", len(seen), EveryPermission.Len())
	}
}

// The system roles are written out here as PRODUCT words them.
func TestSystemRoles(t *testing.T) {
	want := map[string][]string{RoleViewer: {
		"projects:view", "artifacts:view", "usages:view", "members:view", "metrics:view", "predictions:view",
	}}
	want[RoleDataScientist] = append(append([]string{}, want[RoleViewer]...),
		"projects:create", "projects:update", "artifacts:create", "artifacts:update", "artifacts:upload",
		"usages:create", "members:create", "members:update", "metrics:create", "predictions:create")
	want[RoleMLEngineer] = append(append([]string{}, want[RoleDataScientist]...), "artifacts:delete", "projects:delete")
	for _, p := range AllPermissions() {
		want[RoleTenantAdmin] = append(want[RoleTenantAdmin], p.String())
	}
	for _, role := range SystemRoles() {
		var c problem.Checks
		if got := ParsePermissions(&c, "role", want[role.Name]); got != role.Grants || c.Err() != nil {
			t.Errorf("%s grants %v, want %v", role.Name, role.Grants.Names(), want[role.Name])
		}
		if diff := cmp.Diff(role.Grants.Names(), role.Permissions); diff != "" || !role.System {
			t.Errorf("%s: %s", role.Name, diff)
		}
		if grants, ok := SystemRole(role.Name); !ok || grants != role.Grants {
			t.Errorf("SystemRole(%s) = %v", role.Name, grants)
		}
	}
	if _, ok := SystemRole("Tenant_Admin"); ok {
		t.Error("the name of a system role is read in capitals")
	}
}

func TestParsePermissions(t *testing.T) {
	for _, bad := range [][]string{
		{"projects:*"}, {"*"}, {""}, {"Projects:view"}, {"projects:view "}, {"projects:view", "projects:view"}, {"operator"},
		strings.Split(strings.Repeat("x ", 10_000), " "),
	} {
		var c problem.Checks
		ParsePermissions(&c, "body.permissions", bad)
		if c.Err() == nil {
			t.Errorf("%.40q is accepted", bad)
		}
	}
}

func TestAccess(t *testing.T) {
	nobody := Principal{}
	viewer := Principal{User: tenancy.NewID(), Kind: AccessToken, Permissions: viewerPermissions}
	operator := Principal{User: tenancy.NewID(), Kind: AccessToken, Operator: true}
	admin := Principal{User: tenancy.NewID(), Kind: AccessToken, Permissions: EveryPermission}
	const ok, unauthenticated, forbidden, internal = "", problem.Unauthenticated, problem.Forbidden, problem.Internal
	for _, c := range []struct {
		access                          Access
		nobody, viewer, operator, admin problem.Code
	}{
		{Undeclared, unauthenticated, internal, internal, internal},
		{Public, ok, ok, ok, ok},
		{Authenticated, unauthenticated, ok, ok, ok},
		{Operator, unauthenticated, forbidden, ok, forbidden},
		{Requires(ProjectsView), unauthenticated, ok, forbidden, ok},
		{Requires(ProjectsDelete), unauthenticated, forbidden, forbidden, ok},
		{Requires(LimitsView), unauthenticated, forbidden, forbidden, ok},
		{Access(255), unauthenticated, forbidden, forbidden, forbidden},
	} {
		for name, got := range map[string][2]problem.Code{
			"nobody": {problem.CodeOf(c.access.Check(&nobody)), c.nobody}, "viewer": {problem.CodeOf(c.access.Check(&viewer)), c.viewer},
			"operator": {problem.CodeOf(c.access.Check(&operator)), c.operator}, "admin": {problem.CodeOf(c.access.Check(&admin)), c.admin},
		} {
			if got[0] != got[1] {
				t.Errorf("%s on a route that asks for %s: got %q, want %q", name, c.access, got[0], got[1])
			}
		}
	}
}

func TestReservedRoleNames(t *testing.T) {
	for _, name := range []string{"viewer", "tenant_admin", "operator", "admin", "root", "", "a", "Viewer", "ops team", "réviseur", strings.Repeat("x", 64)} {
		if _, err := (&RoleFields{Name: name}).parse(); problem.CodeOf(err) != problem.Validation {
			t.Errorf("%q is accepted as the name of a role", name)
		}
	}
}

func TestEmailKey(t *testing.T) {
	for email, want := range map[string]string{
		"Ada@Example.COM": "ada@example.com", " ada@example.com ": "ada@example.com", "ÄRZTIN@example.de": "ärztin@example.de",
		"ada": "", "@example.com": "", "ada@": "", "a@b@c": "", "ada@example.com\x00": "", "a da@example.com": "", "ada@.com": "", "ada@com.": "",
		strings.Repeat("x", 250) + "@example.com": "", "\xff@example.com": "",
	} {
		if got, ok := EmailKey(email); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", email, got, ok, want)
		}
	}
}
