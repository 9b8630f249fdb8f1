package storage

import (
	"context"
	"os"
	"path/filepath"
)

// Inspect says where the database of a data directory contradicts itself, whether
// a server uses it or not, and changes nothing. It takes time in proportion to the
// database. It fails when there is none, or it cannot be read.
func Inspect(ctx context.Context, dir string) (faults []error, err error) {
	if err := lockOpenFiles(); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, databaseName)
	if _, err := os.Stat(name); err != nil {
		return nil, err
	}
	c, err := openOffline(dir, []string{"query_only(1)"})
	if err != nil {
		return nil, err
	}
	faults = checkDatabase(ctx, c, false)
	return faults, c.close()
}

// FreeDisk returns how many bytes a directory's file system has left.
func FreeDisk(dir string) (int64, error) { return freeBytes(dir) }

// LastBackup returns the newest backup that a data directory keeps; false when it
// keeps none.
func LastBackup(dir string) (last Backup, ok bool) {
	b := &Backups{dir: filepath.Join(dir, backupsName)}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return last, false
	}
	for _, entry := range entries {
		if record, good := b.readRecord(entry.Name()); good {
			last, ok = record, true
		}
	}
	return last, ok
}

// SchemaVersion returns the version of a data directory's schema.
func SchemaVersion(dir string) (int64, error) {
	if err := lockOpenFiles(); err != nil {
		return 0, err
	}
	name := filepath.Join(dir, databaseName)
	if _, err := os.Stat(name); err != nil {
		return 0, err
	}
	return schemaOf(name)
}
