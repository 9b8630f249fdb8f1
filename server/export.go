package server

import (
	"net/http"

	"maestro/storage"
)

// sendExport sends the archive of a tenant. One that cannot be finished ends the
// connection, so that nobody takes it for whole.
func (s *Server) sendExport(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-tar")
	query := r.URL.Query()
	sent := &sentWriter{to: w}
	err := s.store.ExportTenant(r.Context(), query.Get("tenant"), sent, storage.ExportOptions{Version: s.version, PasswordHashes: query.Has("password_hashes")})
	if err == nil {
		return
	}
	s.log.Error("the export that was asked for on the socket failed", "error", err)
	if sent.any {
		panic(http.ErrAbortHandler)
	}
	sendRefusal(w, err)
}

// sentWriter knows whether anything was written.
type sentWriter struct {
	to  http.ResponseWriter
	any bool
}

func (w *sentWriter) Write(b []byte) (int, error) {
	w.any = true
	return w.to.Write(b)
}
