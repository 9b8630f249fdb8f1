package tracking

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
)

// places returns where the violations of err stand, each place once, in order.
func places(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Validation {
		t.Fatalf("got %v, want a validation problem", err)
	}
	var found []string
	for _, v := range p.Violations {
		if len(found) == 0 || found[len(found)-1] != v.Location {
			found = append(found, v.Location)
		}
	}
	return found
}

func TestProjectValidate(t *testing.T) {
	huge := strings.Repeat("x", 10_000_000)
	manyAttributes := func(n int) Attributes {
		a := Attributes{}
		for i := range n {
			a[fmt.Sprint("a", i)] = math.NaN()
		}
		return a
	}
	for _, test := range []struct {
		name   string
		change func(f *ProjectFields)
		want   []string
	}{
		{"every field", func(*ProjectFields) {}, nil},
		{"only what must be", func(f *ProjectFields) { *f = ProjectFields{Name: "x", Status: Planned} }, nil},
		{"the bounds themselves", func(f *ProjectFields) {
			f.Name, f.Description, f.ProblemClass = strings.Repeat("é", 255), strings.Repeat("🎵", 10_000), new("a"+strings.Repeat("-", 49))
			f.ComplexityScore, f.TeamSize, f.ModelPerformance = new(1.0), new(int64(100_000)), new(1.0)
			f.ComputeCost, f.BusinessImpact = new(math.MaxFloat64), new(-math.MaxFloat64)
			f.StartDate, f.CompletionDate = new(tenancy.MinTime), new(tenancy.EndTime-1)
			f.Attributes = Attributes{strings.Repeat("n", 255): strings.Repeat("🎵", 255), "empty": ""}
		}, nil},
		{"begun and completed at once", func(f *ProjectFields) { f.CompletionDate = f.StartDate }, nil},
		{"everything wrong at once", func(f *ProjectFields) {
			*f = ProjectFields{
				Name: "", Description: "a\x00b", ProblemClass: new("NLP"), Status: "done",
				ComplexityScore: new(math.NaN()), TeamSize: new(int64(0)),
				StartDate: new(tenancy.EndTime), CompletionDate: new(tenancy.Time(-1)),
				ModelPerformance: new(1.01), ComputeCost: new(math.Inf(1)), BusinessImpact: new(math.NaN()),
				Attributes: Attributes{"b": []any{}, "a": math.Inf(-1), "c": "\xff", "fine": true},
			}
		}, []string{
			"body.name", "body.description", "body.problem_class", "body.status", "body.complexity_score", "body.team_size",
			"body.start_date", "body.completion_date", "body.model_performance", "body.compute_cost", "body.business_impact",
			"body.attributes.a", "body.attributes.b", "body.attributes.c",
		}},
		{"texts of ten million bytes", func(f *ProjectFields) {
			f.Name, f.Description, f.ProblemClass, f.Status = huge, huge, &huge, Status(huge)
			f.Attributes = Attributes{huge: 1.0, "a": huge}
		}, []string{"body.name", "body.description", "body.problem_class", "body.status", "body.attributes.a", "body.attributes"}},
		{"a name with a line end", func(f *ProjectFields) { f.Name = "a\nb" }, []string{"body.name"}},
		{"a name with a control character of Latin-1", func(f *ProjectFields) { f.Name = "a\u0085b" }, []string{"body.name"}},
		{"a name with space behind it", func(f *ProjectFields) { f.Name = "a " }, []string{"body.name"}},
		{"a name of broken UTF-8", func(f *ProjectFields) { f.Name = "\xf0\x9f\x8e" }, []string{"body.name"}},
		{"a description one too long", func(f *ProjectFields) { f.Description = strings.Repeat("é", 10_001) }, []string{"body.description"}},
		{"no status", func(f *ProjectFields) { f.Status = "" }, []string{"body.status"}},
		{"a class of two words", func(f *ProjectFields) { f.ProblemClass = new("time series") }, []string{"body.problem_class"}},
		{"a class with a line end", func(f *ProjectFields) { f.ProblemClass = new("nlp\n") }, []string{"body.problem_class"}},
		{"an empty class", func(f *ProjectFields) { f.ProblemClass = new("") }, []string{"body.problem_class"}},
		{"a class of 51", func(f *ProjectFields) { f.ProblemClass = new(strings.Repeat("a", 51)) }, []string{"body.problem_class"}},
		{"a completion that is no time", func(f *ProjectFields) { f.CompletionDate = new(tenancy.NoTime) }, []string{"body.completion_date"}},
		{"metadata that nests too deep", func(f *ProjectFields) {
			f.Metadata = tenancy.Object(`{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`)
		}, []string{"body.metadata"}},
		{"completed before it began", func(f *ProjectFields) { f.StartDate, f.CompletionDate = new(tenancy.Time(2)), new(tenancy.Time(1)) }, []string{"body.completion_date"}},
		{"negative cost", func(f *ProjectFields) { f.ComputeCost = new(-0.01) }, []string{"body.compute_cost"}},
		{"a performance in percent", func(f *ProjectFields) { f.ModelPerformance = new(91.3) }, []string{"body.model_performance"}},
		{"a complexity below one", func(f *ProjectFields) { f.ComplexityScore = new(0.99) }, []string{"body.complexity_score"}},
		{"a crowd", func(f *ProjectFields) { f.TeamSize = new(int64(100_001)) }, []string{"body.team_size"}},
		{"65 attributes are one violation", func(f *ProjectFields) { f.Attributes = manyAttributes(65) }, []string{"body.attributes"}},
		{"ten thousand attributes", func(f *ProjectFields) { f.Attributes = manyAttributes(10_000) }, []string{"body.attributes"}},
		{"an attribute without a name", func(f *ProjectFields) { f.Attributes = Attributes{"": 1.0} }, []string{"body.attributes"}},
		{"an attribute named with a control character", func(f *ProjectFields) { f.Attributes = Attributes{"a\x1b[31m": 1.0} }, []string{"body.attributes"}},
		{"an attribute without a value", func(f *ProjectFields) { f.Attributes = Attributes{"a": nil} }, []string{"body.attributes.a"}},
		{"an attribute that is not a float64", func(f *ProjectFields) { f.Attributes = Attributes{"a": 1} }, []string{"body.attributes.a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fullProject().ProjectFields
			test.change(&f)
			if diff := cmp.Diff(test.want, places(t, f.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAttributesRead(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Attributes
	}{
		{`{}`, Attributes{}},
		{`null`, nil},
		{`{"rows":1.2e6,"labelled":true,"source":"crm","off":false}`, Attributes{"rows": 1.2e6, "labelled": true, "source": "crm", "off": false}},
		{`{"\u00e9":"\ud83c\udfb5"}`, Attributes{"é": "🎵"}},
	} {
		got := Attributes{"before": true}
		if err := json.Unmarshal([]byte(test.in), &got); err != nil {
			t.Errorf("%s: %v", test.in, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.in, diff)
		}
	}
	for _, in := range []string{`[1]`, `"a"`, `5`, `true`, `{"a":1e400}`} {
		if a := (Attributes{}); json.Unmarshal([]byte(in), &a) == nil {
			t.Errorf("%s was accepted as %v", in, a)
		}
	}
	t.Run("values that may not be are kept for the validation to name", func(t *testing.T) {
		f := ProjectFields{Name: "x", Status: Planned}
		if err := json.Unmarshal([]byte(`{"attributes":{"d":{},"b":null,"c":[1],"a":true}}`), &f); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"body.attributes.b", "body.attributes.c", "body.attributes.d"}, places(t, f.Validate())); diff != "" {
			t.Error(diff)
		}
	})
}

// What is written of a valid project is what is read.
func TestProjectFieldsRoundTrip(t *testing.T) {
	text := rapid.StringMatching(`[a-zé🎵"\\<>&\x{2028} ]*`)
	name := rapid.StringMatching(`[a-zé🎵"\\<>&]+`)
	rapid.Check(t, func(t *rapid.T) {
		want := ProjectFields{
			Name: name.Draw(t, "name"), Description: text.Draw(t, "description"), Status: rapid.SampledFrom(Statuses[:]).Draw(t, "status"),
			StartDate: rapid.Ptr(anyTime, true).Draw(t, "start_date"), ComputeCost: rapid.Ptr(rapid.Float64Range(0, math.MaxFloat64), true).Draw(t, "compute_cost"),
			Attributes: rapid.MapOfN(name, rapid.OneOf(anyFinite.AsAny(), text.AsAny(), rapid.Bool().AsAny()), 1, 20).Draw(t, "attributes"),
			Metadata:   tenancy.Object(`{"a":[1]}`),
		}
		if err := want.Validate(); err != nil {
			t.Fatal(err)
		}
		var got ProjectFields
		written := append(want.appendMembers([]byte("{")), '}')
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", written, diff)
		}
	})
}
