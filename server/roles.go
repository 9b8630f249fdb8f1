package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
)

// RolePath names a role.
type RolePath struct {
	Name string `path:"name" minLength:"2" maxLength:"63" doc:"The role"`
}

func (s *Server) roleRoutes() {
	const tag = "users"
	handle(s, route{method: http.MethodGet, path: "/roles", access: auth.Requires(auth.RolesView), id: "listRoles", tag: tag,
		summary: "List the system roles and the tenant's own, all at once"}, s.listRoles)
	handle(s, route{method: http.MethodPost, path: "/roles", access: auth.Requires(auth.RolesCreate), id: "createRole", tag: tag,
		summary: "Define a role of permissions that you hold", status: http.StatusCreated}, s.createRole)
	handle(s, route{method: http.MethodPatch, path: "/roles/{name}", access: auth.Requires(auth.RolesUpdate), id: "updateRole", tag: tag,
		summary: "Change what a role is", text: "Its name stays. It applies to everybody who has the role from the next request on."}, s.updateRole)
	handle(s, route{method: http.MethodDelete, path: "/roles/{name}", access: auth.Requires(auth.RolesDelete), id: "deleteRole", tag: tag,
		summary: "Delete a role that nobody has", status: http.StatusNoContent}, s.deleteRole)
	handle(s, route{method: http.MethodGet, path: "/permissions", access: auth.Requires(auth.RolesView), id: "listPermissions", tag: tag,
		summary: "List every permission that exists, all at once"}, s.listPermissions)
}

func (s *Server) listRoles(ctx context.Context, _ *struct{}) (*listOutput[auth.Role], error) {
	roles, err := s.auth.Roles(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &listOutput[auth.Role]{Body: &list[auth.Role]{Items: roles}}, nil
}

type createRoleInput struct {
	Body creation[auth.RoleFields]

	fields auth.RoleFields
}

func (in *createRoleInput) Resolve(ctx huma.Context) []error { return in.Body.onto(ctx, &in.fields) }

func (s *Server) createRole(ctx context.Context, in *createRoleInput) (*createdResource[auth.Role], error) {
	role, err := s.auth.CreateRole(ctx, who(ctx), in.fields)
	if err != nil {
		return nil, err
	}
	return made(&role, role.Version, "/roles/"+role.Name, false), nil
}

// roleChange is what PATCH /roles/{name} takes.
type roleChange struct {
	Description string   `json:"description,omitempty" maxLength:"1000"`
	Permissions []string `json:"permissions,omitempty" nullable:"false" maxItems:"64" doc:"Only permissions that you hold yourself"`
}

func (s *Server) updateRole(ctx context.Context, in *struct {
	RolePath
	IfMatch
	Body body[roleChange]
}) (*resource[auth.Role], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	role, err := s.auth.UpdateRole(ctx, who(ctx), in.Name, func(role auth.Role) (auth.RoleFields, error) {
		if err := match.Check(role.Version); err != nil {
			return auth.RoleFields{}, err
		}
		change := roleChange{role.Description, slices.Clone(role.Permissions)}
		if err := in.Body.onto(&change); err != nil {
			return auth.RoleFields{}, err
		}
		return auth.RoleFields{Name: role.Name, Description: change.Description, Permissions: change.Permissions}, nil
	})
	if err != nil {
		return nil, err
	}
	return shown(&role, role.Version, IfNoneMatch{}), nil
}

func (s *Server) deleteRole(ctx context.Context, in *struct {
	RolePath
	IfMatch
}) (*struct{}, error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	return nil, s.auth.DeleteRole(ctx, who(ctx), in.Name, func(role auth.Role) error { return match.Check(role.Version) })
}

// permission is what a role may grant.
type permission struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (s *Server) listPermissions(context.Context, *struct{}) (*listOutput[permission], error) {
	all := &list[permission]{Items: []permission{}}
	for _, p := range auth.AllPermissions() {
		all.Items = append(all.Items, permission{p.String(), p.Description()})
	}
	return &listOutput[permission]{Body: all}, nil
}
