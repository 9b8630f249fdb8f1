//go:build unix

package cli_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is this test's binary under the name by which it is Maestro: a link of
// its own, because a server starts its own file once more.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "maestro")
	if err := os.Link(self, name); err != nil {
		content, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(name, content, 0o700) // #nosec G306 -- it is a program
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// lines is what a process says.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// server is a real server in a process of its own, on a free port of loopback.
type server struct {
	*process
	dir  string
	said *lines
}

// serve starts `maestro serve` through a shell, which sets up what before says:
// limits, mounts, variables. It waits until the server is ready.
func serve(t *testing.T, before string, change func(*exec.Cmd), args ...string) *server {
	t.Helper()
	s := launch(t, before, change, args...)
	s.until("it is ready", func() bool { return s.ready() == http.StatusOK })
	return s
}

func launch(t *testing.T, before string, change func(*exec.Cmd), args ...string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := &server{dir: dir, said: &lines{}, process: &process{t: t, url: "http://" + address, done: make(chan struct{})}}
	all := append([]string{"-c", before + "\nexec \"$0\" \"$@\"", program(t), "serve", "--data", dir, "--listen", address}, args...)
	s.cmd = exec.Command("/bin/sh", all...)
	s.cmd.Env = append(os.Environ(), "DIR="+dir, "MAESTRO_ADMIN_EMAIL="+killEmail, "MAESTRO_ADMIN_PASSWORD="+killPassword, "MAESTRO_PASSWORD_COST=10",
		"MAESTRO_RATE_ADDRESS=0", "MAESTRO_RATE_CREDENTIAL=0", "MAESTRO_RATE_TENANT=0")
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if change != nil {
		change(s.cmd)
	}
	if err := s.cmd.Start(); err != nil {
		t.Skipf("a process with these limits cannot be started here: %v", err)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is looked at where it matters
		close(s.done)
	}()
	t.Cleanup(s.kill)
	return s
}

// until waits until something holds, for half a minute.
func (s *server) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended before %s: %s", what, s.said)
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("after half a minute not %s: %s", what, s.said)
		}
	}
}

// ready returns the status of /readyz, 0 when no answer came.
func (s *server) ready() int {
	response, err := http.Get(s.url + "/readyz")
	if err != nil {
		return 0
	}
	_ = response.Body.Close() // its status is enough
	return response.StatusCode
}

// unready returns what /readyz says does not hold.
func (s *server) unready() string {
	response, err := http.Get(s.url + "/readyz")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(response.Body) // what came is looked at
	return text.String()
}

func (s *server) says(text string) bool { return strings.Contains(s.said.String(), text) }
