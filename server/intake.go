package server

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"maestro/problem"
	"maestro/tenancy"
)

// pace is how fast the body of a request has to come, or an answer to be taken.
type pace struct {
	idle  time.Duration // for which no byte may come
	grace time.Duration // before the rate counts
	rate  int64         // bytes a second at least, on average
}

// batchPace lets the largest batch take 18 minutes, which a line of 256 kbit/s
// keeps up with.
var batchPace = pace{idle: 10 * time.Second, grace: 30 * time.Second, rate: 32 << 10}

// contentPace lets content come over the slowest of lines, and take as long as it
// needs there: 4 GB an hour over one of 10 Mbit/s, 14 MB an hour over one of
// 32 kbit/s. Who sends a byte now and then is let go.
var contentPace = pace{idle: time.Minute, grace: time.Minute, rate: 4 << 10}

// deadline returns until when the next byte has to come of a body that is waited for
// since a time and of which some bytes came by now.
func (p pace) deadline(since, now time.Time, came int64) time.Time {
	deadline := since.Add(p.grace + p.takes(came))
	if idle := now.Add(p.idle); idle.Before(deadline) {
		return idle
	}
	return deadline
}

// takes is how long so many bytes take at the slowest.
func (p pace) takes(bytes int64) time.Duration {
	return time.Duration(float64(bytes) / float64(p.rate) * float64(time.Second))
}

// A large batch stays in memory, up to maxBatchBody of it, for as long as it comes
// and is recorded. So few may be on their way. The usual 10 000 points are not
// large: they have 1.5 MB.
const (
	largeBatch           = 2 << 20 // bytes, from which on a batch is large
	largeBatchesOfTenant = 8       // at a time
	largeBatchesOfAll    = 32      // at a time
)

// Content on its way has a temporary file, a connection and its own memory, for as
// long as its client takes. So few may be on their way.
const (
	uploadsOfTenant = 16 // at a time
	uploadsOfAll    = 64 // at a time
)

// places bounds what all tenants, and each of them, have under way. The second half
// of the places is for tenants that have none: one each, so that a few tenants
// that take all they may leave a place for everybody else.
type places struct {
	ofTenant, ofAll int

	mu    sync.Mutex
	taken map[tenancy.ID]int // more than 0 of each
	all   int
}

func newPlaces(ofTenant, ofAll int) *places {
	return &places{ofTenant: ofTenant, ofAll: ofAll, taken: make(map[tenancy.ID]int)}
}

// take takes a place for a tenant, if there is one.
func (p *places) take(tenant tenancy.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	shared := (p.ofAll + 1) / 2
	if taken := p.taken[tenant]; p.all == p.ofAll || taken == p.ofTenant || taken > 0 && p.all >= shared {
		return false
	}
	p.all++
	p.taken[tenant]++
	return true
}

// leave gives back a place that was taken.
func (p *places) leave(tenant tenancy.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.taken[tenant]--; p.taken[tenant] == 0 {
		delete(p.taken, tenant)
	}
}

// pacedReader reads a body that has to keep a pace. What the server itself took to
// keep what came is not held against the client.
type pacedReader struct {
	body    io.Reader
	control *http.ResponseController
	pace    pace
	waited  time.Duration // for the client, so far
	came    int64
}

func newPacedReader(c *gin.Context, p pace) pacedReader {
	return pacedReader{body: c.Request.Body, control: http.NewResponseController(c.Writer), pace: p}
}

// Read implements io.Reader. The deadline is taken away when the body is whole,
// and not before: the connection waits for the rest of one that is refused.
func (r *pacedReader) Read(b []byte) (int, error) {
	now := time.Now()
	_ = r.control.SetReadDeadline(r.pace.deadline(now.Add(-r.waited), now, r.came)) // in tests there may be no connection
	n, err := r.body.Read(b)
	r.came, r.waited = r.came+int64(n), r.waited+time.Since(now)
	if errors.Is(err, io.EOF) {
		_ = r.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// batchReader reads the body of a batch at its pace. A large one has to have a
// place.
type batchReader struct {
	pacedReader
	size int64 // what came of it, or was announced if that is more

	places *places
	tenant tenancy.ID
	placed bool
}

// readBatch returns the body of a batch, to be left in any case.
func (s *Server) readBatch(c *gin.Context) *batchReader {
	return &batchReader{pacedReader: newPacedReader(c, s.batchPace), size: c.Request.ContentLength, places: s.largeBatches, tenant: who(c.Request.Context()).Tenant}
}

// Read implements io.Reader.
func (r *batchReader) Read(b []byte) (int, error) {
	if r.size > largeBatch && !r.placed {
		if r.placed = r.places.take(r.tenant); !r.placed {
			return 0, &problem.Error{Code: problem.Unavailable, RetryAfter: time.Second,
				Detail: "Too many large batches are on their way. Nothing of this one was kept; send it again, or smaller ones."}
		}
	}
	n, err := r.pacedReader.Read(b)
	r.size = max(r.size, r.came)
	return n, err
}

// leave gives back the place.
func (r *batchReader) leave() {
	if r.placed {
		r.places.leave(r.tenant)
	}
}
