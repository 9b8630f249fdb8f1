//go:build unix

package cli_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"maestro/registry"
	"maestro/storage"
	"maestro/tenancy"
)

// piped makes a data directory whose tenant acme has two contents, the first of which
// is a pipe: an export waits there, amid the archive, for what the test writes.
func piped(t *testing.T) (dir, pipe string, content []byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	inStore(t, dir, func(s *storage.Store) {
		made, err := s.CreateTenant(t.Context(), tenancy.NewTenantFields("Acme", "acme"), nil)
		if err != nil {
			t.Fatal(err)
		}
		tenant := s.Tenant(tenancy.Issue(made.ID, tenancy.Actor{Kind: tenancy.ActorSystem}))
		for _, text := range []string{"one", "two"} {
			a, _, err := tenant.CreateArtifact(t.Context(), registry.ArtifactFields{Name: text, Type: "model", Version: "1"}, storage.Idempotency{})
			if err == nil {
				_, _, err = tenant.PutContent(t.Context(), a.ID, storage.NewContent{Body: strings.NewReader(strings.Repeat(text, 1000)), Size: -1})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	var contents []string
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			contents = append(contents, name)
		}
		return err
	})
	if err != nil || len(contents) != 2 {
		t.Fatalf("the contents are %v, %v", contents, err)
	}
	pipe = slices.Min(contents)
	if content, err = os.ReadFile(pipe); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(pipe), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir, pipe, content
}

// TestAnExportThatBreaksOffEndsWithItsCode has real servers that fail amid the archive:
// before, the command ended with 1 whatever the failure was. No file is left, neither
// under the archive's name nor under another.
func TestAnExportThatBreaksOffEndsWithItsCode(t *testing.T) {
	self := program(t)
	type export struct {
		server, command *exec.Cmd
		dir             string
		content         []byte
		feed            func(content []byte) // to the export, which waits for it
	}
	signal := func(c *exec.Cmd, s os.Signal) {
		if err := c.Process.Signal(s); err != nil {
			t.Error(err)
		}
	}
	for name, test := range map[string]struct {
		breaks func(e *export)
		code   int
		says   string
	}{
		"nothing breaks":         {func(e *export) { e.feed(e.content) }, 0, ""},
		"the server is killed":   {func(e *export) { signal(e.server, os.Kill) }, 7, "broke its answer off"},
		"the server stops":       {func(e *export) { signal(e.server, os.Interrupt); stopped(t, e.dir); e.feed(e.content) }, 7, "The server stops."},
		"a content is damaged":   {func(e *export) { e.feed(append([]byte("x"), e.content[1:]...)) }, 1, "The server's log says why."},
		"the command is stopped": {func(e *export) { signal(e.command, os.Interrupt) }, 1, "interrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, pipe, content := piped(t)
			server, said := exec.Command(self, "serve", "--data", dir, "--listen", "127.0.0.1:0"), &lines{} // #nosec G204 -- the test's own program
			server.Stdout, server.Stderr = said, said
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() }) // it may have ended
			if output, err := exec.Command(self, "healthcheck", "--data", dir, "--wait", "1m").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s%s", err, output, said)
			}
			out := t.TempDir()
			command, complaint := exec.Command(self, "export", "acme", "--data", dir, "--out", filepath.Join(out, "acme.tar")), &lines{}
			command.Stderr = complaint
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			ended, opened := make(chan error, 1), make(chan *os.File, 1)
			go func() { ended <- command.Wait() }()
			go func() {
				file, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for who reads it
				if err != nil {
					t.Error(err)
				}
				opened <- file
			}()
			var held *os.File
			select {
			case held = <-opened:
			case err := <-ended:
				t.Fatalf("the export ended before its contents: %v %s", err, complaint)
			}
			test.breaks(&export{server, command, dir, content, func(content []byte) {
				_, err := held.Write(content)
				if err := errors.Join(err, held.Close()); err != nil {
					t.Error(err)
				}
			}})
			if err := <-ended; command.ProcessState.ExitCode() != test.code || !strings.Contains(complaint.String(), test.says) {
				t.Errorf("it ended with %d (%v), want %d, and said %s, want %q in it", command.ProcessState.ExitCode(), err, test.code, complaint, test.says)
			}
			_ = held.Close() // where nothing was fed to it
			left, err := os.ReadDir(out)
			if err != nil || (len(left) == 1) != (test.code == 0) {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
}

// stopped waits until the server's socket takes no more connections: what runs on it
// has been told to end by then.
func stopped(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		connection, err := net.Dial("unix", filepath.Join(dir, "run", "control.sock"))
		if err != nil {
			return
		}
		if err := connection.Close(); err != nil {
			t.Error(err)
		}
		if time.Now().After(deadline) {
			t.Error("the server does not stop")
			return
		}
	}
}
