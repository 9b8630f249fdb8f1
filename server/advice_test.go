package server

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"maestro/problem"
	"maestro/registry"
	"maestro/tracking"
)

// proven records finished projects of which every other one uses an artifact and
// goes well, and returns the artifact's id.
func (c *caller) proven(n int) string {
	c.t.Helper()
	artifact := c.made("/artifacts", `{"name":"Feature store","type":"feature_pipeline","version":"1","description":"Customer features for churn"}`)
	for i := range n {
		good := i%2 == 0
		project := c.made("/projects", fmt.Sprintf(`{"name":"p%d","status":"active","problem_class":"nlp"}`, i))
		if good {
			c.send("POST", "/artifacts/"+artifact+"/use", fmt.Sprintf(`{"project_id":%q}`, project)).want(201)
		}
		role := map[bool]string{true: "ml_engineer", false: "analyst"}[good]
		c.made("/projects/"+project+"/members", fmt.Sprintf(`{"name":"m","role":%q,"experience_level":"mid"}`, role))
		performance := 0.3 + 0.01*float64(i%5)
		if good {
			performance += 0.4
		}
		c.send("PATCH", "/projects/"+project+"/success", fmt.Sprintf(`{"model_performance":%.2f}`, performance)).want(200)
	}
	return artifact
}

func TestAdviceStandsOnItsNumbers(t *testing.T) {
	w := newWorld(t)
	var a tracking.Advice
	w.viewer.send("POST", "/recommendations", `{"problem_class":"nlp"}`).want(200).into(&a)
	if len(a.Recommendations) != 0 || a.Note != tracking.NoteNoHistory || len(a.TeamShape) != 0 || len(a.Artifacts) != 0 {
		t.Errorf("without a history: %+v", a)
	}
	artifact := w.acme.proven(24)
	project := w.acme.made("/projects", `{"name":"Churn","description":"Which customers leave: churn features","problem_class":"nlp"}`)
	w.acme.made("/projects/"+project+"/members", `{"name":"m","role":"analyst","experience_level":"mid"}`)
	w.viewer.send("POST", "/recommendations", fmt.Sprintf(`{"project_id":%q}`, project)).want(200).into(&a)
	kinds := map[string]int{}
	for _, r := range a.Recommendations {
		kinds[r.Kind]++
		for _, e := range r.Evidence {
			if math.IsNaN(e.Value) {
				t.Errorf("%s: %s is no number", r.Text, e.Name)
			}
		}
	}
	if len(a.Recommendations) == 0 || a.Recommendations[0].Kind != "reuse" || a.Recommendations[0].Subject != artifact || kinds["team"] == 0 {
		t.Fatalf("advised %+v", a.Recommendations)
	}
	if text := a.Recommendations[0].Text; !strings.Contains(text, "Feature store") || !strings.Contains(text, "the 12 finished projects") {
		t.Errorf("said %q", text)
	}
	var analytics struct {
		Uplift struct{ Uplift, Low, High float64 }
	}
	w.viewer.send("GET", "/artifacts/"+artifact+"/analytics", "").want(200).into(&analytics)
	if got := a.Artifacts; len(got) != 1 || got[0].Uplift != analytics.Uplift.Uplift || got[0].Low != analytics.Uplift.Low || got[0].High != analytics.Uplift.High || got[0].Fit <= 0.5 {
		t.Errorf("the evidence is %+v, the artifact's analytics %+v", got, analytics)
	}
	if i := slices.IndexFunc(a.TeamShape, func(g tracking.TeamGroup) bool { return g.Value == "ml_engineer" }); i < 0 || a.TeamShape[i].Count != 12 || a.TeamShape[i].Others != 12 ||
		a.TeamShape[i].Success == nil || a.TeamShape[i].Uplift == nil || math.Abs(a.TeamShape[i].Uplift.Uplift-40) > 2 {
		t.Errorf("team shape %+v", a.TeamShape)
	}
	// What the project uses already is no advice.
	w.acme.send("POST", "/artifacts/"+artifact+"/use", fmt.Sprintf(`{"project_id":%q}`, project)).want(201)
	w.viewer.send("POST", "/recommendations", fmt.Sprintf(`{"project_id":%q}`, project)).want(200).into(&a)
	if len(a.Artifacts) != 0 || slices.ContainsFunc(a.Recommendations, func(r tracking.Recommendation) bool { return r.Kind == "reuse" }) {
		t.Errorf("advised to use what it uses: %+v", a)
	}
	// Nor is what is out of use, nor another problem class.
	w.acme.send("POST", "/recommendations", `{"problem_class":"vision"}`).want(200).into(&a)
	if len(a.Recommendations) != 0 {
		t.Errorf("advised for a class without a history: %+v", a.Recommendations)
	}
}

// Every number of a sentence is in its evidence.
func TestEveryNumberOfAnAdviceIsInItsEvidence(t *testing.T) {
	w := newWorld(t)
	w.acme.proven(24)
	p := w.acme.send("POST", "/predictions", `{"problem_class":"nlp","members":[{"role":"analyst","experience_level":"mid"}]}`).want(201).prediction()
	if len(p.Recommendations) == 0 {
		t.Fatal("nothing is advised")
	}
	for _, r := range p.Recommendations {
		said := map[string]bool{}
		for _, e := range r.Evidence {
			for _, v := range []float64{math.Abs(e.Value), 100 * e.Value} {
				said[strconv.FormatFloat(v, 'f', 0, 64)], said[strconv.FormatFloat(v, 'f', 1, 64)] = true, true
			}
		}
		text := r.Text
		if r.Kind == "team" || r.Kind == "risk" {
			_, text, _ = strings.Cut(text, ": ") // the shape's own name comes before
		}
		for _, word := range strings.FieldsFunc(text, func(c rune) bool { return c != '.' && (c < '0' || c > '9') }) {
			if word = strings.Trim(word, "."); word != "" && !said[word] {
				t.Errorf("%q: %s is not in %+v", r.Text, word, r.Evidence)
			}
		}
	}
	if p.Recommendation == "" || !strings.Contains(p.Recommendation, p.Recommendations[0].Text) {
		t.Errorf("in one text: %q", p.Recommendation)
	}
}

func TestSimilarProjectsAreFoundByWordsAndInputs(t *testing.T) {
	w := newWorld(t)
	const churn = "Predict which customers of the telephone company will leave next month"
	a := w.acme.made("/projects", fmt.Sprintf(`{"name":"One","description":%q}`, churn))
	w.acme.made("/projects", `{"name":"Two","description":"Count lorries on satellite images of motorways","complexity_score":70,"attributes":{"size":500}}`)
	c := w.acme.made("/projects", `{"name":"Three","description":"Which customers cancel their telephone contract","complexity_score":20,"attributes":{"size":10}}`)
	similar := func(body string) (s tracking.SimilarProjects) {
		w.viewer.send("POST", "/projects/similar", body).want(200).into(&s)
		return s
	}
	same := similar(fmt.Sprintf(`{"description":%q}`, churn)).Items
	if len(same) != 2 || same[0].ProjectID.String() != a || *same[0].TextSimilarity != 1 || same[0].Similarity != 1 || same[1].ProjectID.String() != c || same[1].Similarity > 0.6 {
		t.Errorf("the same text finds %+v", same)
	}
	if none := similar(`{"description":"Weather in the Alps"}`).Items; len(none) != 0 {
		t.Errorf("an unrelated text finds %+v", none)
	}
	if near := similar(`{"complexity_score":21,"attributes":{"size":11}}`).Items; len(near) == 0 || near[0].ProjectID.String() != c || near[0].TextSimilarity != nil || near[0].Similarity < 0.9 {
		t.Errorf("inputs find %+v", near)
	}
	if own := similar(fmt.Sprintf(`{"project_id":%q}`, a)).Items; len(own) != 1 || own[0].ProjectID.String() != c {
		t.Errorf("a project finds %+v, want the other one about customers", own)
	}
	// A new project is found at once.
	d := w.acme.made("/projects", fmt.Sprintf(`{"name":"Four","description":%q}`, churn))
	if again := similar(fmt.Sprintf(`{"project_id":%q}`, a)).Items; len(again) == 0 || again[0].ProjectID.String() != d || *again[0].TextSimilarity != 1 {
		t.Errorf("after another one: %+v", again)
	}
	w.acme.send("POST", "/projects/similar", fmt.Sprintf(`{"project_id":%q,"name":"x"}`, a)).problem(problem.Validation)
	w.acme.send("POST", "/projects/similar", fmt.Sprintf(`{"documents":[{"text":%q}]}`, strings.Repeat("x", 65_537))).problem(problem.Validation)
	if long := similar(fmt.Sprintf(`{"documents":[{"text":%q},{"text":"ten chars!"}]}`, strings.Repeat("long words ", 1489))).Items; len(long) != 0 {
		t.Errorf("16 KiB of other words find %+v", long)
	}
}

func TestRequirementDocumentsSayWhatCanBeReused(t *testing.T) {
	w := newWorld(t)
	const stories = "# Users\\n- As a clerk, I want to see every open invoice\\n- As a clerk, I want to send a reminder\\n\\n# API\\n- GET /invoices lists the invoices\\n\\n# Data model\\n- Invoice with number and amount\\n- Customer with name and address\\n"
	done := w.acme.made("/projects", `{"name":"Billing","description":"Invoices and reminders","status":"completed","start_date":"2025-01-01","completion_date":"2025-02-20","compute_cost":1000}`)
	document := w.acme.made("/artifacts", `{"name":"requirements","type":"report","version":"1"}`)
	w.acme.send("PUT", "/artifacts/"+document+"/content", strings.ReplaceAll(stories, `\n`, "\n"), "Content-Type", "text/markdown").want(201)
	w.acme.send("POST", "/artifacts/"+document+"/use", fmt.Sprintf(`{"project_id":%q}`, done)).want(201)
	for _, c := range []struct {
		name, text, strategy string
		covered, cost        float64
	}{
		{"the same", stories, "clone_and_customise", 1, 1000.0 / 6 * 5 * 0.3},
		{"two of five", "- As a clerk, I want to send a reminder\\n- GET /invoices lists the invoices\\n- GET /weather\\n- As a pilot, I want to land\\n- Something else altogether\\n", "hybrid", 0.4, 1000.0 / 6 * (3 + 2*0.3)},
		{"none", "- As a pilot, I want to land invoices\\n- GET /weather\\n- Sort rocks by age", "from_scratch", 0, 1000.0 / 6 * 3},
	} {
		var s tracking.SimilarProjects
		w.viewer.send("POST", "/projects/similar", fmt.Sprintf(`{"name":"Invoices","documents":[{"name":"needs","text":"%s"}]}`, c.text)).want(200).into(&s)
		if len(s.Items) != 1 || s.Items[0].Overlap == nil {
			t.Fatalf("%s: %+v", c.name, s)
		}
		o := s.Items[0].Overlap
		if o.Strategy != c.strategy || math.Abs(o.Covered-c.covered) > 1e-9 || len(o.Items) != s.Needed {
			t.Errorf("%s: %+v of %d", c.name, o, s.Needed)
		}
		e := s.Items[0].Effort
		if e == nil || e.Cost == nil || e.DurationDays == nil || math.Abs(*e.Cost-c.cost) > 1e-6 || math.Abs(*e.DurationDays/50-*e.Cost/1000) > 1e-9 {
			t.Errorf("%s: the difference takes %+v, want a cost of %g", c.name, e, c.cost)
		}
	}
}

func TestDocumentsOfArtifactsNeedThePermission(t *testing.T) {
	w := newWorld(t)
	w.acme.send("POST", "/roles", `{"name":"planner","permissions":["projects:view"]}`).want(201)
	planner := w.enter(w.acme.principal.Tenant, "planner@acme.example", "planner")
	done := w.acme.made("/projects", `{"name":"Billing","description":"Invoices"}`)
	document := w.acme.made("/artifacts", `{"name":"requirements","type":"report","version":"1"}`)
	w.acme.send("PUT", "/artifacts/"+document+"/content", "- The secret recipe of invoices", "Content-Type", "text/markdown").want(201)
	w.acme.send("POST", "/artifacts/"+document+"/use", fmt.Sprintf(`{"project_id":%q}`, done)).want(201)
	const ask = `{"description":"Invoices of recipe"}`
	if got := w.viewer.send("POST", "/projects/similar", ask).want(200).body; !strings.Contains(got, "secret recipe") {
		t.Errorf("with artifacts:view: %s", got)
	}
	if got := planner.send("POST", "/projects/similar", ask).want(200).body; strings.Contains(got, "secret") {
		t.Errorf("without artifacts:view: %s", got)
	}
}

func TestTheRankingShowsUpliftWhenAsked(t *testing.T) {
	w := newWorld(t)
	artifact := w.acme.proven(12)
	var analytics registry.Analytics
	w.viewer.send("GET", "/artifacts/"+artifact+"/analytics", "").want(200).into(&analytics)
	var top struct{ Items []registry.RankedArtifact }
	w.viewer.send("GET", "/artifacts/top", "").want(200).into(&top)
	if len(top.Items) != 1 || top.Items[0].Uplift != nil {
		t.Errorf("unasked: %+v", top.Items)
	}
	w.viewer.send("GET", "/artifacts/top?uplift=true", "").want(200).into(&top)
	if got := top.Items[0].Uplift; got == nil || *got != *analytics.Uplift || got.Used != 6 {
		t.Errorf("the ranking shows %+v, the analytics %+v", got, analytics.Uplift)
	}
	w.viewer.send("GET", "/artifacts/top?uplift=true&limit=101", "").problem(problem.Validation)
}

func TestUsagesNameWhatTheyAreOf(t *testing.T) {
	w := newWorld(t)
	artifact := w.acme.proven(1)
	project := w.acme.made("/projects", `{"name":"new"}`)
	made := w.acme.send("POST", "/artifacts/"+artifact+"/use", fmt.Sprintf(`{"project_id":%q}`, project)).want(201)
	for _, path := range []string{"/artifacts/" + artifact + "/usages", "/projects/" + project + "/usages"} {
		if list := w.viewer.send("GET", path, "").want(200).body; !strings.Contains(list, made.body) {
			t.Errorf("%s has %s, want %s", path, list, made.body)
		}
	}
	if !strings.Contains(made.body, `"artifact_name":"Feature store","artifact_version":"1"`) || !strings.Contains(made.body, `"project_name":"new"`) {
		t.Errorf("named as %s", made.body)
	}
}
