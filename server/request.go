package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
)

// exchange is what is known of a request beside its own words. It travels in the
// request's context.
type exchange struct {
	id      string
	request *http.Request
	cause   error // of the failure it was answered with
	who     auth.Principal
	origin  audit.Origin // what the audit trail says of it
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	e, _ := ctx.Value(exchangeKey{}).(*exchange)
	return e
}

func requestID(ctx context.Context) string {
	if e := exchangeOf(ctx); e != nil {
		return e.id
	}
	return ""
}

// note keeps the cause of a failure for the log.
func note(ctx context.Context, cause error) {
	if e := exchangeOf(ctx); e != nil {
		e.cause = cause
	}
}

// bodyPatience is how long the body of a request may take of which nobody reads
// it: one that is refused before, or has no use for one. The connection would wait
// for the rest of it before it answers. Whoever reads a body gives it a time of
// its own, and takes that away only when the body is whole.
const bodyPatience = 10 * time.Second

// begin gives the request its id, guards against panics and logs its end.
func (s *Server) begin(c *gin.Context) {
	e := &exchange{id: c.GetHeader("X-Request-Id")}
	if !validRequestID(e.id) {
		e.id = rand.Text()
	}
	e.origin = audit.Origin{Address: s.addressOf(c.Request), RequestID: e.id}
	c.Request = c.Request.WithContext(audit.WithOrigin(context.WithValue(c.Request.Context(), exchangeKey{}, e), &e.origin))
	e.request = c.Request
	if c.Request.ContentLength != 0 {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(s.bodyPatience)) // in tests there may be no connection
	}
	header := c.Writer.Header()
	header["X-Request-Id"] = []string{e.id}
	for name, value := range s.headers {
		header[name] = value
	}
	start := s.now()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.log.Error("panic", "request_id", e.id, "panic", p, "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				refuse(c, problem.New(problem.Internal, ""))
			}
		}
		s.recordRefusal(c, e)
		took := s.now().Sub(start)
		s.meter.request(c, took)
		s.logEnd(c, e, took)
	}()
	c.Next()
}

// recordRefusal puts a refusal of the API in the audit trail, before the answer is
// sent: what is not permitted, and by count what has no credential that holds or
// asks too much. What the public routes refuse, they record themselves.
func (s *Server) recordRefusal(c *gin.Context, e *exchange) {
	status := c.Writer.Status()
	if status != http.StatusForbidden && status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
		return
	}
	asked, declared := s.demands[c.Request.Method+" "+c.FullPath()]
	if !declared {
		return
	}
	denial := audit.Denial{Tenant: e.who.Tenant, Action: audit.AccessDeny, Object: asked.id, Reason: string(document(e.cause).code())}
	switch {
	case status == http.StatusForbidden:
		s.store.RecordDenial(c.Request.Context(), denial)
	case asked.access != auth.Public:
		s.store.CountDenial(c.Request.Context(), denial)
	}
}

func (s *Server) logEnd(c *gin.Context, e *exchange, took time.Duration) {
	status := c.Writer.Status()
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelError
	}
	ctx := c.Request.Context()
	if !s.log.Enabled(ctx, level) {
		return
	}
	route := c.FullPath()
	if route == "" {
		route = "unmatched"
	}
	attributes := []slog.Attr{slog.String("request_id", e.id), slog.String("method", c.Request.Method), slog.String("route", route),
		slog.Int("status", status), slog.Duration("took", took), slog.Int("bytes", c.Writer.Size())}
	if e.cause != nil {
		attributes = append(attributes, slog.String("cause", e.cause.Error()))
	}
	s.log.LogAttrs(ctx, level, "request", attributes...)
}

func validRequestID(id string) bool {
	if id == "" || len(id) > audit.MaxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// securityHeaders stand on every response.
func securityHeaders() map[string][]string {
	return map[string][]string{
		"Content-Security-Policy":      {"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"},
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Permissions-Policy":           {"camera=(), geolocation=(), microphone=()"},
		"Cache-Control":                {"no-store"},
	}
}
