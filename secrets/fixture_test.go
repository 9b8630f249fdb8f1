package secrets

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maestro/problem"
)

var discard = log.New(io.Discard, "", 0)

// now is the time in these tests.
func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// authorityFile writes the certificate of a test's server to a file.
func authorityFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// quick completes a configuration of a test: no wait between tries takes time, and
// those that it would have taken are noted.
func quick(c Config, waits *[]time.Duration) Config {
	c.Now = now
	c.Lookup = func(string) (string, bool) { return "", false }
	c.Wait = func(ctx context.Context, d time.Duration) error {
		if waits != nil {
			*waits = append(*waits, d)
		}
		return ctx.Err()
	}
	return c
}

// fails requires that a read failed, in words, in the kind of failure and without
// any canary in the error or in what the process's log got.
func fails(t *testing.T, reader *Reader, reference, says string, temporary bool) {
	t.Helper()
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	value, err := reader.Read(t.Context(), reference)
	log.SetOutput(before)
	if err == nil {
		t.Fatalf("%s was read: %q", reference, value)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v; want %q", reference, err, says)
	}
	if code := problem.CodeOf(err); (code == problem.Unavailable) != temporary || code == problem.Internal {
		t.Errorf("%s: %v is a failure of the wrong kind", reference, err)
	}
	for _, canary := range canaries {
		if strings.Contains(err.Error()+logged.String()+value, canary) {
			t.Errorf("%s: the failure shows a secret: %v %s", reference, err, logged.String())
		}
	}
}

func reads(t *testing.T, reader *Reader, reference, want string) {
	t.Helper()
	got, err := reader.Read(t.Context(), reference)
	if err != nil || got != want {
		t.Errorf("%s: got %q, %v; want %q", reference, got, err, want)
	}
}
