package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/registry"
	"maestro/storage"
	"maestro/tenancy"
)

// ArtifactPath names an artifact.
type ArtifactPath struct {
	ID tenancy.ID `path:"id" doc:"The artifact"`
}

func (s *Server) artifactRoutes() {
	const tag = "artifacts"
	handle(s, route{method: http.MethodGet, path: "/artifacts", access: auth.Requires(auth.ArtifactsView), id: "listArtifacts", tag: tag,
		summary: "List artifacts, newest first unless sorted"}, s.listArtifacts)
	handle(s, route{method: http.MethodPost, path: "/artifacts", access: auth.Requires(auth.ArtifactsCreate), id: "createArtifact", tag: tag,
		summary: "Record an artifact", status: http.StatusCreated}, s.createArtifact)
	handle(s, route{method: http.MethodPost, path: "/artifacts/search", access: auth.Requires(auth.ArtifactsView), id: "searchArtifacts", tag: tag,
		summary: "Search the active artifacts by the words of name, tags and description",
		text: "Every word must be found, the last one as the beginning of a word. The newest 200 matches come first, in the order of their relevance, then the next. " +
			"With min_impact_score a page may come short: next_cursor says whether there is more."}, s.searchArtifacts)
	handle(s, route{method: http.MethodGet, path: "/artifacts/top", access: auth.Requires(auth.ArtifactsView), id: "topArtifacts", tag: tag,
		summary: "Rank the active artifacts by how much they help",
		text: "By (sum of scores + 5 × tenant mean) / (scores + 5), which a few plays cannot move far. With problem_class only the scores of usages in projects of that class count. " +
			"Artifacts without a score are not ranked."}, s.topArtifacts)
	handle(s, route{method: http.MethodGet, path: "/artifacts/{id}", access: auth.Requires(auth.ArtifactsView), id: "getArtifact", tag: tag,
		summary: "Read an artifact"}, s.getArtifact)
	handle(s, route{method: http.MethodPatch, path: "/artifacts/{id}", access: auth.Requires(auth.ArtifactsUpdate), id: "updateArtifact", tag: tag,
		summary: "Change an artifact", text: "Members that are absent stay as they are; null empties; tags and metadata are replaced whole. The content_hash of content that is held here follows the content alone."}, s.updateArtifact)
	handle(s, route{method: http.MethodDelete, path: "/artifacts/{id}", access: auth.Requires(auth.ArtifactsDelete), id: "deleteArtifact", tag: tag,
		summary: "Delete an artifact with its usages and its content", status: http.StatusNoContent}, s.deleteArtifact)
	handle(s, route{method: http.MethodGet, path: "/artifacts/{id}/analytics", access: auth.Requires(auth.ArtifactsView), id: "getArtifactAnalytics", tag: tag,
		summary: "Read what the library has learnt about an artifact",
		text:    "The uplift is the mean success of finished projects that used it, minus that of those of the same problem classes that did not, with a 90 % bootstrap interval. It is an association, not a proof."}, s.getArtifactAnalytics)
}

type listArtifactsInput struct {
	PageParams
	Sort      string            `query:"sort" default:"-created_at" enum:"created_at,-created_at,updated_at,-updated_at,name,-name,usage_count,-usage_count,avg_impact_score,-avg_impact_score"`
	Type      string            `query:"type" enum:"feature_pipeline,model_template,schema,notebook,model,dataset,config,report" doc:"Only artifacts of this type"`
	Tag       string            `query:"tag" maxLength:"64" doc:"Only artifacts with this tag"`
	Name      string            `query:"name" maxLength:"255" doc:"Only artifacts of exactly this name: its versions"`
	IsActive  optional[bool]    `query:"is_active" doc:"Only active artifacts, or only inactive ones"`
	MinImpact optional[float64] `query:"min_impact_score" minimum:"0" maximum:"100" doc:"Only artifacts with at least this average impact score"`
}

func (s *Server) listArtifacts(ctx context.Context, in *listArtifactsInput) (*listOutput[registry.Artifact], error) {
	artifacts, err := s.store.Tenant(who(ctx).Scope).Artifacts(ctx, in.page(in.Sort), storage.ArtifactFilter{
		Type: in.Type, Tag: in.Tag, Name: in.Name, IsActive: in.IsActive.pointer(), MinImpact: in.MinImpact.pointer(),
	})
	if err != nil {
		return nil, err
	}
	return &listOutput[registry.Artifact]{Body: newList(artifacts)}, nil
}

type createArtifactInput struct {
	IdempotencyKey
	Body creation[registry.ArtifactFields]

	fields registry.ArtifactFields
}

func (in *createArtifactInput) Resolve(ctx huma.Context) []error {
	in.fields.IsActive = true
	return in.Body.onto(ctx, &in.fields)
}

func (s *Server) createArtifact(ctx context.Context, in *createArtifactInput) (*createdResource[registry.Artifact], error) {
	a, replayed, err := s.store.Tenant(who(ctx).Scope).CreateArtifact(ctx, in.fields, in.Body.idempotency(in.IdempotencyKey, "createArtifact"))
	if err != nil {
		return nil, err
	}
	return made(&a, a.Revision, "/artifacts/"+a.ID.String(), replayed), nil
}

// artifactSearch is what POST /artifacts/search takes.
type artifactSearch struct {
	Query     string   `json:"query" required:"false" maxLength:"1024" doc:"Words; the last one may be the beginning of one. Empty: every artifact, newest first"`
	Type      string   `json:"type,omitempty" enum:"feature_pipeline,model_template,schema,notebook,model,dataset,config,report" doc:"Only artifacts of this type"`
	Tags      []string `json:"tags,omitempty" maxItems:"64" doc:"Only artifacts with all of these tags"`
	MinImpact *float64 `json:"min_impact_score,omitempty" minimum:"0" maximum:"100" doc:"Only artifacts with at least this average impact score"`
	Limit     int      `json:"limit,omitempty" minimum:"1" maximum:"500" default:"50" doc:"Items in a page"`
	Cursor    string   `json:"cursor,omitempty" maxLength:"2048" doc:"next_cursor of the page before, with the same search"`
}

type searchArtifactsInput struct {
	Body artifactSearch
}

func (s *Server) searchArtifacts(ctx context.Context, in *searchArtifactsInput) (*listOutput[registry.Artifact], error) {
	question := storage.Search{Query: in.Body.Query, Type: in.Body.Type, Tags: in.Body.Tags, MinImpact: in.Body.MinImpact}
	artifacts, err := s.store.Tenant(who(ctx).Scope).SearchArtifacts(ctx, question, storage.Page{Limit: in.Body.Limit, Cursor: in.Body.Cursor})
	if err != nil {
		return nil, err
	}
	return &listOutput[registry.Artifact]{Body: newList(artifacts)}, nil
}

type topArtifactsInput struct {
	Limit        int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many"`
	Type         string `query:"type" enum:"feature_pipeline,model_template,schema,notebook,model,dataset,config,report" doc:"Only artifacts of this type"`
	ProblemClass string `query:"problem_class" maxLength:"50" doc:"By the scores from projects of this class alone"`
	Uplift       bool   `query:"uplift" doc:"With the uplift of each artifact; then at most 100"`
}

func (s *Server) topArtifacts(ctx context.Context, in *topArtifactsInput) (*listOutput[registry.RankedArtifact], error) {
	top, err := s.store.Tenant(who(ctx).Scope).TopArtifacts(ctx, storage.TopFilter{Type: in.Type, ProblemClass: in.ProblemClass, Uplift: in.Uplift}, in.Limit)
	if err != nil {
		return nil, err
	}
	return &listOutput[registry.RankedArtifact]{Body: newList(storage.List[registry.RankedArtifact]{Items: top})}, nil
}

type getArtifactInput struct {
	ArtifactPath
	IfNoneMatch
}

func (s *Server) getArtifact(ctx context.Context, in *getArtifactInput) (*resource[registry.Artifact], error) {
	a, err := s.store.Tenant(who(ctx).Scope).Artifact(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return shown(&a, a.Revision, in.IfNoneMatch), nil
}

type updateArtifactInput struct {
	ArtifactPath
	IfMatch
	Body patch[registry.ArtifactFields]
}

func (s *Server) updateArtifact(ctx context.Context, in *updateArtifactInput) (*resource[registry.Artifact], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	a, err := s.store.Tenant(who(ctx).Scope).UpdateArtifact(ctx, in.ID, match, in.Body.onto)
	if err != nil {
		return nil, err
	}
	return shown(&a, a.Revision, IfNoneMatch{}), nil
}

type deleteArtifactInput struct {
	ArtifactPath
	IfMatch
}

func (s *Server) deleteArtifact(ctx context.Context, in *deleteArtifactInput) (*struct{}, error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	return nil, s.store.Tenant(who(ctx).Scope).DeleteArtifact(ctx, in.ID, match)
}

type getAnalyticsInput struct{ ArtifactPath }

type analyticsOutput struct {
	Body *registry.Analytics
}

func (s *Server) getArtifactAnalytics(ctx context.Context, in *getAnalyticsInput) (*analyticsOutput, error) {
	a, err := s.store.Tenant(who(ctx).Scope).ArtifactAnalytics(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &analyticsOutput{Body: &a}, nil
}
