package server

import (
	"net/http"
	"time"
)

// answerPace is how fast a client has to take an answer. An answer as a whole may
// take as long as it needs: what is slower than the slowest of lines is a client
// that does not read, and it would keep its connection, and what it was to be
// answered, for ever.
var answerPace = pace{idle: time.Minute, grace: time.Minute, rate: 4 << 10}

// answerPiece is how many bytes are written at a time, at most: the deadline can
// only move between them.
const answerPiece = 256 << 10

// pacedAnswer writes an answer whose client has to keep a pace. Every write, the
// last one after the handler's end too, has a deadline that moves with what was
// taken. Package http lifts it when the answer is out.
type pacedAnswer struct {
	http.ResponseWriter
	connection interface{ SetWriteDeadline(time.Time) error }
	pace       pace

	sent   int64
	waited time.Duration // for the client, so far
	set    time.Time     // when the deadline was, last
}

// paced has every answer of h taken at a pace.
func (s *Server) paced(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection, ok := w.(interface{ SetWriteDeadline(time.Time) error })
		if !ok { // in tests there may be no connection
			h.ServeHTTP(w, r)
			return
		}
		a := pacedAnswer{ResponseWriter: w, connection: connection, pace: s.answerPace}
		defer a.finish()
		h.ServeHTTP(&a, r)
	})
}

// Write implements http.ResponseWriter.
func (a *pacedAnswer) Write(b []byte) (n int, err error) {
	for len(b) > answerPiece && err == nil {
		var taken int
		taken, err = a.writePiece(b[:answerPiece])
		n, b = n+taken, b[answerPiece:]
	}
	if err != nil {
		return n, err
	}
	taken, err := a.writePiece(b)
	return n + taken, err
}

func (a *pacedAnswer) writePiece(b []byte) (int, error) {
	a.advance(len(b))
	defer a.wait()
	return a.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (a *pacedAnswer) Flush() {
	a.advance(0)
	defer a.wait()
	_ = http.NewResponseController(a.ResponseWriter).Flush() // a client that is gone needs nothing
}

// Unwrap is for http.ResponseController.
func (a *pacedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// advance sets the deadline by which n bytes more have to be taken. What the server
// itself took to make the answer is not held against the client.
func (a *pacedAnswer) advance(n int) {
	now := time.Now()
	a.set = now
	a.sent += int64(n)
	_ = a.connection.SetWriteDeadline(a.pace.deadline(now.Add(-a.waited), now.Add(a.pace.takes(int64(n))), a.sent)) // a closed connection fails the write
}

// wait counts what the write since advance took.
func (a *pacedAnswer) wait() { a.waited += time.Since(a.set) }

// finish gives what is left in buffers a deadline, unless it has one just made.
func (a *pacedAnswer) finish() {
	if time.Since(a.set) > time.Second {
		a.advance(0)
	}
}
