package storage

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"maestro/problem"
	"maestro/tenancy"
)

// largeStore is a store whose database has some 16 MB.
func largeStore(t *testing.T) *Store {
	t.Helper()
	s := openStore(t)
	err := s.writer.do(background, tenancy.ID{}, func(tx *Tx) error {
		_, err := tx.exec("WITH RECURSIVE filling(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM filling WHERE i < 2000) INSERT INTO settings (name, value) SELECT i, randomblob(8000) FROM filling")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestACopyWaitsUntilWhatItWroteIsOnDisk: what is not on disk yet is never more than
// two pieces, and nothing is written while a piece is put there.
func TestACopyWaitsUntilWhatItWroteIsOnDisk(t *testing.T) {
	s := largeStore(t)
	size := func(file *os.File) int64 {
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	var onDisk int64
	sync := func(file *os.File) error {
		written := size(file)
		if written-onDisk > 2*syncEvery {
			t.Errorf("%d bytes were written and not put on disk, want %d at most", written-onDisk, 2*syncEvery)
		}
		err := file.Sync()
		if now := size(file); now != written {
			t.Errorf("%d bytes were written while others were put on disk", now-written)
		}
		onDisk = written
		return err
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if _, err := copyDatabase(background, filepath.Join(s.dir, databaseName), to, sync); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	// SQLite's cache of 2 MB comes last, and SQLite puts it on disk itself.
	if info.Size() < 16e6 || info.Size()-onDisk > 2*syncEvery+2_048_000 {
		t.Errorf("of %d bytes %d were put on disk on the way", info.Size(), onDisk)
	}
}

// TestABackupWhoseCopyCannotBePutOnDiskFails also for a disk that finds out late that
// it is full.
func TestABackupWhoseCopyCannotBePutOnDiskFails(t *testing.T) {
	s := largeStore(t)
	for _, test := range []struct {
		failure error
		code    problem.Code
	}{
		{syscall.EIO, problem.Internal},
		{syscall.ENOSPC, problem.StorageFull},
	} {
		dir, temp := t.TempDir(), t.TempDir()
		syncs := 0
		sync := func(file *os.File) error {
			if syncs++; syncs < 3 {
				return file.Sync()
			}
			return &os.PathError{Op: "sync", Path: file.Name(), Err: test.failure}
		}
		_, err := WriteBackupFile(background, filepath.Join(dir, "backup.tar"), nil, temp, func(out io.Writer) error {
			_, err := s.Backup(background, out, BackupOptions{Temp: temp, sync: sync})
			return err
		})
		if !errors.Is(err, test.failure) || problem.CodeOf(err) != test.code {
			t.Errorf("got %v, want %v", err, test.failure)
		}
		if syncs != 3 {
			t.Errorf("the copy went on after a failure: %d were put on disk", syncs)
		}
		for _, d := range []string{dir, temp} {
			if entries, err := os.ReadDir(d); err != nil || len(entries) != 0 {
				t.Errorf("%v: left %v, %v", test.failure, entries, err)
			}
		}
	}
}

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
