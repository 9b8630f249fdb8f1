package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"maestro/problem"
)

// made sends a create and returns the id of what it made.
func (c *caller) made(path, body string) string {
	c.t.Helper()
	return c.send("POST", path, body).want(201).object()["id"].(string)
}

func TestABodyThatBreaksOffIsTheClientsFailure(t *testing.T) {
	w := newWorld(t)
	for name, rest := range map[string]string{
		"shorter than announced": "Content-Length: 100\r\n\r\n{\"name\":",
		"a chunk of no size":     "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"a chunk cut short":      "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"n",
	} {
		connection, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(connection, "POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s", w.acme.credential, rest)
		if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 400 {
			t.Errorf("%s: answered %d, want 400", name, response.StatusCode)
		}
		response.Body.Close()
		connection.Close()
	}
	if list := w.acme.send("GET", "/projects", "").want(200); !strings.HasPrefix(list.body, `{"items":[],`) {
		t.Errorf("left %s", list.body)
	}
}

func TestAnUnreadableQueryIsRefusedWhole(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{"status=active;x", "status=%zz", "limit=1&status=%f", strings.Repeat("limit=1&", 20_000)} {
		got := w.acme.send("GET", "/projects?"+query, "").problem(problem.Malformed)
		if places := got.places(); !slices.Equal(places, []string{"query"}) {
			t.Errorf("?%.40s: wrong at %v", query, places)
		}
	}
}

func TestNullEmptiesWhatMayBeEmpty(t *testing.T) {
	w := newWorld(t)
	artifact := "/artifacts/" + w.acme.made("/artifacts", `{"name":"a","type":"model","version":"1","description":"d","media_type":"text/plain","storage_uri":"s3://x/y","tags":["t"],"metadata":{"a":1}}`)
	project := "/projects/" + w.acme.made("/projects", `{"name":"p","description":"d","status":"active","problem_class":"nlp","attributes":{"a":1}}`)
	member := project + "/members/" + w.acme.made(project+"/members", `{"name":"m","role":"devops","experience_level":"mid","contribution_hours":7}`)
	tenant := "/tenants/" + w.beta.principal.Tenant.String()
	for _, c := range []struct {
		who          *caller
		path, member string
		want         any // refused when it is an error
	}{
		{w.acme, artifact, "description", ""}, {w.acme, artifact, "media_type", ""}, {w.acme, artifact, "storage_uri", ""},
		{w.acme, project, "description", ""}, {w.acme, project, "problem_class", nil},
		{w.acme, artifact, "name", problem.Validation}, {w.acme, artifact, "type", problem.Validation}, {w.acme, artifact, "is_active", problem.Validation},
		{w.acme, project, "name", problem.Validation}, {w.acme, project, "status", problem.Validation},
		{w.acme, member, "contribution_hours", problem.Validation}, {w.acme, member, "role", problem.Validation},
		{w.operator, tenant, "max_users", problem.Validation}, {w.operator, tenant, "slug", problem.Validation}, {w.operator, tenant, "is_active", problem.Validation},
	} {
		got := c.who.send("PATCH", c.path, `{"`+c.member+`":null}`)
		if code, refused := c.want.(problem.Code); refused {
			if places := got.problem(code).places(); !slices.Equal(places, []string{"body." + c.member}) {
				t.Errorf("%s of %s: wrong at %v", c.member, c.path, places)
			}
			continue
		}
		if value, there := got.want(200).object()[c.member]; !there || value != c.want {
			t.Errorf("%s of %s is %#v, want %#v", c.member, c.path, value, c.want)
		}
	}
	cleared := w.acme.send("PATCH", artifact, `{"tags":null,"metadata":null}`).want(200).body
	if !strings.Contains(cleared, `"tags":[]`) || !strings.Contains(cleared, `"metadata":{}`) {
		t.Errorf("emptied to %s", cleared)
	}
}

func TestTheAnswerToHostileInputStaysSmall(t *testing.T) {
	w := newWorld(t)
	var unknown strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&unknown, `,"u%d":1`, i)
	}
	for name, request := range map[string][2]string{
		"many unknown names":   {"/projects", `{"name":"x"` + unknown.String() + `}`},
		"a long unknown name":  {"/projects", `{"name":"x","` + strings.Repeat("y", 900_000) + `":1}`},
		"many values":          {"/artifacts/search", `{"tags":[` + strings.Repeat(`1,`, 100_000) + `1]}`},
		"long unknown in many": {"/projects", `{"name":"x","` + strings.Repeat("ü", 1000) + `":1` + unknown.String() + `}`},
	} {
		got := w.acme.send("POST", request[0], request[1])
		if n := len(got.problem(problem.Validation).Errors); n > problem.MaxViolations || len(got.body) > 32<<10 {
			t.Errorf("%s: %d violations in %d bytes", name, n, len(got.body))
		}
	}
}

func TestHalfOfASurrogatePairIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{`\ud800`, `a\udfffb`, `\ud800\ud800`, `\udc00\ud800`, `\ud800\\udc00`, `\ud83d\n`} {
		w.acme.send("POST", "/projects", `{"name":"`+name+`"}`).problem(problem.Malformed)
	}
	for name, want := range map[string]string{`\ud83d\ude00`: "😀", `\\ud800`: `\ud800`, `\u00e9\ud83d\ude00\\`: `é😀\`, `\"\ufffd`: "\"\ufffd"} {
		if got := w.acme.send("POST", "/projects", `{"name":"`+name+`"}`).want(201).object()["name"]; got != want {
			t.Errorf("%s was kept as %q, want %q", name, got, want)
		}
	}
}

func TestACodedBodyIsRefused(t *testing.T) {
	w := newWorld(t)
	w.acme.send("POST", "/projects", `{"name":"x"}`, "Content-Encoding", "gzip").problem(problem.UnsupportedMedia)
	w.acme.send("POST", "/projects", `{"name":"x"}`, "Content-Encoding", "identity").want(201)
}

func TestManyRangesAreAnsweredWithTheWhole(t *testing.T) {
	w := newWorld(t)
	path := "/artifacts/" + w.acme.made("/artifacts", `{"name":"a","type":"model","version":"1"}`) + "/content"
	content := strings.Repeat("0123456789", 1000)
	w.acme.send("PUT", path, content, "Content-Type", "application/octet-stream").want(201)
	few := w.acme.send("GET", path, "", "Range", "bytes="+strings.Repeat("1-1,", maxRanges-1)+"0-0").want(206)
	if got := strings.Count(few.body, "Content-Range"); got != maxRanges {
		t.Errorf("answered %d ranges, want %d", got, maxRanges)
	}
	if many := w.acme.send("GET", path, "", "Range", "bytes="+strings.Repeat("1-1,", maxRanges)+"0-0").want(200); many.body != content {
		t.Errorf("answered %d bytes, want the whole", len(many.body))
	}
	none := w.acme.send("GET", path, "", "Range", "bytes=10000-")
	none.problem(problem.RangeNotSatisfiable)
	if got := none.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("416 with Cache-Control %q", got)
	}
}
