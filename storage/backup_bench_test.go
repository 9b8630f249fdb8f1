package storage

import (
	"context"
	"fmt"
	"io"
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
		took := time.Duration(0)
		during := writeFor(b, tenant, func() {
			start := time.Now()
			if _, err := WriteBackupFile(background, name, nil, b.TempDir(), func(out io.Writer) error {
				_, err := s.Backup(background, out, BackupOptions{Temp: b.TempDir()})
				return err
			}); err != nil {
				b.Error(err)
			}
			took = time.Since(start)
		})
		b.ReportMetric(milliseconds(before[len(before)-1]), "ms-longest-without")
		b.ReportMetric(milliseconds(during[len(during)*99/100]), "ms-p99")
		b.ReportMetric(milliseconds(during[len(during)-1]), "ms-longest")
		b.ReportMetric(took.Seconds(), "s-backup")
		b.ReportMetric(float64(extent.DatabaseBytes)/1e6, "MB")
		b.ReportMetric(float64(len(during)), "writes")
		b.Logf("%d MB backed up in %.1f s: of %d writes the longest took %v (99 %%: %v); without a backup %v", extent.DatabaseBytes/1e6, took.Seconds(),
			len(during), during[len(during)-1], during[len(during)*99/100], before[len(before)-1])
		if longest := during[len(during)-1]; gate && longest > stallAllowed {
			b.Errorf("a write took %v, want %v at most", longest, stallAllowed)
		}
	}
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

// writeFor creates 200 projects a second while f runs, and returns how long each
// took from when it was due, the longest last.
func writeFor(b *testing.B, tenant *Tenant, f func()) []time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(background)
	var mu sync.Mutex
	var took []time.Duration
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
				took = append(took, time.Since(due))
			})
		}
	})
	f()
	stop()
	writers.Wait()
	slices.Sort(took)
	return took
}
