package server

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// belongings are the ids of one of everything that a tenant has, by the path
// that names them.
type belongings map[string]string

var slots = regexp.MustCompile(`\{(\w+)\}`)

// fill puts ids into a path: each slot is looked up by the path up to it.
func (b belongings) fill(path string) (string, bool) {
	known := true
	filled := slots.ReplaceAllStringFunc(path, func(slot string) string {
		prefix := strings.TrimPrefix(path[:strings.Index(path, slot)+len(slot)], base)
		id, ok := b[prefix]
		known = known && ok
		return id
	})
	return filled, known
}

// furnish makes one of everything in a caller's tenant. Every text contains the
// canary, and the names are the same in every tenant but for it when it is "".
func furnish(t *testing.T, c *caller, canary string) belongings {
	t.Helper()
	id := func(a answer, status int) string { return a.want(status).object()["id"].(string) }
	b := belongings{}
	b["/projects/{id}"] = id(c.send("POST", "/projects", fmt.Sprintf(`{"name":"churn%[1]s","description":"about %[1]s","problem_class":"nlp","status":"completed","model_performance":0.5,"attributes":{"a":"%[1]s"},"metadata":{"m":"%[1]s"}}`, canary)), 201)
	b["/projects/{id}/members/{member_id}"] = id(c.send("POST", "/projects/"+b["/projects/{id}"]+"/members", fmt.Sprintf(`{"name":"Ann%s","role":"ml_engineer","experience_level":"senior"}`, canary)), 201)
	b["/artifacts/{id}"] = id(c.send("POST", "/artifacts", fmt.Sprintf(`{"name":"features%[1]s","type":"model","version":"1","description":"of %[1]s","tags":["tag%[1]s"]}`, canary)), 201)
	c.send("PUT", "/artifacts/"+b["/artifacts/{id}"]+"/content", "the same file in every tenant", "Content-Type", "text/plain").want(201)
	c.send("POST", "/artifacts/"+b["/artifacts/{id}"]+"/use", fmt.Sprintf(`{"project_id":%q,"impact_score":70,"context":{"c":"%s"}}`, b["/projects/{id}"], canary)).want(201)
	b["/projects/{id}/hooks/{hook_id}"] = id(c.send("POST", "/projects/"+b["/projects/{id}"]+"/hooks", fmt.Sprintf(`{"name":"CI%s","provider":"github"}`, canary)), 201)
	c.send("POST", "/projects/"+b["/projects/{id}"]+"/pipeline-runs", fmt.Sprintf(`{"run":"1","name":"test%s","status":"success","finished_at":"2026-03-02"}`, canary)).want(201)
	c.send("POST", "/metrics", fmt.Sprintf(`{"project_id":%q,"metric_type":"commits%s","metric_value":3}`, b["/projects/{id}"], canary)).want(201)
	b["/predictions/{id}"] = id(c.send("POST", "/predictions", fmt.Sprintf(`{"problem_class":"nlp","attributes":{"a":"%s"}}`, canary)), 201)
	return b
}

// everything reads all that a caller can list of its tenant.
func everything(c *caller, b belongings) string {
	var all strings.Builder
	for _, path := range []string{"/projects?limit=500", "/artifacts?limit=500", "/projects/{id}", "/projects/{id}/members", "/projects/{id}/usages", "/projects/{id}/success",
		"/projects/{id}/metrics", "/projects/{id}/metrics/summary", "/projects/{id}/velocity", "/projects/{id}/collaboration", "/projects/{id}/pipeline-runs", "/projects/{id}/hooks",
		"/artifacts/{id}", "/artifacts/{id}/usages", "/artifacts/{id}/analytics", "/artifacts/top", "/artifacts/{id}/content",
		"/predictions", "/predictions/{id}", "/predictor"} {
		filled, _ := b.fill(path)
		a := c.send("GET", filled, "").want(200)
		all.WriteString(path + " " + a.body + "\n")
	}
	all.WriteString(c.send("POST", "/artifacts/search", `{"query":"features"}`).want(200).body)
	return all.String()
}

// TestTenantsDoNotInfluenceEachOther fills a tenant alone and, in another world,
// between the same and hostile actions of a second tenant with the same names,
// tags and files. What the first one reads must be the same in both, but for ids
// and times.
func TestTenantsDoNotInfluenceEachOther(t *testing.T) {
	story := func(noisy bool) string {
		w := newWorld(t)
		noise := func() {
			if noisy {
				b := furnish(t, w.beta, "")
				for range 3 {
					w.beta.send("POST", "/artifacts/"+b["/artifacts/{id}"]+"/use", fmt.Sprintf(`{"project_id":%q,"impact_score":1}`, b["/projects/{id}"])).want(201)
				}
				w.beta.send("DELETE", "/projects/"+b["/projects/{id}"], "").want(204)
				w.beta.send("DELETE", "/artifacts/"+b["/artifacts/{id}"], "").want(204)
			}
		}
		noise()
		b := furnish(t, w.acme, "")
		for i := range 6 {
			noise()
			w.acme.send("POST", "/projects", fmt.Sprintf(`{"name":"p%d","status":"completed","business_impact":%d,"compute_cost":%d,"model_performance":0.5}`, i, i, i)).want(201)
			w.acme.send("POST", "/artifacts", fmt.Sprintf(`{"name":"features %d","type":"dataset","version":"1","tags":["tag"]}`, i)).want(201)
		}
		if noisy {
			furnish(t, w.beta, "") // and stays
		}
		if err := w.store.Maintain(background); err != nil {
			t.Fatal(err)
		}
		return anonymous(everything(w.acme, b))
	}
	alone, beside := story(false), story(true)
	if alone != beside {
		t.Errorf("alone:\n%s\n\nbeside another tenant:\n%s", alone, beside)
	}
}

var (
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTime = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z`)
)

func anonymous(text string) string {
	return anyTime.ReplaceAllString(anyID.ReplaceAllString(text, "ID"), "TIME")
}
