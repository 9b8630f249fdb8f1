package storage

import (
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
)

// TestAGatheringLogIsWrittenInFewCalls counts the system calls that write, of this
// thread, during the commit of three hundred pages.
func TestAGatheringLogIsWrittenInFewCalls(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	calls := func(files string) int {
		c, err := openLogged(t.TempDir(), files)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.close() }()
		for _, text := range []string{
			"CREATE TABLE t (v TEXT NOT NULL) STRICT",
			"BEGIN IMMEDIATE",
			"WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 300) INSERT INTO t SELECT printf('%.3000c', 'x') FROM s",
		} {
			if _, err := c.exec(text); err != nil {
				t.Fatal(err)
			}
		}
		before := writeCalls(t)
		if _, err := c.exec("COMMIT"); err != nil {
			t.Fatal(err)
		}
		return writeCalls(t) - before
	}
	system, gathered := calls(systemsOwn), calls(gatheringFiles)
	if system < 600 {
		t.Errorf("SQLite's own files took %d calls: not what this test counts", system)
	}
	if gathered > 20 {
		t.Errorf("the log took %d calls, want at most 20", gathered)
	}
}

// writeCalls is how many calls of write and the like this thread has made.
func writeCalls(t *testing.T) int {
	t.Helper()
	io, err := os.ReadFile("/proc/thread-self/io")
	if err != nil {
		t.Skipf("this kernel does not count: %v", err)
	}
	n, err := strconv.Atoi(string(regexp.MustCompile(`syscw: (\d+)`).FindSubmatch(io)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
