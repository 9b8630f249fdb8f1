package migrations

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
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
