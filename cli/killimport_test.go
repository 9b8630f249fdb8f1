//go:build unix

package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking"
)

// TestAnImportThatIsKilledLeavesNoTenant kills the command at several sizes of the
// database's log, with SIGKILL. Nobody sees the tenant then, the next start removes
// what came of it, and the last import, which is left alone, brings all of it.
func TestAnImportThatIsKilledLeavesNoTenant(t *testing.T) {
	self, dir := program(t), filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "acme.tar")
	const points = 40_000
	exportPoints(t, file, points)
	inStore(t, dir, func(*storage.Store) {}) // makes it
	killed := 0
	temp := t.TempDir() // what is killed leaves its temporary files
	for _, size := range []int64{1, 64 << 10, 256 << 10, 512 << 10, 1 << 20} {
		var said bytes.Buffer
		command := exec.Command(self, "import", "tenant", file, "--data", dir) // #nosec G204 -- the test's own program
		command.Stderr, command.Env = &said, append(os.Environ(), "TMPDIR="+temp)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		if err := killAt(command, filepath.Join(dir, "maestro.db-wal"), size, ended); err == nil {
			t.Fatalf("the import was done before its log had %d bytes: %s", size, said.String())
		}
		killed++
		inStore(t, dir, func(s *storage.Store) {
			if _, err := s.TenantBySlug(t.Context(), "acme"); problem.CodeOf(err) != problem.NotFound {
				t.Errorf("killed at %d bytes: the tenant is there: %v", size, err)
			}
			if killed%2 == 0 { // the next thing is a start, else another import
				if err := s.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	if output, err := exec.Command(self, "import", "tenant", file, "--data", dir).CombinedOutput(); err != nil { // #nosec G204 -- the test's own program
		t.Fatalf("%v\n%s", err, output)
	}
	again := filepath.Join(t.TempDir(), "again.tar")
	inStore(t, dir, func(s *storage.Store) {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if report := exportTo(t, s, again); report.Rows["points"] != points {
			t.Errorf("%d points came of %d", report.Rows["points"], points)
		}
	})
}

// killAt kills the process when a file has a size, and returns how the process ended.
func killAt(command *exec.Cmd, file string, size int64, ended <-chan error) error {
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Millisecond):
		}
		if info, err := os.Stat(file); err == nil && info.Size() >= size {
			_ = command.Process.Kill() // it may be gone, which the end tells
			return <-ended
		}
	}
}

// inStore opens a directory for a while.
func inStore(t *testing.T, dir string, f func(*storage.Store)) {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	f(s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func exportTo(t *testing.T, s *storage.Store, file string) storage.TenantReport {
	t.Helper()
	report, err := storage.WriteTenantFile(t.Context(), file, nil, "", func(out io.Writer) error {
		return s.ExportTenant(t.Context(), "acme", out, storage.ExportOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// exportPoints writes the archive of a tenant with one project of so many points.
func exportPoints(t *testing.T, file string, n int) {
	t.Helper()
	inStore(t, t.TempDir(), func(s *storage.Store) {
		made, err := s.CreateTenant(t.Context(), tenancy.NewTenantFields("Acme", "acme"), nil)
		if err != nil {
			t.Fatal(err)
		}
		tenant := s.Tenant(tenancy.Issue(made.ID, tenancy.Actor{Kind: tenancy.ActorSystem}))
		p, _, err := tenant.CreateProject(t.Context(), tracking.ProjectFields{Name: "long", Status: tracking.Active}, storage.Idempotency{})
		for from := 0; from < n; from += tracking.MaxBatchPoints {
			batch := make([]tracking.Point, min(tracking.MaxBatchPoints, n-from))
			for i := range batch {
				batch[i] = tracking.Point{ProjectID: p.ID, MetricType: fmt.Sprint("loss ", i%20), MetricValue: float64(i), Timestamp: new(tenancy.Time(from + i))}
			}
			_, failed := tenant.AddPoints(t.Context(), batch, storage.Idempotency{})
			err = errors.Join(err, failed)
		}
		if err != nil {
			t.Fatal(err)
		}
		exportTo(t, s, file)
	})
}
