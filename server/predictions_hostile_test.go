package server

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"maestro/problem"
	"maestro/tracking"
)

// What a tenant is told depends on its own history and on nobody else's.
func TestNobodyElsesHistoryIsLearnedFrom(t *testing.T) {
	w := newWorld(t)
	w.acme.history(15)
	project := w.acme.made("/projects", `{"name":"new","description":"finished projects about text","problem_class":"nlp","complexity_score":30,"attributes":{"size":40}}`)
	asked := []struct{ method, path, body string }{
		{"POST", "/predictions", `{"problem_class":"nlp","complexity_score":30,"attributes":{"size":40,"language":"go"}}`},
		{"POST", "/predictions", fmt.Sprintf(`{"project_id":%q}`, project)},
		{"GET", "/predictor", ""}, {"POST", "/predictor/evaluate", `{"outcome":"cost"}`},
		{"POST", "/recommendations", fmt.Sprintf(`{"project_id":%q}`, project)},
		{"POST", "/projects/similar", `{"description":"finished projects about text","complexity_score":30}`},
	}
	ask := func(c *caller) string {
		var all strings.Builder
		for _, a := range asked {
			all.WriteString(anonymous(c.send(a.method, a.path, a.body).body) + "\n")
		}
		return all.String()
	}
	alone := ask(w.acme)
	if p := w.beta.send("POST", "/predictions", asked[0].body).want(201).prediction(); p.PredictedCost != nil || p.Note != tracking.NoteNoHistory || len(p.SimilarProjects) > 0 {
		t.Errorf("a tenant without a history is told %+v", p)
	}
	for i := range 20 {
		w.beta.made("/projects", fmt.Sprintf(`{"name":"beta %d","description":"finished projects about text","status":"completed","problem_class":"nlp","complexity_score":%d,"start_date":"2020-01-01",
			"completion_date":"2024-01-01","compute_cost":%d,"model_performance":0.01,"attributes":{"size":%d,"language":"go"}}`, i, 1+i, 1_000_000+i, 30+i))
	}
	w.beta.proven(8)
	if beside := ask(w.acme); beside != alone {
		t.Errorf("beside another tenant:\n%s\nwant\n%s", beside, alone)
	}
}

// Nonsense that the record may hold gives no 500 and no number that is none.
func TestNonsenseIsLearnedFromWithoutHarm(t *testing.T) {
	long := strings.Repeat("words and more words ", 475)
	for name, project := range map[string]func(i int) string{
		"constant": func(int) string {
			return `"complexity_score":5,"team_size":3,"compute_cost":7,"model_performance":0.5,"attributes":{"a":1,"b":"x"}`
		},
		"one class": func(i int) string { return fmt.Sprintf(`"problem_class":"nlp","model_performance":%g`, float64(i)/20) },
		"collinear": func(i int) string {
			return fmt.Sprintf(`"compute_cost":%d,"attributes":{"a":%d,"b":%d,"c":%d}`, i, i, 2*i, -i)
		},
		"huge": func(i int) string {
			return fmt.Sprintf(`"compute_cost":%de299,"business_impact":-%de299,"attributes":{"a":%de299}`, i+1, i+1, i+1)
		},
		"tiny":  func(i int) string { return fmt.Sprintf(`"compute_cost":%de-300,"attributes":{"a":%de-300}`, i+1, i+1) },
		"large": func(i int) string { return fmt.Sprintf(`"compute_cost":1e%d,"attributes":{"a":1e%d}`, 5*i, 5*i) },
		"zero":  func(int) string { return `"compute_cost":0,"model_performance":0` },
		"mixed kinds": func(i int) string {
			return `"attributes":{"a":` + []string{`1`, `"one"`, `true`, `" "`}[i%4] + `},"model_performance":0.3`
		},
		"long texts": func(i int) string {
			return fmt.Sprintf(`"description":%q,"model_performance":%g,"attributes":{"a":"%s"}`, long[i:], float64(i)/20, strings.Repeat("é", 255))
		},
		"ten letters": func(int) string { return `"description":"ten chars!","model_performance":0.3` },
		"at one time": func(i int) string {
			return fmt.Sprintf(`"start_date":"2020-01-01","completion_date":"2020-01-01","compute_cost":%d`, i)
		},
		"odd names": func(i int) string {
			return fmt.Sprintf(`"model_performance":0.2,"attributes":{"":1,"a.b":%d,"<script>":2,"é":%d}`, i, i)
		},
		"hardly known": func(i int) string {
			return map[bool]string{true: `"model_performance":0.4`, false: `"team_size":1`}[i == 3]
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 14 {
				w.acme.send("POST", "/projects", fmt.Sprintf(`{"name":"p%d","status":"completed",%s}`, i, strings.ReplaceAll(project(i), `"":1,`, ""))).want(201)
			}
			for _, a := range []struct{ method, path, body string }{
				{"POST", "/predictions", `{"complexity_score":5}`}, {"POST", "/predictions", `{"attributes":{"a":1}}`}, {"POST", "/predictions", `{"level":0.9999}`}, {"POST", "/predictions", `{"level":1e-300}`},
				{"POST", "/predictions", `{"attributes":{"a":"x","new":"y"},"metrics":{"m":-1e99},"problem_class":"never-seen"}`},
				{"GET", "/predictor", ""}, {"POST", "/predictor/evaluate", `{"outcome":"cost"}`}, {"POST", "/recommendations", `{"problem_class":"nlp","description":"ten chars!"}`},
				{"POST", "/projects/similar", fmt.Sprintf(`{"description":%q}`, long)}, {"POST", "/projects/similar", `{"description":"ten chars!","attributes":{"a":1}}`},
				{"POST", "/projects/similar", fmt.Sprintf(`{"documents":[{"text":%q}]}`, strings.Repeat("- a\n", 16_384))},
			} {
				got := w.acme.in(t).send(a.method, a.path, a.body)
				if got.status == 422 {
					got.problem(problem.Validation)
					continue
				}
				if got.status != 200 && got.status != 201 {
					t.Fatalf("%s answers %d: %.300s", got.name, got.status, got.body)
				}
				var v any
				got.into(&v)
				if n := numbersBeyond(v, 1.1e100); n != 0 {
					t.Errorf("%s with %.60s says %g", got.name, a.body, n)
				}
			}
		})
	}
}

// numbersBeyond returns a number of a JSON value that is beyond a bound, or 0.
func numbersBeyond(v any, bound float64) (found float64) {
	switch v := v.(type) {
	case float64:
		if math.Abs(v) > bound {
			return math.Abs(v)
		}
	case []any:
		for _, e := range v {
			found = max(found, numbersBeyond(e, bound))
		}
	case map[string]any:
		for name, e := range v {
			if name != "inputs" {
				found = max(found, numbersBeyond(e, bound))
			}
		}
	}
	return found
}

// Many who ask at once while the history changes all get an answer, and the last
// word is the last history's.
func TestManyAskWhileTheHistoryChanges(t *testing.T) {
	w := newWorld(t)
	w.acme.history(12)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 5 {
				if a := w.acme.send("POST", "/predictions", `{"complexity_score":30}`); a.status != 201 {
					t.Errorf("answered %d: %s", a.status, a.body)
				}
			}
		})
	}
	all.Go(func() {
		for i := range 5 {
			w.acme.send("POST", "/projects", fmt.Sprintf(`{"name":"more %d","status":"completed","compute_cost":%d}`, i, i))
		}
	})
	all.Wait()
	var p tracking.Prediction
	if err := json.Unmarshal([]byte(w.acme.send("POST", "/predictions", `{"complexity_score":30}`).want(201).body), &p); err != nil || p.CostInterval.Basis != 17 {
		t.Errorf("%v; the cost stands on %d projects, want 17", err, p.CostInterval.Basis)
	}
}
