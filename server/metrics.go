package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking"
)

const ndjson = "application/x-ndjson"

func (s *Server) metricRoutes() {
	const tag = "metrics"
	handle(s, route{method: http.MethodPost, path: "/metrics", access: auth.Requires(auth.MetricsCreate), id: "recordMetric", tag: tag,
		summary: "Record a point of a process metric", status: http.StatusCreated}, s.recordMetric)
	handleStream(s, route{method: http.MethodPost, path: "/metrics/batch", access: auth.Requires(auth.MetricsCreate), id: "recordMetrics", tag: tag,
		summary: "Record up to 10 000 points, all or none", status: http.StatusCreated, maxBody: maxBatchBody, accepts: []string{"application/json", ndjson},
		text: "The body is a JSON array of points, or one point a line. A batch with anything wrong is refused whole, and every wrong value is named by the index of its point."},
		batchOperation(s.api.OpenAPI().Components.Schemas), s.recordMetrics)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/metrics", access: auth.Requires(auth.MetricsView), id: "listMetrics", tag: tag,
		summary: "List a project's points, by metric type and time",
		text:    "With points, one metric type is thinned to about that many points, chosen so that a line through them looks like a line through all; extremes are kept."}, s.listMetrics)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/metrics/summary", access: auth.Requires(auth.MetricsView), id: "summarizeMetrics", tag: tag,
		summary: "List a project's metric types with their counts, bounds, means and latest values"}, s.summarizeMetrics)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/velocity", access: auth.Requires(auth.MetricsView), id: "getVelocity", tag: tag,
		summary: "Read how fast a project moves",
		text:    "30 × min(commits_per_week / 20, 1) + 30 × pipeline_success_rate + 40 × min(distinct artifacts used / 10, 1), from the latest value of each by timestamp."}, s.getVelocity)
	handle(s, route{method: http.MethodGet, path: "/projects/{id}/collaboration", access: auth.Requires(auth.MetricsView), id: "getCollaboration", tag: tag,
		summary: "Read how much people work together in a project",
		text:    "40 × min(contributors / 10, 1) + 40 × min(commits per contributor / 20, 1) + 20 × min(active_branches / 10, 1), from the latest value of each by timestamp."}, s.getCollaboration)
}

type recordMetricInput struct {
	IdempotencyKey
	Body creation[tracking.Point]

	point tracking.Point
}

// Resolve reads the point as a batch of one is read, so that the two routes take
// and refuse the same.
func (in *recordMetricInput) Resolve(ctx huma.Context) []error {
	raw := in.Body.raw
	if len(raw) == 0 {
		return nil // and that was said
	}
	if raw[0] != '{' { // nor a batch
		return formOf(ctx).violations(raw)
	}
	points, err := tracking.DecodePoints(raw)
	if err != nil {
		return append(formOf(ctx).violations(raw), placed(err, "body[0]", "body"))
	}
	in.point = points[0]
	return nil
}

// placed returns a problem whose violations stand at another place.
func placed(err error, from, to string) error {
	var p *problem.Error
	if !errors.As(err, &p) {
		return err
	}
	moved := *p
	moved.Violations = slices.Clone(p.Violations)
	for i, v := range moved.Violations {
		if rest, ok := strings.CutPrefix(v.Location, from); ok {
			moved.Violations[i].Location = to + rest
		}
	}
	return &moved
}

// recordedPoint is the answer to a point.
type recordedPoint struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true when the request was a repetition and the point is there since the first one"`
	Body     *tracking.Point
}

func (s *Server) recordMetric(ctx context.Context, in *recordMetricInput) (*recordedPoint, error) {
	p, replayed, err := s.store.Tenant(who(ctx).Scope).AddPoint(ctx, in.point, in.Body.idempotency(in.IdempotencyKey, "recordMetric"))
	if err != nil {
		return nil, err
	}
	out := &recordedPoint{Body: &p}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// batchBodies keeps the room that batches were read into. A rare large one is
// not kept, so that it does not hold its memory for ever.
var batchBodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keptBatchBody = 4 << 20

func (s *Server) recordMetrics(c *gin.Context) {
	room := batchBodies.Get().(*bytes.Buffer)
	defer func() {
		if room.Cap() <= keptBatchBody {
			room.Reset()
			batchBodies.Put(room)
		}
	}()
	body := s.readBatch(c)
	defer body.leave()
	accepted, replayed, err := s.recordBatch(c.Request, body, room)
	if err != nil {
		refuse(c, err)
		return
	}
	header := c.Writer.Header()
	if replayed {
		header["Idempotency-Replayed"] = []string{"true"}
	}
	header["Content-Type"] = []string{"application/json"}
	c.Status(http.StatusCreated)
	_, _ = c.Writer.Write(append(strconv.AppendInt([]byte(`{"accepted":`), int64(accepted), 10), '}')) // a client that is gone needs no answer
}

// recordBatch reads a batch from body into room and records it.
func (s *Server) recordBatch(r *http.Request, body io.Reader, room *bytes.Buffer) (accepted int, replayed bool, err error) {
	key, err := batchKey(r)
	if err != nil {
		return 0, false, err
	}
	if _, err := room.ReadFrom(body); err != nil {
		return 0, false, err
	}
	points, err := tracking.DecodePoints(room.Bytes())
	if err != nil {
		return 0, false, err
	}
	if key.Key != "" {
		sum := sha256.Sum256(append([]byte("recordMetrics\x00"), room.Bytes()...))
		key.Fingerprint = sum[:]
	}
	replayed, err = s.store.Tenant(who(r.Context()).Scope).AddPoints(r.Context(), points, key)
	return len(points), replayed, err
}

const maxIdempotencyKey = 255 // as the schema of IdempotencyKey says

// batchKey reads the request's idempotency key.
func batchKey(r *http.Request) (storage.Idempotency, error) {
	key := storage.Idempotency{Key: r.Header.Get("Idempotency-Key")}
	var c problem.Checks
	c.Require(len(key.Key) <= maxIdempotencyKey, "header.idempotency-key", "must be at most %d characters long", maxIdempotencyKey)
	return key, c.Err()
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return problem.Wrap(err, problem.TooLarge, "The body is larger than %d bytes.", large.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.Wrap(err, problem.TooSlow, "The body came too slowly. Nothing of it was kept.")
	}
	return problem.Wrap(err, problem.Malformed, "The body ended before its end.")
}

type acceptedPoints struct {
	Accepted int `json:"accepted" minimum:"0" doc:"How many points were recorded: all"`
}

// batchOperation describes the batch, which the handler reads by itself.
func batchOperation(schemas huma.Registry) huma.Operation {
	point := schemas.Schema(reflect.TypeFor[tracking.Point](), true, "")
	mostPoints, longestKey := tracking.MaxBatchPoints, maxIdempotencyKey
	return huma.Operation{
		Parameters: []*huma.Param{{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &longestKey},
			Description: "A value of your making, such as a UUID. The same request with the same key records once, however often it is sent within a day"}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: point, MaxItems: &mostPoints}},
			ndjson:             {Schema: point},
		}},
		Responses: map[string]*huma.Response{"201": {Description: "Every point is recorded", Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(reflect.TypeFor[acceptedPoints](), true, "")}}}},
	}
}

type listMetricsInput struct {
	ProjectPath
	PageParams
	Sort       string        `query:"sort" default:"timestamp" enum:"timestamp,-timestamp" doc:"Order within each metric type"`
	MetricType string        `query:"metric_type" maxLength:"100" doc:"Only points of this type"`
	From       TimeParam     `query:"from" doc:"Only points at this time or later"`
	Until      TimeParam     `query:"until" doc:"Only points before this time"`
	Points     optional[int] `query:"points" minimum:"2" maximum:"10000" doc:"Thin one metric type to at most this many points, in one page, without metadata"`
}

// Resolve refuses what does not go together.
func (in *listMetricsInput) Resolve(huma.Context) []error {
	var c problem.Checks
	if in.Points.set {
		c.Require(in.MetricType != "", "query.metric_type", "is required with points")
		c.Require(in.Cursor == "", "query.cursor", "has no meaning with points")
	}
	if err := c.Err(); err != nil {
		return []error{err}
	}
	return nil
}

func (s *Server) listMetrics(ctx context.Context, in *listMetricsInput) (*listOutput[tracking.Point], error) {
	store := s.store.Tenant(who(ctx).Scope)
	r := storage.PointRange{Project: in.ID, MetricType: in.MetricType, From: in.From.pointer(), Until: in.Until.pointer()}
	if in.Points.set {
		samples, err := store.Samples(ctx, r, in.Points.value)
		if err != nil {
			return nil, err
		}
		if in.Sort == "-timestamp" {
			slices.Reverse(samples)
		}
		return &listOutput[tracking.Point]{Body: newList(storage.List[tracking.Point]{Items: pointsOf(in.ID, in.MetricType, samples)})}, nil
	}
	points, err := store.Points(ctx, r, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return &listOutput[tracking.Point]{Body: newList(points)}, nil
}

// pointsOf gives the samples of one series the form of points.
func pointsOf(project tenancy.ID, metricType string, samples []tracking.Sample) []tracking.Point {
	points := make([]tracking.Point, len(samples))
	for i := range samples {
		points[i] = tracking.Point{ProjectID: project, MetricType: metricType, MetricValue: samples[i].Value, Timestamp: &samples[i].Time}
	}
	return points
}

type summarizeMetricsInput struct {
	ProjectPath
	PageParams
}

func (s *Server) summarizeMetrics(ctx context.Context, in *summarizeMetricsInput) (*listOutput[tracking.MetricSummary], error) {
	summaries, err := s.store.Tenant(who(ctx).Scope).MetricSummaries(ctx, in.ID, in.page(""))
	if err != nil {
		return nil, err
	}
	return &listOutput[tracking.MetricSummary]{Body: newList(summaries)}, nil
}

// scoreOutput is the answer that carries a score.
type scoreOutput struct{ Body *tracking.Score }

func (s *Server) getVelocity(ctx context.Context, in *struct{ ProjectPath }) (*scoreOutput, error) {
	score, err := s.store.Tenant(who(ctx).Scope).Velocity(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &scoreOutput{Body: &score}, nil
}

func (s *Server) getCollaboration(ctx context.Context, in *struct{ ProjectPath }) (*scoreOutput, error) {
	score, err := s.store.Tenant(who(ctx).Scope).Collaboration(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &scoreOutput{Body: &score}, nil
}
