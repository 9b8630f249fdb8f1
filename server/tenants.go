package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// TenantPath names a tenant.
type TenantPath struct {
	ID tenancy.ID `path:"id" doc:"The tenant"`
}

func (s *Server) tenantRoutes() {
	const tag = "tenants"
	handle(s, route{method: http.MethodGet, path: "/tenant", access: auth.Requires(auth.LimitsView), id: "getOwnTenant", tag: tag,
		summary: "Read your own tenant: its limits and what it uses of them"}, s.getOwnTenant)
	handle(s, route{method: http.MethodGet, path: "/tenants", access: auth.Operator, id: "listTenants", tag: tag,
		summary: "List the installation's tenants"}, s.listTenants)
	handle(s, route{method: http.MethodPost, path: "/tenants", access: auth.Operator, id: "createTenant", tag: tag,
		summary: "Create a tenant, with its first tenant_admin if one is given", status: http.StatusCreated}, s.createTenant)
	handle(s, route{method: http.MethodGet, path: "/tenants/{id}", access: auth.Operator, id: "getTenant", tag: tag,
		summary: "Read a tenant"}, s.getTenant)
	handle(s, route{method: http.MethodPatch, path: "/tenants/{id}", access: auth.Operator, id: "updateTenant", tag: tag,
		summary: "Change a tenant: its name, limits, weights, or suspend it", text: "Members that are absent stay as they are."}, s.updateTenant)
	handle(s, route{method: http.MethodDelete, path: "/tenants/{id}", access: auth.Operator, id: "deleteTenant", tag: tag,
		summary: "Delete a tenant and everything it owns", status: http.StatusNoContent,
		text: "It is gone for its users at once. Its rows and files are removed in the background."}, s.deleteTenant)
}

// A tenant is shown whole to who has its ETag too: what it uses of its limits
// changes without its revision.
func (s *Server) getOwnTenant(ctx context.Context, _ *struct{}) (*resource[tenancy.Tenant], error) {
	t, err := s.store.TenantByID(ctx, who(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	return shown(&t, t.Revision, IfNoneMatch{}), nil
}

type listTenantsInput struct {
	PageParams
	Sort string `query:"sort" default:"name" enum:"name,-name,slug,-slug,created_at,-created_at"`
}

func (s *Server) listTenants(ctx context.Context, in *listTenantsInput) (*listOutput[tenancy.Tenant], error) {
	tenants, err := s.store.Tenants(ctx, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return &listOutput[tenancy.Tenant]{Body: newList(tenants)}, nil
}

// newTenant is what POST /tenants takes.
type newTenant struct {
	tenancy.TenantFields
	Admin *firstAdmin `json:"admin,omitempty" doc:"The tenant's first tenant_admin, made with it"`
}

type firstAdmin struct {
	Email    string `json:"email" format:"email" maxLength:"254"`
	Name     string `json:"name" minLength:"1" maxLength:"255"`
	Password string `json:"password"`
}

type createTenantInput struct {
	Body creation[newTenant]

	tenant newTenant
}

func (in *createTenantInput) Resolve(ctx huma.Context) []error {
	in.tenant.TenantFields = tenancy.NewTenantFields("", "")
	return in.Body.onto(ctx, &in.tenant)
}

func (s *Server) createTenant(ctx context.Context, in *createTenantInput) (*createdResource[tenancy.Tenant], error) {
	var admin *auth.NewUser
	if first := in.tenant.Admin; first != nil {
		prepared, err := s.auth.PrepareUser(ctx, auth.UserFields{
			Email: first.Email, Name: first.Name, Roles: []string{auth.RoleTenantAdmin}, IsActive: true,
		}, first.Password, in.tenant.Name, in.tenant.Slug)
		if err != nil {
			return nil, within(err, "admin")
		}
		admin = &prepared
	}
	t, err := s.store.CreateTenant(ctx, in.tenant.TenantFields, admin)
	if err != nil {
		return nil, err
	}
	return made(&t, t.Revision, "/tenants/"+t.ID.String(), false), nil
}

// within places the violations of an object that is a member of the body.
func within(err error, member string) error {
	var e *problem.Error
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		return err
	}
	placed := *e
	placed.Violations = slices.Clone(e.Violations)
	for i, v := range placed.Violations {
		placed.Violations[i].Location = "body." + member + strings.TrimPrefix(v.Location, "body")
	}
	return &placed
}

func (s *Server) getTenant(ctx context.Context, in *struct{ TenantPath }) (*resource[tenancy.Tenant], error) {
	t, err := s.store.TenantByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return shown(&t, t.Revision, IfNoneMatch{}), nil
}

func (s *Server) updateTenant(ctx context.Context, in *struct {
	TenantPath
	IfMatch
	Body patch[tenancy.TenantFields]
}) (*resource[tenancy.Tenant], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	t, err := s.store.UpdateTenant(ctx, in.ID, match, in.Body.onto)
	if err != nil {
		return nil, err
	}
	return shown(&t, t.Revision, IfNoneMatch{}), nil
}

func (s *Server) deleteTenant(ctx context.Context, in *struct {
	TenantPath
	IfMatch
}) (*struct{}, error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	return nil, s.store.DeleteTenant(ctx, in.ID, match)
}
