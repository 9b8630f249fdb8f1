package storage

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"maestro/problem"
	"maestro/tenancy"
)

// listing describes one list: where its rows are and what it may be sorted by.
// The words of the SQL come from here alone; a request chooses among them.
type listing struct {
	name    string // of the list, bound into its cursors
	columns string
	from    string // table; its tenant is bound to $1
	where   string // further fixed condition, or empty
	within  string // column of the one object whose rows a page is of, or empty
	sorts   map[string]sortKey
	order   string // sort when none is asked for
	owned   bool   // rows belong to a tenant
}

// sortKey is an expression to sort by. Where an index holds the order, a page
// costs its own rows. Where none does (gathered), the tenant's keys are read from
// the list's index, the first of them kept, and only those rows looked up: one
// index for many orders costs reads a little and every write much less.
type sortKey struct {
	expression string
	kind       sortKind
	gathered   bool
}

type sortKind int

const (
	sortTime sortKind = iota
	sortText
	sortNumber  // a REAL
	sortInteger // an INTEGER
)

// filter is one condition of a list. Its SQL has %s where its argument goes.
type filter struct {
	sql string
	arg any
}

// of narrows a list that is within an object to the object's rows.
func (l *listing) of(id tenancy.ID) filter { return filter{l.within + " = %s", id} }

// statement builds the SQL of one page and its arguments.
func (l *listing) statement(tenant tenancy.ID, filters []filter, key sortKey, descending bool, after *position, limit int) (string, []any) {
	var conditions []string
	var args []any
	bind := func(arg any) string {
		args = append(args, arg)
		return "$" + strconv.Itoa(len(args))
	}
	if l.owned {
		conditions = append(conditions, "tenant_id = "+bind(tenant))
	}
	if l.where != "" {
		conditions = append(conditions, l.where)
	}
	for _, f := range filters {
		conditions = append(conditions, fmt.Sprintf(f.sql, bind(f.arg)))
	}
	direction, beyond := "", ">"
	if descending {
		direction, beyond = " DESC", "<"
	}
	if after != nil {
		conditions = append(conditions, fmt.Sprintf("(%s, id) %s (%s, %s)", key.expression, beyond, bind(after.Value), bind(after.ID)))
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	order := " ORDER BY " + key.expression + direction + ", id" + direction + " LIMIT " + bind(limit)
	if !key.gathered {
		return "SELECT " + key.expression + ", id, " + l.columns + " FROM " + l.from + where + order, args
	}
	return "SELECT sort_key, sort_id, " + l.columns +
		" FROM (SELECT " + key.expression + " AS sort_key, id AS sort_id FROM " + l.from + where + order + ") JOIN " + l.from +
		" ON tenant_id = $1 AND id = sort_id ORDER BY sort_key" + direction + ", sort_id" + direction, args
}

// page reads one page of the list, calling each for every row with the columns
// from position 0, and returns the cursor of the next page, or "" at the end.
func (l *listing) page(ctx context.Context, s *Store, tenant tenancy.ID, p Page, filters []filter, each func(row)) (string, error) {
	sort := p.Sort
	if sort == "" {
		sort = l.order
	}
	name, descending := strings.CutPrefix(sort, "-")
	key, ok := l.sorts[name]
	var checks problem.Checks
	checks.Require(ok, "query.sort", "must be one of %s, with - in front for descending", strings.Join(l.sortNames(), ", "))
	checks.Require(p.Limit >= 1 && p.Limit <= MaxLimit, "query.limit", "must be 1 to %d", MaxLimit)
	if err := checks.Err(); err != nil {
		return "", err
	}
	var after *position
	if p.Cursor != "" {
		at, err := s.decodeCursor(tenant, l.name, sort, p.Cursor)
		if err != nil {
			return "", err
		}
		if at.Value, err = key.kind.restore(at.Value); err != nil {
			return "", err
		}
		after = &at
	}
	// One row more than asked for tells whether there is a next page.
	text, args := l.statement(tenant, filters, key, descending, after, p.Limit+1)
	n, next := 0, ""
	var last position
	// Only a filter can make a page's work long, so only then is the context
	// watched.
	watched := context.Background()
	if len(filters) > 0 {
		watched = ctx
	}
	err := s.read(ctx, func(c *conn) error {
		return c.query(watched, text, args, func(r row) error {
			if n == p.Limit {
				next = s.encodeCursor(tenant, l.name, sort, last)
				return nil
			}
			n++
			last = position{Value: r.value(0), ID: r.id(1)}
			each(r.from(2))
			return nil
		})
	})
	return next, err
}

func (l *listing) sortNames() []string {
	names := make([]string, 0, len(l.sorts))
	for name := range l.sorts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// restore gives a cursor's value, read from JSON, the type of its column.
func (k sortKind) restore(value any) (any, error) {
	switch v := value.(type) {
	case float64:
		switch k {
		case sortTime, sortInteger:
			return int64(v), nil
		case sortNumber:
			return v, nil
		}
	case string:
		if k == sortText {
			return v, nil
		}
	}
	return nil, problem.New(problem.Malformed, "The cursor does not belong to this list.")
}
