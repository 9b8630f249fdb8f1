package server

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"maestro/problem"
	"maestro/tracking"
)

// history records n finished projects whose cost and duration grow with their
// size, and whose success falls with their complexity.
func (c *caller) history(n int) (ids []string) {
	c.t.Helper()
	for i := range n {
		size, complexity := int(10*math.Pow(1.15, float64(7*i%37))), 5+13*i%90
		id := c.made("/projects", fmt.Sprintf(`{"name":"finished %d","status":"completed","problem_class":%q,"complexity_score":%d,"team_size":%d,
			"start_date":"2020-01-01","completion_date":%q,"compute_cost":%d,"model_performance":%.2f,
			"attributes":{"size":%d,"language":%q}}`, i, []string{"nlp", "vision"}[i%2], complexity, 1+i%9,
			time.Date(2020, 1, 1+size, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), 100*size+i%5, 1-float64(complexity)/100, size, []string{"go", "cobol", "java"}[i%3]))
		ids = append(ids, id)
	}
	return ids
}

func (a answer) prediction() tracking.Prediction {
	a.t.Helper()
	var p tracking.Prediction
	a.into(&p)
	return p
}

func TestAPredictionExplainsItself(t *testing.T) {
	w := newWorld(t)
	finished := w.acme.history(40)
	answer := w.acme.send("POST", "/predictions", `{"problem_class":"nlp","complexity_score":20,"team_size":4,"attributes":{"size":60,"language":"go"},"level":0.9}`).want(201)
	p := answer.prediction()
	if got := answer.header.Get("Location"); got != "/api/v1/predictions/"+p.ID.String() {
		t.Errorf("Location is %q", got)
	}
	if p.Basis != 40 || p.ModelVersion == "" || p.Note != "" || p.Confidence <= 0 || p.Confidence > 1 {
		t.Errorf("basis %d, model %q, note %q, confidence %g", p.Basis, p.ModelVersion, p.Note, p.Confidence)
	}
	for outcome, c := range map[string]struct {
		value    *float64
		interval *tracking.PredictedInterval
		near     float64
	}{
		"success_score": {p.PredictedSuccessScore, p.SuccessScoreInterval, 0},
		"duration_days": {p.PredictedDurationDays, p.DurationDaysInterval, 60},
		"cost":          {p.PredictedCost, p.CostInterval, 6000},
	} {
		if c.value == nil || c.interval == nil {
			t.Fatalf("%s: no number", outcome)
		}
		if !(c.interval.Low <= *c.value && *c.value <= c.interval.High) || c.interval.Level != 0.9 {
			t.Errorf("%s: %g with %+v", outcome, *c.value, c.interval)
		}
		sum := c.interval.Typical
		for _, d := range p.Drivers {
			if d.Outcome == outcome {
				sum += d.Effect
			}
		}
		if math.Abs(sum-*c.value) > 1e-6*math.Abs(*c.value) {
			t.Errorf("%s: typical and drivers come to %g, want %g", outcome, sum, *c.value)
		}
		if c.near > 0 && math.Abs(*c.value/c.near-1) > 0.1 {
			t.Errorf("%s is predicted as %g, want about %g", outcome, *c.value, c.near)
		}
	}
	if len(p.SimilarProjects) != 5 {
		t.Fatalf("%d similar projects", len(p.SimilarProjects))
	}
	if s := p.SimilarProjects[0]; !slices.Contains(finished, s.ProjectID.String()) || s.SuccessScore == nil || s.Cost == nil || s.DurationDays == nil || !strings.HasPrefix(s.Name, "finished") {
		t.Errorf("the most similar project is %+v", s)
	}
	if read := w.acme.send("GET", "/predictions/"+p.ID.String(), "").want(200); read.body != answer.body {
		t.Errorf("read as\n%s\nwant what was answered\n%s", read.body, answer.body)
	}
	var list struct{ Items []json.RawMessage }
	w.viewer.send("GET", "/predictions", "").want(200).into(&list)
	if len(list.Items) != 1 || string(list.Items[0]) != answer.body {
		t.Errorf("listed as %s", list.Items)
	}
}

func TestHowMuchHistoryThereIsDecidesWhatIsSaid(t *testing.T) {
	w := newWorld(t)
	const plan = `{"complexity_score":20}`
	none := w.acme.send("POST", "/predictions", plan).want(201).prediction()
	if none.PredictedSuccessScore != nil || none.PredictedDurationDays != nil || none.PredictedCost != nil || none.SuccessScoreInterval != nil ||
		none.Note != tracking.NoteNoHistory || none.Basis != 0 || none.Confidence != 0 || !strings.Contains(none.Recommendation, "no history") {
		t.Errorf("without a history: %+v", none)
	}
	w.acme.history(4)
	few := w.acme.send("POST", "/predictions", plan).want(201).prediction()
	if few.Note != tracking.NoteTooLittle || few.Basis != 4 || few.Confidence != 0 || len(few.Drivers) != 0 || !strings.Contains(few.Recommendation, "too little history") {
		t.Errorf("of four: %+v", few)
	}
	if i := few.SuccessScoreInterval; i.High-i.Low < 40 {
		t.Errorf("four projects give an interval of %g to %g", i.Low, i.High)
	}
	var card tracking.PredictorCard
	w.acme.send("GET", "/predictor", "").want(200).into(&card)
	if card.Note != tracking.NoteTooLittle || card.FinishedProjects != 4 || card.LeastHistory != 10 {
		t.Errorf("the card of four: %+v", card)
	}
}

func TestAPredictionIsComparedWithWhatHappened(t *testing.T) {
	w := newWorld(t)
	w.acme.history(20)
	project := w.acme.made("/projects", `{"name":"new","status":"active","complexity_score":40,"team_size":3,"start_date":"2026-01-01","attributes":{"size":50}}`)
	first := w.acme.send("POST", "/predictions", fmt.Sprintf(`{"project_id":%q}`, project)).want(201).prediction()
	if first.ProjectName == nil || *first.ProjectName != "new" || first.Inputs.Attributes["size"] != 50.0 || *first.Inputs.TeamSize != 3 {
		t.Errorf("inputs are %+v", first.Inputs)
	}
	second := w.acme.send("POST", "/predictions", fmt.Sprintf(`{"project_id":%q,"level":0.5}`, project)).want(201).prediction()
	w.acme.send("POST", "/predictions", `{"complexity_score":40}`).want(201)

	w.acme.send("PATCH", "/projects/"+project+"/success", `{"model_performance":0.5,"compute_cost":4321,"completion_date":"2026-01-31"}`).want(200)
	read := w.acme.send("GET", "/predictions/"+first.ID.String(), "").want(200).prediction()
	if read.ActualSuccessScore == nil || *read.ActualCost != 4321 || *read.ActualDurationDays != 30 || read.ComparedAt == nil {
		t.Errorf("compared as %+v", read)
	}
	var card tracking.PredictorCard
	w.acme.send("GET", "/predictor", "").want(200).into(&card)
	cost := card.Outcomes[2]
	if cost.Outcome != "cost" || cost.Basis != 21 || cost.Recorded.N != 1 || len(cost.Recorded.Months) != 1 {
		t.Fatalf("the card of cost is %+v", cost)
	}
	if p := cost.Recorded.Points[0]; p.ProjectID.String() != project || p.ProjectName != "new" || p.Actual != 4321 || p.Level != 0.5 || p.Predicted != *second.PredictedCost {
		t.Errorf("the last prediction is shown as %+v", p)
	}
	if e := cost.Evaluation; e == nil || e.N != 21 || e.Level != 0.8 || len(e.Points) != 21 || e.Points[0].ProjectName == "" || e.SA < 0.5 {
		t.Errorf("the evaluation is %+v", e)
	}
	var compared struct{ Items []tracking.Prediction }
	w.acme.send("GET", "/predictions?compared=true&project_id="+project, "").want(200).into(&compared)
	if len(compared.Items) != 2 {
		t.Errorf("%d predictions are compared, want 2", len(compared.Items))
	}
	w.acme.send("POST", "/predictions", fmt.Sprintf(`{"project_id":%q}`, project)).problem(problem.Conflict)

	// It was a mistake: what was compared is open again.
	w.acme.send("PATCH", "/projects/"+project, `{"status":"active"}`).want(200)
	if read := w.acme.send("GET", "/predictions/"+first.ID.String(), "").want(200).prediction(); read.ActualCost != nil || read.ComparedAt != nil || read.ActualSuccessScore != nil {
		t.Errorf("compared with what did not happen: %+v", read)
	}
	w.acme.send("GET", "/predictor", "").want(200).into(&card)
	if n := card.Outcomes[2].Recorded.N; n != 0 {
		t.Errorf("%d predictions are compared, want none", n)
	}
}

func TestTheTenantsHistoryIsJudged(t *testing.T) {
	w := newWorld(t)
	var j tracking.Judgement
	w.viewer.send("POST", "/predictor/evaluate", `{}`).want(200).into(&j)
	if j.Evaluation != nil || j.NotJudged == "" || j.Outcome != "success_score" {
		t.Errorf("of nothing: %+v", j)
	}
	w.acme.history(30)
	w.viewer.send("POST", "/predictor/evaluate", `{"outcome":"cost","level":0.5}`).want(200).into(&j)
	e := j.Evaluation
	if e == nil {
		t.Fatalf("not judged: %s", j.NotJudged)
	}
	if e.N != 30 || e.Folds != 30 || e.Level != 0.5 || len(e.Points) != 30 || e.SA < 0.8 || e.MdMRE > 0.2 || e.BaselineMdMRE < e.MdMRE {
		t.Errorf("judged as %+v", e)
	}
}

// What is learned follows every change of what it is learned from, at once.
func TestTheModelFollowsItsHistory(t *testing.T) {
	w := newWorld(t)
	finished := w.acme.history(12)
	version := func() string {
		return w.acme.send("POST", "/predictions", `{"complexity_score":50}`).want(201).prediction().ModelVersion
	}
	before := version()
	if again := version(); again != before {
		t.Errorf("nothing changed, and the model did")
	}
	artifact := w.acme.made("/artifacts", `{"name":"a","type":"model","version":"1"}`)
	active := w.acme.made("/projects", `{"name":"active","status":"active"}`)
	w.acme.send("POST", "/artifacts/"+artifact+"/use", fmt.Sprintf(`{"project_id":%q}`, active)).want(201)
	w.acme.send("POST", "/metrics", fmt.Sprintf(`{"project_id":%q,"metric_type":"m","metric_value":1}`, active)).want(201)
	if after := version(); after != before {
		t.Errorf("a project that is not finished was learned from")
	}
	var member string
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"a project", func() { w.acme.send("PATCH", "/projects/"+finished[0], `{"team_size":77}`).want(200) }},
		{"an attribute", func() { w.acme.send("PATCH", "/projects/"+finished[0], `{"attributes":{"size":1}}`).want(200) }},
		{"a member", func() {
			member = w.acme.made("/projects/"+finished[0]+"/members", `{"name":"A","role":"devops","experience_level":"mid"}`)
		}},
		{"a member's role", func() {
			w.acme.send("PATCH", "/projects/"+finished[0]+"/members/"+member, `{"experience_level":"senior"}`).want(200)
		}},
		{"a member gone", func() { w.acme.send("DELETE", "/projects/"+finished[0]+"/members/"+member, "").want(204) }},
		{"a usage", func() {
			w.acme.send("POST", "/artifacts/"+artifact+"/use", fmt.Sprintf(`{"project_id":%q}`, finished[1])).want(201)
		}},
		{"an artifact gone", func() { w.acme.send("DELETE", "/artifacts/"+artifact, "").want(204) }},
		{"metrics", func() {
			for _, id := range finished[:3] {
				w.acme.send("POST", "/metrics/batch", fmt.Sprintf(`[{"project_id":%q,"metric_type":"m","metric_value":1},{"project_id":%q,"metric_type":"m","metric_value":1}]`, active, id)).want(201)
			}
		}},
		{"a finished project more", func() {
			w.acme.send("PATCH", "/projects/"+active, `{"status":"completed","model_performance":0.3}`).want(200)
		}},
		{"a finished project gone", func() { w.acme.send("DELETE", "/projects/"+finished[2], "").want(204) }},
		{"a project abandoned", func() { w.acme.send("PATCH", "/projects/"+finished[3], `{"status":"abandoned"}`).want(200) }},
	} {
		step.do()
		after := version()
		if after == before {
			t.Errorf("%s: the model is still the one of before", step.name)
		}
		before = after
	}
}

func TestWhatCannotBePredictedIsNamed(t *testing.T) {
	w := newWorld(t)
	w.acme.history(12)
	project := w.acme.made("/projects", `{"name":"odd","attributes":{"size":"enormous"}}`)
	for body, want := range map[string]string{
		`{"complexity_score":0}`:                                    "body.complexity_score",
		`{"team_size":0}`:                                           "body.team_size",
		`{"complexity_score":5,"level":0}`:                          "body.level",
		`{"complexity_score":5,"level":1}`:                          "body.level",
		`{"attributes":{"size":"enormous"}}`:                        "body.attributes.size",
		`{"attributes":{"size":1e300}}`:                             "body.attributes.size",
		`{"attributes":{"size":"Infinity"}}`:                        "body.attributes.size",
		`{"metrics":{" ":1}}`:                                       "body.metrics",
		`{"members":[{"role":"king","experience_level":"mid"}]}`:    "body.members[0].role",
		`{"artifact_ids":["01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69"]}`: "body.artifact_ids[0]",
		fmt.Sprintf(`{"project_id":%q}`, project):                   "body.project_id",
		fmt.Sprintf(`{"project_id":%q,"team_size":4}`, project):     "body.project_id",
	} {
		if places := w.acme.send("POST", "/predictions", body).problem(problem.Validation).places(); !slices.Equal(places, []string{want}) {
			t.Errorf("%s: wrong at %v, want %s", body, places, want)
		}
	}
	w.viewer.send("POST", "/predictions", `{"complexity_score":5}`).problem(problem.Forbidden)
	w.acme.send("POST", "/predictions", `{"project_id":"01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69"}`).problem(problem.NotFound)
	w.acme.send("GET", "/predictions/01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69", "").problem(problem.NotFound)
}

func TestARepeatedPredictionIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	w.acme.history(3)
	project := w.acme.made("/projects", `{"name":"new","start_date":"2026-01-01"}`)
	body := fmt.Sprintf(`{"project_id":%q}`, project)
	first := w.acme.send("POST", "/predictions", body, "Idempotency-Key", "k").want(201)
	w.acme.send("PATCH", "/projects/"+project+"/success", `{"compute_cost":5}`).want(200)
	again := w.acme.send("POST", "/predictions", body, "Idempotency-Key", "k").want(201)
	if again.header.Get("Idempotency-Replayed") != "true" || again.prediction().ID != first.prediction().ID {
		t.Errorf("made again: %s", again.body)
	}
}
