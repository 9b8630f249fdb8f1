package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// upload writes the head of content of an artifact by c that announces a size.
func (l *line) upload(c *caller, artifact string, size int) {
	l.t.Helper()
	l.write("PUT /api/v1/artifacts/%s/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", artifact, c.credential, size)
}

func TestContentThatStopsComingIsLetGo(t *testing.T) {
	w := newWorld(t)
	w.server.contentPace.idle, w.server.bodyPatience = 100*time.Millisecond, time.Hour
	artifact := w.acme.artifact("a")
	for _, sent := range []int{0, 10, 1 << 20} {
		l := w.dial()
		l.upload(w.acme, artifact, 30<<20)
		l.write("%s", strings.Repeat("x", sent))
		response, text := l.answer()
		if response.StatusCode != 408 || !strings.Contains(text, "/problems/too-slow") {
			t.Errorf("after %d bytes: answered %d: %s", sent, response.StatusCode, text)
		}
		l.closed("an upload")
	}
	w.awaitPlaces(w.server.uploads, 0)
}

// TestContentHasToKeepItsPace: a byte now and then is not enough.
func TestContentHasToKeepItsPace(t *testing.T) {
	w := newWorld(t)
	w.server.contentPace = pace{idle: time.Hour, grace: 100 * time.Millisecond, rate: 1 << 40}
	l := w.dial()
	l.upload(w.acme, w.acme.artifact("a"), 1<<30)
	go func() {
		for piece := []byte(strings.Repeat("x", 100)); ; { // as long as the server takes it
			if _, err := l.Write(piece); err != nil {
				return
			}
		}
	}()
	if response, text := l.answer(); response.StatusCode != 408 {
		t.Errorf("answered %d: %s", response.StatusCode, text)
	}
}

func TestFewUploadsAreOnTheirWay(t *testing.T) {
	w := newWorld(t)
	w.server.uploads = newPlaces(2, 3)
	const size = 10
	mine, theirs := w.acme.artifact("mine"), w.beta.artifact("theirs")
	begin := func(c *caller, artifact string) *line {
		l := w.dial()
		l.upload(c, artifact, size)
		return l
	}
	refused := func(name string, c *caller, artifact string) {
		t.Helper()
		response, text := begin(c, artifact).answer()
		if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" || !strings.Contains(text, "Nothing of this one was kept") {
			t.Errorf("%s: answered %d, Retry-After %q: %s", name, response.StatusCode, response.Header.Get("Retry-After"), text)
		}
	}
	w.server.bodyPatience = 100 * time.Millisecond // what is refused does not come
	first, second := begin(w.acme, mine), begin(w.acme, mine)
	w.awaitPlaces(w.server.uploads, 2)
	refused("the third of a tenant", w.acme, mine)
	third := begin(w.beta, theirs)
	w.awaitPlaces(w.server.uploads, 3)
	refused("the fourth of all", w.beta, theirs)
	for _, l := range []*line{first, second, third} {
		l.write("%s", strings.Repeat("x", size))
		if response, text := l.answer(); response.StatusCode >= 300 {
			t.Errorf("one with a place: answered %d: %s", response.StatusCode, text)
		}
	}
	w.awaitPlaces(w.server.uploads, 0)
}

// awaitStaged waits until uploads under way have so many bytes on disk. None is
// written before the upload has its share of what the tenant has left.
func (w *world) awaitStaged(n int64) {
	w.t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		staged := int64(0)
		uploads, err := filepath.Glob(filepath.Join(w.dir, "blobs", "*", "tmp", "*"))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, name := range uploads {
			if info, err := os.Stat(name); err == nil { // it may have ended
				staged += info.Size()
			}
		}
		if staged == n {
			return
		}
		w.nobody.send("GET", "//livez", "").want(200) // a moment passes
	}
	w.t.Fatalf("never are %d bytes staged", n)
}

// TestUploadsUnderWayTakeRoomUntilTheirClientIsGone is the same limit over HTTP.
func TestUploadsUnderWayTakeRoomUntilTheirClientIsGone(t *testing.T) {
	w := newWorld(t)
	if _, err := w.store.UpdateTenant(background, w.acme.principal.Tenant, nil, func(f *tenancy.TenantFields) error { f.MaxStorageBytes = 100; return nil }); err != nil {
		t.Fatal(err)
	}
	a, b := w.acme.artifact("a"), w.acme.artifact("b")
	l := w.dial()
	l.upload(w.acme, a, 90)
	l.write("x")
	w.awaitStaged(1)
	content := strings.Repeat("x", 20)
	put := func() answer { return w.acme.send("PUT", "/artifacts/"+b+"/content", content) }
	if refused := put().problem(problem.LimitReached); refused.Resource != "storage_bytes" || *refused.Limit != 100 || *refused.Current < 90 || !strings.Contains(refused.Detail, "under way") {
		t.Errorf("refused with %+v", refused)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.awaitPlaces(w.server.uploads, 0)
	put().want(201)
}
