package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"maestro/tenancy"
)

// line is a connection on which requests are written as they stand.
type line struct {
	t *testing.T
	net.Conn
	answers *bufio.Reader
}

func (w *world) dial() *line {
	w.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	return &line{w.t, connection, bufio.NewReader(connection)}
}

func (l *line) write(format string, args ...any) {
	l.t.Helper()
	if _, err := fmt.Fprintf(l, format, args...); err != nil {
		l.t.Fatal(err)
	}
}

// head writes the head of a batch by c that announces a size.
func (l *line) head(c *caller, size int) {
	l.t.Helper()
	l.write("POST /api/v1/metrics/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", c.credential, size)
}

// answer reads the next answer.
func (l *line) answer() (*http.Response, string) {
	l.t.Helper()
	response, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		l.t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return response, string(text)
}

// closed fails the test unless the server ended the connection.
func (l *line) closed(name string) {
	l.t.Helper()
	if _, err := l.answers.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Errorf("%s: the connection stays: %v", name, err)
	}
}

// TestABatchThatStopsComingIsLetGo: before, its memory stayed for as long as the
// client kept the connection.
func TestABatchThatStopsComingIsLetGo(t *testing.T) {
	w := newWorld(t)
	w.server.batchPace.idle, w.server.bodyPatience = 100*time.Millisecond, time.Hour
	for name, c := range map[string]struct{ announced, sent int }{
		"large, with much to come":   {30 << 20, 3 << 20},
		"large, with little to come": {3 << 20, 3<<20 - 100},
		"small":                      {1000, 10},
		"nothing of it":              {1000, 0},
	} {
		l := w.dial()
		l.head(w.acme, c.announced)
		l.write("%s", strings.Repeat(" ", c.sent))
		response, text := l.answer()
		if response.StatusCode != 408 || !strings.Contains(text, "/problems/too-slow") {
			t.Errorf("%s: answered %d: %s", name, response.StatusCode, text)
		}
		l.closed(name)
	}
	if got := w.server.largeBatches.all; got != 0 {
		t.Errorf("%d places are still taken", got)
	}
}

func TestAConnectionIsUsedForManyBatches(t *testing.T) {
	w := newWorld(t)
	batch := `[{"project_id":"` + w.acme.project("p") + `","metric_type":"m","metric_value":1}]`
	l := w.dial()
	for range 3 {
		l.head(w.acme, len(batch))
		l.write("%s", batch)
		if response, text := l.answer(); response.StatusCode != 201 || response.Close {
			t.Fatalf("answered %d: %s", response.StatusCode, text)
		}
	}
}

// deadlines is a connection that keeps the deadline of its reads.
type deadlines struct {
	http.ResponseWriter
	last time.Time
	was  bool // there was one
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.last, d.was = at, d.was || !at.IsZero()
	return nil
}

// TestADeadlineEndsWithItsBody: left on a body that is whole, it would end the
// request that is being recorded; taken from one that is not, the connection would
// wait for the rest.
func TestADeadlineEndsWithItsBody(t *testing.T) {
	for name, c := range map[string]struct {
		end  error
		ends bool
	}{
		"whole":      {io.EOF, true},
		"broken off": {io.ErrUnexpectedEOF, false},
	} {
		batch, content := new(deadlines), new(deadlines)
		_, _ = io.ReadAll(&batchReader{pacedReader: pacedReader{body: iotest.ErrReader(c.end), control: http.NewResponseController(batch), pace: batchPace}})
		if batch.last.IsZero() != c.ends {
			t.Errorf("%s: after the batch the deadline is %v", name, batch.last)
		}
		_, _ = io.ReadAll(&pacedReader{body: iotest.ErrReader(c.end), control: http.NewResponseController(content), pace: contentPace})
		if content.last.IsZero() != c.ends {
			t.Errorf("%s: after the content the deadline is %v", name, content.last)
		}
	}
}

func TestABodyHasToKeepItsPace(t *testing.T) {
	p := pace{idle: 10 * time.Second, grace: 30 * time.Second, rate: 1000}
	since := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		after time.Duration
		came  int64
		want  time.Duration // of the deadline, after since
	}{
		{0, 0, 10 * time.Second},
		{5 * time.Second, 1, 15 * time.Second},
		{25 * time.Second, 0, 30 * time.Second},       // a byte now and then is not enough
		{29 * time.Second, 5000, 35 * time.Second},    // 30 and 5 of them
		{29 * time.Second, 500_000, 39 * time.Second}, // ahead of its pace
		{100 * time.Second, 20_000, 50 * time.Second}, // passed
		{time.Hour, 32 << 20, time.Hour + 10*time.Second},
	} {
		if got := p.deadline(since, since.Add(c.after), c.came).Sub(since); got != c.want {
			t.Errorf("%d bytes after %v: until %v, want %v", c.came, c.after, got, c.want)
		}
	}
}

func TestFewLargeBatchesAreOnTheirWay(t *testing.T) {
	w := newWorld(t)
	w.server.largeBatches = newPlaces(2, 3)
	const size = 3 << 20
	begin := func(c *caller) *line {
		l := w.dial()
		l.head(c, size)
		l.write("%s", strings.Repeat(" ", largeBatch+1)) // and so it has its place
		return l
	}
	refused := func(name string, c *caller) {
		t.Helper()
		response, text := begin(c).answer()
		if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" || !strings.Contains(text, "Nothing of this one was kept") {
			t.Errorf("%s: answered %d, Retry-After %q: %s", name, response.StatusCode, response.Header.Get("Retry-After"), text)
		}
	}
	first, second := begin(w.acme), begin(w.acme)
	w.awaitPlaces(w.server.largeBatches, 2)
	refused("the third of a tenant", w.acme)
	third := begin(w.beta)
	w.awaitPlaces(w.server.largeBatches, 3)
	refused("the fourth of all", w.beta)
	w.acme.send("POST", "/metrics/batch", `[]`).want(201) // a small one needs no place
	for _, l := range []*line{first, second, third} {
		l.write("%s", strings.Repeat(" ", size-largeBatch-1))
		if response, text := l.answer(); response.StatusCode >= 500 {
			t.Errorf("one with a place: answered %d: %s", response.StatusCode, text)
		}
	}
	w.awaitPlaces(w.server.largeBatches, 0)
	if left := len(w.server.largeBatches.taken); left != 0 {
		t.Errorf("%d tenants are still known", left)
	}
}

// awaitPlaces waits until so many places are taken.
func (w *world) awaitPlaces(p *places, n int) {
	w.t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		p.mu.Lock()
		all := p.all
		p.mu.Unlock()
		if all == n {
			return
		}
		w.nobody.send("GET", "//livez", "").want(200) // a moment passes
	}
	w.t.Fatalf("never are %d places taken", n)
}

// TestAFewTenantsLeaveAPlaceForOthers: before, four tenants had all the places for
// as long as they liked, because an upload may take its time.
func TestAFewTenantsLeaveAPlaceForOthers(t *testing.T) {
	for name, c := range map[string]struct{ ofTenant, ofAll int }{
		"large batches": {largeBatchesOfTenant, largeBatchesOfAll},
		"uploads":       {uploadsOfTenant, uploadsOfAll},
	} {
		p := newPlaces(c.ofTenant, c.ofAll)
		greedy := func(tenant tenancy.ID) (taken int) {
			for range 2 * c.ofAll {
				if p.take(tenant) {
					taken++
				}
			}
			return taken
		}
		first, second, third := tenancy.NewID(), tenancy.NewID(), tenancy.NewID()
		for i, want := range []int{c.ofTenant, c.ofTenant, 1, 1} { // the first two have the half that is shared
			if got := greedy([]tenancy.ID{first, second, third, tenancy.NewID()}[i]); got != want {
				t.Errorf("%s: tenant %d took %d places, want %d", name, i, got, want)
			}
		}
		p.leave(first)
		if p.take(first) || p.take(third) {
			t.Errorf("%s: a tenant that has a place took another while more than half are taken", name)
		}
		p.leave(third)
		if !p.take(third) {
			t.Errorf("%s: a tenant without a place found none", name)
		}
		others := 0
		for p.take(tenancy.NewID()) {
			others++
		}
		if want := c.ofAll - 2*c.ofTenant - 2 + 1; others != want {
			t.Errorf("%s: %d more tenants found a place, want %d", name, others, want)
		}
		if p.all != c.ofAll || p.take(third) {
			t.Errorf("%s: %d places are taken, want %d and no more", name, p.all, c.ofAll)
		}
	}
}

// TestABodyThatNobodyReadsIsNotWaitedFor: a connection answers when the rest of the
// body has come. Before, whoever announced one and sent none was never answered,
// and kept the connection without a credential.
func TestABodyThatNobodyReadsIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.server.bodyPatience = 100 * time.Millisecond
	for request, want := range map[string]int{
		"GET /livez": 200, "GET /nothing/here.js": 404, "POST /api/v1/projects": 401, "POST /api/v1/metrics/batch": 401, "GET /api/v1/auth/setup": 200,
	} {
		l := w.dial()
		l.write("%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n", request)
		if response, text := l.answer(); response.StatusCode != want {
			t.Errorf("%s: answered %d, want %d: %s", request, response.StatusCode, want, text)
		}
		l.closed(request)
	}
}
