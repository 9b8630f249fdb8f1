package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"maestro/migrations"
	"maestro/problem"
)

// A migration works on a copy of the database and swaps it in when it is whole
// and checked. So at any moment maestro.db is either the old database or the new
// one, whatever ends the process; the copy needs no journal of its own; and the
// old file is the snapshot to go back to.
const (
	workName      = databaseName + ".upgrade" // the copy
	asideName     = databaseName + ".before"  // a second name of the old database while they are swapped
	snapshotsName = "snapshots"
	// The old databases that are kept, newest first.
	keptDatabases = 3
	// A database from this size on is sorted in files instead of memory.
	largeDatabase = 64 << 20 // bytes
)

// MigrateOptions configures Migrate.
type MigrateOptions struct {
	Dir     string           // the data directory; the caller holds its lock
	Version int64            // of the schema to bring it to
	Now     func() time.Time // the clock; time.Now unless set
	// Progress is told how far it is; unless set, nobody is.
	Progress func(migrations.Progress)

	before func(point string) error // of each change to the directory; set by tests that cut it short there
}

// Migrated says what a migration did.
type Migrated struct {
	From, To int64  // versions of the schema; the same when there was nothing to do
	Snapshot string // the file that the old database is kept in; "" when there was none
}

// Migrate brings the database in a data directory to a version of the schema, up
// or down, making it when it is missing. Unless it succeeds the database is what
// it was. It fails with a *migrations.NewerSchemaError for a database that a newer
// program wrote, and with a *migrations.SchemaError when what came out is not the
// schema of a fresh installation.
func Migrate(ctx context.Context, o MigrateOptions) (done Migrated, err error) {
	if err := lockOpenFiles(); err != nil {
		return done, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return done, fmt.Errorf("storage: %w", err)
	}
	m := &migration{MigrateOptions: o}
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.before == nil {
		m.before = func(string) error { return nil }
	}
	done, err = m.run(ctx)
	var newer *migrations.NewerSchemaError
	switch {
	case err == nil:
		return done, nil
	case errors.As(err, &newer):
		newer.Dir = o.Dir
		return done, fmt.Errorf("storage: %w", err)
	}
	return done, fmt.Errorf("storage: the database is what it was: %w", fullDisk(err))
}

// fullDisk gives a full disk its code, also where SQLite tells of it.
func fullDisk(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL {
		return problem.Wrap(err, problem.StorageFull, "The disk has no room for a second copy of the database, which a migration needs.")
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return diskError(err)
	}
	return err
}

type migration struct{ MigrateOptions }

func (m *migration) path(name string) string { return filepath.Join(m.Dir, name) }

func (m *migration) run(ctx context.Context) (done Migrated, err error) {
	if err := m.tidy(); err != nil {
		return done, err
	}
	_, err = os.Stat(m.path(databaseName))
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	if exists {
		ready, err := m.prepare(ctx, &done)
		if err != nil || ready {
			return done, err
		}
	}
	if err := m.work(ctx, exists); err != nil {
		return done, errors.Join(err, m.removeWork())
	}
	done.To = m.Version
	done.Snapshot, err = m.swap(exists, done.From)
	return done, err
}

// tidy finishes or undoes what a migration left that was cut short.
func (m *migration) tidy() error {
	if err := m.removeWork(); err != nil {
		return err
	}
	aside, err := os.Stat(m.path(asideName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	current, err := os.Stat(m.path(databaseName))
	switch {
	case errors.Is(err, fs.ErrNotExist): // no system swaps in this way, but none promises it
		return m.rename(asideName, databaseName)
	case err != nil:
		return err
	case os.SameFile(aside, current): // they were not swapped
		return m.remove(asideName)
	}
	m.keepAside("older")
	return nil
}

func (m *migration) removeWork() error {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := m.remove(workName + suffix); err != nil {
			return err
		}
	}
	return nil
}

func (m *migration) remove(name string) error {
	if _, err := os.Lstat(m.path(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := m.before("remove " + name); err != nil {
		return err
	}
	return os.Remove(m.path(name))
}

func (m *migration) rename(from, to string) error {
	if err := m.before("rename " + from); err != nil {
		return err
	}
	if err := os.Rename(m.path(from), m.path(to)); err != nil {
		return err
	}
	if dir := filepath.Dir(m.path(to)); dir != m.Dir {
		if err := syncDirectory(dir); err != nil {
			return err
		}
	}
	return syncDirectory(m.Dir)
}

// prepare looks at the version and leaves the old database in one file. Nothing is
// to be done when ready is true.
func (m *migration) prepare(ctx context.Context, done *Migrated) (ready bool, err error) {
	db, err := openMigrating(m.path(databaseName), []string{"busy_timeout(10000)", "synchronous(full)"})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, finished, err := migrations.Version(ctx, db)
	if err != nil {
		return false, err
	}
	if newest := migrations.Newest(); version > newest {
		return false, &migrations.NewerSchemaError{Database: version, Known: newest}
	}
	done.From, done.To = version, version
	if version == m.Version && finished {
		return true, nil
	}
	var busy, pages, copied int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &copied); err != nil {
		return false, err
	}
	if busy != 0 {
		return false, errors.New("another process has the database open")
	}
	return false, nil
}

// work makes the new database beside the old one.
func (m *migration) work(ctx context.Context, exists bool) error {
	size := int64(0)
	if exists {
		if info, err := os.Stat(m.path(databaseName + "-wal")); err == nil && info.Size() > 0 {
			return errors.New("the log of the database was not emptied")
		}
		if err := syncDirectory(m.Dir); err != nil { // a log that is gone must stay gone
			return err
		}
		var err error
		if size, err = m.copyFile(databaseName, workName); err != nil {
			return err
		}
	} else if err := m.create(workName); err != nil {
		return err
	}
	if err := m.migrateWork(ctx, size); err != nil {
		return err
	}
	if err := m.before("sync " + workName); err != nil {
		return err
	}
	return syncFile(m.path(workName))
}

func (m *migration) migrateWork(ctx context.Context, size int64) (err error) {
	// No journal and no syncing: a copy that does not become whole is thrown away.
	pragmas := []string{"journal_mode(off)", "synchronous(off)", "locking_mode(exclusive)", "foreign_keys(0)", "cache_size(-48000)", "mmap_size(0)"}
	if size < largeDatabase {
		pragmas = append(pragmas, "temp_store(memory)")
	}
	db, err := openMigrating(m.path(workName), pragmas)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if size >= largeDatabase {
		// What SQLite sorts goes where there has to be room anyway. The setting is the
		// whole process's, which opens no other large database while it migrates this.
		if _, err := db.ExecContext(ctx, "PRAGMA temp_store_directory = '"+strings.ReplaceAll(m.Dir, "'", "''")+"'"); err != nil {
			return err
		}
		defer func() {
			_, reset := db.ExecContext(context.WithoutCancel(ctx), "PRAGMA temp_store_directory = ''")
			err = errors.Join(err, reset)
		}()
	}
	if size > 0 {
		if err := quickCheck(ctx, db); err != nil {
			return err
		}
	}
	if err := migrations.To(ctx, db, m.Version, m.Progress); err != nil {
		return err
	}
	if size == 0 {
		return nil // it is a fresh installation itself
	}
	fresh, err := openMigrating(":memory:", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	return migrations.Check(ctx, db, fresh)
}

// quickCheck reads the whole copy, which shows that it and what it was made from
// can be read.
func quickCheck(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("it is damaged: %s", answer)
	}
	return nil
}

// create makes an empty file, with the mode that SQLite would take from the umask.
func (m *migration) create(name string) error {
	if err := m.before("create " + name); err != nil {
		return err
	}
	return ensureFile(m.path(name))
}

// copyFile copies a file of the directory, sharing its blocks where the file
// system can.
func (m *migration) copyFile(from, to string) (size int64, err error) {
	source, err := os.Open(m.path(from))
	if err != nil {
		return 0, err
	}
	defer func() { _ = source.Close() }() // it was only read
	if err := m.before("create " + to); err != nil {
		return 0, err
	}
	target, err := os.OpenFile(m.path(to), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	for err == nil {
		var n int64
		if err = m.before("copy to " + to); err == nil {
			n, err = io.CopyN(target, source, 16<<20)
			size += n
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return size, errors.Join(err, target.Close())
}

// swap puts the new database in the place of the old one, and the old one where
// it is kept.
func (m *migration) swap(exists bool, version int64) (snapshot string, err error) {
	if !exists {
		return "", m.rename(workName, databaseName)
	}
	if err := m.before("link " + asideName); err != nil {
		return "", err
	}
	if err := os.Link(m.path(databaseName), m.path(asideName)); err != nil {
		// The file system has no second names.
		if _, err := m.copyFile(databaseName, asideName); err != nil {
			return "", errors.Join(err, os.Remove(m.path(asideName)))
		}
		if err := syncFile(m.path(asideName)); err != nil {
			return "", err
		}
	}
	if err := syncDirectory(m.Dir); err != nil {
		return "", err
	}
	if err := m.rename(workName, databaseName); err != nil {
		return "", err
	}
	return m.keepAside(fmt.Sprint(version)), nil
}

// keepAside moves the old database to where it is kept, removes the oldest of
// those, and returns where it is. The new database is in place by now, so what
// fails here fails nothing: the next start does it.
func (m *migration) keepAside(version string) (snapshot string) {
	name := filepath.Join(snapshotsName, "schema-"+version+"-"+m.Now().UTC().Format("20060102T150405.000000Z")+".db")
	if m.before("create "+snapshotsName) != nil || os.MkdirAll(m.path(snapshotsName), 0o700) != nil {
		return m.path(asideName)
	}
	if err := m.rename(asideName, name); err != nil {
		return m.path(asideName)
	}
	found, _ := filepath.Glob(m.path(filepath.Join(snapshotsName, "schema-*.db"))) // the pattern is well formed
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(stamp(b), stamp(a)) })
	for _, old := range found[min(keptDatabases, len(found)):] {
		if m.remove(filepath.Join(snapshotsName, filepath.Base(old))) != nil {
			break
		}
	}
	return m.path(name)
}

// stamp is the time in the name of an old database that is kept.
func stamp(path string) string { return path[strings.LastIndexByte(path, '-')+1:] }

// openMigrating opens a database through database/sql, which the migrations
// speak, with one connection.
func openMigrating(path string, pragmas []string) (*sql.DB, error) {
	connector, err := migratingConnector(path, pragmas)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

func migratingConnector(path string, pragmas []string) (driver.Connector, error) {
	query := url.Values{"_pragma": pragmas}
	if path == ":memory:" {
		return sqlite.NewConnector(path)
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "./" + path
	}
	return sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode())
}

// logProgress tells the log of a migration that takes its time.
func logProgress(log *slog.Logger, now func() time.Time) func(migrations.Progress) {
	const often = 5 * time.Second
	last := now()
	return func(p migrations.Progress) {
		if at := now(); at.Sub(last) >= often {
			last = at
			log.Info("migrating the database", "migration", p.Name, "table", p.Table, "done", p.Done, "of", p.Total)
		}
	}
}
