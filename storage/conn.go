package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"maestro/problem"
	"maestro/tenancy"
)

// conn is one SQLite connection with the statements it has prepared. It is used
// by one goroutine at a time.
type conn struct {
	raw        driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue // reused between calls
	values     []driver.Value      // reused between rows

	holds bool  // a read transaction is open
	seen  int64 // the number of commits when its last reading began
}

// maxStatements bounds the prepared statements of a connection. The fixed ones
// number some hundred; filtered lists make the rest.
const maxStatements = 1000

func openConn(connector driver.Connector) (*conn, error) {
	raw, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, statements: make(map[string]driver.Stmt)}, nil
}

func (c *conn) close() error {
	c.release()
	c.forget()
	return c.raw.Close()
}

func (c *conn) forget() {
	for text, statement := range c.statements {
		_ = statement.Close() // repeats the error of its last execution, reported then
		delete(c.statements, text)
	}
}

func (c *conn) prepare(text string) (driver.Stmt, error) {
	if statement, ok := c.statements[text]; ok {
		return statement, nil
	}
	if len(c.statements) >= maxStatements {
		c.forget()
	}
	statement, err := c.raw.Prepare(text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	c.statements[text] = statement
	return statement, nil
}

// A reader keeps its read transaction open between requests for as long as
// nothing was committed: taking and releasing the log's lock for every statement
// is a quarter of a point read (BenchmarkProject). The writer counts a commit
// before it acknowledges it, so whoever was told of a write sees it.

// see prepares for reading what was committed up to the given count.
func (c *conn) see(commits int64) error {
	if c.seen == commits {
		return c.hold(commits)
	}
	c.release()
	c.seen = commits
	return nil
}

// hold prepares for reading with one snapshot, no older than the given count.
func (c *conn) hold(commits int64) error {
	if c.holds && c.seen == commits {
		return nil
	}
	c.release()
	c.seen = commits
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	c.holds = true
	return nil
}

// release ends the read transaction, if one is open.
func (c *conn) release() {
	if c.holds {
		c.holds = false
		_, _ = c.exec("ROLLBACK") // fails when SQLite has ended it by itself
	}
}

// exec runs a statement that returns no rows and reports how many rows it
// changed.
func (c *conn) exec(text string, args ...any) (int64, error) {
	statement, err := c.prepare(text)
	if err != nil {
		return 0, err
	}
	result, err := statement.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// query runs a statement and calls each for every row. The row is valid during
// the call only. A context that can end makes the driver watch it, which costs
// some microseconds: pass context.Background() where the work is bounded.
func (c *conn) query(ctx context.Context, text string, args []any, each func(row) error) error {
	statement, err := c.prepare(text)
	if err != nil {
		return err
	}
	rows, err := statement.(driver.StmtQueryContext).QueryContext(ctx, c.bind(args))
	if err != nil {
		return classify(err)
	}
	n := len(rows.Columns())
	if cap(c.values) < n {
		c.values = make([]driver.Value, n)
	}
	// A nested query on this connection takes a buffer of its own.
	values := c.values[:n]
	c.values = nil
	defer func() { c.values = values }()
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return classify(rows.Close())
		}
		if err == nil {
			err = each(row{values})
		}
		if err != nil {
			_ = rows.Close()
			return classify(err)
		}
	}
}

// errNoRow says that a query for one row found none.
var errNoRow = errors.New("storage: no row")

// queryRow is query for at most one row; errNoRow when there is none.
func (c *conn) queryRow(text string, args []any, read func(row)) error {
	found := false
	err := c.query(context.Background(), text, args, func(r row) error {
		read(r)
		found = true
		return nil
	})
	if err == nil && !found {
		return errNoRow
	}
	return err
}

func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, arg := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: bindValue(arg)})
	}
	return c.args
}

func bindValue(arg any) driver.Value {
	switch v := arg.(type) {
	case nil, int64, float64, string, []byte:
		return v
	case tenancy.ID:
		return v[:]
	case *tenancy.ID:
		if v == nil {
			return nil
		}
		return v[:]
	case tenancy.Time:
		return int64(v)
	case *tenancy.Time:
		if v == nil {
			return nil
		}
		return int64(*v)
	case *string:
		if v == nil {
			return nil
		}
		return *v
	case *float64:
		if v == nil {
			return nil
		}
		return *v
	case *int64:
		if v == nil {
			return nil
		}
		return *v
	case int:
		return int64(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	default:
		panic(fmt.Sprintf("storage: cannot bind a %T", arg))
	}
}

// row gives the columns of one result row by position. The schema is STRICT, so
// a column of another type than asked for is a defect, and panics.
type row struct{ values []driver.Value }

func (r row) null(i int) bool         { return r.values[i] == nil }
func (r row) text(i int) string       { return r.values[i].(string) }
func (r row) int(i int) int64         { return r.values[i].(int64) }
func (r row) bool(i int) bool         { return r.values[i].(int64) != 0 }
func (r row) float(i int) float64     { return r.values[i].(float64) }
func (r row) time(i int) tenancy.Time { return tenancy.Time(r.values[i].(int64)) }
func (r row) id(i int) tenancy.ID     { return tenancy.ID(r.values[i].([]byte)) }
func (r row) bytes(i int) []byte      { return r.values[i].([]byte) }
func (r row) object(i int) tenancy.Object {
	text := r.text(i)
	if text == "{}" {
		return nil
	}
	return tenancy.Object(text)
}

// number reads a column of either number type, as sums and differences are.
func (r row) number(i int) float64 {
	if v, ok := r.values[i].(int64); ok {
		return float64(v)
	}
	return r.float(i)
}

func (r row) nullText(i int) *string {
	if r.null(i) {
		return nil
	}
	v := r.text(i)
	return &v
}

func (r row) nullInt(i int) *int64 {
	if r.null(i) {
		return nil
	}
	v := r.int(i)
	return &v
}

func (r row) nullFloat(i int) *float64 {
	if r.null(i) {
		return nil
	}
	v := r.float(i)
	return &v
}

func (r row) nullTime(i int) *tenancy.Time {
	if r.null(i) {
		return nil
	}
	v := r.time(i)
	return &v
}

func (r row) nullID(i int) *tenancy.ID {
	if r.null(i) {
		return nil
	}
	v := r.id(i)
	return &v
}

// classify gives the driver's errors the codes that callers act on.
func classify(err error) error {
	var e *sqlite.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return &constraintError{kind: uniqueViolation, err: err}
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return &constraintError{kind: referenceViolation, err: err}
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return problem.Wrap(err, problem.StorageFull, "The disk has no room for this write.")
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY:
		e := problem.Wrap(err, problem.Unavailable, "The database cannot be written now.")
		e.RetryAfter = retryAfter
		return e
	}
	return err
}

type constraintKind int

const (
	uniqueViolation constraintKind = iota
	referenceViolation
)

// constraintError is a constraint of the schema that a statement would break.
type constraintError struct {
	kind constraintKind
	err  error
}

func (e *constraintError) Error() string { return e.err.Error() }
func (e *constraintError) Unwrap() error { return e.err }

func violates(err error, kind constraintKind) bool {
	var e *constraintError
	return errors.As(err, &e) && e.kind == kind
}
