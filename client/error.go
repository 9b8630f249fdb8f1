package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Error is what the server answered instead of doing what was asked.
type Error struct {
	Problem
	RetryAfter time.Duration // as the server asked for; 0 when it did not
}

// Code is the class of failure: the last segment of the problem's type, such as
// not-found or limit-reached. It is "" when the answer was not a problem.
func (e *Error) Code() string {
	if !strings.HasPrefix(e.Type, "/problems/") {
		return ""
	}
	return path.Base(e.Type)
}

func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title + "."
	}
	for _, v := range e.Errors {
		text += "\n  " + v.Location + " " + v.Message
	}
	if e.Status >= http.StatusInternalServerError && e.RequestID != "" {
		text += "\n  The server's log names this request " + e.RequestID + "."
	}
	return text
}

func (e *Error) temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// ConnectionError says that the server could not be reached or was lost.
type ConnectionError struct {
	URL string
	Err error
}

func (e *ConnectionError) Error() string {
	return fmt.Sprintf("no answer from %s: %v", e.URL, e.Err)
}

func (e *ConnectionError) Unwrap() error { return e.Err }

// maxProblemBytes bounds what is read of an answer that is no success.
const maxProblemBytes = 1 << 20

// readError reads a problem document. Whatever else answers, a proxy perhaps, is
// told by its status.
func readError(response *http.Response) *Error {
	e := &Error{}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	if err != nil || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(text, &e.Problem) != nil {
		e.Problem = Problem{Title: "The server answered " + response.Status}
	}
	e.Status = int64(response.StatusCode)
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}
