package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"

	"maestro/auth"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// awkward are values that some member of some body does not take.
var awkward = []string{`null`, `true`, `0`, `-1`, `1`, `0.5`, `3.0`, `101`, `1e400`, `1e30`, `9007199254740993`, `""`, `" "`, `"a"`, `"A"`, `"é"`, `"\u0000"`, `"\ud800"`, `"a\nb"`,
	`[]`, `["a"]`, `["a","a"]`, `[1]`, `[null]`, `{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":null}`, `{"a":{"b":[]}}`, `"2026-01-02"`, `"1969-12-31"`, `"2201-01-01"`, `"2026-01-02T03:04:05Z"`,
	`"planned"`, `"viewer"`, `"projects:view"`, `"not-an-id"`, `"01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69"`, `"01928E5C-7B1A-7CC2-9A0E-3F1D2C4B5A69"`, `"x@example.com"`, `"x"`,
	`"` + strings.Repeat("x", 256) + `"`, `"` + strings.Repeat("x", 20_000) + `"`, `[` + strings.Repeat(`"t",`, 100) + `"t"]`, `{"a":"` + strings.Repeat("x", 20_000) + `"}`}

// TestTheShortWayTakesNothingTheSchemaRefuses reads bodies of every create in the
// short way and in the long way.
func TestTheShortWayTakesNothingTheSchemaRefuses(t *testing.T) {
	s := newEmptyWorld(t).server
	shortIsStrict(t, s, "createProject", tracking.ProjectFields{Status: tracking.Planned}, `{"name":"p","description":"d","problem_class":"nlp","status":"active","complexity_score":5,"team_size":2,
		"start_date":"2026-01-02","completion_date":"2026-02-02","model_performance":0.5,"compute_cost":1,"business_impact":2,"attributes":{"a":1},"metadata":{"m":{}}}`)
	shortIsStrict(t, s, "createArtifact", registry.ArtifactFields{}, `{"name":"a","type":"model","version":"1","description":"d","tags":["t"],"media_type":"text/plain","storage_uri":"s3://b/k","is_active":true,"metadata":{}}`)
	shortIsStrict(t, s, "createMember", tracking.MemberFields{}, `{"name":"m","role":"analyst","experience_level":"junior","contribution_hours":1,"performance_score":50}`)
	shortIsStrict(t, s, "useArtifact", registry.UsageFields{}, `{"project_id":"01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69","impact_score":5,"context":{}}`)
	const planned = `"problem_class":"nlp","complexity_score":5,"team_size":2,"artifact_ids":["01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69"],"attributes":{"a":1}`
	shortIsStrict(t, s, "createPrediction", tracking.PredictionRequest{Level: tracking.DefaultLevel}, `{`+planned+`,"level":0.9}`)
	shortIsStrict(t, s, "recommend", tracking.AdviceRequest{Limit: tracking.DefaultAdvice}, `{`+planned+`,"description":"d","limit":3}`)
	shortIsStrict(t, s, "findSimilarProjects", tracking.SimilarRequest{Limit: tracking.DefaultSimilar}, `{"name":"n","description":"d","problem_class":"nlp","complexity_score":5,"team_size":2,"attributes":{"a":1},"limit":3}`)
	shortIsStrict(t, s, "evaluatePredictor", tracking.EvaluationRequest{Outcome: "cost", Level: tracking.DefaultLevel}, `{"outcome":"cost","level":0.9}`)
	shortIsStrict(t, s, "createRole", auth.RoleFields{}, `{"name":"reader","description":"d","permissions":["projects:view"]}`)
	shortIsStrict(t, s, "createUser", newUser{}, `{"email":"x@example.com","name":"n","roles":["viewer"],"is_active":true,"metadata":{},"password":"p"}`)
	shortIsStrict(t, s, "createTenant", newTenant{TenantFields: tenancy.NewTenantFields("", "")}, `{"name":"n","slug":"slug","is_active":true,"max_users":1,"max_projects":1,"max_artifacts":1,"max_storage_bytes":1,"metadata":{}}`)
}

// formOf returns what the body of an operation is held to.
func (s *Server) formOf(operation string) *form {
	for _, path := range s.api.OpenAPI().Paths {
		if op := path.Post; op != nil && op.OperationID == operation && op.Metadata[formKey] != nil {
			return &form{op.Metadata[formKey].(huma.Registry), op.RequestBody.Content["application/json"].Schema}
		}
	}
	return nil
}

func shortIsStrict[T any](t *testing.T, s *Server, operation string, defaults T, good string) {
	t.Helper()
	f := s.formOf(operation)
	if f == nil {
		t.Fatalf("there is no operation %s that creates", operation)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(good), &members); err != nil {
		t.Fatal(err)
	}
	if errs := f.violations([]byte(good)); len(errs) > 0 {
		t.Fatalf("%s: the good body is refused: %v", operation, errs)
	}
	taken := func(body string) bool {
		fields := new(defaults)
		if read([]byte(body), fields) != nil {
			return false
		}
		if v, ok := any(fields).(validator); ok && v.Validate() != nil {
			return false
		}
		return f.plain([]byte(body))
	}
	if !taken(good) {
		t.Errorf("%s: the good body goes the long way", operation)
	}
	known := slices.Sorted(maps.Keys(f.full().Properties))
	names := append(slices.Clone(known), "unknown", "Name", "NAME", "id", "tenant_id")
	t.Run(operation, func(t *testing.T) {
		rapid.Check(t, func(r *rapid.T) {
			body := maps.Clone(members)
			for range rapid.IntRange(0, 3).Draw(r, "changes") {
				name := rapid.SampledFrom(names).Draw(r, "name")
				if rapid.IntRange(0, 4).Draw(r, "remove") == 0 {
					delete(body, name)
				} else {
					body[name] = json.RawMessage(rapid.SampledFrom(awkward).Draw(r, "value"))
				}
			}
			text := object(body)
			if rapid.IntRange(0, 9).Draw(r, "repeat") == 0 && len(body) > 0 {
				text = strings.TrimSuffix(text, "}") + "," + strings.TrimPrefix(text, "{")
			}
			if errs := f.violations([]byte(text)); len(errs) > 0 && taken(text) {
				r.Fatalf("the short way takes what the schema refuses (%v): %.400s", errs, text)
			}
		})
	})
}

// object writes members in some order.
func object(members map[string]json.RawMessage) string {
	names := slices.Collect(maps.Keys(members))
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, members[name])
	}
	return "{" + b.String() + "}"
}
