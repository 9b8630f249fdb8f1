package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"strings"

	"maestro/audit"
	"maestro/problem"
)

// Control answers on the socket in the data directory, which only its owner can
// reach: whoever can, could read the whole directory as well, so nobody is asked
// who it is. What must never be on the network is here.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /backup", s.sendBackup)
	mux.HandleFunc("GET /export", s.sendExport)
	mux.Handle("GET /readyz", s.engine)
	mux.Handle("GET /metrics", s.meter.handler)
	mux.HandleFunc("GET /audit", s.sendAuditReport)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// sendAuditReport verifies the audit trail and sends what was found of each chain.
func (s *Server) sendAuditReport(w http.ResponseWriter, r *http.Request) {
	var anchors []audit.Anchor
	for _, text := range r.URL.Query()["anchor"] {
		anchor, err := audit.ParseAnchor(text)
		if err != nil {
			sendRefusal(w, problem.Wrap(err, problem.Malformed, "The anchor %s.", err))
			return
		}
		anchors = append(anchors, anchor)
	}
	reports, err := s.store.VerifyAudit(r.Context(), anchors...)
	if err != nil {
		s.log.Error("the verification of the audit trail that was asked for on the socket failed", "error", err)
		sendRefusal(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encodeJSON(reports)) // a client that is gone needs no answer
}

// refusal is what the socket answers where it cannot do what it was asked: the
// problem, and where the audit trail is broken. It is not what the network is told.
type refusal struct {
	*Problem
	Fault *audit.Fault `json:"fault,omitempty"`
}

func refusalOf(err error) refusal {
	r := refusal{Problem: document(err)}
	_ = errors.As(err, &r.Fault) // most are none
	return r
}

// sendRefusal answers with err, from which ReadRefusal makes an error again.
func sendRefusal(w http.ResponseWriter, err error) {
	r := refusalOf(err)
	w.Header().Set("Content-Type", r.ContentType(""))
	w.WriteHeader(r.Status)
	_, _ = w.Write(encodeJSON(r)) // a client that is gone needs no answer
}

// maxRefusal bounds what is read of a refusal, in bytes.
const maxRefusal = 64 << 10

// ReadRefusal reads why the socket did not do what it was asked: the *audit.Fault or
// the *problem.Error that a command without a server would end with. It does not
// close the answer.
func ReadRefusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err != nil {
		return err
	}
	r := refusal{Problem: &Problem{}}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), r.ContentType("")) || json.Unmarshal(text, &r) != nil {
		return fmt.Errorf("the server answered %s: %s", response.Status, text)
	}
	return r.err()
}

// err is the error that the refusal was made of.
func (r refusal) err() error {
	if r.Fault != nil {
		return r.Fault
	}
	e := &problem.Error{Code: r.code(), Detail: r.Detail, Violations: r.Errors}
	if r.Limit != nil && r.Current != nil {
		e.Limit = &problem.Limit{Resource: r.Resource, Limit: *r.Limit, Current: *r.Current}
	}
	if e.Detail == "" {
		e.Detail = r.Title + ". The server's log says why."
	}
	return e
}
