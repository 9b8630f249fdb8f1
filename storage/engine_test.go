package storage

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpeningThatFailsWaitsForNobody has the third of four readers fail, and
// measures by a clock that stands still while there is work.
func TestOpeningThatFailsWaitsForNobody(t *testing.T) {
	dir := t.TempDir()
	migrated, err := Open(background, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := migrated.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &Store{dir: dir, now: time.Now, log: slog.New(slog.DiscardHandler), wanted: 4, stop: make(chan struct{})}
		w, err := s.connect(writerPragmas)
		if err != nil {
			t.Fatal(err)
		}
		s.writer = newWriter(w, s.now, func() error { return nil }, s.finishLog)
		fails, opened := errors.New("no more files"), 0
		err = s.openReaders(func(pragmas []string) (*conn, error) {
			if opened++; opened == 3 {
				return nil, fails
			}
			return s.connect(pragmas)
		})
		if !errors.Is(err, fails) {
			t.Fatalf("opened with %v, want %v", err, fails)
		}
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("closing waited %v for readers that were never made", waited)
		}
	})
}
