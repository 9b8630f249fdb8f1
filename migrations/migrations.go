package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// Version returns the version of the database's schema, 0 for an empty one, and
// whether everything that belongs to it was finished.
func Version(ctx context.Context, db *sql.DB) (version int64, finished bool, err error) {
	var known int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'goose_db_version'").Scan(&known)
	if err != nil || known == 0 {
		return 0, false, wrap(err)
	}
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&version); err != nil {
		return 0, false, wrap(err)
	}
	// goose counts a migration when its SQL is in; user_version is what all of this
	// was done for.
	var done int64
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&done); err != nil {
		return 0, false, wrap(err)
	}
	return version, done == version, nil
}

// Apply brings the database to the newest version and returns it.
func Apply(ctx context.Context, db *sql.DB) (int64, error) {
	newest := Newest()
	return newest, To(ctx, db, newest, nil)
}

// To brings the database to a version of the schema, up or down, one transaction
// a migration. Foreign keys must be off on db's only connection, because tables
// are rebuilt. say, unless nil,
// is told how far it is. References are checked before the last commit. A database
// of a version that is not known is a *NewerSchemaError, and a version that no
// migration leads to, other than 0, is refused. Where To fails or is cut
// short, the next call does what is missing on the way to the same version; between
// the migrations indexes may be missing that a later one drops.
func To(ctx context.Context, db *sql.DB, version int64, say func(Progress)) error {
	return to(ctx, db, files, version, say)
}

func to(ctx context.Context, db *sql.DB, files fs.FS, version int64, say func(Progress)) error {
	if say == nil {
		say = func(Progress) {}
	}
	scripts, err := readScripts(files)
	if err != nil {
		return err
	}
	newest := scripts[len(scripts)-1].version
	if version != 0 && !slices.ContainsFunc(scripts, func(s *script) bool { return s.version == version }) {
		return fmt.Errorf("migrations: there is no version %d; the newest is %d", version, newest)
	}
	current, finished, err := Version(ctx, db)
	if err != nil {
		return err
	}
	if current > newest {
		return &NewerSchemaError{Database: current, Known: newest}
	}
	if current == version && finished {
		return nil
	}
	var migrations []*goose.Migration
	for i, s := range scripts {
		lastDown := version == 0 && i == 0 || i > 0 && scripts[i-1].version == version
		migrations = append(migrations, goose.NewGoMigration(s.version, s.direction(true, s.version == version, following(scripts, s.version, version), say),
			s.direction(false, lastDown, nil, say)))
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, nil, goose.WithGoMigrations(migrations...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return wrap(err)
	}
	switch {
	case current > version:
		_, err = provider.DownTo(ctx, version)
	case current < version:
		_, err = provider.UpTo(ctx, version)
	default: // what follows the last migration is missing, its check perhaps
		err = checkReferences(ctx, db)
	}
	if err != nil {
		return wrap(err)
	}
	if err := writeStatistics(ctx, db); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
	return wrap(err)
}

// following are the steps up that come behind a version on the way to another.
func following(scripts []*script, behind, to int64) (steps []step) {
	for _, s := range scripts {
		if s.version > behind && s.version <= to {
			steps = append(steps, s.up...)
		}
	}
	return steps
}

// direction makes one way of a script what goose runs in a transaction.
func (s *script) direction(up, last bool, later []step, say func(Progress)) *goose.GoFunc {
	steps := s.up
	if !up {
		steps = s.down
	}
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		if len(steps) == 0 {
			return fmt.Errorf("%s has no way down", s.name)
		}
		r := &run{ctx: ctx, tx: tx, version: s.version, last: last, later: later, say: func(table string, done, total int64) {
			say(Progress{Version: s.version, Name: s.name, Up: up, Table: table, Done: done, Total: total})
		}}
		return r.all(steps)
	}}
}

// Migration is one step of the schema's history.
type Migration struct {
	Version int64
	Name    string
}

// List returns all migrations that this program knows, first to last.
func List() ([]Migration, error) {
	scripts, err := readScripts(files)
	if err != nil {
		return nil, err
	}
	list := make([]Migration, len(scripts))
	for i, s := range scripts {
		list[i] = Migration{Version: s.version, Name: s.name}
	}
	return list, nil
}

// Newest returns the newest version of the schema that this program knows.
func Newest() (newest int64) {
	list, err := List()
	if err != nil {
		panic(err) // the files are in the binary, and tests read them
	}
	return list[len(list)-1].Version
}

// NewerSchemaError says that the database was written by a newer Maestro.
type NewerSchemaError struct {
	Database int64  // the database's schema version
	Known    int64  // the newest this program knows
	Dir      string // the data directory, where it is known
}

func (e *NewerSchemaError) Error() string {
	dir := e.Dir
	if dir == "" {
		dir = "DIR"
	}
	return fmt.Sprintf("the database has schema version %d and this program knows up to %d: run the newer maestro that wrote it, or bring the database down with that one: maestro migrate to %d --data %s",
		e.Database, e.Known, e.Known, dir)
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("migrations: %w", err)
}

func checkReferences(ctx context.Context, db *sql.DB) error {
	var table, parent string
	err := db.QueryRowContext(ctx, `SELECT "table", parent FROM pragma_foreign_key_check LIMIT 1`).Scan(&table, &parent)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return wrap(err)
	}
	return fmt.Errorf("migrations: a row of %s refers to a row of %s that does not exist", table, parent)
}
