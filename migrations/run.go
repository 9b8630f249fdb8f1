package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// chunkRows is how many rows of a large table one statement works on: some tens
// of milliseconds, so that progress is seen and an end is heard.
const chunkRows = 20_000

// Progress says how far a migration is.
type Progress struct {
	Version     int64  // of the migration
	Name        string // of the migration
	Up          bool   // or down
	Table       string // that is worked on; "" between tables
	Done, Total int64  // rows of the table
}

// run is one migration under way, inside its transaction.
type run struct {
	ctx     context.Context
	tx      *sql.Tx
	version int64
	say     func(table string, done, total int64)
	last    bool   // no other migration follows
	later   []step // of the migrations that follow in this run
	checked bool   // nothing refers to nothing, as the last step has seen
}

func (r *run) all(steps []step) error {
	for i := 0; i < len(steps); {
		r.checked = false
		columns := addedColumns(steps[i:])
		err := error(nil)
		switch {
		case columns > 0:
			err = r.addColumns(steps[i : i+columns])
		case dropsLater(steps[i], steps[i+1:], r.later): // it is not made
		default:
			err = r.one(steps[i])
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", steps[i].line, err)
		}
		i += max(columns, 1)
	}
	if r.checked || !r.last {
		return nil // what is referred to is checked once, before all of it counts
	}
	orphans, err := r.orphans()
	if err != nil {
		return err
	}
	for table, parent := range orphans {
		return fmt.Errorf("a row of %s refers to a row of %s that does not exist", table, parent)
	}
	return nil
}

func (r *run) one(s step) error {
	switch s.directive {
	case inChunks:
		return r.inChunks(s.subject, s.text)
	case keep:
		return r.keep(s.subject, s.text)
	case keepTable:
		if err := r.keep(s.subject, "SELECT * FROM "+s.subject); err != nil {
			return err
		}
		return r.exec("DROP TABLE " + s.subject)
	case keepColumns:
		return r.keepColumns(s.subject, s.columns)
	case dropColumns:
		return r.dropColumns(s.subject, s.columns)
	case forgetEmpty:
		if some, err := r.number("SELECT EXISTS (SELECT 1 FROM " + r.kept(s.subject) + ")"); err != nil || some == 1 {
			return err
		}
		return r.exec("DROP TABLE " + r.kept(s.subject))
	case restoreTable:
		return r.restoreTable(s.subject)
	case restoreColumns:
		return r.restoreColumns(s.subject)
	case ifKept:
		if there, err := r.exists(r.kept(s.subject)); err != nil || !there {
			return err
		}
		return r.exec(s.text)
	case setAside:
		return r.setAside()
	}
	if m := dropIndex.FindStringSubmatch(s.text); m != nil {
		return r.exec("DROP INDEX IF EXISTS " + m[1]) // it may not have been made
	}
	return r.exec(s.text)
}

var (
	createIndex = regexp.MustCompile(`^CREATE INDEX (\w+) ON (\w+) `)
	dropIndex   = regexp.MustCompile(`^DROP INDEX (\w+);?$`)
	dropTable   = regexp.MustCompile(`^DROP TABLE (\w+);?$`)
)

// dropsLater reports whether a step makes an index that a migration to come drops
// again, itself or with its table. It is not made then: of a million rows each
// takes seconds. An index that keeps rows apart is made all the same, and one that
// is dropped in the migration that made it, which needs it in between.
func dropsLater(s step, own, later []step) bool {
	m := createIndex.FindStringSubmatch(s.text)
	if s.directive != plain || m == nil || drops(own, m[1], m[2]) {
		return false
	}
	return drops(later, m[1], m[2])
}

// drops reports whether steps drop an index or its table.
func drops(steps []step, index, table string) bool {
	for _, s := range steps {
		if m := dropIndex.FindStringSubmatch(s.text); m != nil && m[1] == index {
			return true
		}
		if m := dropTable.FindStringSubmatch(s.text); m != nil && m[1] == table {
			return true
		}
		if s.directive == keepTable && s.subject == table {
			return true
		}
	}
	return false
}

var addColumn = regexp.MustCompile(`^ALTER TABLE (\w+) ADD COLUMN `)

// addedColumns counts the steps at the beginning that each add a column to the
// same table.
func addedColumns(steps []step) (n int) {
	table := ""
	for ; n < len(steps) && steps[n].directive == plain; n++ {
		m := addColumn.FindStringSubmatch(steps[n].text)
		if m == nil || n > 0 && m[1] != table {
			break
		}
		table = m[1]
	}
	return n
}

// addColumns adds columns to a table. SQLite would read all rows of a STRICT table
// for each of them. So they are added to an empty copy, whose SQL then becomes
// the table's: rows that end early have the columns' defaults, as after ADD COLUMN.
func (r *run) addColumns(steps []step) error {
	table := addColumn.FindStringSubmatch(steps[0].text)[1]
	create, _, err := r.definition(table)
	if err != nil {
		return err
	}
	name, columns, found := strings.Cut(create, "(")
	if !found {
		return fmt.Errorf("there is no table %s", table)
	}
	empty := table + "_extended"
	if err := r.exec("CREATE TABLE " + empty + " (" + columns); err != nil {
		return err
	}
	for _, s := range steps {
		if err := r.exec("ALTER TABLE " + empty + strings.TrimPrefix(s.text, "ALTER TABLE "+table)); err != nil {
			return err
		}
	}
	extended, _, err := r.definition(empty)
	if err != nil {
		return err
	}
	_, columns, _ = strings.Cut(extended, "(")
	if err := r.exec("DROP TABLE " + empty); err != nil {
		return err
	}
	if err := r.exec("PRAGMA writable_schema = on"); err != nil {
		return err
	}
	if err := r.exec("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", name+"("+columns, table); err != nil {
		return err
	}
	return r.exec("PRAGMA writable_schema = reset")
}

func (r *run) exec(text string, args ...any) error {
	_, err := r.tx.ExecContext(r.ctx, text, args...)
	return err
}

func (r *run) number(text string, args ...any) (n int64, err error) {
	err = r.tx.QueryRowContext(r.ctx, text, args...).Scan(&n)
	return n, err
}

func (r *run) exists(table string) (bool, error) {
	n, err := r.number("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", table)
	return n > 0, err
}

// inChunks runs a statement for pieces of a table in the order of its primary
// key. $chunk in it is the condition of the piece.
func (r *run) inChunks(table, text string) error {
	columns, err := r.columns(table)
	if err != nil {
		return err
	}
	var keys []string
	for _, c := range columns {
		if c.key > 0 {
			keys = append(keys, c.name)
		}
	}
	key := strings.Join(keys, ", ")
	total, err := r.number("SELECT count(*) FROM " + table)
	if err != nil {
		return err
	}
	places := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(keys)), ", ") + ")"
	below, above := fmt.Sprintf("(%s) <= %s", key, places), fmt.Sprintf("(%s) > %s", key, places)
	if len(keys) == 1 {
		below, above = key+" <= ?", key+" > ?"
	}
	var after []any
	for done := int64(0); ; {
		r.say(table, done, total)
		where := "1"
		if after != nil {
			where = above
		}
		until := make([]any, len(keys))
		into := make([]any, len(keys))
		for i := range until {
			into[i] = &until[i]
		}
		// #nosec G201 -- the names are the migration's own
		find := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d", key, table, where, key, chunkRows-1)
		args := after
		switch err := r.tx.QueryRowContext(r.ctx, find, after...).Scan(into...); {
		case err == nil:
			where += " AND " + below
			args = append(slices.Clone(after), until...)
		case err == sql.ErrNoRows:
			until = nil // the rest
		default:
			return err
		}
		if err := r.exec(strings.ReplaceAll(text, "$chunk", where), args...); err != nil {
			return err
		}
		if until == nil {
			r.say(table, total, total)
			return nil
		}
		after = until
		done += chunkRows
	}
}
