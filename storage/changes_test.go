package storage

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// decoded is a change as a request brings it. encoding/json writes through the
// pointers and into the slices that it finds.
func decoded[T any](body string) func(*T) error {
	return func(fields *T) error { return json.Unmarshal([]byte(body), fields) }
}

func TestAChangedOutcomeMovesTheOthersScores(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, err := Open(background, Options{Dir: t.TempDir(), Readers: 4, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tenant := newTenant(t, s, "acme")
	var first tracking.Project
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		p := finish(t, tenant, name, float64(i), float64(i), int64(i)+1)
		if i == 0 {
			first = p
		}
	}
	rescore := func() {
		t.Helper()
		now = now.Add(time.Hour)
		if err := s.Rescore(background); err != nil {
			t.Fatal(err)
		}
		wantScores(t, tenant, tenancy.DefaultSuccessWeights(), scoreTolerance)
	}
	rescore()
	changed, err := tenant.UpdateProject(background, first.ID, nil, decoded[tracking.ProjectFields](`{"business_impact":100,"compute_cost":100}`))
	if err != nil {
		t.Fatal(err)
	}
	if now, err := tenant.SuccessParts(background, first.ID); err != nil || *now.Score != *changed.SuccessScore {
		t.Errorf("the change gave %v, want %v (%v)", *changed.SuccessScore, *now.Score, err)
	}
	rescore()
}

func TestAChangedArtifactIsFoundByItsNewWords(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	a, _, err := tenant.CreateArtifact(background, registry.ArtifactFields{Name: "a", Type: "model", Version: "1", Tags: registry.Tags{"old"}, IsActive: true}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.UpdateArtifact(background, a.ID, nil, decoded[registry.ArtifactFields](`{"tags":["new"]}`)); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"new": 1, "old": 0} {
		found, err := tenant.SearchArtifacts(background, Search{Query: query}, Page{Limit: 10})
		if err != nil || len(found.Items) != want {
			t.Errorf("%q finds %d artifacts, want %d (%v)", query, len(found.Items), want, err)
		}
	}
}

func TestHeldContentOutlivesADecodedChange(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a, _, err := tenant.CreateArtifact(background, registry.ArtifactFields{Name: "a", Type: "model", Version: "1", IsActive: true}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tenant.PutContent(background, a.ID, NewContent{Body: strings.NewReader("weights"), Size: -1}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"content_hash":"` + strings.Repeat("0", 64) + `"}`, `{"content_hash":null}`} {
		_, err = tenant.UpdateArtifact(background, a.ID, nil, decoded[registry.ArtifactFields](body))
		wantCode(t, err, problem.Validation)
	}
	content, err := tenant.OpenContent(background, a.ID)
	if err != nil {
		t.Fatal("the content is lost:", err)
	}
	content.File.Close()
	if err := s.Check(background); err != nil {
		t.Error(err)
	}
}

// TestClonesShareNothing fails as well for a field that it does not fill.
func TestClonesShareNothing(t *testing.T) {
	now := tenancy.Time(1)
	project := tracking.ProjectFields{ProblemClass: ptr("nlp"), ComplexityScore: ptr(1.0), TeamSize: ptr(int64(1)), StartDate: &now, CompletionDate: &now,
		ModelPerformance: ptr(1.0), ComputeCost: ptr(1.0), BusinessImpact: ptr(1.0), Attributes: tracking.Attributes{"a": 1.0}, Metadata: tenancy.Object(`{"a":1}`)}
	artifact := registry.ArtifactFields{Tags: registry.Tags{"a"}, ContentHash: ptr("a"), Metadata: tenancy.Object(`{"a":1}`)}
	for _, pair := range [][2]any{{project, project.Clone()}, {artifact, artifact.Clone()}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("the clone of %+v is %+v", pair[0], pair[1])
		}
		fields, clone := reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1])
		for i := range fields.NumField() {
			switch f := fields.Field(i); f.Kind() {
			case reflect.Pointer, reflect.Slice, reflect.Map:
				if f.IsNil() || f.Pointer() == clone.Field(i).Pointer() {
					t.Errorf("%s.%s is shared, or the test does not fill it", fields.Type(), fields.Type().Field(i).Name)
				}
			}
		}
	}
}
