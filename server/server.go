package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"

	"maestro/auth"
	"maestro/embed"
	"maestro/problem"
	"maestro/server/certificate"
	"maestro/storage"
	"maestro/tenancy"
)

// Options configures a Server. Store, Auth and Backups are needed.
type Options struct {
	Store   *storage.Store
	Auth    *auth.Service
	Backups *storage.Backups
	Log     *slog.Logger     // nothing is logged unless set
	Now     func() time.Time // time.Now unless set
	Version string
	Rates   Rates // nothing is bounded unless set

	// MetricsToken is what whoever reads /metrics must present as a bearer token.
	// Nobody can while it is empty; the control socket has them in any case.
	MetricsToken string

	// BehindTLS says that clients come through a proxy that ends TLS, so that cookies
	// are Secure though the requests arrive in plain.
	BehindTLS bool

	// TrustedProxies are those whose X-Forwarded-For is believed: nobody's unless set.
	// No IPv4 address is written as an IPv6 one here.
	TrustedProxies []netip.Prefix

	// Encryption tells which certificates are shown to those who connect. Without it
	// there are none.
	Encryption func() certificate.State

	// TLS says that the server is reached over TLS alone, which browsers are told to
	// remember.
	TLS bool
}

// Server answers HTTP requests. It is an http.Handler.
type Server struct {
	store   *storage.Store
	auth    *auth.Service
	backups *storage.Backups
	log     *slog.Logger
	now     func() time.Time
	version string
	started time.Time

	engine   *gin.Engine
	api      huma.API
	demands  map[string]demand // by method and gin path
	opened   map[string]bool   // the routes outside the API, likewise
	headers  map[string][]string
	document []byte // the OpenAPI document
	handler  http.Handler

	encryption func() certificate.State

	behindTLS      bool
	trustedProxies []netip.Prefix
	bodyPatience   time.Duration
	batchPace      pace
	largeBatches   *places
	contentPace    pace
	uploads        *places
	answerPace     pace

	crossOrigin *http.CrossOriginProtection

	byAddress    *limiter[netip.Addr]
	byCredential *limiter[tenancy.ID]
	byTenant     *limiter[tenancy.ID]

	draining  atomic.Bool
	meter     *meter
	readMeter atomic.Pointer[string] // the token for it; never nil, "" for nobody
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
	if o.Encryption == nil {
		o.Encryption = func() certificate.State { return certificate.State{Source: "off"} }
	}
	s := &Server{store: o.Store, encryption: o.Encryption, auth: o.Auth, backups: o.Backups, log: o.Log, now: o.Now, version: o.Version, started: o.Now(),
		engine: gin.New(), demands: make(map[string]demand), opened: make(map[string]bool), headers: securityHeaders(),
		byAddress: newLimiter[netip.Addr](o.Rates.Address), byCredential: newLimiter[tenancy.ID](o.Rates.Credential),
		byTenant: newLimiter[tenancy.ID](o.Rates.Tenant), behindTLS: o.BehindTLS, crossOrigin: http.NewCrossOriginProtection(),
		trustedProxies: o.TrustedProxies, bodyPatience: bodyPatience, batchPace: batchPace, largeBatches: newPlaces(largeBatchesOfTenant, largeBatchesOfAll),
		contentPace: contentPace, uploads: newPlaces(uploadsOfTenant, uploadsOfAll), answerPace: answerPace}
	if o.TLS {
		s.headers["Strict-Transport-Security"] = []string{"max-age=31536000"} // a year; its subdomains are not ours
	}
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false
	_ = s.engine.SetTrustedProxies(nil) // an empty list cannot be malformed
	s.engine.Use(s.begin, s.limitAddress, s.authorize)
	s.engine.NoRoute(s.userInterface(loadAssets(embed.UI())))
	s.engine.NoMethod(func(c *gin.Context) {
		c.Writer.Header()["Allow"] = []string{strings.Join(s.methodsOf(c.Request.URL.Path), ", ")}
		refuse(c, problem.New(problem.MethodNotAllowed, "This address does not take this method."))
	})
	s.api = newAPI(s.engine, o.Version)
	s.authRoutes()
	s.sessionRoutes()
	s.tokenRoutes()
	s.userRoutes()
	s.roleRoutes()
	s.projectRoutes()
	s.artifactRoutes()
	s.contentRoutes()
	s.usageRoutes()
	s.memberRoutes()
	s.metricRoutes()
	s.predictionRoutes()
	s.adviceRoutes()
	s.pipelineRoutes()
	s.tenantRoutes()
	s.installationRoutes()
	s.backupRoutes()
	s.certificateRoutes()
	s.auditRoutes()
	s.systemRoutes()
	s.checkDeclared()
	s.document = s.renderDocument()
	s.meter = newMeter(s)
	s.SetMetricsToken(o.MetricsToken)
	s.handler = s.paced(compressed(s.engine))
	return s
}

// compressed answers in gzip where the client takes it and the text is worth it.
func compressed(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.ContentTypes([]string{
		"application/json", "application/problem+json", "text/html", "text/plain", "text/css", "text/javascript", "image/svg+xml"}))
	if err != nil {
		panic("server: " + err.Error()) // the options are ours
	}
	return wrap(h)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// OpenAPI returns the OpenAPI document, as JSON.
func (s *Server) OpenAPI() []byte { return s.document }

func (s *Server) renderDocument() []byte {
	markReferences(s.api.OpenAPI())
	nullObjects(s.api.OpenAPI().Components.Schemas)
	document, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		panic("server: " + err.Error())
	}
	return append(document, '\n')
}

// Drain makes the server say that it is not ready, so that no new work is sent
// to it while it finishes what it has.
func (s *Server) Drain() { s.draining.Store(true) }
