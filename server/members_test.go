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

func TestTheLifeOfATeamMember(t *testing.T) {
	w := newWorld(t)
	team := "/projects/" + w.acme.project("p") + "/members"
	made := w.acme.send("POST", team, `{"name":"Zoë","role":"ml_engineer","experience_level":"senior","contribution_hours":12.5}`).want(201)
	m := made.object()
	path := team + "/" + m["id"].(string)
	if got := made.header.Get("Location"); got != "/api/v1"+path {
		t.Errorf("Location is %q", got)
	}
	if made.header.Get("ETag") != `"1"` || m["name"] != "Zoë" || m["performance_score"] != nil {
		t.Errorf("made %s with ETag %s", made.body, made.header.Get("ETag"))
	}
	if list := w.viewer.send("GET", team, "").want(200); list.body != `{"items":[`+made.body+`],"next_cursor":null}` {
		t.Errorf("listed %s", list.body)
	}
	changed := w.acme.send("PATCH", path, `{"performance_score":90,"role":"devops"}`, "If-Match", `"1"`).want(200)
	if m := changed.object(); m["performance_score"] != 90.0 || m["role"] != "devops" || m["name"] != "Zoë" || changed.header.Get("ETag") != `"2"` {
		t.Errorf("changed to %s", changed.body)
	}
	w.acme.send("PATCH", path, `{"role":"other"}`, "If-Match", `"1"`).problem(problem.PreconditionFailed)
	if m := w.acme.send("PATCH", path, `{"performance_score":null}`).want(200).object(); m["performance_score"] != nil {
		t.Errorf("emptied to %v", m)
	}
	w.acme.send("DELETE", path, "", "If-Match", `"1"`).problem(problem.PreconditionFailed)
	w.acme.send("DELETE", path, "", "If-Match", `"3"`).want(204)
	w.acme.send("DELETE", path, "").problem(problem.NotFound)
	if list := w.acme.send("GET", team, "").want(200); list.body != `{"items":[],"next_cursor":null}` {
		t.Errorf("after the end: %s", list.body)
	}
}

func TestEveryWrongValueOfAMemberIsNamed(t *testing.T) {
	w := newWorld(t)
	team := "/projects/" + w.acme.project("p") + "/members"
	id := w.acme.send("POST", team, `{"name":"a","role":"other","experience_level":"mid"}`).want(201).object()["id"].(string)
	for _, test := range []struct {
		name, body string
		places     []string
	}{
		{"everything", `{"name":"","role":"boss","experience_level":"some","contribution_hours":-1,"performance_score":101,"user_id":"x","tenant_id":"y"}`,
			[]string{"body.name", "body.role", "body.experience_level", "body.contribution_hours", "body.performance_score", "body.user_id", "body.tenant_id"}},
		{"a user that is not there", `{"name":"a","role":"other","experience_level":"mid","user_id":"` + tenancy.NewID().String() + `"}`, []string{"body.user_id"}},
	} {
		for method, path := range map[string]string{"POST": team, "PATCH": team + "/" + id} {
			t.Run(method+" "+test.name, func(t *testing.T) {
				p := w.acme.in(t).send(method, path, test.body).problem(problem.Validation)
				places := slices.DeleteFunc(p.places(), func(place string) bool { return place == "body" })
				if diff := cmp.Diff(test.places, places, cmpopts.SortSlices(strings.Compare)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	w.acme.send("POST", team, `{}`).problem(problem.Validation)
	w.acme.send("GET", team+"?sort=name", "").problem(problem.Validation)
	w.acme.send("PATCH", team+"/"+id, `{"name":"b"}`, "If-Match", "1").problem(problem.Malformed)
	w.acme.send("DELETE", team+"/"+id, "", "If-Match", "1").problem(problem.Malformed)
	if items := w.acme.send("GET", team, "").want(200).object()["items"].([]any); len(items) != 1 {
		t.Errorf("refused requests left %v", items)
	}
}

func TestTeamsArePaged(t *testing.T) {
	w := newWorld(t)
	team := "/projects/" + w.acme.project("p") + "/members"
	for i := range 5 {
		w.acme.send("POST", team, fmt.Sprintf(`{"name":"m%d","role":"analyst","experience_level":"junior"}`, i)).want(201)
	}
	var names []string
	for cursor := ""; ; {
		page := w.acme.send("GET", team+"?limit=2&sort=-created_at&cursor="+cursor, "").want(200).object()
		for _, item := range page["items"].([]any) {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		if page["next_cursor"] == nil {
			break
		}
		cursor = page["next_cursor"].(string)
	}
	if want := []string{"m4", "m3", "m2", "m1", "m0"}; !slices.Equal(names, want) {
		t.Errorf("paged through %v, want %v", names, want)
	}
}

func TestTeamsAreKeptApart(t *testing.T) {
	w := newWorld(t)
	project, other := w.acme.project("p"), w.acme.project("q")
	body := `{"name":"a","role":"other","experience_level":"mid"}`
	first := w.acme.send("POST", "/projects/"+project+"/members", body, "Idempotency-Key", "k").want(201)
	again := w.acme.send("POST", "/projects/"+project+"/members", body, "Idempotency-Key", "k").want(201)
	if again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeated as %s", again.body)
	}
	w.acme.send("POST", "/projects/"+other+"/members", body, "Idempotency-Key", "k").problem(problem.IdempotencyMismatch)
	id := first.object()["id"].(string)
	for _, refused := range []answer{
		w.beta.send("PATCH", "/projects/"+project+"/members/"+id, `{"name":"mine"}`),
		w.beta.send("DELETE", "/projects/"+project+"/members/"+id, ""),
		w.beta.send("POST", "/projects/"+project+"/members", body),
		w.acme.send("PATCH", "/projects/"+other+"/members/"+id, `{"name":"b"}`),
		w.acme.send("DELETE", "/projects/"+other+"/members/"+id, ""),
	} {
		refused.problem(problem.NotFound)
	}
	for _, denied := range []answer{
		w.viewer.send("POST", "/projects/"+project+"/members", body),
		w.viewer.send("PATCH", "/projects/"+project+"/members/"+id, `{"name":"b"}`),
		w.viewer.send("DELETE", "/projects/"+project+"/members/"+id, ""),
		w.operator.send("GET", "/projects/"+project+"/members", ""),
	} {
		denied.problem(problem.Forbidden)
	}
}
