package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking"
)

// ProjectPath names a project.
type ProjectPath struct {
	ID tenancy.ID `path:"id" doc:"The project"`
}

func (s *Server) projectRoutes() {
	const tag = "projects"
	handle(s, route{method: http.MethodGet, path: "/projects", access: auth.Requires(auth.ProjectsView), id: "listProjects", tag: tag,
		summary: "List projects, newest first unless sorted"}, s.listProjects)
	handle(s, route{method: http.MethodPost, path: "/projects", access: auth.Requires(auth.ProjectsCreate), id: "createProject", tag: tag,
		summary: "Record a project", status: http.StatusCreated}, s.createProject)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}", access: auth.Requires(auth.ProjectsView), id: "getProject", tag: tag,
		summary: "Read a project"}, s.getProject)
	handle(s, route{method: http.MethodPatch, path: "/projects/{id}", access: auth.Requires(auth.ProjectsUpdate), id: "updateProject", tag: tag,
		summary: "Change a project", text: "Members that are absent stay as they are; null empties; attributes and metadata are replaced whole."}, s.updateProject)
	handle(s, route{method: http.MethodDelete, path: "/projects/{id}", access: auth.Requires(auth.ProjectsDelete), id: "deleteProject", tag: tag,
		summary: "Delete a project with its team, usages, metrics and predictions", status: http.StatusNoContent}, s.deleteProject)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/success", access: auth.Requires(auth.ProjectsView), id: "explainSuccess", tag: tag,
		summary: "See what a project's success score is made of"}, s.explainSuccess)
	handle(s, route{method: http.MethodPatch, path: "/projects/{id}/success", access: auth.Requires(auth.ProjectsUpdate), id: "recordSuccess", tag: tag,
		summary: "Record how a project turned out", text: "Sets the outcome and completes the project. Its completion date is now unless given."}, s.recordSuccess)
}

type listProjectsInput struct {
	PageParams
	Sort         string            `query:"sort" default:"-created_at" enum:"created_at,-created_at,updated_at,-updated_at,name,-name,success_score,-success_score"`
	Status       string            `query:"status" enum:"planned,active,completed,abandoned" doc:"Only projects of this status"`
	ProblemClass string            `query:"problem_class" maxLength:"50" doc:"Only projects of this class"`
	MinSuccess   optional[float64] `query:"min_success_score" minimum:"0" maximum:"100" doc:"Only projects with at least this success score"`
	CreatedFrom  TimeParam         `query:"created_from" doc:"Only projects recorded at this time or later"`
	CreatedUntil TimeParam         `query:"created_until" doc:"Only projects recorded before this time"`

	CompletedFrom  TimeParam `query:"completed_from" doc:"Only projects completed at this time or later"`
	CompletedUntil TimeParam `query:"completed_until" doc:"Only projects completed before this time"`
	Text           string    `query:"q" maxLength:"255" doc:"Only projects whose name or description contains each of these words, at most eight; a to z in either case"`
}

func (s *Server) listProjects(ctx context.Context, in *listProjectsInput) (*listOutput[tracking.Project], error) {
	filter := storage.ProjectFilter{
		Status: tracking.Status(in.Status), ProblemClass: in.ProblemClass, MinSuccess: in.MinSuccess.pointer(),
		CreatedFrom: in.CreatedFrom.pointer(), CreatedUntil: in.CreatedUntil.pointer(),
		CompletedFrom: in.CompletedFrom.pointer(), CompletedUntil: in.CompletedUntil.pointer(), Text: in.Text,
	}
	page, err := renderList(func(each func(*tracking.Project)) (next string, err error) {
		return s.store.Tenant(who(ctx).Scope).EachProject(ctx, in.page(in.Sort), filter, each)
	})
	if err != nil {
		return nil, err
	}
	return &listOutput[tracking.Project]{Body: page}, nil
}

type createProjectInput struct {
	IdempotencyKey
	Body creation[tracking.ProjectFields]

	fields tracking.ProjectFields
}

func (in *createProjectInput) Resolve(ctx huma.Context) []error {
	in.fields.Status = tracking.Planned
	return in.Body.onto(ctx, &in.fields)
}

func (s *Server) createProject(ctx context.Context, in *createProjectInput) (*createdResource[tracking.Project], error) {
	p, replayed, err := s.store.Tenant(who(ctx).Scope).CreateProject(ctx, in.fields, in.Body.idempotency(in.IdempotencyKey, "createProject"))
	if err != nil {
		return nil, err
	}
	return made(&p, p.Version, "/projects/"+p.ID.String(), replayed), nil
}

type getProjectInput struct {
	ProjectPath
	IfNoneMatch
}

func (s *Server) getProject(ctx context.Context, in *getProjectInput) (*resource[tracking.Project], error) {
	p, err := s.store.Tenant(who(ctx).Scope).Project(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return shown(&p, p.Version, in.IfNoneMatch), nil
}

type updateProjectInput struct {
	ProjectPath
	IfMatch
	Body patch[tracking.ProjectFields]
}

func (s *Server) updateProject(ctx context.Context, in *updateProjectInput) (*resource[tracking.Project], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	p, err := s.store.Tenant(who(ctx).Scope).UpdateProject(ctx, in.ID, match, in.Body.onto)
	if err != nil {
		return nil, err
	}
	return shown(&p, p.Version, IfNoneMatch{}), nil
}

func (s *Server) explainSuccess(ctx context.Context, in *struct{ ProjectPath }) (*struct{ Body *tracking.Score }, error) {
	score, err := s.store.Tenant(who(ctx).Scope).SuccessParts(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *tracking.Score }{&score}, nil
}

// outcome is what PATCH …/success takes.
type outcome struct {
	ModelPerformance *float64      `json:"model_performance,omitempty" minimum:"0" maximum:"1"`
	BusinessImpact   *float64      `json:"business_impact,omitempty"`
	ComputeCost      *float64      `json:"compute_cost,omitempty" minimum:"0"`
	CompletionDate   *tenancy.Time `json:"completion_date,omitempty"`
}

type recordSuccessInput struct {
	ProjectPath
	IfMatch
	Body body[outcome]
}

func (s *Server) recordSuccess(ctx context.Context, in *recordSuccessInput) (*resource[tracking.Project], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	p, err := s.store.Tenant(who(ctx).Scope).UpdateProject(ctx, in.ID, match, func(f *tracking.ProjectFields) error {
		o := outcome{f.ModelPerformance, f.BusinessImpact, f.ComputeCost, f.CompletionDate}
		if err := in.Body.onto(&o); err != nil {
			return err
		}
		f.ModelPerformance, f.BusinessImpact, f.ComputeCost, f.CompletionDate = o.ModelPerformance, o.BusinessImpact, o.ComputeCost, o.CompletionDate
		f.Status = tracking.Completed
		if f.CompletionDate == nil {
			now := tenancy.TimeOf(s.now())
			f.CompletionDate = &now
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shown(&p, p.Version, IfNoneMatch{}), nil
}

type deleteProjectInput struct {
	ProjectPath
	IfMatch
}

func (s *Server) deleteProject(ctx context.Context, in *deleteProjectInput) (*struct{}, error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	return nil, s.store.Tenant(who(ctx).Scope).DeleteProject(ctx, in.ID, match)
}
