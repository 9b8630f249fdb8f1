package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/tracking"
)

func (s *Server) pipelineRoutes() {
	const tag = "pipelines"
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/pipeline-runs", access: auth.Requires(auth.MetricsView), id: "listPipelineRuns", tag: tag,
		summary: "List a project's pipeline runs and deployments, the latest reported first unless sorted"}, s.listPipelineRuns)
	handle(s, route{method: http.MethodPost, path: "/projects/{id}/pipeline-runs", access: auth.Requires(auth.MetricsCreate), id: "recordPipelineRun", tag: tag,
		summary: "Report a pipeline run or a deployment",
		text: "A run is known by its provider and run. Reported again, in whatever order, it stays one run: 201 for a new one, 200 for one that was known. " +
			"The metrics of its week follow in the same transaction."}, s.recordPipelineRun)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/hooks", access: auth.Requires(auth.HooksView), id: "listHooks", tag: tag,
		summary: "List a project's hooks, in the order they were made unless sorted"}, s.listHooks)
	handle(s, route{method: http.MethodPost, path: "/projects/{id}/hooks", access: auth.Requires(auth.HooksCreate), id: "createHook", tag: tag,
		summary: "Make a hook that takes a CI system's deliveries for a project", text: "The secret is shown once. A project may have 20 hooks.",
		status: http.StatusCreated}, s.createHook)
	handle(s, route{method: http.MethodDelete, path: "/projects/{id}/hooks/{hook_id}", access: auth.Requires(auth.HooksDelete), id: "deleteHook", tag: tag,
		summary: "Delete a hook", text: "Its deliveries are refused at once; the runs it reported stay.", status: http.StatusNoContent}, s.deleteHook)
	handleStream(s, route{method: http.MethodPost, path: "/hooks/{hook_id}", access: auth.Public, id: "deliver", tag: tag, status: http.StatusAccepted,
		summary: "Take a delivery from a CI system",
		text: "The signature says who sends it, in the form of the hook's provider; whatever is wrong with that, and a hook that there is not, are answered alike. " +
			"A delivery that came before is accepted and has no effect."},
		deliveryOperation(s.api.OpenAPI().Components.Schemas), s.deliver)
}

type listPipelineRunsInput struct {
	ProjectPath
	PageParams
	Sort string `query:"sort" default:"-created_at" enum:"created_at,-created_at"`
}

func (s *Server) listPipelineRuns(ctx context.Context, in *listPipelineRunsInput) (*listOutput[tracking.PipelineRun], error) {
	runs, err := s.store.Tenant(who(ctx).Scope).Runs(ctx, in.ID, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return &listOutput[tracking.PipelineRun]{Body: newList(runs)}, nil
}

type recordPipelineRunInput struct {
	ProjectPath
	Body creation[tracking.RunFields]

	fields tracking.RunFields
}

func (in *recordPipelineRunInput) Resolve(ctx huma.Context) []error {
	return in.Body.onto(ctx, &in.fields)
}

// recordedRun is the answer to a report of a run.
type recordedRun struct {
	Status int `json:"-"`
	Body   *tracking.PipelineRun
}

func (s *Server) recordPipelineRun(ctx context.Context, in *recordPipelineRunInput) (*recordedRun, error) {
	run, created, err := s.store.Tenant(who(ctx).Scope).RecordRun(ctx, in.ID, in.fields)
	if err != nil {
		return nil, err
	}
	out := &recordedRun{Status: http.StatusOK, Body: &run}
	if created {
		out.Status = http.StatusCreated
	}
	return out, nil
}
