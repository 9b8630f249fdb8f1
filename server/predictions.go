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

// PredictionPath names a prediction.
type PredictionPath struct {
	ID tenancy.ID `path:"id" doc:"The prediction"`
}

func (s *Server) predictionRoutes() {
	const tag = "insight"
	handle(s, route{method: http.MethodPost, path: "/predictions", access: auth.Requires(auth.PredictionsCreate), id: "createPrediction", tag: tag,
		summary: "Predict success, duration and cost of a project or a plan", status: http.StatusCreated,
		text: "From the tenant's own finished projects alone, with intervals, the drivers behind the numbers, similar projects and advice. Below 10 finished projects " +
			"there is a base rate with a wide interval and the note \"too little history\"; with none, no number. Every prediction is recorded, the latest 1000 of a project and of plans, " +
			"and compared with what happened when its project is completed."}, s.createPrediction)
	handle(s, route{method: http.MethodGet, path: "/predictions", access: auth.Requires(auth.PredictionsView), id: "listPredictions", tag: tag,
		summary: "List predictions, newest first unless sorted"}, s.listPredictions)
	handle(s, route{method: http.MethodGet, path: "/predictions/{id}", access: auth.Requires(auth.PredictionsView), id: "getPrediction", tag: tag,
		summary: "Read a prediction, and what came of it"}, s.getPrediction)
	handle(s, route{method: http.MethodGet, path: "/predictor", access: auth.Requires(auth.PredictionsView), id: "getPredictor", tag: tag,
		summary: "Read the predictor's card: what it learned from and how far to trust it"}, s.getPredictor)
	handle(s, route{method: http.MethodPost, path: "/predictor/evaluate", access: auth.Requires(auth.PredictionsView), id: "evaluatePredictor", tag: tag,
		summary: "Judge the predictor by leave-one-out over the tenant's latest 500 finished projects",
		text:    "Every project is predicted by a predictor that was trained on the others. Some seconds for 500 projects; figures are kept until the history changes."}, s.evaluatePredictor)
}

type createPredictionInput struct {
	IdempotencyKey
	Body creation[tracking.PredictionRequest]

	asked tracking.PredictionRequest
}

func (in *createPredictionInput) Resolve(ctx huma.Context) []error {
	in.asked.Level = tracking.DefaultLevel
	return in.Body.onto(ctx, &in.asked)
}

// createdPrediction has no ETag: only the end of its project changes it.
type createdPrediction struct {
	Location string `header:"Location" doc:"Where the new resource is"`
	Replayed string `header:"Idempotency-Replayed" doc:"true when the request was a repetition and the resource exists since the first one"`
	Body     *tracking.Prediction
}

func (s *Server) createPrediction(ctx context.Context, in *createPredictionInput) (*createdPrediction, error) {
	p, replayed, err := s.store.Tenant(who(ctx).Scope).Predict(ctx, in.asked, in.Body.idempotency(in.IdempotencyKey, "createPrediction"))
	if err != nil {
		return nil, err
	}
	out := &createdPrediction{Location: base + "/predictions/" + p.ID.String(), Body: &p}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

type listPredictionsInput struct {
	PageParams
	Sort         string         `query:"sort" default:"-created_at" enum:"created_at,-created_at"`
	Project      IDParam        `query:"project_id" doc:"Only predictions of this project"`
	Compared     optional[bool] `query:"compared" doc:"Only predictions that were compared with what happened, or only the others"`
	CreatedFrom  TimeParam      `query:"created_from" doc:"Only predictions made at this time or later"`
	CreatedUntil TimeParam      `query:"created_until" doc:"Only predictions made before this time"`
}

func (s *Server) listPredictions(ctx context.Context, in *listPredictionsInput) (*listOutput[tracking.Prediction], error) {
	predictions, err := s.store.Tenant(who(ctx).Scope).Predictions(ctx, in.page(in.Sort), storage.PredictionFilter{
		Project: in.Project.pointer(), Compared: in.Compared.pointer(), CreatedFrom: in.CreatedFrom.pointer(), CreatedUntil: in.CreatedUntil.pointer(),
	})
	if err != nil {
		return nil, err
	}
	return &listOutput[tracking.Prediction]{Body: newList(predictions)}, nil
}

func (s *Server) getPrediction(ctx context.Context, in *struct{ PredictionPath }) (*struct{ Body *tracking.Prediction }, error) {
	p, err := s.store.Tenant(who(ctx).Scope).Prediction(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *tracking.Prediction }{&p}, nil
}

func (s *Server) getPredictor(ctx context.Context, _ *struct{}) (*struct{ Body *tracking.PredictorCard }, error) {
	card, err := s.store.Tenant(who(ctx).Scope).PredictorCard(ctx)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *tracking.PredictorCard }{&card}, nil
}

type evaluatePredictorInput struct {
	Body creation[tracking.EvaluationRequest]

	asked tracking.EvaluationRequest
}

func (in *evaluatePredictorInput) Resolve(ctx huma.Context) []error {
	in.asked = tracking.EvaluationRequest{Outcome: "success_score", Level: tracking.DefaultLevel}
	return in.Body.onto(ctx, &in.asked)
}

func (s *Server) evaluatePredictor(ctx context.Context, in *evaluatePredictorInput) (*struct{ Body *tracking.Judgement }, error) {
	j, err := s.store.Tenant(who(ctx).Scope).EvaluatePredictor(ctx, in.asked)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *tracking.Judgement }{&j}, nil
}
