package child

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain is the child too: a server that says how it was started, or a program
// that fails, or one that does not serve.
func TestMain(m *testing.M) {
	switch os.Getenv("CHILD_TEST") {
	case "serve":
		http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {})
		http.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Join(os.Args[1:], " ")) })
		http.HandleFunc("/spin", func(w http.ResponseWriter, _ *http.Request) {
			for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
			}
		})
		_ = http.ListenAndServe(os.Args[1], nil)
	case "fail":
		println("cannot open the data directory")
		os.Exit(3)
	default:
		os.Exit(m.Run())
	}
}

func command(t *testing.T, mode string) Command {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Command{
		Name: mode, Path: self, Args: []string{addr, "second"}, Env: []string{"CHILD_TEST=" + mode},
		Addr: addr, Ready: "/ready", LogFile: filepath.Join(t.TempDir(), "log"),
	}
}

func TestServerIsStartedMeasuredAndEnded(t *testing.T) {
	c := command(t, "serve")
	p, took, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if took <= 0 || took > readyWithin {
		t.Errorf("ready after %v", took)
	}
	answer, err := http.Get("http://" + p.Addr + "/args")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if want := c.Addr + " second"; string(body) != want {
		t.Errorf("it was started with %q, want %q", body, want)
	}

	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if answer, err = http.Get("http://" + p.Addr + "/spin"); err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	after, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if spent := after - before; spent <= 0 || spent > 10*time.Second {
		t.Errorf("a busy request cost %v", spent)
	}
	memory, err := p.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if memory.Anon <= 0 || memory.RSS <= memory.Anon {
		t.Errorf("memory %+v: want something held alone, and more in all", memory)
	}

	if err := p.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if _, err := http.Get("http://" + p.Addr + "/args"); err == nil {
		t.Error("it still serves")
	}
	if err := p.Stop(); err == nil {
		t.Error("stopping what had ended is no error")
	}
}

func TestServerThatFailsTellsWhy(t *testing.T) {
	_, _, err := Start(t.Context(), command(t, "fail"))
	if err == nil || !strings.Contains(err.Error(), "cannot open the data directory") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want the exit status and the output", err)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	c := command(t, "serve")
	c.Ready = "/never"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := Start(ctx, c); err == nil {
		t.Fatal("a server that never becomes ready was accepted")
	}
	if _, err := http.Get("http://" + c.Addr + "/args"); err == nil {
		t.Error("it still serves")
	}
}

func TestParseCPU(t *testing.T) {
	got, err := parseCPU([]byte("42 (a b) c)) S 1 42 42 0 -1 4194560 900 0 0 0 150 25 7 9 20 0 8 0 100 1 2"))
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("got %v, %v, want 1.75s", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1", "42 (x) S 1 1 1 1 1 1 1 1 1 1 a b 1"} {
		if got, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("Name:\tx\nVmRSS:\t   30720 kB\nRssAnon:\t   10240 kB\nRssFile:\t 20480 kB\n")
	if want := (Memory{RSS: 30 << 20, Anon: 10 << 20}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := parseMemory("VmRSS:\t 1 kB\n"); err == nil {
		t.Errorf("without RssAnon: got %+v, want an error", got)
	}
}
