package storage

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"maestro/migrations"
	"maestro/problem"
	"maestro/tenancy"
)

// openOffline opens a connection to the database of a data directory, which no Store
// of this process has.
func openOffline(dir string, pragmas []string) (*conn, error) {
	return openFile(filepath.Join(dir, databaseName), pragmas)
}

// transactOffline runs f in a transaction of a directory that no process uses.
func transactOffline(c *conn, now time.Time, f func(*Tx) error) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	tx := &Tx{conn: c, Now: tenancy.TimeOf(now), trail: newTrail()}
	err := f(tx)
	if err == nil {
		err = tx.trail.save(c)
	}
	if err != nil {
		_, undone := c.exec("ROLLBACK")
		return errors.Join(err, undone)
	}
	_, err = c.exec("COMMIT")
	return err
}

// requireNewestSchema refuses a directory whose database another version wrote.
func requireNewestSchema(dir string) error {
	schema, err := SchemaVersion(dir)
	switch newest := migrations.Newest(); {
	case errors.Is(err, os.ErrNotExist):
		return problem.Wrap(err, problem.NotFound, "%s is no data directory: it has no %s.", dir, databaseName)
	case err != nil:
		return err
	case schema > newest:
		return &migrations.NewerSchemaError{Database: schema, Known: newest, Dir: dir}
	case schema < newest:
		return problem.New(problem.Conflict, "The database has schema version %d, and this program needs %d. Bring it up first: maestro migrate up --data %s", schema, newest, dir)
	}
	return nil
}
