package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maestro/problem"
	"maestro/tenancy"
)

func TestTheLifeOfAProject(t *testing.T) {
	w := newWorld(t)
	made := w.acme.send("POST", "/projects", `{"name":"Churn","problem_class":"classification","start_date":"2024-01-01","team_size":4}`).want(201)
	p := made.object()
	id := p["id"].(string)
	if got := made.header.Get("Location"); got != "/api/v1/projects/"+id {
		t.Errorf("Location is %q", got)
	}
	if made.header.Get("ETag") != `"1"` || p["status"] != "planned" || p["start_date"] != "2024-01-01T00:00:00.000000Z" {
		t.Errorf("made %s with ETag %s", made.body, made.header.Get("ETag"))
	}
	read := w.acme.send("GET", "/projects/"+id, "").want(200)
	if read.body != made.body {
		t.Errorf("read  %s\nwant  %s", read.body, made.body)
	}
	w.acme.send("GET", "/projects/"+id, "", "If-None-Match", `"1"`).want(304)

	changed := w.acme.send("PATCH", "/projects/"+id, `{"problem_class":null,"attributes":{"x":1.5,"y":"z","z":true}}`, "If-Match", `"1"`).want(200)
	if p := changed.object(); p["problem_class"] != nil || p["name"] != "Churn" || p["version"] != 2.0 || changed.header.Get("ETag") != `"2"` {
		t.Errorf("changed to %s", changed.body)
	}
	w.acme.send("PATCH", "/projects/"+id, `{"name":"late"}`, "If-Match", `"1"`).problem(problem.PreconditionFailed)
	w.acme.send("PATCH", "/projects/"+id, `{"completion_date":"2023-01-01"}`).problem(problem.Validation)

	done := w.acme.send("PATCH", "/projects/"+id+"/success", `{"model_performance":0.9,"compute_cost":12.5}`).want(200).object()
	if done["status"] != "completed" || done["completion_date"] == nil || done["compute_cost"] != 12.5 {
		t.Errorf("finished as %v", done)
	}
	w.acme.send("DELETE", "/projects/"+id, "", "If-Match", `"1"`).problem(problem.PreconditionFailed)
	if gone := w.acme.send("DELETE", "/projects/"+id, "").want(204); gone.body != "" {
		t.Errorf("204 with a body: %s", gone.body)
	}
	w.acme.send("GET", "/projects/"+id, "").problem(problem.NotFound)
}

// TestEveryWrongValueIsNamedAtOnce sends bodies that are wrong in one or many
// ways and compares the places that the answer names. Nothing of them may stay.
func TestEveryWrongValueIsNamedAtOnce(t *testing.T) {
	w := newWorld(t)
	cases := []struct {
		name, body string
		want       []string
	}{
		{"everything", `{"name":"","problem_class":"Has Space","status":"done","complexity_score":0,"team_size":0,"start_date":"1969-12-31","completion_date":"2200-01-01","model_performance":1.1,"compute_cost":-1,"attributes":{"a":[1]},"metadata":[]}`,
			[]string{"body.name", "body.problem_class", "body.status", "body.complexity_score", "body.team_size", "body.start_date", "body.completion_date", "body.model_performance", "body.compute_cost", "body.attributes.a", "body.metadata"}},
		{"wrong types", `{"name":7,"complexity_score":"high","team_size":1.5,"start_date":true,"attributes":[],"metadata":"x"}`,
			[]string{"body.name", "body.complexity_score", "body.team_size", "body.start_date", "body.attributes", "body.metadata"}},
		{"unknown field", `{"name":"a","owner":"me","tenant_id":"00000000-0000-7000-8000-000000000001","success_score":100}`,
			[]string{"body.owner", "body.tenant_id", "body.success_score"}},
		{"other case", `{"name":"a","NAME":"b"}`, []string{"body.NAME"}},
		{"long name", `{"name":"` + strings.Repeat("x", 256) + `"}`, []string{"body.name"}},
		{"control characters", `{"name":"a\u0007b"}`, []string{"body.name"}},
		{"NUL", `{"name":"a","description":"a\u0000b"}`, []string{"body.description"}},
		{"space around", `{"name":" a"}`, []string{"body.name"}},
		{"not a date", `{"name":"a","start_date":"2024-02-30"}`, []string{"body.start_date"}},
		{"completed before it began", `{"name":"a","start_date":"2024-02-02","completion_date":"2024-02-01"}`, []string{"body.completion_date"}},
		{"65 attributes", `{"name":"a","attributes":{` + numbered(65, `"a%d":1`) + `}}`, []string{"body.attributes"}},
		{"17 KiB of metadata", `{"name":"a","metadata":{"x":"` + strings.Repeat("x", 17<<10) + `"}}`, []string{"body.metadata"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := w.acme.in(t).send("POST", "/projects", c.body).problem(problem.Validation)
			places := slices.DeleteFunc(p.places(), func(place string) bool { return place == "body" })
			if diff := cmp.Diff(c.want, places, cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Errorf("places differ (-want +got):\n%s", diff)
			}
		})
	}
	if list := w.acme.send("GET", "/projects", "").want(200); list.body != `{"items":[],"next_cursor":null}` {
		t.Errorf("refused creates left %s", list.body)
	}
}

func TestUnreadableBodiesAreRefusedWhole(t *testing.T) {
	w := newWorld(t)
	cases := []struct {
		name, body, mediaType string
		want                  problem.Code
	}{
		{"no body", "", "application/json", problem.Malformed},
		{"half an object", `{"name":`, "application/json", problem.Malformed},
		{"two objects", `{"name":"a"}{"name":"b"}`, "application/json", problem.Malformed},
		{"a name twice", `{"name":"a","name":"b"}`, "application/json", problem.Malformed},
		{"an escaped name twice", `{"name":"a","n\u0061me":"b"}`, "application/json", problem.Malformed},
		{"broken UTF-8", "{\"name\":\"a\xff\"}", "application/json", problem.Malformed},
		{"NaN", `{"name":"a","compute_cost":NaN}`, "application/json", problem.Malformed},
		{"too deep", `{"name":"a","metadata":` + strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 101), "application/json", problem.Malformed},
		{"too large", `{"name":"` + strings.Repeat("x", 10<<20) + `"}`, "application/json", problem.TooLarge},
		{"a form", "name=a", "application/x-www-form-urlencoded", problem.UnsupportedMedia},
		{"plain text", `{"name":"a"}`, "text/plain", problem.UnsupportedMedia},
		{"another charset", `{"name":"a"}`, "application/json; charset=utf-16", problem.UnsupportedMedia},
		{"an array", `[]`, "application/json", problem.Validation},
		{"a number beyond float64", `{"name":"a","compute_cost":1e999}`, "application/json", problem.Malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w.acme.in(t).send("POST", "/projects", c.body, "Content-Type", c.mediaType).problem(c.want)
		})
	}
	if list := w.acme.send("GET", "/projects", "").want(200); list.body != `{"items":[],"next_cursor":null}` {
		t.Errorf("refused creates left %s", list.body)
	}
}

func TestARepeatedPostCreatesOnce(t *testing.T) {
	w := newWorld(t)
	body := `{"name":"once"}`
	first := w.acme.send("POST", "/projects", body, "Idempotency-Key", "k1").want(201)
	again := w.acme.send("POST", "/projects", body, "Idempotency-Key", "k1").want(201)
	if again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first %s, again %s (%v)", first.body, again.body, again.header)
	}
	w.acme.send("POST", "/projects", `{"name":"other"}`, "Idempotency-Key", "k1").problem(problem.IdempotencyMismatch)
	w.beta.send("POST", "/projects", `{"name":"other"}`, "Idempotency-Key", "k1").want(201)
	w.acme.send("POST", "/projects", `{"name":"x"}`, "Idempotency-Key", strings.Repeat("k", 256)).problem(problem.Validation)
	w.acme.send("DELETE", "/projects/"+first.object()["id"].(string), "").want(204)
	w.acme.send("POST", "/projects", body, "Idempotency-Key", "k1").problem(problem.NotFound)
}

func TestListsPageToTheirEnd(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.acme.send("POST", "/projects", fmt.Sprintf(`{"name":"p%d","status":"%s"}`, i, []string{"planned", "active"}[i%2])).want(201)
	}
	var names []string
	cursor := ""
	for {
		var page struct {
			Items      []struct{ Name string }
			NextCursor *string `json:"next_cursor"`
		}
		w.acme.send("GET", "/projects?sort=name&limit=3&status=planned&cursor="+cursor, "").want(200).into(&page)
		for _, p := range page.Items {
			names = append(names, p.Name)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	if want := []string{"p0", "p2", "p4", "p6"}; !slices.Equal(names, want) {
		t.Errorf("paged through %v, want %v", names, want)
	}
	for query, place := range map[string]string{
		"limit=0": "query.limit", "limit=501": "query.limit", "limit=x": "query.limit", "sort=owner": "query.sort", "status=done": "query.status",
		"min_success_score=101": "query.min_success_score", "created_from=yesterday": "query.created_from", "offset=5": "query.offset",
	} {
		if p := w.acme.send("GET", "/projects?"+query, "").problem(problem.Validation); !slices.Contains(p.places(), place) {
			t.Errorf("?%s names %v, want %s", query, p.places(), place)
		}
	}
	p := w.acme.send("GET", "/projects?cursor=AAAA", "").problem(problem.Malformed)
	if !slices.Contains(p.places(), "query.cursor") {
		t.Errorf("a forged cursor names %v", p.places())
	}
}

func TestTheLimitOfProjectsIsAnswered(t *testing.T) {
	w := newWorld(t)
	tenant := w.acme.principal.Tenant.String()
	w.operator.send("PATCH", "/tenants/"+tenant, `{"max_projects":1}`).want(200)
	w.acme.send("POST", "/projects", `{"name":"a"}`).want(201)
	p := w.acme.send("POST", "/projects", `{"name":"b"}`).problem(problem.LimitReached)
	if p.Resource != "projects" || *p.Limit != 1 || *p.Current != 1 {
		t.Errorf("the problem says %+v", p)
	}
	use := w.acme.send("GET", "/tenant", "").want(200).object()
	if use["max_projects"] != 1.0 || use["use"].(map[string]any)["projects"] != 1.0 {
		t.Errorf("the tenant says %v", use)
	}
}

func TestPermissionsAndTenantsHold(t *testing.T) {
	w := newWorld(t)
	id := w.acme.send("POST", "/projects", `{"name":"a"}`).want(201).object()["id"].(string)
	w.viewer.send("GET", "/projects/"+id, "").want(200)
	for _, denied := range []answer{
		w.viewer.send("POST", "/projects", `{"name":"b"}`),
		w.viewer.send("PATCH", "/projects/"+id, `{"name":"b"}`),
		w.viewer.send("DELETE", "/projects/"+id, ""),
		w.viewer.send("GET", "/tenants", ""),
		w.acme.send("GET", "/tenants", ""),
		w.operator.send("GET", "/projects", ""),
	} {
		denied.problem(problem.Forbidden)
	}
	challenge := w.nobody.send("GET", "/projects", "")
	challenge.problem(problem.Unauthenticated)
	if !strings.HasPrefix(challenge.header.Get("WWW-Authenticate"), "Bearer ") {
		t.Error("401 without a challenge")
	}
	foreign := w.beta.send("GET", "/projects/"+id, "")
	unknown := w.beta.send("GET", "/projects/"+tenancy.NewID().String(), "")
	if a, b := masked(foreign), masked(unknown); a != b {
		t.Errorf("a foreign id answers %s\nan unknown one     %s", a, b)
	}
	w.beta.send("PATCH", "/projects/"+id, `{"name":"mine"}`).problem(problem.NotFound)
	w.beta.send("DELETE", "/projects/"+id, "").problem(problem.NotFound)
	w.acme.send("GET", "/projects/not-an-id", "").problem(problem.Validation)
}

// masked is an answer without what differs between any two.
func masked(a answer) string {
	h := a.header.Clone()
	id := h.Get("X-Request-Id")
	h.Del("X-Request-Id")
	h.Del("Date")
	return fmt.Sprint(a.status, h, strings.ReplaceAll(a.body, id, "-"))
}

func numbered(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, ",")
}

func TestMethodsAndAddresses(t *testing.T) {
	w := newWorld(t)
	refused := w.acme.send("PUT", "/projects", `{}`)
	refused.problem(problem.MethodNotAllowed)
	if got := refused.header.Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow is %q", got)
	}
	w.acme.send("GET", "/nothing", "").problem(problem.NotFound)
	w.acme.send("GET", "/projects/", "").problem(problem.NotFound)
	w.acme.send(http.MethodTrace, "/projects", "").problem(problem.MethodNotAllowed)
}

func TestProjectsAreFoundByTheWordsOfNameAndDescription(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{`{"name":"Churn of Customers","description":"Phase 1"}`, `{"name":"Été 100%","description":"customers_in_summer","status":"completed","completion_date":"2026-02-03"}`, `{"name":"Fraud"}`} {
		w.acme.send("POST", "/projects", p).want(201)
	}
	w.beta.send("POST", "/projects", `{"name":"Customers of beta"}`).want(201)
	for query, want := range map[string]int{
		"q=customers": 2, "q=CUSTOM": 2, "q=customers+churn": 1, "q=churn%20fraud": 0, "q=%25": 1, "q=s_in": 1, "q=r_p": 0, "q=%C3%89t%C3%A9": 1, "q=%5C": 0, "q=": 3, "q=+": 3,
		"q=customers&status=completed": 1, "completed_from=2026-02-03": 1, "completed_from=2026-02-04": 0, "completed_until=2026-02-04": 1, "completed_until=2026-02-03": 0,
	} {
		var list struct{ Items []struct{ Name string } }
		w.viewer.send("GET", "/projects?"+query, "").want(200).into(&list)
		if len(list.Items) != want {
			t.Errorf("?%s finds %v, want %d", query, list.Items, want)
		}
	}
}

// A page is longer than package http's buffer, so its length is not told by itself.
func TestALongAnswerTellsItsLength(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.acme.send("POST", "/projects", fmt.Sprintf(`{"name":"Churn %d","description":%q}`, i, strings.Repeat("x", 1000))).want(201)
	}
	page := w.acme.send("GET", "/projects", "", "Accept-Encoding", "identity").want(200)
	if got, want := page.header.Get("Content-Length"), fmt.Sprint(len(page.body)); got != want || len(page.body) < 12_000 {
		t.Errorf("Content-Length is %q of %s bytes", got, want)
	}
	packed := w.acme.send("GET", "/projects", "", "Accept-Encoding", "gzip").want(200)
	if got := packed.header.Get("Content-Length"); packed.header.Get("Content-Encoding") != "gzip" || got != "" && got != fmt.Sprint(len(packed.body)) {
		t.Errorf("Content-Length is %q of %d bytes in gzip", got, len(packed.body))
	}
}
