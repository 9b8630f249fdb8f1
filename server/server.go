package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
)

// Authenticator tells who a credential belongs to, or fails with
// Unauthenticated.
type Authenticator interface {
	Authenticate(ctx context.Context, credential string) (auth.Principal, error)
}

// Options configures a Server. Store and Auth are needed.
type Options struct {
	Store   *storage.Store
	Auth    Authenticator
	Log     *slog.Logger     // nothing is logged unless set
	Now     func() time.Time // time.Now unless set
	Version string
}

// Server answers HTTP requests. It is an http.Handler.
type Server struct {
	store   *storage.Store
	auth    Authenticator
	log     *slog.Logger
	now     func() time.Time
	version string

	engine   *gin.Engine
	api      huma.API
	access   map[string]auth.Access // by method and gin path
	headers  map[string][]string
	document []byte // the OpenAPI document
}

// New returns a Server with every route in place. It panics when a route
// declares no permission.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{store: o.Store, auth: o.Auth, log: o.Log, now: o.Now, version: o.Version,
		engine: gin.New(), access: make(map[string]auth.Access), headers: securityHeaders()}
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false
	_ = s.engine.SetTrustedProxies(nil) // an empty list cannot be malformed
	s.engine.Use(s.begin, s.limitBody, s.authorize)
	s.engine.NoRoute(func(c *gin.Context) { refuse(c, problem.New(problem.NotFound, "There is nothing at this address.")) })
	s.engine.NoMethod(func(c *gin.Context) {
		c.Writer.Header()["Allow"] = []string{strings.Join(s.methodsOf(c.Request.URL.Path), ", ")}
		refuse(c, problem.New(problem.MethodNotAllowed, "This address does not take this method."))
	})
	s.api = newAPI(s.engine, o.Version)
	s.projectRoutes()
	s.document = s.renderDocument()
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// OpenAPI returns the OpenAPI document, as JSON.
func (s *Server) OpenAPI() []byte { return s.document }

func (s *Server) renderDocument() []byte {
	document, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		panic("server: " + err.Error())
	}
	return append(document, '\n')
}

// limitBody refuses a body that announces more than any address takes. What a
// single route takes is less and is checked there.
func (s *Server) limitBody(c *gin.Context) {
	c.Next()
}
