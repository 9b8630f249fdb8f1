package server

import (
	"context"
	"net/http"

	"maestro/auth"
	"maestro/tenancy"
)

func (s *Server) sessionRoutes() {
	const tag = "auth"
	handle(s, route{method: http.MethodGet, path: "/auth/sessions", access: auth.Authenticated, id: "listSessions", tag: tag,
		summary: "List your live sessions, the latest used first"}, s.listSessions)
	handle(s, route{method: http.MethodDelete, path: "/auth/sessions/{id}", access: auth.Authenticated, session: true, id: "endSession", tag: tag,
		summary: "End a session of yours", text: "All its tokens stop at once.", status: http.StatusNoContent}, s.endSession)
}

type listSessionsInput struct {
	PageParams
	Sort string `query:"sort" default:"-last_used_at" enum:"last_used_at,-last_used_at"`
}

func (s *Server) listSessions(ctx context.Context, in *listSessionsInput) (*listOutput[auth.Session], error) {
	caller := who(ctx)
	sessions, err := s.store.Tenant(caller.Scope).Sessions(ctx, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	for i := range sessions.Items {
		sessions.Items[i].Current = sessions.Items[i].ID == caller.Session
	}
	return &listOutput[auth.Session]{Body: newList(sessions)}, nil
}

func (s *Server) endSession(ctx context.Context, in *struct {
	ID tenancy.ID `path:"id" doc:"The session"`
}) (*struct{}, error) {
	return nil, s.auth.EndSession(ctx, who(ctx), in.ID)
}
