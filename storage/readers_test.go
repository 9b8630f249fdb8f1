package storage

import (
	"fmt"
	"sync"
	"testing"
)

// TestWhoWroteReads has many writers read what was just acknowledged to them, on
// whichever connection comes, while the connections keep snapshots between reads.
func TestWhoWroteReads(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 50 {
				p := newProject(t, tenant, fmt.Sprint(w, " ", i))
				for range 3 { // the third read of a connection is from a snapshot it held
					read, err := tenant.Project(background, p.ID)
					if err != nil || read.Name != p.Name {
						t.Errorf("read %+v, %v after %q was acknowledged", read, err, p.Name)
						return
					}
				}
			}
		})
	}
	writers.Wait()
}

func TestIdleReadersLetTheLogBeginAnew(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p")
	for range 3 * s.count {
		if _, err := tenant.Project(background, p.ID); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	for range s.count {
		c := <-s.readers
		if c.holds {
			held++
		}
		s.readers <- c
	}
	if held != s.count {
		t.Errorf("%d of %d readers keep their snapshot between reads", held, s.count)
	}
	newProject(t, tenant, "q")
	s.releaseIdleReaders()
	c, err := s.connect(writerPragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	err = c.queryRow("PRAGMA wal_checkpoint(RESTART)", nil, func(r row) {
		if r.int(0) != 0 {
			t.Error("a reader holds the log back")
		}
	})
	if err != nil {
		t.Error(err)
	}
}
