//go:build unix

package cli_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSystemdIsToldAndOpensTheSocket starts the server as systemd does with
// Type=notify, WatchdogSec= and a socket unit.
func TestSystemdIsToldAndOpensTheSocket(t *testing.T) {
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = told.Close() })
	next := func() string {
		t.Helper()
		if err := told.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 1024)
		n, err := told.Read(message)
		if err != nil {
			t.Fatal("nothing was told:", err)
		}
		return string(message[:n])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	passed, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	s := launch(t, "export LISTEN_PID=$$ WATCHDOG_PID=$$", func(c *exec.Cmd) {
		c.ExtraFiles = []*os.File{passed}
		c.Env = append(c.Env, "LISTEN_FDS=1", "WATCHDOG_USEC=200000", "NOTIFY_SOCKET="+told.LocalAddr().String())
	})
	if got := next(); !strings.HasPrefix(got, "READY=1\n") || !strings.Contains(got, listener.Addr().String()) {
		t.Errorf("told %q first", got)
	}
	response, err := http.Get("http://" + listener.Addr().String() + "/readyz")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("on the passed socket: %v, %v", response, err)
	}
	_ = response.Body.Close() // its status is enough
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("told %q, want a sign of life", got)
		}
	}
	// A server that has lost its database gives no sign of life.
	if err := os.Rename(s.dir, s.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := told.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	signs := 0
	for message := make([]byte, 64); ; signs++ {
		if _, err := told.Read(message); err != nil {
			break
		}
	}
	if signs > 2 {
		t.Errorf("%d signs of life without a database", signs)
	}
	if err := os.Rename(s.dir+"-away", s.dir); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for got := next(); got != "STOPPING=1"; got = next() {
		if got != "WATCHDOG=1" {
			t.Fatalf("told %q at the end", got)
		}
	}
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %d: %s", code, s.said)
	}
}

// TestAPassedSocketIsHeldToTheSettings passes one that others can reach.
func TestAPassedSocketIsHeldToTheSettings(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	passed, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	s := launch(t, "export LISTEN_PID=$$ LISTEN_FDS=1", func(c *exec.Cmd) { c.ExtraFiles = []*os.File{passed} })
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 78 || !s.says("insecure-http") {
		t.Errorf("ended with %d: %s", code, s.said)
	}
}

func TestHangupReadsTheConfigurationAgain(t *testing.T) {
	config := filepath.Join(t.TempDir(), "maestro.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`log_level = "info"`)
	s := serve(t, "", nil, "--config", config)
	request := func() { s.call(context.Background(), "GET", "/tenant", "", nil, nil) }
	request()
	if s.says("level=DEBUG") {
		t.Fatal("it logs at debug before it is told to")
	}
	hangUp := func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	write(`log_level = "loud"`)
	hangUp()
	s.until("it refuses a level", func() bool { return s.says("everything stays as it was") })
	request()
	if s.says("level=DEBUG") {
		t.Error("a bad configuration changed something")
	}
	write(`log_level = "debug"`)
	hangUp()
	s.until("it logs at debug", func() bool { request(); return s.says("level=DEBUG") })
	write(`log_level = "error"`)
	hangUp()
	s.until("it is told again", func() bool { return strings.Count(s.said.String(), "read the configuration again") == 2 })
	before := s.said.String()
	request()
	if after := s.said.String(); after != before {
		t.Errorf("at error it logs %s", strings.TrimPrefix(after, before))
	}
}

// slow is a body that ends when it is told to.
type slow struct{ end chan struct{} }

func (b slow) Read([]byte) (int, error) {
	<-b.end
	return 0, io.EOF
}

// TestAStopWaitsForRequestsAndASecondSignalDoesNot has a request under way while
// the server is told to stop.
func TestAStopWaitsForRequestsAndASecondSignalDoesNot(t *testing.T) {
	for _, signals := range []int{1, 2} {
		t.Run(fmt.Sprint(signals, " signals"), func(t *testing.T) {
			s := serve(t, "", nil)
			token := s.login()
			body := slow{end: make(chan struct{})}
			answered := make(chan int, 1)
			reading := make(chan struct{})
			go func() {
				request, _ := http.NewRequest("POST", s.url+"/api/v1/projects", io.MultiReader(strings.NewReader(`{"name":"in time"}`), closing{reading}, body))
				request.Header.Set("Content-Type", "application/json")
				request.Header.Set("Authorization", "Bearer "+token)
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					answered <- 0
					return
				}
				_ = response.Body.Close() // its status is enough
				answered <- response.StatusCode
			}()
			<-reading
			s.until("the request is under way", func() bool {
				text, err := exec.Command("curl", "-s", "--unix-socket", filepath.Join(s.dir, "run", "control.sock"), "http://maestro/debug/pprof/goroutine?debug=2").Output()
				if err != nil {
					t.Skip("needs curl to see the request under way")
				}
				return strings.Contains(string(text), "maxBytesReader).Read")
			})
			if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			s.until("it stops", func() bool { return s.says("stopping") })
			if s.ready() == http.StatusOK {
				t.Error("it says that it is ready while it stops")
			}
			if signals == 2 {
				if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				<-s.done
				close(body.end)
				if got := <-answered; got != 0 {
					t.Errorf("the request was answered %d", got)
				}
				status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
				if !status.Signaled() || status.Signal() != syscall.SIGTERM {
					t.Errorf("it ended with %v", s.cmd.ProcessState)
				}
				return
			}
			close(body.end)
			if got := <-answered; got != http.StatusCreated {
				t.Errorf("the request under way was answered %d", got)
			}
			<-s.done
			if code := s.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("ended with %d: %s", code, s.said)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "maestro.db-wal")); err == nil {
				t.Error("the log was not copied into the database")
			}
		})
	}
}

// closing closes its channel when it is read.
type closing struct{ read chan struct{} }

func (c closing) Read([]byte) (int, error) {
	close(c.read)
	return 0, io.EOF
}
