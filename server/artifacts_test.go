package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maestro/problem"
	"maestro/tenancy"
)

// artifact records an artifact and returns its id. members are further members
// of the JSON.
func (c *caller) artifact(name string, members ...string) (id string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"type":"model","version":"1"%s}`, name, strings.Join(append([]string{""}, members...), ","))
	return c.send("POST", "/artifacts", body).want(201).object()["id"].(string)
}

type artifactPage struct {
	Items []struct {
		Name            string
		UsageCount      int      `json:"usage_count"`
		AvgImpactScore  *float64 `json:"avg_impact_score"`
		RankingEstimate float64  `json:"ranking_estimate"`
	}
	NextCursor *string `json:"next_cursor"`
}

func (p artifactPage) names() (names []string) {
	for _, item := range p.Items {
		names = append(names, item.Name)
	}
	return names
}

func TestTheLifeOfAnArtifact(t *testing.T) {
	w := newWorld(t)
	body := `{"name":"Churn features","type":"feature_pipeline","version":"1.0","description":"Tenure","tags":["b","a","b"],"metadata":{"k":1}}`
	made := w.acme.send("POST", "/artifacts", body, "Idempotency-Key", "once").want(201)
	a := made.object()
	path := "/artifacts/" + a["id"].(string)
	if made.header.Get("Location") != "/api/v1"+path || made.header.Get("ETag") != `"1"` {
		t.Errorf("Location %q, ETag %q", made.header.Get("Location"), made.header.Get("ETag"))
	}
	if a["is_active"] != true || a["usage_count"] != 0.0 || a["avg_impact_score"] != nil || a["size_bytes"] != nil || !cmp.Equal(a["tags"], []any{"a", "b"}) {
		t.Errorf("made %s", made.body)
	}
	again := w.acme.send("POST", "/artifacts", body, "Idempotency-Key", "once").want(201)
	if again.body != made.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeated: %s", again.body)
	}
	w.acme.send("POST", "/artifacts", body).problem(problem.Conflict)
	if read := w.viewer.send("GET", path, "").want(200); read.body != made.body {
		t.Errorf("read %s", read.body)
	}
	w.acme.send("GET", path, "", "If-None-Match", `"1"`).want(304)
	changed := w.acme.send("PATCH", path, `{"description":null,"tags":["c"],"is_active":false}`, "If-Match", `"1"`).want(200)
	if c := changed.object(); c["description"] != "" || !cmp.Equal(c["tags"], []any{"c"}) || c["is_active"] != false || c["name"] != "Churn features" {
		t.Errorf("changed to %s", changed.body)
	}
	if wrong := w.acme.send("PATCH", path, `{"version":null,"name":null}`).problem(problem.Validation).places(); !slices.Equal(wrong, []string{"body.name", "body.version"}) {
		t.Errorf("what cannot be empty is named as %v", wrong)
	}
	w.acme.send("PATCH", path, `{"name":"x"}`, "If-Match", `"1"`).problem(problem.PreconditionFailed)
	w.viewer.send("PATCH", path, `{"name":"x"}`).problem(problem.Forbidden)
	w.acme.send("DELETE", path, "", "If-Match", `"1"`).problem(problem.PreconditionFailed)
	w.acme.send("DELETE", path, "", "If-Match", `"2"`).want(204)
	w.acme.send("GET", path, "").problem(problem.NotFound)
}

func TestEveryWrongValueOfAnArtifactIsNamed(t *testing.T) {
	w := newWorld(t)
	id := w.acme.artifact("a")
	for _, test := range []struct {
		name, body string
		places     []string
	}{
		{"everything", `{"name":"","type":"song","version":"","tags":["x",""],"content_hash":"ABC","media_type":"text","storage_uri":"javascript:alert(1)","metadata":[],"is_active":1,"usage_count":5}`,
			[]string{"body.name", "body.type", "body.version", "body.tags[1]", "body.content_hash", "body.media_type", "body.storage_uri", "body.metadata", "body.is_active", "body.usage_count"}},
		{"too much", `{"name":"` + strings.Repeat("n", 256) + `","type":"model","version":"` + strings.Repeat("v", 101) + `","description":"` + strings.Repeat("d", 10001) + `","tags":[` + strings.TrimSuffix(strings.Repeat(`"t",`, 65), ",") + `]}`,
			[]string{"body.name", "body.version", "body.description", "body.tags"}},
	} {
		for method, path := range map[string]string{"POST": "/artifacts", "PATCH": "/artifacts/" + id} {
			t.Run(method+" "+test.name, func(t *testing.T) {
				got := w.acme.in(t).send(method, path, test.body).problem(problem.Validation).places()
				if method == "PATCH" { // of a body that does not fit its schema, the domain is not asked
					for _, place := range got {
						if !slices.Contains(test.places, place) {
							t.Errorf("%s is named", place)
						}
					}
					return
				}
				if diff := cmp.Diff(test.places, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
					t.Errorf("places (-want +got):\n%s", diff)
				}
			})
		}
	}
	w.acme.send("POST", "/artifacts", `{"name":"x","type":"model","version":"1","tags":[`+strings.TrimSuffix(strings.Repeat(`"t",`, 10000), ",")+`]}`).problem(problem.Validation)
	w.acme.send("POST", "/artifacts", `{"name":"`+strings.Repeat("n", 10<<20)+`","type":"model","version":"1"}`).problem(problem.TooLarge)
}

func TestListingArtifacts(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.acme.artifact(fmt.Sprint("a", i), `"tags":["t`+fmt.Sprint(i%2)+`"]`, fmt.Sprintf(`"is_active":%v`, i != 3))
	}
	w.beta.artifact("theirs", `"tags":["t0"]`)
	list := func(query string) (page artifactPage) {
		t.Helper()
		w.viewer.send("GET", "/artifacts?"+query, "").want(200).into(&page)
		return page
	}
	for query, want := range map[string][]string{
		"":                                {"a4", "a3", "a2", "a1", "a0"},
		"sort=name&limit=2":               {"a0", "a1"},
		"tag=t0&sort=created_at":          {"a0", "a2", "a4"},
		"is_active=false":                 {"a3"},
		"name=a2":                         {"a2"},
		"type=dataset":                    nil,
		"min_impact_score=0":              nil,
		"sort=-usage_count&type=model":    {"a4", "a3", "a2", "a1", "a0"},
		"sort=avg_impact_score&limit=500": {"a0", "a1", "a2", "a3", "a4"},
	} {
		if diff := cmp.Diff(want, list(query).names()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	first := list("limit=3")
	if next := list("limit=3&cursor=" + *first.NextCursor); !slices.Equal(next.names(), []string{"a1", "a0"}) || next.NextCursor != nil {
		t.Errorf("the second page is %v", next)
	}
	got := w.acme.send("GET", "/artifacts?sort=size&type=song&limit=0&is_active=maybe&min_impact_score=101", "").problem(problem.Validation).places()
	want := []string{"query.sort", "query.type", "query.limit", "query.is_active", "query.min_impact_score"}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestSearchingArtifacts(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.acme.artifact(fmt.Sprint("churn ", i), `"tags":["t"]`)
		w.beta.artifact(fmt.Sprint("churn ", i), `"tags":["t"]`)
	}
	var page artifactPage
	w.viewer.send("POST", "/artifacts/search", `{"query":"chu","type":"model","tags":["t"],"limit":2}`).want(200).into(&page)
	if !slices.Equal(page.names(), []string{"churn 2", "churn 1"}) || page.NextCursor == nil {
		t.Fatalf("found %+v", page)
	}
	more := fmt.Sprintf(`{"query":"chu","type":"model","tags":["t"],"limit":2,"cursor":%q}`, *page.NextCursor)
	w.beta.send("POST", "/artifacts/search", more).problem(problem.Malformed)
	w.viewer.send("POST", "/artifacts/search", more).want(200).into(&page)
	if !slices.Equal(page.names(), []string{"churn 0"}) || page.NextCursor != nil {
		t.Errorf("then %+v", page)
	}
	if all := w.viewer.send("POST", "/artifacts/search", `{}`).want(200); strings.Count(all.body, `"name":`) != 3 {
		t.Errorf("an empty search finds %s", all.body)
	}
	got := w.acme.send("POST", "/artifacts/search", `{"query":5,"type":"song","tags":"t","min_impact_score":-1,"limit":501,"offset":3}`).problem(problem.Validation).places()
	want := []string{"body.query", "body.type", "body.tags", "body.min_impact_score", "body.limit", "body.offset"}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	w.operator.send("POST", "/artifacts/search", `{}`).problem(problem.Forbidden)
}

func TestUsingAnArtifact(t *testing.T) {
	w := newWorld(t)
	a, p := w.acme.artifact("a"), w.acme.project("p")
	use := fmt.Sprintf(`{"project_id":%q,"impact_score":80,"context":{"why":"baseline"}}`, p)
	made := w.acme.send("POST", "/artifacts/"+a+"/use", use, "Idempotency-Key", "k").want(201)
	if u := made.object(); u["impact_score"] != 80.0 || u["impact_source"] != "reported" || u["artifact_id"] != a || u["project_id"] != p {
		t.Errorf("recorded %s", made.body)
	}
	again := w.acme.send("POST", "/artifacts/"+a+"/use", use, "Idempotency-Key", "k").want(201)
	if again.body != made.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeated: %s", again.body)
	}
	other := w.acme.artifact("b")
	w.acme.send("POST", "/artifacts/"+other+"/use", use, "Idempotency-Key", "k").problem(problem.IdempotencyMismatch)
	w.acme.send("POST", "/artifacts/"+a+"/use", fmt.Sprintf(`{"project_id":%q}`, p)).want(201)
	w.acme.send("PATCH", "/projects/"+p+"/success", `{"model_performance":0.6}`).want(200)
	read := w.viewer.send("GET", "/artifacts/"+a, "").object()
	if read["usage_count"] != 2.0 || read["avg_impact_score"] != 70.0 {
		t.Errorf("the artifact is %v", read)
	}
	for _, path := range []string{"/artifacts/" + a + "/usages?sort=used_at", "/projects/" + p + "/usages?limit=2&sort=used_at"} {
		var page struct {
			Items []struct {
				ImpactSource string  `json:"impact_source"`
				ImpactScore  float64 `json:"impact_score"`
			}
			NextCursor *string `json:"next_cursor"`
		}
		w.viewer.send("GET", path, "").want(200).into(&page)
		if len(page.Items) != 2 || page.Items[0].ImpactSource != "reported" || page.Items[1].ImpactSource != "derived" || page.Items[1].ImpactScore != 60 || page.NextCursor != nil {
			t.Errorf("%s lists %+v", path, page)
		}
	}
	var top artifactPage
	w.viewer.send("GET", "/artifacts/top?limit=5&type=model", "").want(200).into(&top)
	if !slices.Equal(top.names(), []string{"a"}) || top.Items[0].RankingEstimate != 70 || top.NextCursor != nil {
		t.Errorf("the top is %+v", top)
	}
	analytics := w.viewer.send("GET", "/artifacts/"+a+"/analytics", "").want(200).object()
	if analytics["usage_count"] != 2.0 || analytics["project_count"] != 1.0 || analytics["uplift"] != nil || analytics["ranking_estimate"] != 70.0 {
		t.Errorf("analytics are %v", analytics)
	}
	got := w.acme.send("POST", "/artifacts/"+a+"/use", `{"impact_score":101,"context":[],"used_at":"2020-01-01"}`).problem(problem.Validation).places()
	want := []string{"body", "body.project_id", "body.impact_score", "body.context", "body.used_at"} // the first says that project_id is missing
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	w.viewer.send("POST", "/artifacts/"+a+"/use", use).problem(problem.Forbidden)
	foreign := w.beta.project("p")
	for name, a := range map[string]answer{
		"another tenant's project":  w.acme.send("POST", "/artifacts/"+a+"/use", fmt.Sprintf(`{"project_id":%q}`, foreign)),
		"no project":                w.acme.send("POST", "/artifacts/"+a+"/use", fmt.Sprintf(`{"project_id":%q}`, tenancy.NewID())),
		"another tenant's artifact": w.beta.send("POST", "/artifacts/"+a+"/use", fmt.Sprintf(`{"project_id":%q}`, foreign)),
		"its usages":                w.beta.send("GET", "/artifacts/"+a+"/usages", ""),
		"its analytics":             w.beta.send("GET", "/artifacts/"+a+"/analytics", ""),
		"their project's usages":    w.acme.send("GET", "/projects/"+foreign+"/usages", ""),
	} {
		t.Run(name, func(t *testing.T) { a.t = t; a.problem(problem.NotFound) })
	}
}
