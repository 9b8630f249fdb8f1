package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maestro/tracking"
)

// stallAllowed is how long a write may wait because a backup is made.
const stallAllowed = 50 * time.Millisecond

// BenchmarkBackupUnderWrites backs up a database of MAESTRO_BACKUP_BYTES bytes (20
// MB unless set) to a file that is checked, while 200 projects are created a
// second, and reports how long creating took, each from when it was due. With
// MAESTRO_BACKUP_BYTES set (make backupbench) it fails when one took longer than
// stallAllowed.
func BenchmarkBackupUnderWrites(b *testing.B) {
	size, gate := int64(20e6), false
	if text, set := os.LookupEnv("MAESTRO_BACKUP_BYTES"); set {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		size, gate = n, true
	}
	s := openStore(b)
	tenant := newTenant(b, s, "acme")
	fillTo(b, tenant, size)
	before := writeFor(b, tenant, func() { time.Sleep(3 * time.Second) }) // what writes take when nothing else happens
	extent, err := s.Extent(background)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		name := filepath.Join(b.TempDir(), "backup.tar")
		var took time.Duration
		var phases phases
		during := writeFor(b, tenant, func() {
			start := time.Now()
			if _, err := WriteBackupFile(background, name, nil, b.TempDir(), func(out io.Writer) error {
				phases.out = out
				_, err := s.Backup(background, &phases, BackupOptions{Temp: b.TempDir()})
				phases.archived = time.Now()
				return err
			}); err != nil {
				b.Error(err)
			}
			took, phases.checked = time.Since(start), time.Now()
		})
		b.ReportMetric(milliseconds(before[len(before)-1].took), "ms-longest-without")
		b.ReportMetric(milliseconds(during[len(during)*99/100].took), "ms-p99")
		b.ReportMetric(milliseconds(during[len(during)-1].took), "ms-longest")
		b.ReportMetric(took.Seconds(), "s-backup")
		b.ReportMetric(float64(extent.DatabaseBytes)/1e6, "MB")
		b.ReportMetric(float64(len(during)), "writes")
		b.Logf("%d MB backed up in %.1f s: of %d writes the longest took %v (99 %%: %v); without a backup %v", extent.DatabaseBytes/1e6, took.Seconds(),
			len(during), during[len(during)-1].took, during[len(during)*99/100].took, before[len(before)-1].took)
		for _, w := range stalls(during) {
			b.Logf("%v while %s", w.took, phases.at(w.due))
		}
		b.StopTimer()
		isCommittedState(b, s, tenant, name)
		b.StartTimer()
		if longest := during[len(during)-1].took; gate && longest > stallAllowed {
			b.Errorf("a write took %v, want %v at most", longest, stallAllowed)
		}
	}
}

// isCommittedState restores a backup and compares it with the database that it was
// made of and that went on: the audit trail ends with an event that is there, by
// the hash of all before it; every project whose creation it has is there, and no
// other; and each has the digest that it has here.
func isCommittedState(b *testing.B, s *Store, tenant *Tenant, backup string) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "restored")
	if _, err := Restore(background, backup, dir, RestoreOptions{}); err != nil {
		b.Fatal(err)
	}
	restored := reopenStore(b, dir)
	head := func(of *Store, upTo int64) (sequence int64, hash string) {
		err := of.read(background, func(c *conn) error {
			return c.queryRow("SELECT sequence, hex(hash) FROM audit_events WHERE tenant_id = $1 AND sequence <= $2 ORDER BY sequence DESC LIMIT 1",
				[]any{tenant.scope.Tenant(), upTo}, func(r row) { sequence, hash = r.int(0), r.text(1) })
		})
		if err != nil {
			b.Fatal(err)
		}
		return sequence, hash
	}
	last, hash := head(restored, math.MaxInt64)
	if at, want := head(s, last); at != last || hash != want {
		b.Errorf("the restored trail ends with event %d of hash %s; here event %d has %s", last, hash, at, want)
	}
	created := count(b, restored, "SELECT count(*) FROM audit_events WHERE tenant_id = $1 AND action = 'project.create'", tenant.scope.Tenant())
	digests := func(of *Store) map[string][32]byte {
		found := map[string][32]byte{}
		err := of.read(background, func(c *conn) error {
			return c.query(background, "SELECT hex(id), name, description, status, created_at, updated_at, version FROM projects", nil, func(r row) error {
				found[r.text(0)] = sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %d %d", r.text(1), r.text(2), r.text(3), r.int(4), r.int(5), r.int(6)))
				return nil
			})
		})
		if err != nil {
			b.Fatal(err)
		}
		return found
	}
	here, there := digests(s), digests(restored)
	if len(there) == 0 || int64(len(there)) != created {
		b.Errorf("%d projects were restored, the trail has the creation of %d", len(there), created)
	}
	for id, digest := range there {
		if here[id] != digest {
			b.Errorf("project %s is not what it is here", id)
		}
	}
	b.Logf("restored: %d projects with the digests that they have here, up to event %d of %d", len(there), last, count(b, s, "SELECT max(sequence) FROM audit_events WHERE tenant_id = $1", tenant.scope.Tenant()))
}

// stalls returns the longest write of each of the longest stalls: those that began
// within a second of each other waited for the same.
func stalls(writes []timedWrite) (longest []timedWrite) {
	for _, w := range slices.Backward(writes) {
		if !slices.ContainsFunc(longest, func(l timedWrite) bool { return l.due.Sub(w.due).Abs() < time.Second }) {
			longest = append(longest, w)
		}
		if len(longest) == 6 {
			break
		}
	}
	return longest
}

// phases notes what a backup does when.
type phases struct {
	out             io.Writer
	first, archived time.Time // the first byte of the archive, and after its last
	checked         time.Time
}

func (p *phases) Write(text []byte) (int, error) {
	if p.first.IsZero() {
		p.first = time.Now()
	}
	return p.out.Write(text)
}

func (p *phases) at(when time.Time) string {
	switch {
	case when.Before(p.first):
		return fmt.Sprintf("the database was copied, %v before that ended", p.first.Sub(when))
	case when.Before(p.archived):
		return fmt.Sprintf("the archive was written, %v after that began", when.Sub(p.first))
	}
	return fmt.Sprintf("the archive was checked, %v after that began and %v before it ended", when.Sub(p.archived), p.checked.Sub(when))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fillTo writes projects until the database has so many bytes.
func fillTo(b *testing.B, tenant *Tenant, size int64) {
	b.Helper()
	text := strings.Repeat("words that describe a project, ", 300)
	var writers sync.WaitGroup
	var n atomic.Int64
	for range 32 {
		writers.Go(func() {
			for i := n.Add(1); i*int64(len(text)+500) < size; i = n.Add(1) {
				_, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: fmt.Sprint("filling ", i), Description: text, Status: tracking.Planned}, Idempotency{})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
}

// timedWrite is how long a write took from when it was due.
type timedWrite struct {
	due  time.Time
	took time.Duration
}

// writeFor creates 200 projects a second while f runs, and returns how long they
// took, the longest last.
func writeFor(b *testing.B, tenant *Tenant, f func()) []timedWrite {
	b.Helper()
	ctx, stop := context.WithCancel(background)
	var mu sync.Mutex
	var writes []timedWrite
	var writers sync.WaitGroup
	writers.Go(func() {
		start := time.Now()
		for i := 0; ctx.Err() == nil; i++ {
			due := start.Add(time.Duration(i) * 5 * time.Millisecond)
			time.Sleep(time.Until(due))
			writers.Go(func() {
				newProject(b, tenant, fmt.Sprint("due ", due.UnixNano()))
				mu.Lock()
				defer mu.Unlock()
				writes = append(writes, timedWrite{due, time.Since(due)})
			})
		}
	})
	f()
	stop()
	writers.Wait()
	slices.SortFunc(writes, func(a, b timedWrite) int { return cmp.Compare(a.took, b.took) })
	return writes
}
