package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"maestro/auth"
	"maestro/problem"
)

// base is the path that every route of the API begins with.
const base = "/api/v1"

// Body limits, in bytes.
const (
	maxBody      = 1 << 20  // of a JSON request
	maxBatchBody = 32 << 20 // of a batch of metrics
)

// route describes an operation of the API.
type route struct {
	method  string
	path    string // below base, with {names}
	access  auth.Access
	id      string // operationId: what clients call it
	summary string
	text    string   // more about it, or empty
	tag     string   // the group it is listed in
	status  int      // of success; 200 unless set
	maxBody int64    // maxBody unless set; content has none
	accepts []string // media types of its body; application/json unless set, anything where it is anyMedia

	recognises bool // a public route that knows its caller by a credential that holds
	session    bool // a person's session alone may do it, no API token
}

// anyMedia is what a route accepts that takes any content.
var anyMedia = []string{"*/*"}

// demand is what a route asks of a request before its handler sees it.
type demand struct {
	access     auth.Access
	accepts    []string
	maxBody    int64 // 0 for none
	recognises bool
	session    bool
	id         string // operationId
}

// operation is the route's entry in the OpenAPI document.
func (r route) operation() huma.Operation {
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	op := huma.Operation{
		Method: r.method, Path: base + r.path, OperationID: r.id, Summary: r.summary, Description: r.text,
		Tags: []string{r.tag}, DefaultStatus: status, MaxBodyBytes: -1, SkipValidateBody: false, // authorize bounds the body
		RejectUnknownQueryParameters: true,
		Extensions:                   map[string]any{"x-maestro-permission": r.access.String()},
		Responses: map[string]*huma.Response{"default": {
			Description: "A problem (RFC 9457); the page at its type explains the class",
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
		}},
	}
	if r.access != auth.Public {
		op.Security = []map[string][]string{{"bearer": {}}, {"basic": {}}}
	}
	if r.session {
		op.Security = []map[string][]string{{"bearer": {}}}
		op.Extensions["x-maestro-session"] = true
	}
	return op
}

// handle adds an operation whose input and output are small and typed.
func handle[I, O any](s *Server, r route, handler func(context.Context, *I) (*O, error)) {
	s.declare(r)
	op := r.operation()
	if isCreation(reflect.TypeFor[I]()) {
		op.SkipValidateBody = true // it does so itself
		op.Metadata = map[string]any{formKey: s.api.OpenAPI().Components.Schemas}
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			p := document(err)
			p.RequestID = requestID(ctx)
			note(ctx, p.cause)
			return nil, p
		}
		return out, nil
	})
}

// handleStream adds an operation that reads or writes a large body by itself.
// The document describes it; the handler answers failures with refuse.
func handleStream(s *Server, r route, op huma.Operation, handler gin.HandlerFunc) {
	s.declare(r)
	described := r.operation()
	described.Parameters, described.RequestBody = op.Parameters, op.RequestBody
	maps.Copy(described.Responses, op.Responses)
	s.api.OpenAPI().AddOperation(&described)
	s.engine.Handle(r.method, ginPath(described.Path), handler)
}

// declare notes what the route asks of its caller. It panics for a route that
// asks for nothing, which stops the start.
func (s *Server) declare(r route) {
	if r.access == auth.Undeclared {
		panic(fmt.Sprintf("server: %s %s declares no permission", r.method, r.path))
	}
	accepts := r.accepts
	if accepts == nil {
		accepts = []string{"application/json"}
	}
	limit := cmp.Or(r.maxBody, maxBody)
	if accepts[0] == anyMedia[0] {
		limit = 0
	}
	s.demands[r.method+" "+ginPath(base+r.path)] = demand{r.access, accepts, limit, r.recognises, r.session, r.id}
}

// open adds a route outside the API that anybody may read, such as health. What
// it answers is the same for everybody, but for the metrics, which ask for a token
// of their own.
func (s *Server) open(path string, handler gin.HandlerFunc) {
	s.opened["GET "+path] = true
	s.engine.GET(path, handler)
}

// checkDeclared panics when the engine serves a route that neither handle nor
// handleStream nor open added: nobody would have asked its caller for anything.
func (s *Server) checkDeclared() {
	for _, served := range s.engine.Routes() {
		key := served.Method + " " + served.Path
		if _, declared := s.demands[key]; !declared && !s.opened[key] {
			panic(fmt.Sprintf("server: %s declares no permission", key))
		}
	}
}

func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// Access returns what every route of the API asks of its caller, by method and
// path.
func (s *Server) Access() map[string]auth.Access {
	routes := make(map[string]auth.Access, len(s.demands))
	for key, demand := range s.demands {
		segments := strings.Split(key, "/")
		for i, segment := range segments {
			if name, ok := strings.CutPrefix(segment, ":"); ok {
				segments[i] = "{" + name + "}"
			}
		}
		routes[strings.Join(segments, "/")] = demand.access
	}
	return routes
}

// authorize authenticates the request and holds it to what its route declares.
func (s *Server) authorize(c *gin.Context) {
	asked, declared := s.demands[c.Request.Method+" "+c.FullPath()]
	if !declared {
		c.Next() // checkDeclared lets through what lies open, and nothing else is served
		return
	}
	err := s.admit(c.Request, asked)
	if err != nil {
		refuse(c, err)
		return
	}
	if c.Request.Body != nil { // as it may be where no server received the request
		if asked.maxBody > 0 {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, asked.maxBody)
		}
		c.Request.Body = clientBody{c.Request.Body}
	}
	c.Next()
}

func (s *Server) admit(r *http.Request, asked demand) error {
	if asked.access != auth.Public || asked.recognises {
		caller := who(r.Context())
		err := s.recognise(r, caller)
		if err != nil && (asked.access != auth.Public || problem.CodeOf(err) != problem.Unauthenticated) {
			return err
		}
		if err := asked.access.Check(caller); err != nil {
			return err
		}
		if asked.session && !caller.Interactive() {
			return problem.New(problem.Forbidden, "An API token cannot do this. Log in.")
		}
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if asked.accepts[0] == anyMedia[0] {
		return nil
	}
	if err := checkMediaType(r, asked.accepts); err != nil {
		return err
	}
	if r.ContentLength > asked.maxBody {
		return unreadable(&http.MaxBytesError{Limit: asked.maxBody})
	}
	return nil
}

// checkQuery refuses a query that cannot be read whole: what package url drops
// of it may be the filter of a list.
func checkQuery(query string) error {
	if query == "" {
		return nil
	}
	if _, err := url.ParseQuery(query); err != nil {
		return &problem.Error{Code: problem.Malformed, Detail: "The query cannot be read.", Err: err,
			Violations: []problem.Violation{{Location: "query", Message: "must be names and values, joined by &, with other characters escaped"}}}
	}
	return nil
}

// recognise finds out who sends the request.
func (s *Server) recognise(r *http.Request, caller *auth.Principal) error {
	credential, err := credentialOf(r)
	if err != nil {
		return err
	}
	if *caller, err = s.auth.Authenticate(r.Context(), credential); err != nil {
		return err
	}
	caller.Origin(&exchangeOf(r.Context()).origin)
	return s.limitCaller(caller)
}

// limitCaller bounds the requests of one credential, and of one tenant.
func (s *Server) limitCaller(p *auth.Principal) error {
	now := s.now()
	key := p.Session
	if key.IsZero() {
		key = p.Credential
	}
	if err := s.byCredential.admit(key, now); err != nil {
		return err
	}
	return s.byTenant.admit(p.Tenant, now)
}

// credentialOf returns the access token or API token that the request carries:
// as Bearer, or as the password of Basic.
func credentialOf(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 1 {
		scheme, rest, _ := strings.Cut(values[0], " ")
		switch {
		case strings.EqualFold(scheme, "bearer"):
			return rest, nil
		case strings.EqualFold(scheme, "basic"):
			if _, password, ok := r.BasicAuth(); ok {
				return password, nil
			}
		}
	}
	return "", problem.New(problem.Unauthenticated, "This needs a valid access token or API token.")
}

// who returns the authenticated caller of a request; nobody on a public route.
func who(ctx context.Context) *auth.Principal {
	return &exchangeOf(ctx).who
}

// newAPI makes the framework's API on the engine.
func newAPI(engine *gin.Engine, version string) huma.API {
	configureHuma()
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	aliasTypes(schemas)
	config := huma.DefaultConfig("Maestro", version)
	config.OpenAPI = &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "Maestro", Version: version,
			Description: "The record of a team's ML projects, its library of reusable artifacts, process metrics and predictions. The tenant is always the token's."},
		Components: &huma.Components{
			Schemas: schemas,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "An access token from /auth/login, or an API token"},
				"basic":  {Type: "http", Scheme: "basic", Description: "Any user name, and an API token as the password"},
			},
		},
	}
	config.OpenAPIPath, config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", "", nil
	config.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	config.RejectUnknownQueryParameters = true
	api := humagin.New(engine, config)
	schemas.Schema(problemType, true, "Problem")
	return api
}

// methodsOf lists what a path answers to, for the Allow header.
func (s *Server) methodsOf(path string) []string {
	var methods []string
	for _, route := range s.engine.Routes() {
		if matches(route.Path, path) {
			methods = append(methods, route.Method)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, segment := range want {
		if strings.HasPrefix(segment, "*") {
			return true
		}
		if i >= len(got) || (segment != got[i] && (!strings.HasPrefix(segment, ":") || got[i] == "")) {
			return false
		}
	}
	return len(want) == len(got)
}
