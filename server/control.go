package server

import (
	"net/http"
	"net/http/pprof"

	"maestro/problem"
)

// Control answers on the socket in the data directory, which only its owner can
// reach: whoever can, could read the whole directory as well, so nobody is asked
// who it is. What must never be on the network is here.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /backup", s.sendBackup)
	mux.Handle("GET /readyz", s.engine)
	mux.Handle("GET /metrics", s.meter.handler)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
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
