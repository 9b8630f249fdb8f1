package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// Apply brings the database to the newest version. Foreign keys must be off on
// db's connections while it runs, because tables are rebuilt; every reference is
// checked afterwards. It returns the version reached. Where it fails or is cut
// short, the next call does what is missing.
func Apply(ctx context.Context, db *sql.DB) (int64, error) {
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	if current > newest {
		return current, &NewerSchemaError{Database: current, Known: newest}
	}
	// goose counts a migration when its SQL is in; user_version is what all of this
	// was done for, so that a process that ends in between is made up for.
	var finished int64
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&finished); err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	if current == newest && finished == newest {
		return newest, nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	if err := writeStatistics(ctx, db); err != nil {
		return 0, err
	}
	if err := checkReferences(ctx, db); err != nil {
		return 0, err
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", newest)); err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	return newest, nil
}

// Newest returns the newest version of the schema that this program knows.
func Newest() (newest int64) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		panic("migrations: " + err.Error()) // the pattern is ours
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			panic("migrations: " + err.Error()) // the files are in the binary
		}
		newest = max(newest, version)
	}
	return newest
}

// NewerSchemaError says that the database was written by a newer Maestro.
type NewerSchemaError struct {
	Database int64 // the database's schema version
	Known    int64 // the newest this program knows
}

func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the database has schema version %d, this program knows up to %d: run the newer maestro that wrote it, or restore a backup made before the upgrade", e.Database, e.Known)
}

func checkReferences(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		var rowid sql.NullInt64
		var key int64
		if err := rows.Scan(&table, &rowid, &parent, &key); err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
		return fmt.Errorf("migrations: a row of %s refers to a row of %s that does not exist", table, parent)
	}
	return rows.Err()
}
