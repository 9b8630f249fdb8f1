package server

import (
	"net/http"
	"strings"
	"testing"

	"maestro/problem"
)

func TestTheUIAnswersForEveryScreen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/", "/projects", "/projects/01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69", "/library?q=x", "/no/such/screen", "/index.html"} {
		page := w.nobody.in(t).send("GET", "/"+path, "", "Accept", "text/html,*/*;q=0.8").want(http.StatusOK)
		if got := page.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s comes as %q", path, got)
		}
		policy := page.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %q", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		if strings.Contains(page.body, "<style") || strings.Contains(page.body, "style=") || strings.Contains(page.body, "<script>") {
			t.Errorf("%s has code or style of its own, which the policy forbids", path)
		}
		again := w.nobody.in(t).send("GET", "/"+path, "", "Accept", "text/html", "If-None-Match", page.header.Get("Etag"))
		again.want(http.StatusNotModified)
	}
}

func TestTheUIAnswersForNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/api/v1/nothing", "/api", "/assets/nothing.js", "/docs/nothing", "/problems/nothing", "/.well-known/nothing"} {
		w.nobody.in(t).send("GET", "/"+path, "", "Accept", "text/html").problem(problem.NotFound)
	}
	w.nobody.send("GET", "//projects", "", "Accept", "application/json").problem(problem.NotFound)
	w.nobody.send("POST", "//projects", "{}", "Accept", "text/html").problem(problem.NotFound)
}

func TestTheUIsFilesAreKeptByBrowsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{"//assets/index.js": "text/javascript; charset=utf-8", "//assets/style.css": "text/css; charset=utf-8", "//favicon.svg": "image/svg+xml"} {
		file := w.nobody.in(t).send("GET", path, "").want(http.StatusOK)
		if got := file.header.Get("Content-Type"); got != want {
			t.Errorf("%s comes as %q, want %q", path, got, want)
		}
		tag := file.header.Get("Etag")
		if !strings.HasPrefix(tag, `"`) {
			t.Errorf("%s has the tag %q, which is not strong", path, tag)
		}
		w.nobody.in(t).send("GET", path, "", "If-None-Match", tag).want(http.StatusNotModified)
	}
}
