package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/tracking"
)

func (s *Server) adviceRoutes() {
	const tag = "insight"
	handle(s, route{method: http.MethodPost, path: "/recommendations", access: auth.Requires(auth.PredictionsView), id: "recommend", tag: tag,
		summary: "See what the history advises for a project or a plan",
		text: "Which artifacts to reuse, which shapes of team the problem class supports, and what speaks against the plan. Every sentence carries its numbers, " +
			"and there is none that the history does not support beyond doubt. Nothing is recorded."}, s.recommend)
	handle(s, route{method: http.MethodPost, path: "/projects/similar", access: auth.Requires(auth.ProjectsView), id: "findSimilarProjects", tag: tag,
		summary: "Find projects that are like another one, and what of theirs can be reused",
		text: "By words, in one vocabulary of the tenant's latest 10 000 projects, and by class, complexity, team size and attributes. Requirement documents in Markdown are read into " +
			"user stories, requirements, data models and endpoints: those of the request, descriptions, and for callers with artifacts:view the Markdown that projects use. " +
			"The strategy goes by the share of needed items that are covered: 80 % and more clone and customise, 30 % and more hybrid, below from scratch."}, s.findSimilarProjects)
}

type recommendInput struct {
	Body creation[tracking.AdviceRequest]

	asked tracking.AdviceRequest
}

func (in *recommendInput) Resolve(ctx huma.Context) []error {
	in.asked.Limit = tracking.DefaultAdvice
	return in.Body.onto(ctx, &in.asked)
}

func (s *Server) recommend(ctx context.Context, in *recommendInput) (*struct{ Body *tracking.Advice }, error) {
	a, err := s.store.Tenant(who(ctx).Scope).Advise(ctx, in.asked)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *tracking.Advice }{&a}, nil
}

type findSimilarInput struct {
	Body creation[tracking.SimilarRequest]

	asked tracking.SimilarRequest
}

func (in *findSimilarInput) Resolve(ctx huma.Context) []error {
	in.asked.Limit = tracking.DefaultSimilar
	return in.Body.onto(ctx, &in.asked)
}

func (s *Server) findSimilarProjects(ctx context.Context, in *findSimilarInput) (*struct{ Body *tracking.SimilarProjects }, error) {
	documents := who(ctx).Permissions.Contains(auth.PermissionsOf(auth.ArtifactsView))
	similar, err := s.store.Tenant(who(ctx).Scope).SimilarProjects(ctx, in.asked, documents)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *tracking.SimilarProjects }{&similar}, nil
}
