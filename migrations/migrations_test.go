package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"
)

func openDatabase(t *testing.T) *sql.DB {
	t.Helper()
	// What is asked here does not depend on the disk.
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "test.db"))+"?_pragma=synchronous(0)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

func apply(t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := Apply(context.Background(), db); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int64) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestApplyFinishesWhatWasCutShort leaves the database as a process does that is
// killed between the last migration and what follows it.
func TestApplyFinishesWhatWasCutShort(t *testing.T) {
	db := openDatabase(t)
	apply(t, db)
	told := number(t, db, "SELECT count(*) FROM sqlite_stat1")
	exec(t, db, "DELETE FROM sqlite_stat1")

	apply(t, db)
	if n := number(t, db, "SELECT count(*) FROM sqlite_stat1"); n != 0 {
		t.Error("a database that is finished is worked on again")
	}
	exec(t, db, "PRAGMA user_version = 0")
	apply(t, db)
	if n := number(t, db, "SELECT count(*) FROM sqlite_stat1"); n != told || n == 0 {
		t.Errorf("%d statistics after the next start, want %d", n, told)
	}
}

func TestAReferenceToNothingStopsEveryStart(t *testing.T) {
	db := openDatabase(t)
	apply(t, db)
	exec(t, db, "INSERT INTO tenant_use (tenant_id) VALUES (randomblob(16))")
	exec(t, db, "PRAGMA user_version = 0")
	for range 2 {
		if _, err := Apply(context.Background(), db); err == nil || !strings.Contains(err.Error(), "a row of tenant_use refers to a row of tenants") {
			t.Fatalf("got %v, want the reference to nothing", err)
		}
	}
}

// TestTheVersionsHaveNoGap: what is one below a version is a version, and so every
// number up to the newest can be migrated to.
func TestTheVersionsHaveNoGap(t *testing.T) {
	for i, version := range versions(t) {
		if want := int64(i + 1); version != want {
			t.Fatalf("the migrations have the versions %v, want %d in place %d", versions(t), want, i+1)
		}
	}
}

// TestAVersionWithoutAScriptIsRefused: it is not one that a database can have.
func TestAVersionWithoutAScriptIsRefused(t *testing.T) {
	script := func(table string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE " + table + " (x INTEGER) STRICT;\n-- +goose Down\nDROP TABLE " + table + ";\n")}
	}
	files := fstest.MapFS{"00001_first.sql": script("a"), "00003_third.sql": script("c")}
	for _, version := range []int64{-1, 2, 4} {
		db := openDatabase(t)
		err := to(context.Background(), db, files, version, nil)
		if want := fmt.Sprintf("there is no version %d", version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %d: got %v, want %q", version, err, want)
		}
		if tables := number(t, db, "SELECT count(*) FROM sqlite_schema"); tables != 0 {
			t.Errorf("to %d: the database was changed", version)
		}
	}
}

// TestAnIndexThatGoesAgainIsNotMade looks from within a later migration for the
// indexes of an earlier one. Those that it drops were not made on the way to it;
// those that keep rows apart were, and those that their own migration needs.
func TestAnIndexThatGoesAgainIsNotMade(t *testing.T) {
	seen := `CREATE TABLE seen_%[1]d AS SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB '[ab]_*';`
	files := fstest.MapFS{
		"00001_first.sql": {Data: []byte(`-- +goose Up
CREATE TABLE a (x INTEGER, y INTEGER) STRICT;
CREATE TABLE b (x INTEGER) STRICT;
CREATE INDEX a_within ON a (x, y);
` + fmt.Sprintf(seen, 1) + `
DROP INDEX a_within;
CREATE INDEX a_dropped ON a (x);
CREATE INDEX a_stays ON a (y);
CREATE UNIQUE INDEX a_apart ON a (y, x);
CREATE INDEX b_table ON b (x);
-- +goose Down
DROP TABLE b;
DROP TABLE a;
DROP TABLE seen_1;
`)},
		"00002_second.sql": {Data: []byte(`-- +goose Up
` + fmt.Sprintf(seen, 2) + `
DROP INDEX a_dropped;
DROP INDEX a_apart;
DROP TABLE b;
-- +goose Down
DROP TABLE seen_2;
`)},
	}
	names := func(db *sql.DB, from string) (found []string) {
		for _, row := range (&filler{t: t, db: db}).query("SELECT name FROM " + from + " ORDER BY name") {
			found = append(found, row[0].(string))
		}
		return found
	}
	for version, want := range map[int64]map[string][]string{
		1: {"seen_1": {"a_within"}, "sqlite_schema WHERE type = 'index' AND name GLOB '[ab]_*'": {"a_apart", "a_dropped", "a_stays", "b_table"}},
		2: {"seen_1": {"a_within"}, "seen_2": {"a_apart", "a_stays"}, "sqlite_schema WHERE type = 'index' AND name GLOB '[ab]_*'": {"a_stays"}},
	} {
		db := openDatabase(t)
		if err := to(context.Background(), db, files, version, nil); err != nil {
			t.Fatal(err)
		}
		for from, want := range want {
			if diff := gocmp.Diff(want, names(db, from)); diff != "" {
				t.Errorf("to %d, %s (-want +got):\n%s", version, from, diff)
			}
		}
	}
}
