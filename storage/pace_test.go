package storage

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestLargeFilesAreRemovedWithTheRest removes a directory as a backup leaves one.
func TestLargeFilesAreRemovedWithTheRest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backup-1")
	if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"maestro.db": 3*removeStep + 1, "deep/small": 10, "empty": 0} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{1}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, bytes.Repeat([]byte{1}, 2*removeStep), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip("no links here: ", err)
	}
	if err := removeGently(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	if info, err := os.Stat(outside); err != nil || info.Size() != 2*removeStep {
		t.Errorf("what a link named was changed: %v, %v", info, err)
	}
}
