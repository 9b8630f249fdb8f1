package tracking

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// usualProject has every field, as most clients write them.
const usualProject = `{"name":"churn \"model\" é","description":"Scores customers\nweekly.","problem_class":"classification","status":"active","complexity_score":42.5e0,"team_size":5,` +
	`"start_date":"2026-01-05T00:00:00Z", "completion_date" : "2026-02-05","model_performance":0.5,"compute_cost":-0,"business_impact":1e3,` +
	`"attributes":{"rows":120000,"region":"north","fresh":true,"old":false},"metadata":{"source":["bench",{"a":null}]}}`

// scansAsEncodingJSON fails when a scan reads anything else than encoding/json.
func scansAsEncodingJSON(t rapid.TB, data []byte) (scanned bool) {
	got, want := ProjectFields{Status: Planned}, ProjectFields{Status: Planned}
	if !got.ScanJSON(data) {
		return false
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatalf("scanned what encoding/json refuses (%v): %q", err, data)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("scanned %+v,\nencoding/json says %+v: %q", got, want, data)
	}
	return true
}

func TestAScanReadsWhatEncodingJSONReads(t *testing.T) {
	for _, usual := range []string{usualProject, `{}`, ` { "name" : "a" } `, `{"name":"a","name":"b"}`, `{"start_date":"yesterday"}`, `{"metadata":{},"attributes":{}}`, `{"metadata":{"a":1},"metadata":null,"attributes":{"a":1},"attributes":null}`,
		`{"name":"a","name":null,"description":null,"status":null,"problem_class":"a","problem_class":null,"complexity_score":1,"complexity_score":null,"team_size":2,"team_size":null}`,
		`{"start_date":"2026-01-02","start_date":null,"completion_date":"2026-01-02","completion_date":null,"model_performance":1,"model_performance":null}`,
		`{"compute_cost":1,"compute_cost":null,"business_impact":1,"business_impact":null}`} {
		if !scansAsEncodingJSON(t, []byte(usual)) {
			t.Errorf("not scanned: %s", usual)
		}
	}
	for _, other := range []string{``, `null`, `[]`, `{`, `{}x`, `{"unknown":null}`, `{"name":nul}`, `{"Name":"a"}`, `{"name":"a",}`, `{"name":1}`, `{"team_size":1.0}`, `{"compute_cost":1e400}`, `{"team_size":"1"}`,
		`{"unknown":1}`, `{"start_date":5}`, `{"metadata":[]}`, `{"metadata":{ }}`, `{"attributes":{"a":{}}}`, `{"attributes":{"a":null}}`, `{"attributes":{"a":1,"a":2}}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}"} {
		if scansAsEncodingJSON(t, []byte(other)) {
			t.Errorf("scanned: %s", other)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		text, err := json.Marshal(anyProject.Draw(r, "project").ProjectFields)
		if err != nil {
			r.Fatal(err)
		}
		scansAsEncodingJSON(r, text)
		cut := rapid.IntRange(0, len(text)).Draw(r, "cut")
		scansAsEncodingJSON(r, append(append(text[:cut:cut], rapid.SampledFrom(strings.Split(`" , : { } [ ] 0 null true \ \u`, " ")).Draw(r, "token")...), text[cut:]...))
	})
}

func FuzzScanJSON(f *testing.F) {
	f.Add([]byte(usualProject))
	f.Fuzz(func(t *testing.T, data []byte) { scansAsEncodingJSON(t, data) })
}

func BenchmarkScanJSON(b *testing.B) {
	b.Run("scan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var f ProjectFields
			f.ScanJSON([]byte(usualProject))
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var f ProjectFields
			if err := json.Unmarshal([]byte(usualProject), &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
