package tracking

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maestro/tenancy"
)

var (
	anyID = rapid.Custom(func(t *rapid.T) tenancy.ID {
		return tenancy.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	})
	anyTime = rapid.Custom(func(t *rapid.T) tenancy.Time {
		return tenancy.Time(rapid.Int64Range(int64(tenancy.MinTime), int64(tenancy.EndTime)-1).Draw(t, "µs"))
	})
	anyFinite = rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64)

	// anyText has every sort of text, broken UTF-8 included.
	anyText = rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune("ab<>&\"\\/\x00\b\f\n\r\t\x1f\x7fé\u2028\u2029\ufffd🎵"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	anyAttributes = rapid.Custom(func(t *rapid.T) Attributes {
		return rapid.MapOfN(anyText, rapid.OneOf(anyFinite.AsAny(), anyText.AsAny(), rapid.Bool().AsAny()), 0, MaxAttributes).Draw(t, "attributes")
	})
	anyObject = rapid.Custom(func(t *rapid.T) tenancy.Object {
		if rapid.Bool().Draw(t, "nil") {
			return nil
		}
		text, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "object"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
	anyProject = rapid.Custom(func(t *rapid.T) *Project {
		return &Project{
			ID: anyID.Draw(t, "id"), TenantID: anyID.Draw(t, "tenant_id"),
			ProjectFields: ProjectFields{
				Name: anyText.Draw(t, "name"), Description: anyText.Draw(t, "description"),
				ProblemClass:     rapid.Ptr(anyText, true).Draw(t, "problem_class"),
				Status:           Status(anyText.Draw(t, "status")),
				ComplexityScore:  rapid.Ptr(anyFinite, true).Draw(t, "complexity_score"),
				TeamSize:         rapid.Ptr(rapid.Int64(), true).Draw(t, "team_size"),
				StartDate:        rapid.Ptr(anyTime, true).Draw(t, "start_date"),
				CompletionDate:   rapid.Ptr(anyTime, true).Draw(t, "completion_date"),
				ModelPerformance: rapid.Ptr(anyFinite, true).Draw(t, "model_performance"),
				ComputeCost:      rapid.Ptr(anyFinite, true).Draw(t, "compute_cost"),
				BusinessImpact:   rapid.Ptr(anyFinite, true).Draw(t, "business_impact"),
				Attributes:       anyAttributes.Draw(t, "attributes"), Metadata: anyObject.Draw(t, "metadata"),
			},
			SuccessScore: rapid.Ptr(anyFinite, true).Draw(t, "success_score"), CreatedBy: rapid.Ptr(anyID, true).Draw(t, "created_by"),
			CreatedAt: anyTime.Draw(t, "created_at"), UpdatedAt: anyTime.Draw(t, "updated_at"), Version: rapid.Int64().Draw(t, "version"),
		}
	})
)

// standard is what encoding/json writes with SetEscapeHTML(false).
func standard(t interface{ Fatal(args ...any) }, value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestProjectAppendJSONIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyProject.Draw(t, "project")
		if got, want := string(p.AppendJSON([]byte("x"))), "x"+standard(t, p); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("the zero project", func(t *testing.T) {
		if got, want := string(new(Project).AppendJSON(nil)), standard(t, new(Project)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("every field set", func(t *testing.T) {
		p := fullProject()
		requireEverySet(t, reflect.ValueOf(p).Elem())
		if got, want := string(p.AppendJSON(nil)), standard(t, p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// requireEverySet fails for a field that fullProject forgot, so that a new
// field cannot be missing from both sides of the comparison.
func requireEverySet(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
		if v.Type().Field(i).Anonymous {
			requireEverySet(t, v.Field(i))
		}
	}
}

func fullProject() *Project {
	return &Project{
		ID: tenancy.ID{1}, TenantID: tenancy.ID{2},
		ProjectFields: ProjectFields{
			Name: "Churn of the northern region", Description: strings.Repeat("Who leaves, and why? ", 10), ProblemClass: new("classification"),
			Status: Completed, ComplexityScore: new(62.5), TeamSize: new(int64(4)),
			StartDate: new(tenancy.Time(1735689600_000000)), CompletionDate: new(tenancy.Time(1743465600_000000)),
			ModelPerformance: new(0.913), ComputeCost: new(1840.25), BusinessImpact: new(120000.0),
			Attributes: Attributes{"rows": 1.2e6, "labelled": true, "source": "crm", "features": 48.0},
			Metadata:   tenancy.Object(`{"sprint":14,"links":["https://example.org/a"]}`),
		},
		SuccessScore: new(71.25), CreatedBy: new(tenancy.ID{3}), CreatedAt: 1735689600_123456, UpdatedAt: 1743465600_654321, Version: 7,
	}
}

func TestProjectAppendJSONAllocatesNothing(t *testing.T) {
	p := fullProject()
	b := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(100, func() { p.AppendJSON(b) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// Attributes marshal themselves, so they are compared as a plain map.
func TestAttributesAppendJSONIsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyAttributes.Draw(t, "attributes")
		if got, want := string(a.AppendJSON([]byte("x"))), "x"+standard(t, map[string]any(a)); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
	if got := string(Attributes(nil).AppendJSON(nil)); got != `{}` {
		t.Errorf("nil: got %s, want {}", got)
	}
	if got, want := string(Attributes{"a": []int{1}}.AppendJSON(nil)), `{"a":null}`; got != want {
		t.Errorf("what is not valid: got %s, want %s", got, want)
	}
}

func BenchmarkProjectAppendJSON(b *testing.B) {
	p := fullProject()
	buffer := make([]byte, 0, 4096)
	b.SetBytes(int64(len(p.AppendJSON(nil))))
	b.ReportAllocs()
	for b.Loop() {
		p.AppendJSON(buffer)
	}
}

func BenchmarkProjectEncodingJSON(b *testing.B) {
	p := fullProject()
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	b.SetBytes(int64(len(p.AppendJSON(nil))))
	b.ReportAllocs()
	for b.Loop() {
		buffer.Reset()
		if err := e.Encode(p); err != nil {
			b.Fatal(err)
		}
	}
}
