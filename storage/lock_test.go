package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestDirLock(t *testing.T) {
	dir := t.TempDir()
	first, err := LockDir(dir)
	if err != nil {
		t.Fatalf("first lock: %v", err)
	}
	if _, err = LockDir(dir); err == nil {
		t.Fatal("a second lock on a held directory was given")
	}
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("second lock: got %v, want a *LockedError", err)
	}
	if locked.Dir != dir || locked.PID != os.Getpid() {
		t.Errorf("got holder %d of %q, want %d of %q", locked.PID, locked.Dir, os.Getpid(), dir)
	}
	if err := first.Unlock(); err != nil {
		t.Fatalf("unlock: %v", err)
	}
	again, err := LockDir(dir)
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatalf("unlock: %v", err)
	}
}

func TestDirLockOfMissingDirectory(t *testing.T) {
	_, err := LockDir(filepath.Join(t.TempDir(), "missing"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want an error that is os.ErrNotExist", err)
	}
}

// A pid that was never written, or is not one, must not keep the refusal from
// being said.
func TestHolderUnreadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), lockName)
	if got := holder(path); got != 0 {
		t.Errorf("missing file: got pid %d, want 0", got)
	}
	if err := os.WriteFile(path, []byte("nobody"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := holder(path); got != 0 {
		t.Errorf("not a number: got pid %d, want 0", got)
	}
	if got := (&LockedError{Dir: "d"}).Error(); got != "another process uses d" {
		t.Errorf("got %q", got)
	}
}
