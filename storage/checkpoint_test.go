package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maestro/tenancy"
)

// atRest is longer than the writer rests before the log is copied.
const atRest = (restTicks + 2) * checkpointInterval

// TestAStoreAtRestReadsFromItsDatabase writes a little and waits: the log must be
// copied, and then no reader be on it any more, not even one that was at work.
func TestAStoreAtRestReadsFromItsDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t)
		newProject(t, newTenant(t, s, "acme"), "p")
		busy := make([]*conn, s.count)
		for i := range busy {
			busy[i] = <-s.readers
		}
		read := func() {
			t.Helper()
			for _, c := range busy {
				if err := errors.Join(c.hold(s.state()), c.queryRow("SELECT count(*) FROM projects", nil, func(row) {})); err != nil {
					t.Fatal(err)
				}
			}
		}
		read()
		time.Sleep(atRest)
		synctest.Wait()
		other, err := s.connect([]string{"busy_timeout(0)"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.close() }()
		err = other.queryRow("PRAGMA wal_checkpoint(NOOP)", nil, func(r row) {
			if r.int(1) == 0 || r.int(2) != r.int(1) {
				t.Errorf("at rest, %d of the log's %d pages are copied", r.int(2), r.int(1))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
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
	})
}

// TestALogAtRestIsCopiedOnce leaves a full log, and waits: it must be copied at once, and
// then neither readers nor the next write be bothered with it.
func TestALogAtRestIsCopiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t)
		tenant := newTenant(t, s, "acme").scope.Tenant()
		for i := 0; s.logSize() < checkpointPages*pageBytes; i++ {
			writeBytes(t, s, tenant, fmt.Sprint(i), 2<<20)
		}
		time.Sleep(checkpointInterval)
		synctest.Wait()
		if n := s.copies.Load(); n != 1 {
			t.Fatalf("the full log was copied %d times at the first tick", n)
		}
		time.Sleep(3 * atRest)
		synctest.Wait()
		if n := s.copies.Load(); n != 1 {
			t.Errorf("the log was copied %d times without a write in between", n)
		}
		if s.writer.pause.Load() {
			t.Error("the next write is to copy what is copied")
		}
	})
}

// TestALogThatCannotBeCopiedIsLeftAlone: a failure is not repeated before there is
// something new to copy.
func TestALogThatCannotBeCopiedIsLeftAlone(t *testing.T) {
	s := openStore(t)
	failed := rest{commits: s.writer.stats.Commits.Load(), done: true}
	for range 2 * restTicks {
		if err := s.tendLog(nil, &failed); err != nil { // it has no connection to try with
			t.Fatal(err)
		}
	}
}

// writeBytes writes one row of so many bytes.
func writeBytes(t *testing.T, s *Store, tenant tenancy.ID, name string, bytes int) {
	t.Helper()
	err := s.writer.do(background, tenant, func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO settings (name, value) VALUES ($1, $2)", name, make([]byte, bytes))
		return err
	})
	if err != nil {
		t.Fatal(err)
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

// TestALogThatBeginsAnewKeepsItsFile fills the log to where it is copied and a half more,
// as a busy writer does meanwhile: the next log must find the file as long as it was, and
// not count as full for that.
func TestALogThatBeginsAnewKeepsItsFile(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme").scope.Tenant()
	reader := <-s.readers // its snapshot keeps the log from beginning anew too early
	if err := errors.Join(reader.hold(s.state()), reader.queryRow("SELECT count(*) FROM projects", nil, func(row) {})); err != nil {
		t.Fatal(err)
	}
	for i := 0; s.logSize() < checkpointPages*pageBytes*3/2; i++ {
		writeBytes(t, s, tenant, fmt.Sprint(i), 2<<20)
	}
	filled := s.logSize()
	reader.release()
	s.readers <- reader
	c, err := s.connect(writerPragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	for pages := int64(math.MaxInt64); pages >= checkpointPages; {
		if _, err := s.catchUp(c); err != nil {
			t.Fatal(err)
		}
		writeBytes(t, s, tenant, "after "+rand.Text(), 1)
		if pages, err = logPages(c); err != nil {
			t.Fatal(err)
		}
	}
	if size := s.logSize(); size < filled {
		t.Errorf("the log's file was cut from %d to %d bytes", filled, size)
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
	if written < 4*checkpointPages*pageBytes {
		t.Skipf("this disk took only %d MB", written>>20)
	}
	c, err := s.connect(writerPragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	pages, err := logPages(c)
	if err != nil {
		t.Fatal(err)
	}
	if pages*pageBytes > written {
		t.Errorf("the log holds all %d MB that were written: it never began anew", written>>20)
	}
	t.Logf("the log grew to %d MB while %d MB were written", most>>20, written>>20)
}
