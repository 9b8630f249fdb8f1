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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The faults of this file are real: a file system that is full, one that may not
// be written, a directory that goes away, limits of the operating system. In all of
// them reads go on, writes are refused with a problem that says why, /readyz
// tells, everything goes on by itself once the fault is gone, and what was
// acknowledged is there.

// acknowledged are the projects that a server said it has.
type acknowledged struct {
	mu    sync.Mutex
	names map[string]bool
	n     atomic.Int64
}

// create creates a project and returns the status.
func (a *acknowledged) create(s *server, token string, padding int) int {
	name := fmt.Sprint("project ", a.n.Add(1))
	status := s.call(context.Background(), "POST", "/projects", token, map[string]any{"name": name, "description": strings.Repeat("x", padding)}, nil)
	if status == http.StatusCreated {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.names == nil {
			a.names = map[string]bool{}
		}
		a.names[name] = true
	}
	return status
}

// missing lists what was acknowledged and is not there.
func (a *acknowledged) missing(s *server, token string) (missing []string) {
	s.t.Helper()
	there := map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			Items []struct{ Name string }
			Next  *string `json:"next_cursor"`
		}
		if status := s.call(context.Background(), "GET", "/projects?limit=500&cursor="+cursor, token, nil, &page); status != http.StatusOK {
			s.t.Fatalf("listing answered %d: %s", status, s.said)
		}
		for _, p := range page.Items {
			there[p.Name] = true
		}
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	for name := range a.names {
		if !there[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

// restarted stops the server and starts it again on the same directory, with
// nothing in its way, and returns it.
func (s *server) restarted(t *testing.T, dir string) *server {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.done
	again := &server{dir: dir, said: &lines{}, process: &process{t: t, url: s.url, done: make(chan struct{})}}
	again.cmd = exec.Command(s.cmd.Args[3], "serve", "--data", dir, "--listen", strings.TrimPrefix(s.url, "http://"))
	again.cmd.Env, again.cmd.Stdout, again.cmd.Stderr = s.cmd.Env, again.said, again.said
	if err := again.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = again.cmd.Wait() // how it ended is looked at where it matters
		close(again.done)
	}()
	t.Cleanup(again.kill)
	again.until("it is ready", func() bool { return again.ready() == http.StatusOK })
	return again
}

func raise(t *testing.T, s *server, token string) { raiseLimits(t, s.process, token) }

func TestAFullDiskRefusesWritesAndNothingElse(t *testing.T) {
	s := launch(t, `mount -t tmpfs -o size=12m,mode=700 tmpfs "$DIR" || exit 99`, func(c *exec.Cmd) { c.SysProcAttr = inNamespace() })
	// So small a disk is never ready.
	s.until("it says what is left", func() bool { return strings.Contains(s.unready(), "MiB left") })
	token := s.login()
	raise(t, s, token)
	// The namespace's own view of the directory.
	inside := fmt.Sprintf("/proc/%d/root%s", s.cmd.Process.Pid, s.dir)
	if _, err := os.Stat(filepath.Join(inside, "maestro.db")); err != nil {
		t.Skipf("the server's mounts cannot be seen: %v", err)
	}
	var known acknowledged
	for range 20 {
		if status := known.create(s, token, 100); status != http.StatusCreated {
			t.Fatalf("creating answered %d", status)
		}
	}
	filler := filepath.Join(inside, "filler")
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(file, zeros{})
	if err == nil {
		t.Fatal("the disk does not fill")
	}
	_ = file.Close() // it is full

	full := 0
	for range 200 { // the log has some room left in blocks it already has
		switch status := known.create(s, token, 10_000); status {
		case http.StatusCreated:
		case http.StatusInsufficientStorage:
			full++
		default:
			t.Fatalf("on a full disk creating answered %d: %s", status, s.said)
		}
	}
	if full == 0 {
		t.Fatal("the disk was never full")
	}
	if status := s.call(context.Background(), "GET", "/projects?limit=5", token, nil, nil); status != http.StatusOK {
		t.Errorf("on a full disk reading answered %d", status)
	}
	if s.ready() != http.StatusServiceUnavailable || !strings.Contains(s.unready(), "the disk is full") {
		t.Errorf("/readyz says %s", s.unready())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.until("writes go on", func() bool { return known.create(s, token, 100) == http.StatusCreated })
	if text := s.unready(); !strings.Contains(text, `"writes":"ok"`) {
		t.Errorf("with room again /readyz says %s", text)
	}
	if missing := known.missing(s, token); len(missing) > 0 {
		t.Errorf("acknowledged and gone: %v", missing)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestADiskThatRefusesWritesIsNotFatal has the operating system refuse every write
// to files, as a file system does that has become read-only under the server.
func TestADiskThatRefusesWritesIsNotFatal(t *testing.T) {
	s := serve(t, "", nil)
	token := s.login()
	raise(t, s, token)
	var known acknowledged
	for range 5 {
		known.create(s, token, 100)
	}
	limitOf(t, s.cmd.Process.Pid, syscall.RLIMIT_FSIZE, 0)
	for range 5 {
		if status := known.create(s, token, 100); status != http.StatusServiceUnavailable {
			t.Errorf("creating answered %d: %s", status, s.said)
		}
	}
	if status := s.call(context.Background(), "GET", "/projects?limit=5", token, nil, nil); status != http.StatusOK {
		t.Errorf("reading answered %d", status)
	}
	if s.ready() != http.StatusServiceUnavailable || !strings.Contains(s.unready(), `"writes":"cannot be kept"`) {
		t.Errorf("/readyz says %s", s.unready())
	}
	// A logout that cannot be written is not acknowledged.
	if status := s.call(context.Background(), "POST", "/auth/logout", token, nil, nil); status != http.StatusServiceUnavailable {
		t.Errorf("logging out answered %d", status)
	}
	limitOf(t, s.cmd.Process.Pid, syscall.RLIMIT_FSIZE, ^uint64(0))
	s.until("it is ready again", func() bool { return s.ready() == http.StatusOK })
	token = s.login()
	if status := known.create(s, token, 100); status != http.StatusCreated {
		t.Errorf("with a disk again creating answered %d", status)
	}
	again := s.restarted(t, s.dir)
	if missing := known.missing(again, again.login()); len(missing) > 0 {
		t.Errorf("acknowledged and gone: %v", missing)
	}
}

// TestAReadOnlyFileSystemIsRefusedAtTheStart says what is wrong instead of serving
// half.
func TestAReadOnlyFileSystemIsRefusedAtTheStart(t *testing.T) {
	s := launch(t, `mount -t tmpfs -o ro,mode=700 tmpfs "$DIR" || exit 99`, func(c *exec.Cmd) { c.SysProcAttr = inNamespace() })
	<-s.done
	if s.cmd.ProcessState.ExitCode() == 99 {
		t.Skip("nothing can be mounted here")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !s.says("read-only file system") {
		t.Errorf("ended with %d: %s", code, s.said)
	}
}

func TestAVanishedDirectoryIsNoticed(t *testing.T) {
	s := serve(t, "", nil)
	token := s.login()
	raise(t, s, token)
	var known acknowledged
	for range 5 {
		known.create(s, token, 100)
	}
	if err := os.Rename(s.dir, s.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if status := known.create(s, token, 100); status != http.StatusServiceUnavailable {
			t.Errorf("creating answered %d: what was written would be lost", status)
		}
	}
	if status := s.call(context.Background(), "GET", "/projects?limit=5", token, nil, nil); status != http.StatusOK {
		t.Errorf("reading answered %d", status)
	}
	if s.ready() != http.StatusServiceUnavailable || !strings.Contains(s.unready(), `"database":"cannot be read"`) {
		t.Errorf("/readyz says %s", s.unready())
	}
	// Another directory in its place is not the one that was opened.
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "maestro.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status := known.create(s, token, 100); status != http.StatusServiceUnavailable {
		t.Errorf("with another directory there creating answered %d", status)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.dir+"-away", s.dir); err != nil {
		t.Fatal(err)
	}
	s.until("it is ready again", func() bool { return s.ready() == http.StatusOK })
	if status := known.create(s, token, 100); status != http.StatusCreated {
		t.Errorf("with its directory again creating answered %d", status)
	}
	again := s.restarted(t, s.dir)
	if missing := known.missing(again, again.login()); len(missing) > 0 {
		t.Errorf("acknowledged and gone: %v", missing)
	}
}

// TestFewFilesLetThoseInWhoAreThere gives the server 64 descriptors and opens
// more connections than that.
func TestFewFilesLetThoseInWhoAreThere(t *testing.T) {
	s := serve(t, "ulimit -n 64", nil)
	token := s.login()
	raise(t, s, token)
	var known acknowledged
	if status := known.create(s, token, 100); status != http.StatusCreated {
		t.Fatalf("creating answered %d", status)
	}
	// The connection of this test's client is open, and stays.
	var idle []net.Conn
	t.Cleanup(func() {
		for _, c := range idle {
			_ = c.Close() // nothing was sent
		}
	})
	for range 100 {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), time.Second)
		if err != nil {
			break // the queue of those who wait is full as well
		}
		idle = append(idle, c)
	}
	s.until("it runs out of files", func() bool { return s.says("too many open files") })
	for range 20 {
		if status := known.create(s, token, 100); status != http.StatusCreated {
			t.Errorf("for a client that was there creating answered %d: %s", status, s.said)
		}
		if status := s.call(context.Background(), "GET", "/projects?limit=5", token, nil, nil); status != http.StatusOK {
			t.Errorf("for a client that was there reading answered %d", status)
		}
	}
	for _, c := range idle {
		_ = c.Close() // nothing was sent
	}
	s.until("others get in again", func() bool {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
		response, err := fresh.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close() // its status is enough
		return response.StatusCode == http.StatusOK
	})
	if missing := known.missing(s, token); len(missing) > 0 {
		t.Errorf("acknowledged and gone: %v", missing)
	}
}

// TestItLivesIn128MB has 32 clients write, read and send large batches, and looks
// all the time at how much memory of its own the server has resident. What else
// it has resident are pages of its files, which the system takes back.
func TestItLivesIn128MB(t *testing.T) {
	if underRace {
		t.Skip("the race detector takes several times the memory")
	}
	s := serve(t, "", func(c *exec.Cmd) { c.Env = append(c.Env, "GOMEMLIMIT=90MiB") })
	token := s.login()
	raise(t, s, token)
	var project struct{ ID string }
	if status := s.call(context.Background(), "POST", "/projects", token, map[string]any{"name": "measured"}, &project); status != http.StatusCreated {
		t.Fatalf("creating answered %d", status)
	}
	points := make([]map[string]any, 10_000)
	for i := range points {
		points[i] = map[string]any{"project_id": project.ID, "metric_type": "loss", "metric_value": 1 / float64(i+1)}
	}
	var known acknowledged
	var clients sync.WaitGroup
	for client := range 32 {
		clients.Go(func() {
			for range 20 {
				if status := known.create(s, token, 10_000); status != http.StatusCreated {
					t.Errorf("creating answered %d", status)
				}
				if status := s.call(context.Background(), "GET", "/projects?limit=100", token, nil, nil); status != http.StatusOK {
					t.Errorf("listing answered %d", status)
				}
			}
			if client < 2 {
				if status := s.call(context.Background(), "POST", "/metrics/batch", token, points, nil); status != http.StatusCreated && status != http.StatusOK {
					t.Errorf("a batch answered %d", status)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	most := int64(0)
	for look := time.NewTicker(5 * time.Millisecond); ; {
		most = max(most, statusOf(t, s.cmd.Process.Pid, "RssAnon:"))
		select {
		case <-look.C:
			continue
		case <-done:
		}
		look.Stop()
		break
	}
	t.Logf("%d MiB of its own at most, %d with the pages of its files", most>>10, statusOf(t, s.cmd.Process.Pid, "VmHWM:")>>10)
	if most > 128<<10 {
		t.Errorf("it had %d MiB of its own, want 128 at most", most>>10)
	}
	if missing := known.missing(s, token); len(missing) > 0 {
		t.Errorf("acknowledged and gone: %v", missing)
	}
}

// statusOf reads a number that Linux tells of a process.
func statusOf(t *testing.T, pid int, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
