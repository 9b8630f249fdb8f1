package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"maestro/problem"
	"maestro/storage/archive"
	"maestro/tenancy"
)

// Names in a data directory, and in its backups.
const (
	revocationsName = "revocations.bolt"
	blobsName       = "blobs"
)

// keptDirs are the directories that a backup takes whole: signing keys and what
// else is secret, and certificates.
var keptDirs = []string{"keys", "tls"}

// BackupOptions says how a backup is made.
type BackupOptions struct {
	Version string           // of the program
	Now     func() time.Time // time.Now unless set

	// Temp is a directory with room for a copy of the database; os.TempDir unless
	// set.
	Temp string

	// Revocations copies the open file of revocations to a path. Nil takes the file
	// as it is, which nobody may have open.
	Revocations func(path string) error

	sync func(*os.File) error // in tests: of the database's copy; (*os.File).Sync unless set
}

// Backup writes an archive of the whole data directory, as it was at one moment,
// while everything goes on: the database through a copy that SQLite makes of one
// snapshot, then what the copy's rows refer to, whose removal waits until the
// archive is written.
func (s *Store) Backup(ctx context.Context, out io.Writer, o BackupOptions) (archive.Info, error) {
	defer s.files.keepAll()()
	if o.Now == nil {
		o.Now = s.now
	}
	return writeBackup(ctx, s.dir, out, o)
}

// BackupDir is Backup of a directory that no process uses. The caller holds its
// lock.
func BackupDir(ctx context.Context, dir string, out io.Writer, o BackupOptions) (archive.Info, error) {
	if _, err := os.Stat(filepath.Join(dir, databaseName)); err != nil {
		return archive.Info{}, problem.Wrap(err, problem.NotFound, "%s is no data directory: it has no %s.", dir, databaseName)
	}
	if err := lockOpenFiles(); err != nil {
		return archive.Info{}, err
	}
	return writeBackup(ctx, dir, out, o)
}

func writeBackup(ctx context.Context, dir string, out io.Writer, o BackupOptions) (info archive.Info, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.sync == nil {
		o.sync = (*os.File).Sync
	}
	temp, err := os.MkdirTemp(o.Temp, "backup-*") // 0700
	if err != nil {
		return info, diskError(err)
	}
	defer func() { err = errors.Join(err, removeGently(temp)) }()
	b := &backup{dir: dir, temp: temp, info: archive.Info{Version: o.Version, CreatedAt: tenancy.TimeOf(o.Now())}}
	database := filepath.Join(temp, databaseName)
	if b.info.Schema, err = copyDatabase(ctx, filepath.Join(dir, databaseName), database, o.sync); err != nil {
		return info, fmt.Errorf("copy the database: %w", err)
	}
	if b.root, err = os.OpenRoot(dir); err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, b.root.Close()) }()
	if b.archive, err = archive.NewWriter(out, temp, b.info); err != nil {
		return info, diskError(err)
	}
	err = b.write(ctx, database, o.Revocations)
	return b.info, errors.Join(err, b.archive.Close())
}

// backup is one archive that is being written.
type backup struct {
	dir, temp string
	root      *os.Root // of dir
	archive   *archive.Writer
	info      archive.Info
}

func (b *backup) write(ctx context.Context, database string, revocations func(path string) error) error {
	if _, err := b.addFile(databaseName, func() (*os.File, error) { return os.Open(database) }); err != nil {
		return err
	}
	// After the database, so that the copy holds every revocation that the database
	// knows of.
	if err := b.addRevocations(revocations); err != nil {
		return err
	}
	for _, dir := range keptDirs {
		if err := b.addDir(dir); err != nil {
			return err
		}
	}
	return b.addBlobs(ctx, database)
}

// addFile adds a file under its name in the data directory.
func (b *backup) addFile(name string, open func() (*os.File, error)) (sum string, err error) {
	file, err := open()
	if err != nil {
		return "", fmt.Errorf("back up %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("back up %s: %w", name, err)
	}
	if sum, err = b.archive.Add(name, info.Size(), file); err != nil {
		return "", diskError(err)
	}
	return sum, nil
}

func (b *backup) addRevocations(copyTo func(path string) error) error {
	if copyTo == nil {
		_, err := b.addFile(revocationsName, func() (*os.File, error) { return b.root.Open(revocationsName) })
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a server has never run here
		}
		return err
	}
	copied := filepath.Join(b.temp, revocationsName)
	if err := copyTo(copied); err != nil {
		return fmt.Errorf("copy the revocations: %w", err)
	}
	_, err := b.addFile(revocationsName, func() (*os.File, error) { return os.Open(copied) })
	return err
}

// addDir adds the regular files below a directory, if there is one.
func (b *backup) addDir(dir string) error {
	return fs.WalkDir(b.root.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the directory, or a file that went meanwhile
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		_, err = b.addFile(name, func() (*os.File, error) { return b.root.Open(name) })
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

const (
	selectBlobTable = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'blobs'`
	selectAllBlobs  = `SELECT tenant_id, content_hash, size_bytes FROM blobs ORDER BY tenant_id, content_hash`
)

// addBlobs adds every content that the copy of the database names. One that is
// missing, or is not what its hash says, fails the backup: as long as none
// succeeds, the earlier ones, which may have it whole, are not rotated out.
func (b *backup) addBlobs(ctx context.Context, database string) error {
	c, err := openFile(database, []string{"query_only(1)"})
	if err != nil {
		return err
	}
	err = c.queryRow(selectBlobTable, nil, func(row) {})
	if errors.Is(err, errNoRow) {
		return c.close() // of a version that kept none
	}
	if err == nil {
		err = c.query(ctx, selectAllBlobs, nil, func(r row) error {
			k := blobKey{r.id(0), r.text(1)}
			name := path.Join(blobsName, k.path())
			sum, err := b.addFile(name, func() (*os.File, error) { return b.root.Open(name) })
			if err == nil && sum != k.hash {
				err = fmt.Errorf("back up %s: the content is damaged, its SHA-256 is %s", name, sum)
			}
			return err
		})
	}
	return errors.Join(err, c.close())
}

// copyDatabase writes a copy of one snapshot of a database, on a connection of its
// own, so that nobody waits for it. sync puts each piece of the copy on disk before
// the next is written; SQLite does it for the last. It returns the version of the
// schema.
func copyDatabase(ctx context.Context, from, to string, sync func(*os.File) error) (schema int64, err error) {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // SQLite would take the mode from the umask
	if err != nil {
		return 0, diskError(err)
	}
	defer func() { _ = file.Close() }() // nothing is written through it
	c, err := openFile(from, []string{"cache_size(-2000)", unmapped})
	if err != nil {
		return 0, err
	}
	g := growth{file: file, sync: sync}
	c.database.onProgress(paceSteps, g.pace)
	err = c.query(ctx, "VACUUM INTO $1", []any{to}, func(row) error { return nil })
	if g.err != nil {
		err = diskError(g.err)
	}
	if err := errors.Join(err, c.close()); err != nil {
		return 0, err
	}
	return schemaOf(to)
}

// schemaOf returns the version of a database file's schema.
func schemaOf(file string) (schema int64, err error) {
	c, err := openFile(file, []string{"query_only(1)"})
	if err != nil {
		return 0, err
	}
	err = c.queryRow("PRAGMA user_version", nil, func(r row) { schema = r.int(0) })
	return schema, errors.Join(err, c.close())
}
