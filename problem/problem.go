package problem

import (
	"errors"
	"fmt"
	"time"
)

// Code names a class of failure. It is the last segment of the problem type's
// path (/problems/{code}) and never changes its meaning.
type Code string

// The classes of failure, with the HTTP status each is answered with.
const (
	Malformed           Code = "malformed"              // 400: not JSON, not UTF-8, not the shape asked for
	Unauthenticated     Code = "unauthenticated"        // 401: no credential, or one that does not hold
	Forbidden           Code = "forbidden"              // 403: the caller lacks the route's permission
	LimitReached        Code = "limit-reached"          // 403: the tenant, or the user, holds all it may hold
	NotFound            Code = "not-found"              // 404: nothing of the caller's tenant has that name
	MethodNotAllowed    Code = "method-not-allowed"     // 405
	NotAcceptable       Code = "not-acceptable"         // 406
	TooSlow             Code = "too-slow"               // 408: the body stopped coming, or came too slowly
	Conflict            Code = "conflict"               // 409: a name that is taken, a state that does not allow it
	PreconditionFailed  Code = "precondition-failed"    // 412: If-Match names another version
	TooLarge            Code = "too-large"              // 413: the body exceeds its limit
	UnsupportedMedia    Code = "unsupported-media-type" // 415
	RangeNotSatisfiable Code = "range-not-satisfiable"  // 416
	Validation          Code = "validation"             // 422: readable, but some values are not allowed
	IdempotencyMismatch Code = "idempotency-mismatch"   // 422: a key used before with another request
	DigestMismatch      Code = "digest-mismatch"        // 422: the content is not what its digest says
	TooManyRequests     Code = "too-many-requests"      // 429: slow down; Retry-After says how long
	Internal            Code = "internal"               // 500: a defect; its text stays in the log
	Unavailable         Code = "unavailable"            // 503: try again; Retry-After says when
	Timeout             Code = "timeout"                // 504: the request took longer than it may
	StorageFull         Code = "storage-full"           // 507: the disk has no room
)

// Error is a failure that may be shown to the caller.
type Error struct {
	Code   Code
	Detail string // one sentence for people; empty for internal errors

	// Violations names every value that is wrong, for Validation and Malformed.
	Violations []Violation

	// Limit is set for LimitReached.
	Limit *Limit

	// RetryAfter is set for TooManyRequests and Unavailable.
	RetryAfter time.Duration

	// Err is the cause. It is logged and never shown.
	Err error
}

// Violation is one value of a request that is not allowed, and why.
type Violation struct {
	Location string `json:"location" doc:"Where the value stands, as a path: body.name, query.limit, header.if-match"`
	Message  string `json:"message" doc:"What is wrong with it, without repeating it"`
}

// Limit says which limit of a tenant, or of a user, was reached.
type Limit struct {
	Resource string // users, projects, artifacts, storage_bytes; roles of a tenant; api_tokens of a user; members, usages, hooks, pipeline_runs of a project
	Limit    int64
	Current  int64
}

func (e *Error) Error() string {
	text := string(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	for _, v := range e.Violations {
		text += "; " + v.Location + " " + v.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Is lets errors.Is(err, &Error{Code: c}) ask for a code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// New returns an error of a code with its sentence for people.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause that is logged and never shown.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Err: cause}
}

// CodeOf returns the code of err, Internal for an error that is not an *Error,
// and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// MaxViolations is how many violations of one input are listed; the rest are
// only counted, so that the answer to a hostile input stays small.
const MaxViolations = 100

// Checks collects the violations of one input, so that all are named at once.
// The zero value is ready to use.
type Checks struct {
	violations []Violation
	unlisted   int // found after the list was full
}

// Require records a violation at location unless ok holds.
func (c *Checks) Require(ok bool, location, format string, args ...any) {
	if !ok {
		c.Refuse(location, format, args...)
	}
}

// Refuse records a violation at location.
func (c *Checks) Refuse(location, format string, args ...any) {
	if len(c.violations) == MaxViolations {
		c.unlisted++
		return
	}
	c.violations = append(c.violations, Violation{Location: location, Message: fmt.Sprintf(format, args...)})
}

// Err returns a Validation error with everything recorded, or nil.
func (c *Checks) Err() error {
	switch {
	case len(c.violations) == 0:
		return nil
	case c.unlisted > 0:
		return &Error{Code: Validation, Detail: fmt.Sprintf("Some values are not allowed; %d more than are listed.", c.unlisted), Violations: c.violations}
	default:
		return &Error{Code: Validation, Detail: "Some values are not allowed.", Violations: c.violations}
	}
}
