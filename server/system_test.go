package server

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"maestro/auth"
	"maestro/embed"
	"maestro/problem"
)

func TestHealthTellsReadinessFromLife(t *testing.T) {
	w := newWorld(t)
	w.nobody.send("GET", "//livez", "").want(200)
	w.nobody.send("GET", "//readyz", "").want(200)
	w.server.Drain()
	w.nobody.send("GET", "//livez", "").want(200)
	if a := w.nobody.send("GET", "//readyz", "").want(503); !strings.Contains(a.body, "stopping") {
		t.Errorf("does not say why: %s", a.body)
	}
}

func TestEveryProblemHasItsPage(t *testing.T) {
	w := newWorld(t)
	index := w.nobody.send("GET", "//problems", "").want(200)
	for _, c := range classes {
		page := w.nobody.send("GET", "//problems/"+string(c.code), "").want(200)
		if !strings.Contains(page.body, c.explain[:30]) && !strings.Contains(page.body, "&#39;") {
			t.Errorf("the page of %s does not explain it", c.code)
		}
		if !strings.Contains(index.body, "/problems/"+string(c.code)) {
			t.Errorf("the index does not list %s", c.code)
		}
	}
	w.nobody.send("GET", "//problems/unheard-of", "").problem(problem.NotFound)
}

// TestEveryAssetHasItsMediaType fails when the binary holds a kind of file that
// mediaTypeOf does not know.
func TestEveryAssetHasItsMediaType(t *testing.T) {
	for room, files := range map[string]fs.FS{"swagger": embed.Swagger(), "ui": embed.UI()} {
		for name, a := range loadAssets(files) {
			if a.mediaType == "application/octet-stream" {
				t.Errorf("%s of %s has no media type", name, room)
			}
		}
	}
}

func TestTheDocumentListsEveryRouteWithItsPermission(t *testing.T) {
	w := newWorld(t)
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string   `json:"operationId"`
			Permission  string   `json:"x-maestro-permission"`
			Security    []any    `json:"security"`
			Tags        []string `json:"tags"`
			Summary     string   `json:"summary"`
		}
	}
	w.nobody.send("GET", "//openapi.json", "").want(200).into(&document)
	if document.OpenAPI != "3.1.0" {
		t.Errorf("the document is of OpenAPI %s", document.OpenAPI)
	}
	documented := map[string]string{}
	for path, operations := range document.Paths {
		for method, operation := range operations {
			documented[strings.ToUpper(method)+" "+path] = operation.Permission
			if operation.OperationID == "" || operation.Summary == "" || len(operation.Tags) != 1 {
				t.Errorf("%s %s lacks an id, a summary or a group", method, path)
			}
			if (operation.Permission == auth.Public.String()) != (len(operation.Security) == 0) {
				t.Errorf("%s %s asks for %s and documents security %v", method, path, operation.Permission, operation.Security)
			}
		}
	}
	declared := w.server.Access()
	for route, access := range declared {
		if documented[route] != access.String() {
			t.Errorf("%s asks for %s, the document says %q", route, access, documented[route])
		}
	}
	for route := range documented {
		if _, ok := declared[route]; !ok {
			t.Errorf("the document has %s, which no route declares", route)
		}
	}
	for _, route := range w.server.engine.Routes() {
		if strings.HasPrefix(route.Path, base) {
			if _, ok := w.server.demands[route.Method+" "+route.Path]; !ok {
				t.Errorf("%s %s is served and declares nothing", route.Method, route.Path)
			}
		}
	}
}

func TestARouteWithoutAPermissionStopsTheStart(t *testing.T) {
	w := newWorld(t)
	defer func() {
		if recover() == nil {
			t.Error("it was accepted")
		}
	}()
	handle(w.server, route{method: "GET", path: "/open", id: "open"}, w.server.getOwnTenant)
}

func TestARoutePastTheDeclarationsStopsTheStart(t *testing.T) {
	w := newWorld(t)
	w.server.engine.GET(base+"/open", func(*gin.Context) {})
	defer func() {
		if recover() == nil {
			t.Error("it was accepted")
		}
	}()
	w.server.checkDeclared()
}

func TestTheBrowserOfTheAPIIsInside(t *testing.T) {
	w := newWorld(t)
	page := w.nobody.send("GET", "//docs", "").want(200)
	for _, part := range []string{"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js"} {
		if !strings.Contains(page.body, part) {
			t.Errorf("the page does not load %s", part)
		}
		file := w.nobody.send("GET", "/"+part, "").want(200)
		w.nobody.send("GET", "/"+part, "", "If-None-Match", file.header.Get("ETag")).want(304)
	}
	if strings.Contains(page.body, "://") {
		t.Error("the page names another origin")
	}
	w.nobody.send("GET", "//docs/../server.go", "").problem(problem.NotFound)
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"//livez", "//docs", "//problems", "//openapi.json", "//nothing", "/projects"} {
		a := w.nobody.send("GET", path, "")
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", path, csp)
		}
		for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin"} {
			if a.header.Get(name) != "" {
				t.Errorf("%s: %s is sent", path, name)
			}
		}
	}
}

func TestRequestIdsAreKeptWhenTheyCanBe(t *testing.T) {
	w := newWorld(t)
	if got := w.nobody.send("GET", "//livez", "", "X-Request-Id", "job-7.a").header.Get("X-Request-Id"); got != "job-7.a" {
		t.Errorf("a client's id became %q", got)
	}
	for _, hostile := range []string{"a b", strings.Repeat("x", 65), "<script>", "é"} {
		if got := w.nobody.send("GET", "//livez", "", "X-Request-Id", hostile).header.Get("X-Request-Id"); got == hostile || got == "" {
			t.Errorf("the id %q was kept", hostile)
		}
	}
}

func TestAnswersAreCompressedOnRequest(t *testing.T) {
	w := newWorld(t)
	request, err := http.NewRequest("GET", w.url+"/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("came as %q", response.Header.Get("Content-Encoding"))
	}
	plain, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil || !json.Valid(text) {
		t.Errorf("%v, valid %v", err, json.Valid(text))
	}
}

func TestRatesAreBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rates := Rates{Address: Rate{1000, 1000}, Credential: Rate{1, 3}, Tenant: Rate{1, 5}}
	w := newWorld(t, func(o *Options) { o.Rates = rates; o.Now = func() time.Time { return now } })
	for range 3 {
		w.acme.send("GET", "/projects", "").want(200)
	}
	slow := w.acme.send("GET", "/projects", "")
	slow.problem(problem.TooManyRequests)
	if slow.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", slow.header.Get("Retry-After"))
	}
	w.viewer.send("GET", "/projects", "").want(200)
	w.viewer.send("GET", "/projects", "").want(200)
	w.viewer.send("GET", "/projects", "").problem(problem.TooManyRequests) // the tenant's own
	w.beta.send("GET", "/projects", "").want(200)                          // another tenant is not slowed
	now = now.Add(2 * time.Second)
	w.acme.send("GET", "/projects", "").want(200)
}

func TestOneAddressIsBoundedWithoutACredential(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	w := newWorld(t, func(o *Options) { o.Rates = Rates{Address: Rate{1, 2}}; o.Now = func() time.Time { return now } })
	w.nobody.send("GET", "/projects", "").problem(problem.Unauthenticated)
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "192.0.2.1").problem(problem.Unauthenticated)
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "192.0.2.2").problem(problem.TooManyRequests)
}
