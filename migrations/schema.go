package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	lineComment = regexp.MustCompile(`--[^\n]*`)
	space       = regexp.MustCompile(`\s+`)
)

// Schema returns what a database is made of, an object a line, in an order and a
// form that do not depend on the way to it: comments, quotes and line ends of the
// SQL are left out, and so is what is no part of a schema: SQLite's own tables,
// goose's, and what is kept for another version.
func Schema(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT type, name, sql FROM sqlite_schema
		WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' AND name <> 'goose_db_version' AND tbl_name NOT GLOB '`+keptPrefix+`*'`)
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close()
	var objects []string
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return nil, wrap(err)
		}
		text = strings.ReplaceAll(lineComment.ReplaceAllString(text, ""), `"`, "")
		text = space.ReplaceAllString(text, " ")
		for _, mark := range []string{"(", ")", ","} {
			text = strings.ReplaceAll(strings.ReplaceAll(text, " "+mark, mark), mark+" ", mark)
		}
		objects = append(objects, kind+" "+name+": "+text)
	}
	slices.Sort(objects)
	return objects, wrap(rows.Err())
}

// SchemaError says where a database's schema is not that of a fresh installation
// of the same version.
type SchemaError struct {
	Missing, Extra []string
}

func (e *SchemaError) Error() string {
	text := "the schema is not that of a fresh installation"
	for _, object := range e.Missing {
		text += "\n  missing: " + object
	}
	for _, object := range e.Extra {
		text += "\n  not expected: " + object
	}
	return text
}

// Check compares the schema of db with that of fresh, an empty database that it
// brings to the same version. It fails with a *SchemaError.
func Check(ctx context.Context, db, fresh *sql.DB) error {
	version, _, err := Version(ctx, db)
	if err != nil {
		return err
	}
	if err := To(ctx, fresh, version, nil); err != nil {
		return err
	}
	got, err := Schema(ctx, db)
	if err != nil {
		return err
	}
	want, err := Schema(ctx, fresh)
	if err != nil {
		return err
	}
	failure := &SchemaError{}
	for _, object := range want {
		if !slices.Contains(got, object) {
			failure.Missing = append(failure.Missing, object)
		}
	}
	for _, object := range got {
		if !slices.Contains(want, object) {
			failure.Extra = append(failure.Extra, object)
		}
	}
	if len(failure.Missing)+len(failure.Extra) > 0 {
		return failure
	}
	return nil
}

// Kept tells what side tables there are and how many rows each has: what the
// schema in force has no place for.
func Kept(ctx context.Context, db *sql.DB) (map[string]int64, error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '"+keptPrefix+"*'")
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close()
	kept := make(map[string]int64)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, wrap(err)
		}
		kept[name] = 0
	}
	if err := rows.Err(); err != nil {
		return nil, wrap(err)
	}
	for name := range kept {
		var n int64
		if err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %q", name)).Scan(&n); err != nil {
			return nil, wrap(err)
		}
		kept[name] = n
	}
	return kept, nil
}
