package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"maestro/problem"
	"maestro/storage"
)

// readiness is one thing that must hold for requests to be served.
type readiness struct {
	name  string
	check func(context.Context) string // "" when it holds, else why it does not
}

// readinesses are what /readyz looks at. What they say is for anybody to read.
func (s *Server) readinesses() []readiness {
	return []readiness{
		{"draining", func(context.Context) string {
			if s.draining.Load() {
				return "the server is stopping"
			}
			return ""
		}},
		{"database", func(ctx context.Context) string {
			return s.why(ctx, s.store.Readable(ctx), "cannot be read")
		}},
		{"writes", func(ctx context.Context) string {
			return s.why(ctx, s.store.Writable(ctx), "cannot be kept")
		}},
		{"queue", func(context.Context) string {
			if _, waiting := s.store.WriterStats(); waiting > storage.LongQueue {
				return fmt.Sprintf("%d writes wait", waiting)
			}
			return ""
		}},
		{"disk", func(ctx context.Context) string {
			free, err := s.store.FreeDisk()
			if err == nil && free < storage.LowDisk {
				return fmt.Sprintf("has %d MiB left", free>>20)
			}
			return s.why(ctx, err, "cannot be looked at")
		}},
		{"revocations", func(context.Context) string {
			if !s.auth.Ready() {
				return "cannot be looked up"
			}
			return ""
		}},
	}
}

// why says what an error means for people, and leaves its cause to the log.
func (s *Server) why(ctx context.Context, err error, otherwise string) string {
	if err == nil {
		return ""
	}
	note(ctx, err)
	if problem.CodeOf(err) == problem.StorageFull {
		return "the disk is full"
	}
	return otherwise
}

// readyz answers 200 when requests can be served, and otherwise says why not.
func (s *Server) readyz(c *gin.Context) {
	answer := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{"ok", map[string]string{}}
	status := http.StatusOK
	for _, r := range s.readinesses() {
		answer.Checks[r.name] = "ok"
		if why := r.check(c.Request.Context()); why != "" {
			answer.Checks[r.name] = why
			answer.Status, status = "unavailable", http.StatusServiceUnavailable
		}
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		panic("server: " + err.Error()) // strings always encode
	}
	c.Data(status, "application/json", encoded)
}
