package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/registry"
)

func (s *Server) usageRoutes() {
	handle(s, route{method: http.MethodPost, path: "/artifacts/{id}/use", access: auth.Requires(auth.UsagesCreate), id: "useArtifact", tag: "artifacts",
		summary: "Record the use of an artifact in a project", status: http.StatusCreated,
		text: "Without impact_score the use takes the success score of its project once that is completed, and says that it is derived."}, s.useArtifact)
	handle(s, route{method: http.MethodGet, path: "/artifacts/{id}/usages", access: auth.Requires(auth.UsagesView), id: "listArtifactUsages", tag: "artifacts",
		summary: "List the uses of an artifact, the latest first unless sorted"}, s.listArtifactUsages)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/usages", access: auth.Requires(auth.UsagesView), id: "listProjectUsages", tag: "projects",
		summary: "List what a project used, the latest first unless sorted"}, s.listProjectUsages)
}

type useArtifactInput struct {
	ArtifactPath
	IdempotencyKey
	Body creation[registry.UsageFields]

	fields registry.UsageFields
}

func (in *useArtifactInput) Resolve(ctx huma.Context) []error { return in.Body.onto(ctx, &in.fields) }

// recordedUsage is the answer to a use.
type recordedUsage struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true when the request was a repetition and the use is recorded since the first one"`
	Body     *registry.Usage
}

func (s *Server) useArtifact(ctx context.Context, in *useArtifactInput) (*recordedUsage, error) {
	request := in.Body.idempotency(in.IdempotencyKey, "useArtifact "+in.ID.String())
	u, replayed, err := s.store.Tenant(who(ctx).Scope).UseArtifact(ctx, in.ID, in.fields, request)
	if err != nil {
		return nil, err
	}
	out := &recordedUsage{Body: &u}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// UsagePageParams are the parameters of a list of usages.
type UsagePageParams struct {
	PageParams
	Sort string `query:"sort" default:"-used_at" enum:"used_at,-used_at"`
}

type listArtifactUsagesInput struct {
	ArtifactPath
	UsagePageParams
}

func (s *Server) listArtifactUsages(ctx context.Context, in *listArtifactUsagesInput) (*listOutput[registry.Usage], error) {
	usages, err := s.store.Tenant(who(ctx).Scope).ArtifactUsages(ctx, in.ID, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return &listOutput[registry.Usage]{Body: newList(usages)}, nil
}

type listProjectUsagesInput struct {
	ProjectPath
	UsagePageParams
}

func (s *Server) listProjectUsages(ctx context.Context, in *listProjectUsagesInput) (*listOutput[registry.Usage], error) {
	usages, err := s.store.Tenant(who(ctx).Scope).ProjectUsages(ctx, in.ID, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return &listOutput[registry.Usage]{Body: newList(usages)}, nil
}
