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
	// sought are conditions whose rows an index finds, each with how that index has
	// it, for pages that are not found by walking another.
	sought map[string]string
	order  string // sort when none is asked for
	owned  bool   // rows belong to a tenant
	first  int    // rows, in the order of the list, that are looked at first for those that pass a filter; 0 for all
}

// sortKey is an expression to sort by. Where an index holds the order, a page
// costs its own rows. Where none does (gathered), the tenant's keys are read from
// the list's index, the first of them kept, and only those rows looked up: one
// index for many orders costs reads a little and every write much less.
type sortKey struct {
	expression string
	kind       sortKind
	gathered   bool
	plain      bool // the order's index holds nothing that a filter of the list asks for
	grouped    bool // many rows have the same key, and the index orders them by another column than id
}

// firstLook is the first look of lists that are long, where few rows may pass a
// filter. It takes some 5 ms.
const firstLook = 10_000

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

// narrowed is what a page of a list is of.
type narrowed struct {
	filters []filter
	wide    bool // some ask for what the indexes of the list's orders do not hold
	// few is another condition, which all rows that pass the filters meet and few
	// others, found by an index; nil where there is none, or too many meet it.
	few func(context.Context, *conn) (*filter, error)
}

// of narrows a list that is within an object to the object's rows.
func (l *listing) of(id tenancy.ID) filter { return filter{l.within + " = %s", id} }

// look is a way to find a page.
type look struct {
	filters   []filter
	unordered bool      // the order is made by sorting what passes, not by an index
	until     *position // as far as this row and no farther
}

// statement builds the SQL of one page and its arguments.
func (l *listing) statement(tenant tenancy.ID, by look, key sortKey, descending bool, after *position, limit int) (string, []any) {
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
	for _, f := range by.filters {
		condition := f.sql
		if sought := l.sought[f.sql]; sought != "" && (by.unordered || key.plain) {
			condition = sought
		}
		conditions = append(conditions, fmt.Sprintf(condition, bind(f.arg)))
	}
	direction, beyond := "", ">"
	if descending {
		direction, beyond = " DESC", "<"
	}
	expression := key.expression
	if by.unordered {
		expression = "+" + expression // SQLite takes no index for such an expression
	}
	from := func(at *position, comparison string) {
		conditions = append(conditions, fmt.Sprintf("(%s, id) %s (%s, %s)", expression, comparison, bind(at.Value), bind(at.ID)))
	}
	if after != nil {
		from(after, beyond)
	}
	if by.until != nil {
		from(by.until, map[string]string{">": "<=", "<": ">="}[beyond])
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	order := " ORDER BY " + expression + direction + ", id" + direction + " LIMIT " + bind(limit)
	// A row that is looked up to be filtered, or sorted, and left out then is looked up
	// for nothing. So those are chosen in the index alone first.
	if !key.gathered && !key.grouped && (l.first == 0 || len(by.filters) == 0) {
		return "SELECT " + key.expression + ", id, " + l.columns + " FROM " + l.from + where + order, args
	}
	return "SELECT sort_key, sort_id, " + l.columns +
		" FROM (SELECT " + key.expression + " AS sort_key, id AS sort_id FROM " + l.from + where + order + ") JOIN " + l.from +
		" ON tenant_id = $1 AND id = sort_id ORDER BY sort_key" + direction + ", sort_id" + direction, args
}

// page reads one page of the list, calling each for every row with the columns
// from position 0, and returns the cursor of the next page, or "" at the end.
func (l *listing) page(ctx context.Context, s *Store, tenant tenancy.ID, p Page, of narrowed, each func(row)) (string, error) {
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
	n, full := 0, false
	var last position
	take := func(r row) error {
		if full = n == p.Limit; full {
			return nil
		}
		if n++; n == p.Limit {
			last = position{Value: r.value(0), ID: r.id(1)}
		}
		each(r.from(2))
		return nil
	}
	// Only a filter can make a page's work long, so only then is the context
	// watched.
	watched, view := context.Background(), s.read
	if len(of.filters) > 0 {
		watched = ctx
	}
	twice := l.first > 0 && len(of.filters) > 0 && !key.gathered
	if twice {
		view = s.snapshot // both looks see the same rows
	}
	err := view(ctx, func(c *conn) error {
		by := look{filters: of.filters}
		if twice {
			until, err := l.reach(watched, c, tenant, key, descending, after)
			if err != nil {
				return err
			}
			if until != nil {
				text, args := l.statement(tenant, look{filters: of.filters, until: until}, key, descending, after, p.Limit+1)
				if err := c.query(watched, text, args, take); err != nil || full {
					return err
				}
				after = until
				if by, err = l.second(watched, c, of, key); err != nil {
					return err
				}
			}
		}
		// One row more than asked for tells whether there is a next page.
		text, args := l.statement(tenant, by, key, descending, after, p.Limit+1-n)
		return c.query(watched, text, args, take)
	})
	if err != nil || !full {
		return "", err
	}
	return s.encodeCursor(tenant, l.name, sort, last), nil
}

// second is how the rest of a page is looked for where the first rows of the order
// do not fill it: few rows pass the filters, or those that do stand far behind. So
// they are found by the filters, and sorted. An index that holds what all filters
// ask for is walked to its end rather, which takes 0.1 µs for a row.
func (l *listing) second(ctx context.Context, c *conn, of narrowed, key sortKey) (look, error) {
	if of.few != nil {
		condition, err := of.few(ctx, c)
		if err != nil {
			return look{}, err
		}
		if condition != nil {
			return look{filters: append(slices.Clone(of.filters), *condition), unordered: true}, nil
		}
	}
	return look{filters: of.filters, unordered: of.wide || key.plain}, nil
}

// reach returns where the first look ends; nil when the list does.
func (l *listing) reach(ctx context.Context, c *conn, tenant tenancy.ID, key sortKey, descending bool, after *position) (until *position, err error) {
	keys := listing{columns: "1", from: l.from, where: l.where, owned: l.owned}
	key.grouped = false // of the keys the index has all
	text, args := keys.statement(tenant, look{}, key, descending, after, 1)
	args = append(args, l.first)
	err = c.query(ctx, text+" OFFSET $"+strconv.Itoa(len(args)), args, func(r row) error {
		until = &position{Value: r.value(0), ID: r.id(1)}
		return nil
	})
	return until, err
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
