package server

import (
	"net/http"
	"net/http/pprof"

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
			http.Error(w, "anchor "+err.Error(), http.StatusBadRequest)
			return
		}
		anchors = append(anchors, anchor)
	}
	reports, err := s.store.VerifyAudit(r.Context(), anchors...)
	if err != nil {
		s.log.Error("the verification of the audit trail that was asked for on the socket failed", "error", err)
		described := document(err)
		http.Error(w, described.Title+": "+described.Detail, classOf(problem.CodeOf(err)).status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encodeJSON(reports)) // a client that is gone needs no answer
}

// sendBackup sends an archive of the data directory. One that cannot be finished
// ends the connection, so that nobody takes it for whole.
func (s *Server) sendBackup(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-tar")
	sent, err := s.backups.WriteTo(r.Context(), w)
	if err == nil {
		return
	}
	s.log.Error("the backup that was asked for on the socket failed", "error", err)
	if sent > 0 {
		panic(http.ErrAbortHandler)
	}
	described := document(err)
	http.Error(w, described.Title+": "+described.Detail, classOf(problem.CodeOf(err)).status)
}
