package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"maestro/auth"
	"maestro/problem"
	"maestro/registry"
	"maestro/tracking"
)

// Problem is the document of every failure (RFC 9457).
type Problem struct {
	Type      string              `json:"type" doc:"Path of a page of this server that explains the class of failure"`
	Title     string              `json:"title" doc:"The class of failure, in words"`
	Status    int                 `json:"status" doc:"The HTTP status"`
	Detail    string              `json:"detail,omitempty" doc:"This failure, in words"`
	RequestID string              `json:"request_id,omitempty" doc:"Names this request in the server's log"`
	Errors    []problem.Violation `json:"errors,omitempty" doc:"Every value that is wrong"`
	Resource  string              `json:"resource,omitempty" doc:"What there may be no more of: users, projects, artifacts, storage_bytes or roles of the tenant, api_tokens of the user, members, usages, hooks or pipeline_runs (in a week) of the project"`
	Limit     *int64              `json:"limit,omitempty" doc:"How much of it there may be"`
	Current   *int64              `json:"current,omitempty" doc:"How much of it there is"`

	retryAfter time.Duration
	cause      error
}

// class describes a code to people and to HTTP.
type class struct {
	code    problem.Code
	status  int
	title   string
	explain string // what the page under /problems/ says
}

// classes lists every class of failure, in the order of their status.
var classes = []class{
	{problem.Malformed, 400, "The request cannot be read", "The body is not JSON in UTF-8, repeats a name, or a parameter does not have the form it must have. The errors say where."},
	{problem.Unauthenticated, 401, "No valid credential", "The request carries no access token or API token, or one that has expired, was revoked, or belongs to a user or tenant that is no longer active. Log in again, or refresh the session."},
	{problem.Forbidden, 403, "Not permitted", "You are known, but none of your roles permits this. A tenant_admin of your tenant can give you one that does."},
	{problem.LimitReached, 403, "A limit is reached", fmt.Sprintf("There are as many of this resource as there may be. Delete something. The operator of the installation can also give your tenant a higher limit of users, projects, artifacts and bytes of storage, which content takes and, by an estimate, points of metrics, usages, team members, runs and predictions; how many roles a tenant (%d), how many API tokens a user (%d), and how many team members (%d), usages (%d), hooks (%d) and runs in a week (%d) a project may have is fixed. Trying again does not help, which is why this is not 429.",
		auth.MaxRoles, auth.MaxAPITokens, tracking.MaxMembers, registry.MaxUsages, tracking.MaxHooks, tracking.MaxRunsOfWeek)},
	{problem.NotFound, 404, "Not found", "There is nothing at this address, or nothing of your tenant has this id. What belongs to another tenant is not found either."},
	{problem.MethodNotAllowed, 405, "Method not allowed", "The address exists, the method does not. The Allow header lists those that do."},
	{problem.NotAcceptable, 406, "Not acceptable", "The server answers in application/json and cannot answer in what the Accept header asks for."},
	{problem.TooSlow, 408, "The body came too slowly", "The body stopped coming, or came more slowly than the server waits for. Nothing was kept, and the connection is closed. Send it again, over a better line or in smaller parts."},
	{problem.Conflict, 409, "Conflict", "The request does not fit what is there: most often a name that is taken. Read the detail, change the request, and send it again."},
	{problem.PreconditionFailed, 412, "It was changed since you read it", "If-Match names a version that is no longer the current one. Read it again, apply your change to what you read, and send that with the new ETag."},
	{problem.TooLarge, 413, "Too large", "The body is larger than this address takes."},
	{problem.UnsupportedMedia, 415, "Unsupported media type", "Send application/json in UTF-8 with that Content-Type. Batches of metrics may be application/x-ndjson; artifact content may be anything."},
	{problem.RangeNotSatisfiable, 416, "Range not satisfiable", "The Range header asks for bytes that the content does not have."},
	{problem.Validation, 422, "Some values are not allowed", "The request can be read, but some values are not allowed. The errors name all of them at once, each with its place."},
	{problem.IdempotencyMismatch, 422, "The Idempotency-Key was used before", "The same key came with another request before. Use a new key for a new request; repeat a request exactly to have it repeated safely."},
	{problem.DigestMismatch, 422, "The content is not what its digest says", "The SHA-256 of what arrived differs from the one announced. Nothing was kept. Send it again."},
	{problem.TooManyRequests, 429, "Too many requests", "Slow down. The Retry-After header says for how many seconds."},
	{problem.Internal, 500, "Internal error", "This is a defect of the server. What the request asked for may or may not have been kept: read before you go on, or send it again with the same Idempotency-Key. Give the request id to the operator: the log has the cause."},
	{problem.Unavailable, 503, "Unavailable for now", "The server cannot do this now: it is starting, stopping, has too much to do, or its disk fails. Unless the detail says that nothing was kept, what the request asked for may or may not have been: read before you go on, or send it again with the same Idempotency-Key. Try again after the seconds in Retry-After."},
	{problem.Timeout, 504, "Took too long", "The request took longer than it may. Narrow it: a smaller page, a filter, fewer points."},
	{problem.StorageFull, 507, "The disk is full", "The server's disk has no room for this write. Reading goes on. The operator has to make room."},
}

func classOf(code problem.Code) class {
	for _, c := range classes {
		if c.code == code {
			return c
		}
	}
	return classOf(problem.Internal)
}

// codeOfStatus is the class that a status of the framework belongs to.
func codeOfStatus(status int) problem.Code {
	switch status {
	case http.StatusForbidden:
		return problem.Forbidden
	case http.StatusUnprocessableEntity:
		return problem.Validation
	}
	for _, c := range classes {
		if c.status == status {
			return c.code
		}
	}
	if status >= 400 && status < 500 {
		return problem.Malformed
	}
	return problem.Internal
}

// document renders an error. What is not a *problem.Error is internal, and its
// text stays in the log.
func document(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = problem.Wrap(err, problem.Timeout, "The request ended before its work did.")
	}
	var e *problem.Error
	if !errors.As(err, &e) {
		e = &problem.Error{Code: problem.Internal, Err: err}
	}
	c := classOf(e.Code)
	p = &Problem{Type: "/problems/" + string(c.code), Title: c.title, Status: c.status, Detail: e.Detail, Errors: withShortPlaces(e.Violations),
		retryAfter: e.RetryAfter, cause: err}
	if e.Limit != nil {
		p.Resource, p.Limit, p.Current = e.Limit.Resource, &e.Limit.Limit, &e.Limit.Current
	}
	return p
}

// code returns the class of the failure.
func (p *Problem) code() problem.Code { return problem.Code(strings.TrimPrefix(p.Type, "/problems/")) }

// maxPlaceRunes bounds the name of a place: a client's own name, where it is
// unknown, is part of it. The longest that may be right are those of attributes.
const maxPlaceRunes = 300

func withShortPlaces(violations []problem.Violation) []problem.Violation {
	for i, v := range violations {
		if len(v.Location) > maxPlaceRunes {
			violations = slices.Clone(violations)
			for ; i < len(violations); i++ {
				violations[i].Location = shortened(violations[i].Location)
			}
			return violations
		}
	}
	return violations
}

func shortened(place string) string {
	runes := 0
	for i := range place {
		if runes == maxPlaceRunes {
			return place[:i] + "…"
		}
		runes++
	}
	return place
}

// Error, GetStatus, GetHeaders and ContentType make a Problem what huma sends
// for an error.
func (p *Problem) Error() string { return p.Title }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of problem documents.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders returns the headers that belong to the failure.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	switch p.Type { // RFC 6750, section 3.1; what is missing is not told
	case "/problems/" + string(problem.Unauthenticated):
		h.Set("WWW-Authenticate", `Bearer realm="maestro", error="invalid_token"`)
	case "/problems/" + string(problem.Forbidden):
		h.Set("WWW-Authenticate", `Bearer realm="maestro", error="insufficient_scope"`)
	}
	return h
}

// refuse answers a plain gin request with a problem and ends its handling.
func refuse(c *gin.Context, err error) {
	p := document(err)
	p.RequestID = requestID(c.Request.Context())
	note(c.Request.Context(), p.cause)
	for name, values := range p.GetHeaders() {
		c.Writer.Header()[name] = values
	}
	c.Writer.Header().Set("Content-Type", "application/problem+json")
	c.Status(p.Status)
	_, _ = c.Writer.Write(encodeJSON(p)) // a client that is gone needs no answer
	c.Abort()
}

var installed sync.Once

// configureHuma has the framework's own errors rendered as problems, names
// compared to the letter, and arrays never null. The settings are variables of
// the huma package, so they are made once a process.
func configureHuma() {
	installed.Do(func() {
		huma.DefaultArrayNullable = false
		huma.ValidateStrictCasing = true
		huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
			p := newHumaProblem(status, message, errs)
			if ctx != nil {
				p.RequestID = requestID(ctx.Context())
				note(ctx.Context(), p.cause)
			}
			return p
		}
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return newHumaProblem(status, message, errs)
		}
	})
}

// newHumaProblem converts the framework's error. The values it would echo, which
// may be passwords, are dropped.
func newHumaProblem(status int, message string, errs []error) *Problem {
	failure := &problem.Error{Code: codeOfStatus(status)}
	seen, unlisted := make(map[string]bool), 0
	add := func(v problem.Violation) {
		switch {
		case seen[v.Location]:
		case len(failure.Violations) == problem.MaxViolations:
			unlisted++
		default:
			seen[v.Location] = true
			failure.Violations = append(failure.Violations, v)
		}
	}
	for _, err := range errs {
		var ours *problem.Error
		var detail *huma.ErrorDetail
		switch {
		case errors.As(err, &ours):
			for _, v := range ours.Violations {
				add(v)
			}
			if len(ours.Violations) == 0 {
				return document(ours)
			}
		case errors.As(err, &detail):
			add(problem.Violation{Location: detail.Location, Message: detail.Message})
		default:
			failure.Err = errors.Join(failure.Err, err)
		}
	}
	switch failure.Code {
	case problem.Validation:
		failure.Detail = "Some values are not allowed."
		if unlisted > 0 {
			failure.Detail = fmt.Sprintf("Some values are not allowed; %d more than are listed.", unlisted)
		}
	case problem.Malformed:
		failure.Detail = "The request cannot be read."
	case problem.Internal:
		failure.Err = errors.Join(failure.Err, errors.New(message))
	default:
		failure.Detail = sentence(message)
	}
	return document(failure)
}

// sentence makes the framework's fragments read as sentences.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if text[0] >= 'a' && text[0] <= 'z' {
		text = string(text[0]-'a'+'A') + text[1:]
	}
	if text[len(text)-1] != '.' {
		text += "."
	}
	return text
}
