package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answers is a server that gives one answer after the other and keeps what it
// was asked.
type answers struct {
	t        *testing.T
	handlers []http.HandlerFunc
	requests []*http.Request
	bodies   []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	a.requests, a.bodies = append(a.requests, r), append(a.bodies, string(body))
	if len(a.requests) > len(a.handlers) {
		a.t.Errorf("request %d was not expected", len(a.requests))
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a.handlers[len(a.requests)-1](w, r)
}

func says(status int, contentType, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func refusal(status int, code string, headers ...string) http.HandlerFunc {
	return says(status, "application/problem+json", fmt.Sprintf(`{"type": "/problems/%s", "title": "T", "status": %d, "detail": "D."}`, code, status), headers...)
}

// scene is a client before a server of answers, with a clock that only notes how
// long was waited.
func scene(t *testing.T, credential Credential, handlers ...http.HandlerFunc) (*Client, *answers, *[]time.Duration) {
	t.Helper()
	a := &answers{t: t, handlers: handlers}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	var waits []time.Duration
	c, err := New(Options{URL: server.URL, Credential: credential, UserAgent: "test", Wait: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c, a, &waits
}

func TestCallSendsAndReads(t *testing.T) {
	c, a, _ := scene(t, Token("secret"), says(201, "application/json", `{"id": "1", "name": "N", "team_size": null, "version": 1}`, "ETag", `"1"`))
	size := int64(3)
	got, err := c.CreateProject(t.Context(), CreateProjectParams{IdempotencyKey: "k"}, ProjectFields{Name: "N", TeamSize: &size})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "1" || got.TeamSize != nil || got.ETag != `"1"` {
		t.Errorf("got %+v", got)
	}
	r := a.requests[0]
	if r.Method != "POST" || r.URL.Path != "/api/v1/projects" {
		t.Errorf("got %s %s", r.Method, r.URL)
	}
	for name, want := range map[string]string{"Authorization": "Bearer secret", "Idempotency-Key": "k", "Content-Type": "application/json", "User-Agent": "test"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if want := `{"name":"N","team_size":3}`; a.bodies[0] != want {
		t.Errorf("got body %s, want %s", a.bodies[0], want)
	}
}

func TestParams(t *testing.T) {
	zero := 0.0
	r := httptest.NewRequest("GET", "/x", nil)
	encodeParams(r, ListProjectsParams{Limit: 7, Status: "active", MinSuccessScore: &zero})
	if got, want := r.URL.RawQuery, "limit=7&min_success_score=0&status=active"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	encodeParams(r, struct {
		Tags []string `query:"tags"`
	}{[]string{"a", "b"}})
	if got, want := r.URL.Query().Get("tags"), "a,b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPatchTellsAbsentFromEmpty(t *testing.T) {
	got, err := json.Marshal(ProjectFieldsPatch{TeamSize: Set(int64(2)), ProblemClass: Clear[string]()})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"problem_class":null,"team_size":2}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestErrors(t *testing.T) {
	problem := `{"type": "/problems/validation", "title": "T", "status": 422, "detail": "Some values are not allowed.", "request_id": "R", "errors": [{"location": "body.name", "message": "must not be empty"}]}`
	tests := []struct {
		name     string
		answer   http.HandlerFunc
		code     string
		status   int64
		contains string
	}{
		{"a problem", says(422, "application/problem+json", problem), "validation", 422, "body.name must not be empty"},
		{"a defect names its request", says(500, "application/problem+json", `{"type": "/problems/internal", "title": "Internal error", "request_id": "R"}`), "internal", 500, "names this request R"},
		{"a proxy's page", says(502, "text/html", "<html>"), "", 502, "502 Bad Gateway"},
		{"a redirect is not followed", says(302, "text/html", "", "Location", "/elsewhere"), "", 302, "302 Found"},
		{"a problem that is none", says(400, "application/problem+json", "{"), "", 400, "400 Bad Request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, _, _ := scene(t, nil, test.answer)
			_, err := c.GetProject(t.Context(), "1")
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Code() != test.code || e.Status != test.status || !strings.Contains(e.Error(), test.contains) {
				t.Errorf("got %q %d %q, want %q %d and %q", e.Code(), e.Status, e.Error(), test.code, test.status, test.contains)
			}
		})
	}
}

func TestAnswerThatCannotBeRead(t *testing.T) {
	c, _, _ := scene(t, nil, says(200, "application/json", `{"id": "1`))
	_, err := c.GetProject(t.Context(), "1")
	var lost *ConnectionError
	if !errors.As(err, &lost) {
		t.Errorf("got %v, want a *ConnectionError", err)
	}
}

func TestNoServer(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	c, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetProject(t.Context(), "1")
	var lost *ConnectionError
	if !errors.As(err, &lost) || lost.URL != server.URL {
		t.Errorf("got %v, want a *ConnectionError of %s", err, server.URL)
	}
}

func TestCancelledCallIsNotALostConnection(t *testing.T) {
	c, _, _ := scene(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.GetProject(ctx, "1")
	var lost *ConnectionError
	if !errors.Is(err, context.Canceled) || errors.As(err, &lost) {
		t.Errorf("got %v, want context.Canceled alone", err)
	}
}

func TestRetries(t *testing.T) {
	project := says(201, "application/json", `{"id": "1"}`)
	t.Run("as long as the server asks for", func(t *testing.T) {
		c, a, waits := scene(t, nil, refusal(429, "too-many-requests", "Retry-After", "2"), refusal(503, "unavailable"), project)
		if _, err := c.CreateProject(t.Context(), CreateProjectParams{}, ProjectFields{Name: "N"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]time.Duration{2 * time.Second, 500 * time.Millisecond}, *waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{`{"name":"N"}`, `{"name":"N"}`, `{"name":"N"}`}, a.bodies); diff != "" {
			t.Errorf("bodies (-want +got):\n%s", diff)
		}
	})
	t.Run("no longer than is sensible, and not for ever", func(t *testing.T) {
		busy := refusal(503, "unavailable", "Retry-After", "86400")
		c, _, waits := scene(t, nil, busy, busy, busy, busy)
		_, err := c.GetProject(t.Context(), "1")
		var e *Error
		if !errors.As(err, &e) || e.Code() != "unavailable" || e.RetryAfter != 24*time.Hour {
			t.Errorf("got %v, want unavailable for a day", err)
		}
		if diff := cmp.Diff([]time.Duration{maxWait, maxWait, maxWait}, *waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
	t.Run("not of a stream that is spent", func(t *testing.T) {
		c, a, _ := scene(t, nil, refusal(503, "unavailable"))
		once := struct{ io.Reader }{strings.NewReader("content")}
		err := c.call(t.Context(), request{method: "PUT", path: "/x", contentType: "text/plain", stream: once}, nil)
		if err == nil || a.bodies[0] != "content" {
			t.Errorf("got %v after %q", err, a.bodies)
		}
	})
	t.Run("of a stream from where it stood", func(t *testing.T) {
		c, a, _ := scene(t, nil, refusal(503, "unavailable"), says(204, "", ""))
		stream := strings.NewReader("head and content")
		if _, err := stream.Seek(9, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if err := c.call(t.Context(), request{method: "PUT", path: "/x", contentType: "text/plain", stream: stream}, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"content", "content"}, a.bodies); diff != "" {
			t.Errorf("bodies (-want +got):\n%s", diff)
		}
		if got := a.requests[1].ContentLength; got != 7 {
			t.Errorf("got length %d, want 7", got)
		}
	})
}

// renewing is a credential with one successor.
type renewing struct{ now, next string }

func (r *renewing) Token(context.Context) (string, error) { return r.now, nil }
func (r *renewing) Renew(_ context.Context, refused string) (string, error) {
	if refused == r.now {
		r.now, r.next = r.next, ""
	}
	return r.now, nil
}

func TestRenewal(t *testing.T) {
	refused := refusal(401, "unauthenticated")
	t.Run("once", func(t *testing.T) {
		c, a, _ := scene(t, &renewing{"old", "new"}, refused, says(200, "application/json", `{"id": "1"}`))
		if _, err := c.GetProject(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		if got := a.requests[1].Header.Get("Authorization"); got != "Bearer new" {
			t.Errorf("got %q, want the new token", got)
		}
	})
	t.Run("no more than once", func(t *testing.T) {
		c, _, _ := scene(t, &renewing{"old", "new"}, refused, refused)
		_, err := c.GetProject(t.Context(), "1")
		var e *Error
		if !errors.As(err, &e) || e.Status != 401 {
			t.Errorf("got %v, want 401", err)
		}
	})
	t.Run("not of a fixed token", func(t *testing.T) {
		c, _, _ := scene(t, Token("old"), refused)
		_, err := c.GetProject(t.Context(), "1")
		var e *Error
		if !errors.As(err, &e) || e.Status != 401 {
			t.Errorf("got %v, want 401", err)
		}
	})
	t.Run("not where none is needed", func(t *testing.T) {
		c, a, _ := scene(t, &renewing{"old", "new"}, refused)
		if err := c.call(t.Context(), request{method: "POST", path: "/x", public: true}, nil); err == nil {
			t.Error("got no error")
		}
		if got := a.requests[0].Header.Get("Authorization"); got != "" {
			t.Errorf("the token was sent: %q", got)
		}
	})
}

func TestPages(t *testing.T) {
	first := says(200, "application/json", `{"items": [{"id": "1"}, {"id": "2"}], "next_cursor": "c"}`)
	last := says(200, "application/json", `{"items": [{"id": "3"}], "next_cursor": null}`)
	t.Run("all", func(t *testing.T) {
		c, a, _ := scene(t, nil, first, last)
		var ids []string
		for p, err := range c.AllProjects(t.Context(), ListProjectsParams{Status: "active"}) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, p.ID)
		}
		if diff := cmp.Diff([]string{"1", "2", "3"}, ids); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
		if got, want := a.requests[1].URL.RawQuery, "cursor=c&status=active"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("no more than are asked for", func(t *testing.T) {
		c, _, _ := scene(t, nil, first)
		for range c.AllProjects(t.Context(), ListProjectsParams{}) {
			break
		}
	})
	t.Run("until one fails", func(t *testing.T) {
		c, _, _ := scene(t, nil, first, refusal(404, "not-found"))
		var last error
		n := 0
		for _, err := range c.AllProjects(t.Context(), ListProjectsParams{}) {
			last = err
			n++
		}
		if n != 3 || last == nil {
			t.Errorf("got %d and %v, want two items and an error", n, last)
		}
	})
}

func TestNewRefusesWhatIsNoServer(t *testing.T) {
	for _, text := range []string{"", "localhost:8080", "ftp://host", "http://", "http://user:pw@host", "http://host?x=1", "http://ho st"} {
		if _, err := New(Options{URL: text}); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
