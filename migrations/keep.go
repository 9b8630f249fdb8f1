package migrations

import (
	"fmt"
	"slices"
	"strings"
)

// keptPrefix begins the names of side tables. They hold what the schema in force
// has no place for, so that going down and up again loses nothing; they are no
// part of a schema. kept_4_users is what migration 4 kept of users.
const keptPrefix = "kept_"

func (r *run) kept(name string) string { return fmt.Sprintf("%s%d_%s", keptPrefix, r.version, name) }

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
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("there is no table %s", table)
	}
	return columns, nil
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
