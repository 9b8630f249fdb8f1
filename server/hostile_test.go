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
