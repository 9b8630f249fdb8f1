package migrations

import (
	"fmt"
	"strings"
)

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
