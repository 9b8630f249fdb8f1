package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maestro/tenancy"
)

// The tests of this file are made from the OpenAPI document: a route that is
// added is tried, or the test fails because it does not know how.

// operation is a route as the document has it.
type operation struct {
	id, method, path, permission string
	hasBody                      bool
}

func operations(t *testing.T, w *world) []operation {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string          `json:"operationId"`
			Permission  string          `json:"x-maestro-permission"`
			RequestBody json.RawMessage `json:"requestBody"`
		}
	}
	w.nobody.send("GET", "//openapi.json", "").want(200).into(&document)
	var all []operation
	for path, methods := range document.Paths {
		for method, o := range methods {
			all = append(all, operation{o.OperationID, strings.ToUpper(method), path, o.Permission, o.RequestBody != nil})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}

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
	c.send("POST", "/metrics", fmt.Sprintf(`{"project_id":%q,"metric_type":"commits%s","metric_value":3}`, b["/projects/{id}"], canary)).want(201)
	return b
}

// bodies holds a valid body for every operation that takes one; %s is the id of
// a project of the caller's.
var bodies = map[string]string{
	"createProject": `{"name":"new"}`, "updateProject": `{"description":"changed"}`, "recordSuccess": `{"model_performance":0.1}`,
	"createMember":   `{"name":"Bob","role":"analyst","experience_level":"mid"}`,
	"updateMember":   `{"contribution_hours":5}`,
	"createArtifact": `{"name":"a","type":"model","version":"9"}`, "updateArtifact": `{"description":"changed"}`,
	"searchArtifacts": `{"query":"features"}`, "useArtifact": `{"project_id":"%s"}`, "putArtifactContent": `text`,
	"recordMetric": `{"project_id":"%s","metric_type":"x","metric_value":1}`, "recordMetrics": `[{"project_id":"%s","metric_type":"x","metric_value":1}]`,
}

// domain reports whether an operation is about what tenants own of the record
// and the library. Identity and operation have tests of their own.
func (o operation) domain() bool {
	for _, prefix := range []string{"projects:", "members:", "artifacts:", "usages:", "metrics:"} {
		if strings.HasPrefix(o.permission, prefix) {
			return true
		}
	}
	return false
}

// everything reads all that a caller can list of its tenant.
func everything(c *caller, b belongings) string {
	var all strings.Builder
	for _, path := range []string{"/projects?limit=500", "/artifacts?limit=500", "/projects/{id}", "/projects/{id}/members", "/projects/{id}/usages", "/projects/{id}/success",
		"/projects/{id}/metrics", "/projects/{id}/metrics/summary", "/projects/{id}/velocity", "/projects/{id}/collaboration",
		"/artifacts/{id}", "/artifacts/{id}/usages", "/artifacts/{id}/analytics", "/artifacts/top", "/artifacts/{id}/content"} {
		filled, _ := b.fill(path)
		a := c.send("GET", filled, "").want(200)
		all.WriteString(path + " " + a.body + "\n")
	}
	all.WriteString(c.send("POST", "/artifacts/search", `{"query":"features"}`).want(200).body)
	return all.String()
}

// TestAnotherTenantsIdsAreUnknownIds sends every operation with another tenant's
// ids, and with ids that nobody has, in the path and in the body. The answers
// must be the same to the byte, and nothing of the other tenant may change or
// show.
func TestAnotherTenantsIdsAreUnknownIds(t *testing.T) {
	const canary = "Canary7391"
	w := newWorld(t)
	theirs, ours := furnish(t, w.acme, canary), furnish(t, w.beta, "")
	before := everything(w.acme, theirs)
	unknown := belongings{}
	for slot := range theirs {
		unknown[slot] = tenancy.NewID().String()
	}
	mixed := maps.Clone(ours)
	mixed["/projects/{id}/members/{member_id}"] = theirs["/projects/{id}/members/{member_id}"]
	mixedUnknown := maps.Clone(ours)
	mixedUnknown["/projects/{id}/members/{member_id}"] = unknown["/projects/{id}/members/{member_id}"]

	tried := 0
	for _, o := range operations(t, w) {
		if !o.domain() {
			continue
		}
		template, ok := bodies[o.id]
		if o.hasBody && !ok {
			t.Errorf("%s %s (%s) takes a body that this test does not know", o.method, o.path, o.id)
			continue
		}
		send := func(path, project string) answer {
			body := strings.ReplaceAll(template, "%s", project)
			if strings.HasSuffix(path, "/content") && o.method == http.MethodPut {
				return w.beta.send(o.method, path, body, "Content-Type", "text/plain")
			}
			return w.beta.send(o.method, path, body)
		}
		compare := func(kind string, foreign, none answer) {
			tried++
			if foreign.status < 400 || foreign.status >= 500 {
				t.Errorf("%s with a foreign %s answers %d", foreign.name, kind, foreign.status)
			}
			if a, b := masked(foreign), masked(none); a != b {
				t.Errorf("%s: a foreign %s answers\n  %s\nan unknown one\n  %s", o.id, kind, a, b)
			}
			if strings.Contains(masked(foreign), canary) {
				t.Errorf("%s shows the other tenant's text: %s", o.id, foreign.body)
			}
		}
		if slots.MatchString(o.path) {
			foreignPath, known := theirs.fill(o.path)
			if !known {
				t.Errorf("%s %s has an id that this test does not know", o.method, o.path)
				continue
			}
			unknownPath, _ := unknown.fill(o.path)
			compare("path", send(foreignPath, ours["/projects/{id}"]), send(unknownPath, ours["/projects/{id}"]))
			if strings.Contains(o.path, "{member_id}") {
				foreignPath, _ = mixed.fill(o.path)
				unknownPath, _ = mixedUnknown.fill(o.path)
				compare("child", send(foreignPath, ""), send(unknownPath, ""))
			}
		}
		if strings.Contains(template, "%s") {
			path, _ := ours.fill(o.path)
			compare("body", send(path, theirs["/projects/{id}"]), send(path, unknown["/projects/{id}"]))
		}
	}
	for id := range bodies {
		if !slices.ContainsFunc(operations(t, w), func(o operation) bool { return o.id == id && o.hasBody }) {
			t.Errorf("no operation with a body is called %s", id)
		}
	}
	if tried < 25 {
		t.Errorf("tried only %d requests", tried)
	}
	if after := everything(w.acme, theirs); after != before {
		t.Errorf("the other tenant changed:\n%s\n\nbefore:\n%s", after, before)
	}
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
