package server

import (
	"fmt"
	"strings"
	"testing"

	"maestro/problem"
)

// made sends a create and returns the id of what it made.
func (c *caller) made(path, body string) string {
	c.t.Helper()
	return c.send("POST", path, body).want(201).object()["id"].(string)
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
