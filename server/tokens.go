package server

import (
	"context"
	"net/http"

	"maestro/auth"
	"maestro/tenancy"
)

func (s *Server) tokenRoutes() {
	const tag = "auth"
	handle(s, route{method: http.MethodGet, path: "/auth/tokens", access: auth.Authenticated, id: "listAPITokens", tag: tag,
		summary: "List your API tokens, newest first", text: "With all, those of everybody in the tenant; that needs tokens:view."}, s.listAPITokens)
	handle(s, route{method: http.MethodPost, path: "/auth/tokens", access: auth.Authenticated, session: true, id: "createAPIToken", tag: tag,
		summary: "Make an API token, for yourself or, with tokens:create, for a service account", text: "The token is shown once.",
		status: http.StatusCreated}, s.createAPIToken)
	handle(s, route{method: http.MethodDelete, path: "/auth/tokens/{id}", access: auth.Authenticated, id: "deleteAPIToken", tag: tag,
		summary: "Delete an API token: your own or, with tokens:delete, any of the tenant", text: "It stops at once.",
		status: http.StatusNoContent}, s.deleteAPIToken)
}

type listAPITokensInput struct {
	PageParams
	Sort string `query:"sort" default:"-created_at" enum:"created_at,-created_at"`
	All  bool   `query:"all" doc:"Those of everybody in the tenant"`
}

func (s *Server) listAPITokens(ctx context.Context, in *listAPITokensInput) (*listOutput[auth.APIToken], error) {
	caller := who(ctx)
	owner := caller.User
	if in.All {
		if err := auth.Requires(auth.TokensView).Check(caller); err != nil {
			return nil, err
		}
		owner = tenancy.ID{}
	}
	tokens, err := s.store.Tenant(caller.Scope).APITokens(ctx, in.page(in.Sort), owner)
	if err != nil {
		return nil, err
	}
	return &listOutput[auth.APIToken]{Body: newList(tokens)}, nil
}

// newAPIToken is the answer that shows a token, the only one.
type newAPIToken struct {
	auth.APIToken
	Token string `json:"token" doc:"The token itself. It is shown here only"`
}

func (s *Server) createAPIToken(ctx context.Context, in *struct{ Body auth.APITokenFields }) (*struct{ Body *newAPIToken }, error) {
	token, secret, err := s.auth.CreateAPIToken(ctx, who(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *newAPIToken }{&newAPIToken{token, secret}}, nil
}

func (s *Server) deleteAPIToken(ctx context.Context, in *struct {
	ID tenancy.ID `path:"id" doc:"The API token"`
}) (*struct{}, error) {
	return nil, s.auth.DeleteAPIToken(ctx, who(ctx), in.ID)
}
