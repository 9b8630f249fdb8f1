package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/tenancy"
	"maestro/tracking"
)

// MemberPath names a member of a project's team.
type MemberPath struct {
	ProjectPath
	MemberID tenancy.ID `path:"member_id" doc:"The team member"`
}

func (s *Server) memberRoutes() {
	const tag = "projects"
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/members", access: auth.Requires(auth.MembersView), id: "listMembers", tag: tag,
		summary: "List a project's team, in the order they joined it unless sorted"}, s.listMembers)
	handle(s, route{method: http.MethodPost, path: "/projects/{id}/members", access: auth.Requires(auth.MembersCreate), id: "createMember", tag: tag,
		summary: "Add a person to a project's team", status: http.StatusCreated}, s.createMember)
	handle(s, route{method: http.MethodPatch, path: "/projects/{id}/members/{member_id}", access: auth.Requires(auth.MembersUpdate), id: "updateMember", tag: tag,
		summary: "Change a team member", text: "Members of the body that are absent stay as they are; null empties."}, s.updateMember)
	handle(s, route{method: http.MethodDelete, path: "/projects/{id}/members/{member_id}", access: auth.Requires(auth.MembersDelete), id: "deleteMember", tag: tag,
		summary: "Remove a person from a project's team", status: http.StatusNoContent}, s.deleteMember)
}

type listMembersInput struct {
	ProjectPath
	PageParams
	Sort string `query:"sort" default:"created_at" enum:"created_at,-created_at"`
}

func (s *Server) listMembers(ctx context.Context, in *listMembersInput) (*listOutput[tracking.Member], error) {
	members, err := s.store.Tenant(who(ctx).Scope).Members(ctx, in.ID, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return &listOutput[tracking.Member]{Body: newList(members)}, nil
}

type createMemberInput struct {
	ProjectPath
	IdempotencyKey
	Body creation[tracking.MemberFields]

	fields tracking.MemberFields
}

func (in *createMemberInput) Resolve(ctx huma.Context) []error { return in.Body.onto(ctx, &in.fields) }

func (s *Server) createMember(ctx context.Context, in *createMemberInput) (*createdResource[tracking.Member], error) {
	request := in.Body.idempotency(in.IdempotencyKey, "createMember "+in.ID.String())
	m, replayed, err := s.store.Tenant(who(ctx).Scope).CreateMember(ctx, in.ID, in.fields, request)
	if err != nil {
		return nil, err
	}
	return made(&m, m.Revision, "/projects/"+in.ID.String()+"/members/"+m.ID.String(), replayed), nil
}

type updateMemberInput struct {
	MemberPath
	IfMatch
	Body patch[tracking.MemberFields]
}

func (s *Server) updateMember(ctx context.Context, in *updateMemberInput) (*resource[tracking.Member], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	m, err := s.store.Tenant(who(ctx).Scope).UpdateMember(ctx, in.ID, in.MemberID, match, in.Body.onto)
	if err != nil {
		return nil, err
	}
	return shown(&m, m.Revision, IfNoneMatch{}), nil
}

type deleteMemberInput struct {
	MemberPath
	IfMatch
}

func (s *Server) deleteMember(ctx context.Context, in *deleteMemberInput) (*struct{}, error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	return nil, s.store.Tenant(who(ctx).Scope).DeleteMember(ctx, in.ID, in.MemberID, match)
}
