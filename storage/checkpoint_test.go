package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestAStoreAtRestReadsFromItsDatabase writes a little and waits: the log must be
// copied, and then no reader be on it any more, not even one that was at work.
func TestAStoreAtRestReadsFromItsDatabase(t *testing.T) {
	s := openStore(t)
	p := newProject(t, newTenant(t, s, "acme"), "p")
	busy := make([]*conn, s.count)
	for i := range busy {
		busy[i] = <-s.readers
	}
	read := func() {
		t.Helper()
		for _, c := range busy {
			if err := c.hold(s.state()); err != nil {
				t.Fatal(err)
			}
			if err := c.queryRow("SELECT count(*) FROM projects", nil, func(row) {}); err != nil {
				t.Fatal(err)
			}
		}
	}
	read()
	for limit := time.Now().Add(time.Minute); s.copies.Load() == 0; {
		if time.Now().After(limit) {
			t.Fatal("the log was not copied")
		}
		time.Sleep(checkpointInterval / 10)
	}
	alone := filepath.Join(t.TempDir(), databaseName)
	content, err := os.ReadFile(filepath.Join(s.dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(alone, content, 0o600); err != nil {
		t.Fatal(err)
	}
	without, err := openConn(alone, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = without.close() }()
	found := false
	if err := without.queryRow("SELECT id FROM projects", nil, func(r row) { found = r.id(0) == p.ID }); err != nil || !found {
		t.Errorf("the database without its log: got the project %v, %v", found, err)
	}

	other, err := s.connect([]string{"busy_timeout(0)"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.close() }()
	onLog := func() (busy bool) {
		t.Helper()
		// It waits for readers of the log.
		if err := other.queryRow("PRAGMA wal_checkpoint(RESTART)", nil, func(r row) { busy = r.int(0) != 0 }); err != nil {
			t.Fatal(err)
		}
		return busy
	}
	if !onLog() {
		t.Error("the readers at work were not on the log")
	}
	read()
	if onLog() {
		t.Error("a reader is still on the log")
	}
	for _, c := range busy {
		s.readers <- c
	}
}

func TestRestComesAfterTheLastCommitAndOnce(t *testing.T) {
	var r rest
	var got []int
	commits := []int64{0, 0, 0, 0, 0, 0, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4}
	for i, n := range commits {
		if r.tick(n) {
			got = append(got, i)
			r.done = i != 15 // that one left something
		}
	}
	// At the start too: a server that was killed leaves a log.
	if want := []int{4, 15, 16}; !slices.Equal(got, want) {
		t.Errorf("got rests at %v, want %v", got, want)
	}
}

// TestTheLogIsBoundedUnderAWriterThatNeverRests writes some hundred megabytes
// without a pause, beside readers: the log must begin anew all the same.
func TestTheLogIsBoundedUnderAWriterThatNeverRests(t *testing.T) {
	if testing.Short() {
		t.Skip("writes some hundred megabytes")
	}
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p")
	stop := make(chan struct{})
	time.AfterFunc(5*time.Second, func() { close(stop) })
	var work sync.WaitGroup
	var most int64
	for w := range 8 {
		work.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				err := s.writer.do(background, tenant.scope.Tenant(), func(tx *Tx) error {
					_, err := tx.exec("INSERT INTO settings (name, value) VALUES ($1, $2)", fmt.Sprint(w, " ", i), make([]byte, 100_000))
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				if w == 0 {
					most = max(most, s.logSize())
				}
				if _, err := tenant.Project(background, p.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	written := 100_000 * s.writer.stats.Writes.Load()
	if written < 4*checkpointBytes {
		t.Skipf("this disk took only %d MB", written>>20)
	}
	c, err := s.connect(writerPragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	var pages int64
	if err := c.queryRow("PRAGMA wal_checkpoint(PASSIVE)", nil, func(r row) { pages = r.int(1) }); err != nil {
		t.Fatal(err)
	}
	if pages*4096 > written {
		t.Errorf("the log holds all %d MB that were written: it never began anew", written>>20)
	}
	t.Logf("the log grew to %d MB while %d MB were written", most>>20, written>>20)
}
