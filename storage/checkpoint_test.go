package storage

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

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
