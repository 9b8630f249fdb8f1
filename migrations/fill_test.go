package migrations

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// filler puts rows into every table of a schema, whatever it is: what refers to
// something refers to a row that is there, in its own tenant.
type filler struct {
	t      *testing.T
	db     *sql.DB
	random *rand.Rand
}

type field struct{ name, kind, preset string }

type key struct {
	table    string
	from, to []string
}

func fill(t *testing.T, db *sql.DB, rows int) {
	t.Helper()
	f := &filler{t: t, db: db, random: rand.New(rand.NewPCG(1, 2))}
	var tables []string
	for _, row := range f.query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*' AND name <> 'goose_db_version'") {
		tables = append(tables, row[0].(string))
	}
	slices.Sort(tables)
	done := map[string]bool{}
	for len(done) < len(tables) {
		before := len(done)
		for _, table := range tables {
			if !done[table] && !slices.ContainsFunc(f.keys(table), func(k key) bool { return !done[k.table] && k.table != table }) {
				f.table(table, rows)
				done[table] = true
			}
		}
		if len(done) == before {
			t.Fatalf("no order to fill %v in, after %v", tables, done)
		}
	}
	if slices.Contains(tables, "tenant_use") { // every tenant has one
		f.exec("INSERT OR IGNORE INTO tenant_use (tenant_id) SELECT id FROM tenants")
	}
	if slices.Contains(tables, "points") {
		f.exec("DELETE FROM points")
		f.exec("DELETE FROM dropped_series")
		for i := range 3 {
			f.exec("INSERT INTO points SELECT id, 1000 + id % 3, ?, id * 0.5 + ?, CASE WHEN id % 2 THEN '{\"a\":1}' END FROM series", i+1, i)
		}
		f.exec("UPDATE artifacts SET has_content = 1, content_hash = (SELECT content_hash FROM blobs b WHERE b.tenant_id = artifacts.tenant_id ORDER BY 1 LIMIT 1)")
		f.exec("DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.tenant_id = blobs.tenant_id AND a.content_hash = blobs.content_hash)")
	}
	for _, table := range tables {
		if n := number(t, db, "SELECT count(*) FROM "+table); n == 0 && table != "dropped_series" {
			t.Errorf("%s was not filled", table)
		}
	}
}

func (f *filler) exec(statement string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(statement, args...); err != nil {
		f.t.Fatal(statement, err)
	}
}

func (f *filler) query(statement string, args ...any) (found [][]any) {
	f.t.Helper()
	rows, err := f.db.Query(statement, args...)
	if err != nil {
		f.t.Fatal(statement, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		f.t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			f.t.Fatal(err)
		}
		found = append(found, values)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	return found
}

func (f *filler) keys(table string) (keys []key) {
	last := int64(-1)
	for _, row := range f.query(`SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq`, table) {
		if id := row[0].(int64); id != last {
			keys, last = append(keys, key{table: row[1].(string)}), id
		}
		k := &keys[len(keys)-1]
		k.from, k.to = append(k.from, row[2].(string)), append(k.to, row[3].(string))
	}
	return keys
}

func (f *filler) table(table string, rows int) {
	var fields []field
	for _, row := range f.query("SELECT name, type, coalesce(dflt_value, '') FROM pragma_table_info(?)", table) {
		fields = append(fields, field{row[0].(string), row[1].(string), row[2].(string)})
	}
	keys := f.keys(table)
	for range rows {
		values := map[string]any{}
		for _, k := range keys {
			f.refer(k, values)
		}
		var names, places []string
		var args []any
		for _, field := range fields {
			value, fixed := values[field.name]
			if !fixed {
				value = f.value(table, field)
			}
			names, places, args = append(names, field.name), append(places, "?"), append(args, value)
		}
		f.exec(fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(places, ", ")), args...)
	}
}

// refer picks a parent that fits what is fixed already, and fixes its columns.
func (f *filler) refer(k key, values map[string]any) {
	where, args := "1", []any{}
	for i, name := range k.from {
		if value, fixed := values[name]; fixed {
			where += " AND " + k.to[i] + " = ?"
			args = append(args, value)
		}
	}
	found := f.query(fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(k.to, ", "), k.table, where), args...)
	if len(found) == 0 { // a reference that may be empty
		for _, name := range k.from {
			if _, fixed := values[name]; !fixed {
				values[name] = nil
			}
		}
		return
	}
	row := found[f.random.IntN(len(found))]
	for i, name := range k.from {
		values[name] = row[i]
	}
}

func (f *filler) value(table string, field field) any {
	random := make([]byte, 16)
	for i := range random {
		random[i] = byte(f.random.Uint32())
	}
	switch {
	case field.name == "tenant_id": // of a table that does not refer to it
		found := f.query("SELECT id FROM tenants")
		return found[f.random.IntN(len(found))][0]
	case field.name == "deleted_at":
		return nil
	case table == "installation" && field.name == "only":
		return 1
	case field.kind == "BLOB":
		return random
	case field.kind == "TEXT" && strings.HasPrefix(field.preset, "'{"):
		return fmt.Sprintf(`{"%x":%d}`, random[:2], random[2])
	case field.kind == "TEXT" && strings.HasPrefix(field.preset, "'["):
		return fmt.Sprintf(`["%x"]`, random[:2])
	case field.kind == "TEXT":
		return hex.EncodeToString(random[:8])
	case field.kind == "REAL":
		return float64(random[0]) / 4
	}
	return int64(random[0])<<8 | int64(random[1])
}
