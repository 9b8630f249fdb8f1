//go:build linux && (amd64 || arm64)

package storage

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	gocmp "github.com/google/go-cmp/cmp"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"maestro/migrations"
)

// everyCut has the sweeps try every write. Otherwise they try one in cutStride,
// which still ends inside each migration and at each change of a name.
var everyCut = flag.Bool("every-cut", false, "cut the upgrade short at each of its writes, not at a sample")

const cutStride = 23

// cutter counts everything that a migration changes on disk (SQLite's writes,
// cuts and removals through the table of system calls of its own, and the
// migration's own changes of files) and ends it at the one it is told.
type cutter struct {
	at      int // 0 for never
	count   int
	reached func(call string) // what happens there
	refuse  syscall.Errno     // of everything from there on; 0 to let it go on
}

// point reports whether the change must not happen.
func (c *cutter) point(call string) bool {
	c.count++
	if c.at == 0 || c.count < c.at {
		return false
	}
	if c.count == c.at && c.reached != nil {
		c.reached(call)
	}
	return c.refuse != 0
}

func (c *cutter) before(point string) error {
	if c.point(point) {
		return c.refuse
	}
	return nil
}

// The table of system calls is the process's, so there is one cutter at a time.
var cutting *cutter

// Function values whose addresses SQLite has.
var (
	cutWrite = func(tls *libc.TLS, fd int32, data uintptr, size sqlite3.Tsize_t) sqlite3.Tssize_t {
		if refused(tls, "write") {
			return -1
		}
		return libc.Xwrite(tls, fd, data, size)
	}
	cutPwrite = func(tls *libc.TLS, fd int32, data uintptr, size sqlite3.Tsize_t, at sqlite3.Toff_t) sqlite3.Tssize_t {
		if refused(tls, "pwrite") {
			return -1
		}
		return libc.Xpwrite(tls, fd, data, size, at)
	}
	cutTruncate = func(tls *libc.TLS, fd int32, size sqlite3.Toff_t) int32 {
		if refused(tls, "ftruncate") {
			return -1
		}
		return libc.Xftruncate(tls, fd, size)
	}
	cutUnlink = func(tls *libc.TLS, path uintptr) int32 {
		if refused(tls, "unlink") {
			return -1
		}
		return libc.Xunlink(tls, path)
	}
)

func refused(tls *libc.TLS, call string) bool {
	if cutting == nil || !cutting.point(call) {
		return false
	}
	*(*int32)(pointer(libc.X__errno_location(tls))) = int32(cutting.refuse)
	return true
}

// address is how a function's value is handed to the translated C code.
func address(f any) uintptr { return (*[2]uintptr)(unsafe.Pointer(&f))[1] }

// cut has SQLite's changes of files go through a cutter until the test ends.
func cut(t *testing.T) {
	t.Helper()
	tls := libc.NewTLS()
	defer tls.Close()
	vfs := sqlite3.Xsqlite3_vfs_find(tls, 0)
	set := (*sqlite3.Tsqlite3_vfs)(pointer(vfs)).FxSetSystemCall
	replace := func(name string, with uintptr) {
		text, err := libc.CString(name)
		if err != nil {
			t.Fatal(err)
		}
		defer libc.Xfree(tls, text)
		call := *(*func(*libc.TLS, uintptr, uintptr, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{set}))
		if rc := call(tls, vfs, text, with); rc != sqlite3.SQLITE_OK && with != 0 {
			t.Fatalf("SQLite's %s cannot be replaced: %d", name, rc)
		}
	}
	names := []string{"write", "pwrite", "ftruncate", "unlink"}
	for i, f := range []any{cutWrite, cutPwrite, cutTruncate, cutUnlink} {
		replace(names[i], address(f))
	}
	t.Cleanup(func() {
		cutting = nil
		tls := libc.NewTLS()
		defer tls.Close()
		call := *(*func(*libc.TLS, uintptr, uintptr, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{set}))
		call(tls, vfs, 0, 0) // puts all of them back
	})
}

// smallLegacy makes a pre-tenancy database, as a server leaves it that was killed:
// its newest row is in the log.
func smallLegacy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	generateLegacy(t, dir, 0.0003)
	return dir
}

// withLog copies a database and gives it a log with one more row.
func withLog(t *testing.T, from, to string) {
	t.Helper()
	copyTree(t, from, to)
	db := openRaw(t, to)
	for _, statement := range []string{"PRAGMA journal_mode = wal", "PRAGMA wal_autocheckpoint = 0",
		"INSERT INTO projects (id, name, created_at, updated_at) VALUES (x'aa', 'in the log', 1, 1)"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{"", "-wal"} { // before closing copies the log into the database
		text, err := os.ReadFile(filepath.Join(to, databaseName+suffix))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.WriteFile(filepath.Join(to, databaseName+suffix), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}()
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// upgraded is what the digests of an upgraded database are compared with.
type upgraded struct {
	source string // a data directory with a log
	want   map[string]string
}

func prepareCuts(t *testing.T) upgraded {
	t.Helper()
	u := upgraded{source: filepath.Join(t.TempDir(), "source")}
	legacy := smallLegacy(t)
	without := legacyDigests(t, legacy, false)
	withLog(t, legacy, u.source)
	probe := filepath.Join(t.TempDir(), "probe")
	copyTree(t, u.source, probe)
	u.want = legacyDigests(t, probe, false)
	if u.want["projects"] == without["projects"] {
		t.Fatal("the row in the log was lost")
	}
	return u
}

// check holds what is left to be the old database or the new one, whole, and has
// the next start bring it to the new one, with nothing left over.
func (u upgraded) check(t *testing.T, dir string) (version int64) {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.Mkdir(probe, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(filepath.Join(dir, databaseName+suffix))
		if errors.Is(err, os.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(probe, databaseName+suffix), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	version = u.state(t, probe)
	if _, err := Migrate(background, MigrateOptions{Dir: dir, Version: migrations.Newest()}); err != nil {
		t.Fatalf("the next start: %v", err)
	}
	if after := u.state(t, dir); after != migrations.Newest() {
		t.Fatalf("the next start leaves schema %d", after)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != databaseName && name != snapshotsName {
			t.Errorf("%s is left over", name)
		}
	}
	return version
}

// state tells which of the two schemas a database has, whose rows it must have.
func (u upgraded) state(t *testing.T, dir string) int64 {
	t.Helper()
	db := openRaw(t, dir)
	version, finished, err := migrations.Version(background, db)
	if err != nil {
		t.Fatal(err)
	}
	if version != 1 && version != migrations.Newest() || !finished {
		t.Fatalf("schema %d, finished %v: neither the old one nor the new one", version, finished)
	}
	fresh, err := openMigrating(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(quickCheck(background, db), migrations.Check(background, db, fresh), fresh.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(u.want, legacyDigests(t, dir, version != 1)); diff != "" {
		t.Fatalf("at schema %d rows differ (-want +got):\n%s", version, diff)
	}
	return version
}

// sweep cuts an upgrade short at one write after the other.
func (u upgraded) sweep(t *testing.T, one func(t *testing.T, dir string, at int)) {
	counting := filepath.Join(t.TempDir(), "counting")
	copyTree(t, u.source, counting)
	cutting = &cutter{}
	if _, err := Migrate(background, MigrateOptions{Dir: counting, Version: migrations.Newest(), before: cutting.before}); err != nil {
		t.Fatal(err)
	}
	writes := cutting.count
	cutting = nil
	if writes < 50 {
		t.Fatalf("only %d writes were seen", writes)
	}
	stride := cutStride
	if *everyCut {
		stride = 1
	}
	versions, tried := map[int64]int{}, 0
	for at := 1; at <= writes; at++ {
		// The changes of names at both ends are always tried.
		if at%stride != 0 && at > 6 && at < writes-6 {
			continue
		}
		tried++
		dir := filepath.Join(t.TempDir(), strconv.Itoa(at))
		copyTree(t, u.source, dir)
		one(t, dir, at)
		cutting = nil
		versions[u.check(t, dir)]++
		if t.Failed() {
			t.Fatalf("after write %d of %d", at, writes)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d writes tried: the old schema %d times, the new one %d times", tried, writes, versions[1], versions[migrations.Newest()])
	if versions[1] == 0 || versions[migrations.Newest()] == 0 {
		t.Error("a sweep must end before the swap and after it")
	}
}

// TestUpgradeThatStops has everything from one write on not happen, as after
// SIGKILL or the loss of power.
func TestUpgradeThatStops(t *testing.T) {
	u := prepareCuts(t)
	cut(t)
	u.sweep(t, func(t *testing.T, dir string, at int) {
		cutting = &cutter{at: at, refuse: syscall.EIO}
		_, _ = Migrate(background, MigrateOptions{Dir: dir, Version: migrations.Newest(), before: cutting.before}) // what it leaves is looked at
	})
}

// TestUpgradeOnAFullDisk has the disk be full from one write on.
func TestUpgradeOnAFullDisk(t *testing.T) {
	u := prepareCuts(t)
	cut(t)
	u.sweep(t, func(t *testing.T, dir string, at int) {
		c := &cutter{at: at, refuse: syscall.ENOSPC}
		cutting = c
		before := func(point string) error {
			if strings.HasPrefix(point, "remove") { // which a full disk allows
				return nil
			}
			return c.before(point)
		}
		if done, err := Migrate(background, MigrateOptions{Dir: dir, Version: migrations.Newest(), before: before}); err == nil && done.To != migrations.Newest() {
			t.Errorf("it says that it did not fail, and leaves schema %d", done.To)
		}
	})
}

// TestUpgradeThatIsKilled kills a process of its own at one write after the other.
func TestUpgradeThatIsKilled(t *testing.T) {
	if dir := os.Getenv("MAESTRO_TEST_CUT_DIR"); dir != "" {
		at, err := strconv.Atoi(os.Getenv("MAESTRO_TEST_CUT_AT"))
		if err != nil {
			t.Fatal(err)
		}
		cut(t)
		cutting = &cutter{at: at, reached: func(string) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}}
		_, err = Migrate(background, MigrateOptions{Dir: dir, Version: migrations.Newest(), before: cutting.before})
		t.Fatal("was not killed:", err)
	}
	u := prepareCuts(t)
	cut(t)
	tried := 0
	u.sweep(t, func(t *testing.T, dir string, at int) {
		if tried++; !*everyCut && tried%4 != 0 { // the sweep above tries them without a process each
			cutting = &cutter{at: at, refuse: syscall.EIO}
			_, _ = Migrate(background, MigrateOptions{Dir: dir, Version: migrations.Newest(), before: cutting.before})
			return
		}
		child := exec.Command(os.Args[0], "-test.run", "^TestUpgradeThatIsKilled$")
		child.Env = append(os.Environ(), "MAESTRO_TEST_CUT_DIR="+dir, fmt.Sprintf("MAESTRO_TEST_CUT_AT=%d", at))
		out, err := child.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("write %d: %v\n%s", at, err, out)
		}
	})
}
