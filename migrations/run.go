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

// keptPrefix begins the names of side tables. They hold what the schema in force
// has no place for, so that going down and up again loses nothing; they are no
// part of a schema. kept_4_users is what migration 4 kept of users.
const keptPrefix = "kept_"

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

func (r *run) kept(name string) string { return fmt.Sprintf("%s%d_%s", keptPrefix, r.version, name) }

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

// keep keeps the rows of a query, unless there are none.
func (r *run) keep(name, query string) error {
	query = strings.TrimSuffix(query, ";")
	if some, err := r.number("SELECT EXISTS (" + query + ")"); err != nil || some == 0 {
		return err
	}
	r.say(r.kept(name), 0, 0)
	return r.exec("CREATE TABLE " + r.kept(name) + " AS " + query)
}

// column is one column of a table.
type column struct {
	name   string
	preset string // an expression
	key    int    // place in the primary key; 0 for none
}

func (r *run) columns(table string) (columns []column, err error) {
	rows, err := r.tx.QueryContext(r.ctx, "SELECT name, coalesce(dflt_value, 'NULL'), pk FROM pragma_table_info(?) ORDER BY cid", table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.preset, &c.key); err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("there is no table %s", table)
	}
	return columns, rows.Err()
}

// keepColumns keeps what columns hold, where that is not their default.
func (r *run) keepColumns(table string, names []string) error {
	columns, err := r.columns(table)
	if err != nil {
		return err
	}
	var kept, changed []string
	for _, c := range columns {
		switch {
		case slices.Contains(names, c.name):
			kept = append(kept, c.name)
			changed = append(changed, c.name+" IS NOT "+c.preset)
		case c.key > 0:
			kept = append(kept, c.name)
		}
	}
	return r.keep("columns_of_"+table, fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(kept, ", "), table, strings.Join(changed, " OR ")))
}

// dropColumns rebuilds a table without some columns, because SQLite itself would
// rewrite all rows for each of them. Its indexes and triggers stay; those that
// name the columns are to be dropped before.
func (r *run) dropColumns(table string, names []string) error {
	columns, err := r.columns(table)
	if err != nil {
		return err
	}
	var left []string
	for _, c := range columns {
		if !slices.Contains(names, c.name) {
			left = append(left, c.name)
		}
	}
	create, attached, err := r.definition(table)
	if err != nil {
		return err
	}
	rebuilt := table + "_rebuilt"
	statements := []string{"CREATE TABLE " + rebuilt + create[strings.Index(create, "("):]}
	for _, name := range names {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", rebuilt, name))
	}
	for _, text := range statements {
		if err := r.exec(text); err != nil {
			return err
		}
	}
	list := strings.Join(left, ", ")
	if err := r.inChunks(table, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE $chunk", rebuilt, list, list, table)); err != nil {
		return err
	}
	statements = append([]string{"DROP TABLE " + table, "ALTER TABLE " + rebuilt + " RENAME TO " + table}, attached...)
	for _, text := range statements {
		if err := r.exec(text); err != nil {
			return err
		}
	}
	return nil
}

// definition returns the SQL of a table, and of its indexes and triggers.
func (r *run) definition(table string) (create string, attached []string, err error) {
	rows, err := r.tx.QueryContext(r.ctx, "SELECT type, sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL", table)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, text string
		if err := rows.Scan(&kind, &text); err != nil {
			return "", nil, err
		}
		if kind == "table" {
			create = text
		} else {
			attached = append(attached, text)
		}
	}
	return create, attached, rows.Err()
}

// restoreTable brings back the rows that were kept of a table, in place of those
// with the same keys. A row whose parent went while the older schema was in force
// goes after it, as it would have.
func (r *run) restoreTable(table string) error {
	kept := r.kept(table)
	if there, err := r.exists(kept); err != nil || !there {
		return err
	}
	r.say(table, 0, 0)
	columns, err := r.columns(kept)
	if err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	parents, err := r.parents(table)
	if err != nil {
		return err
	}
	list := strings.Join(names, ", ")
	text := fmt.Sprintf("INSERT OR REPLACE INTO %s (%s) SELECT %s FROM %s k WHERE 1", table, list, list, kept)
	for _, p := range parents {
		text += fmt.Sprintf(" AND (%s OR EXISTS (SELECT 1 FROM %s p WHERE %s))", p.empty("k"), p.table, p.equal("k", "p"))
	}
	if err := r.exec(text); err != nil {
		return err
	}
	return r.exec("DROP TABLE " + kept)
}

func (r *run) restoreColumns(table string) error {
	kept := r.kept("columns_of_" + table)
	if there, err := r.exists(kept); err != nil || !there {
		return err
	}
	r.say(table, 0, 0)
	columns, err := r.columns(table)
	if err != nil {
		return err
	}
	values, err := r.columns(kept)
	if err != nil {
		return err
	}
	var set, same []string
	for _, v := range values {
		i := slices.IndexFunc(columns, func(c column) bool { return c.name == v.name })
		switch {
		case i < 0:
			return fmt.Errorf("%s has no column %s", table, v.name)
		case columns[i].key > 0:
			same = append(same, fmt.Sprintf("%s.%s = k.%s", table, v.name, v.name))
		default:
			set = append(set, fmt.Sprintf("%s = k.%s", v.name, v.name))
		}
	}
	text := fmt.Sprintf("UPDATE %s SET %s FROM %s k WHERE %s", table, strings.Join(set, ", "), kept, strings.Join(same, " AND "))
	if err := r.exec(text); err != nil {
		return err
	}
	return r.exec("DROP TABLE " + kept)
}

// parent is a foreign key of a table.
type parent struct {
	table    string
	from, to []string // columns, one to one
}

func (p *parent) empty(child string) string {
	terms := make([]string, len(p.from))
	for i, name := range p.from {
		terms[i] = child + "." + name + " IS NULL"
	}
	return strings.Join(terms, " OR ")
}

func (p *parent) equal(child, parent string) string {
	terms := make([]string, len(p.from))
	for i := range p.from {
		terms[i] = parent + "." + p.to[i] + " = " + child + "." + p.from[i]
	}
	return strings.Join(terms, " AND ")
}

func (r *run) parents(table string) ([]*parent, error) {
	rows, err := r.tx.QueryContext(r.ctx, `SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var parents []*parent
	last := -1
	for rows.Next() {
		var id int
		var of, from, to string
		if err := rows.Scan(&id, &of, &from, &to); err != nil {
			return nil, err
		}
		if id != last {
			parents, last = append(parents, &parent{table: of}), id
		}
		p := parents[len(parents)-1]
		p.from, p.to = append(p.from, from), append(p.to, to)
	}
	return parents, rows.Err()
}

// orphans tells of which tables a row refers to nothing, and where to.
func (r *run) orphans() (map[string]string, error) {
	r.say("", 0, 0)
	rows, err := r.tx.QueryContext(r.ctx, `SELECT DISTINCT "table", parent FROM pragma_foreign_key_check`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]string)
	for rows.Next() {
		var table, parent string
		if err := rows.Scan(&table, &parent); err != nil {
			return nil, err
		}
		found[table] = parent
	}
	return found, rows.Err()
}

// setAside keeps the rows that refer to nothing as unplaced_ and takes them out,
// and then those that referred to these.
func (r *run) setAside() error {
	for {
		orphans, err := r.orphans()
		if err != nil {
			return err
		}
		if len(orphans) == 0 {
			r.checked = true
			return nil
		}
		for table := range orphans {
			if err := r.setAsideOf(table); err != nil {
				return err
			}
		}
	}
}

func (r *run) setAsideOf(table string) error {
	parents, err := r.parents(table)
	if err != nil {
		return err
	}
	var terms []string
	for _, p := range parents {
		terms = append(terms, fmt.Sprintf("NOT (%s OR EXISTS (SELECT 1 FROM %s p WHERE %s))", p.empty(table), p.table, p.equal(table, "p")))
	}
	where := " FROM " + table + " WHERE " + strings.Join(terms, " OR ")
	kept := r.kept("unplaced_" + table)
	there, err := r.exists(kept)
	if err != nil {
		return err
	}
	into := "CREATE TABLE " + kept + " AS SELECT *"
	if there {
		into = "INSERT INTO " + kept + " SELECT *"
	}
	if err := r.exec(into + where); err != nil {
		return err
	}
	return r.exec("DELETE" + where)
}
