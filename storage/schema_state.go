package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"maestro/migrations"
)

// SchemaState says what the database of a data directory is made for.
type SchemaState struct {
	Version  int64            // 0 when there is no database
	Finished bool             // nothing of that version is missing
	Kept     map[string]int64 // rows of the side tables: what the schema in force has no place for
}

// InspectSchema reads the state of the database in dir and changes nothing in it.
// The caller holds the directory's lock.
func InspectSchema(ctx context.Context, dir string) (state SchemaState, err error) {
	if err := lockOpenFiles(); err != nil {
		return state, err
	}
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	db, err := openMigrating(path, []string{"busy_timeout(10000)", "query_only(1)"})
	if err != nil {
		return state, fmt.Errorf("storage: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if state.Version, state.Finished, err = migrations.Version(ctx, db); err != nil {
		return state, fmt.Errorf("storage: %w", err)
	}
	state.Kept, err = migrations.Kept(ctx, db)
	return state, err
}
