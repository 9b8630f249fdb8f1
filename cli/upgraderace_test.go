//go:build unix

package cli_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"maestro/migrations"
	"maestro/storage"
)

// starting is a `maestro serve` that is on its way.
type starting struct {
	cmd   *exec.Cmd
	said  *lines
	ended chan error
}

// TestTwoServersStartAtOnceOnAnOldDirectory starts two real processes on the data
// directory of each older version: one upgrades it and serves, the other refuses
// with 75 and changes nothing.
func TestTwoServersStartAtOnceOnAnOldDirectory(t *testing.T) {
	archives, err := filepath.Glob("../testdata/directories/*.tar.gz")
	if err != nil || len(archives) < 3 {
		t.Fatalf("%d directories, %v", len(archives), err)
	}
	binary := program(t)
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			parent := t.TempDir()
			if out, err := exec.Command("tar", "xzf", archive, "-C", parent).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			dir := filepath.Join(parent, "data")
			// Both wait for the end of one pipe.
			gate, open, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			var both [2]*starting
			for i := range both {
				both[i] = start(t, gate, binary, dir)
			}
			if err := errors.Join(gate.Close(), open.Close()); err != nil {
				t.Fatal(err)
			}
			winner, loser := both[0], both[1]
			var err75 error
			select {
			case err75 = <-both[1].ended:
			case err75 = <-both[0].ended:
				winner, loser = both[1], both[0]
			case <-time.After(time.Minute):
				t.Fatalf("both run:\n%s\n%s", winner.said, loser.said)
			}
			var exit *exec.ExitError
			if !errors.As(err75, &exit) || exit.ExitCode() != 75 {
				t.Errorf("the one that came late ended with %v, want 75: %s", err75, loser.said)
			}
			if loserDid := loser.said.String(); strings.Contains(loserDid, "upgraded the database") {
				t.Errorf("the one that was refused upgraded too: %s", loserDid)
			}
			winner.untilReady(t)
			if err := winner.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := <-winner.ended; err != nil {
				t.Errorf("the one that served ended with %v: %s", err, winner.said)
			}
			if n := strings.Count(winner.said.String(), "upgraded the database"); n != 1 {
				t.Errorf("it upgraded %d times: %s", n, winner.said)
			}
			state, err := storage.InspectSchema(t.Context(), dir)
			if err != nil || state.Version != migrations.Newest() || !state.Finished {
				t.Errorf("it left %+v, %v", state, err)
			}
			if kept, err := filepath.Glob(filepath.Join(dir, "snapshots", "schema-*.db")); err != nil || len(kept) != 1 {
				t.Errorf("it kept %v, %v, want the old database once", kept, err)
			}
		})
	}
}

// start starts a server that waits for the end of the gate.
func start(t *testing.T, gate *os.File, binary, dir string) *starting {
	t.Helper()
	s := &starting{said: &lines{}, ended: make(chan error, 1)}
	s.cmd = exec.Command("/bin/sh", "-c", `read wait <&3; exec "$0" "$@"`, binary, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-format", "text")
	s.cmd.ExtraFiles = []*os.File{gate}
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // it may have ended
	return s
}

// untilReady waits until the server answers that it is ready.
func (s *starting) untilReady(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, rest, found := strings.Cut(s.said.String(), "http://127.0.0.1:"); found {
			port, _, _ := strings.Cut(rest, "/")
			port = strings.TrimRight(strings.Fields(port)[0], `"`)
			if response, err := http.Get("http://127.0.0.1:" + port + "/readyz"); err == nil {
				_, _ = io.Copy(io.Discard, response.Body) // its status is enough
				_ = response.Body.Close()
				if response.StatusCode == http.StatusOK {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not ready after a minute: %s", s.said)
		}
	}
}
