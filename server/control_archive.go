package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"maestro/problem"
	"maestro/storage"
)

// sendBackup sends an archive of the data directory.
func (s *Server) sendBackup(w http.ResponseWriter, r *http.Request) {
	s.sendArchive(w, r, "backup", func(out io.Writer) error { return s.backups.WriteTo(r.Context(), out) })
}

// sendExport sends the archive of a tenant.
func (s *Server) sendExport(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.sendArchive(w, r, "export", func(out io.Writer) error {
		return s.store.ExportTenant(r.Context(), query.Get("tenant"), out, storage.ExportOptions{Version: s.version, PasswordHashes: query.Has("password_hashes")})
	})
}

// refusalTrailer holds why an answer that had begun is not whole.
const refusalTrailer = "Maestro-Refusal"

// maxTrailedRunes bounds the detail in it. Go's client refuses trailers of more than
// its 4 KiB of buffer (net/http, body.readTrailer).
const maxTrailedRunes = 500

// sendArchive sends what write writes. One that cannot be finished ends with the
// trailer that says why, for a client that takes trailers (ReadLateRefusal); for any
// other it ends the connection, so that nobody takes it for whole.
func (s *Server) sendArchive(w http.ResponseWriter, r *http.Request, what string, write func(io.Writer) error) {
	if !r.ProtoAtLeast(1, 1) { // there nothing tells the end of an answer from its breaking off
		sendRefusal(w, problem.New(problem.Malformed, "An archive is sent over HTTP/1.1."))
		return
	}
	trailers := r.Header.Get("TE") == "trailers"
	w.Header().Set("Content-Type", "application/x-tar")
	if trailers { // said before the first byte, or a short answer has no room for one
		w.Header().Set("Trailer", refusalTrailer)
	}
	sent := &sentWriter{to: w}
	cause := write(sent)
	if cause == nil {
		return
	}
	s.log.Error("the "+what+" that was asked for on the socket failed", "error", cause)
	err := cause
	if errors.Is(err, context.Canceled) { // not by the client: one that is gone reads no answer
		var other *problem.Error
		if err = problem.New(problem.Unavailable, "The server stops."); errors.As(cause, &other) {
			err = other
		}
	}
	switch {
	case !sent.any:
		w.Header().Del("Trailer")
		sendRefusal(w, err)
	case !trailers:
		panic(http.ErrAbortHandler)
	default:
		late := refusalOf(err)
		late.Errors = nil
		if runes := []rune(late.Detail); len(runes) > maxTrailedRunes {
			late.Detail = string(runes[:maxTrailedRunes]) + "…"
		}
		w.Header().Set(refusalTrailer, string(encodeJSON(late)))
	}
}

// ReadLateRefusal returns the error, as ReadRefusal does, that an answer of the socket
// ended with after its first byte; nil for one that is whole. Its body was read to
// the end, and its request had the header TE: trailers.
func ReadLateRefusal(response *http.Response) error {
	text := response.Trailer.Get(refusalTrailer)
	if text == "" {
		return nil
	}
	late := refusal{Problem: &Problem{}}
	if err := json.Unmarshal([]byte(text), &late); err != nil {
		return problem.Wrap(err, problem.Internal, "The server's log says why.")
	}
	return late.err()
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
