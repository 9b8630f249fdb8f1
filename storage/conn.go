package storage

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"

	"maestro/problem"
	"maestro/tenancy"
)

// conn is one SQLite connection with the statements it has prepared. It is used
// by one goroutine at a time.
type conn struct {
	database   *database
	statements map[string]*statement

	holds bool  // a read transaction is open
	seen  int64 // the store's state when its last reading began
}

// maxStatements bounds the prepared statements of a connection. The fixed ones
// number some hundred; filtered lists make the rest.
const maxStatements = 1000

func openConn(path string, pragmas []string) (*conn, error) {
	d, err := openDatabase(path, pragmas)
	if err != nil {
		return nil, classify(err)
	}
	return &conn{database: d, statements: make(map[string]*statement)}, nil
}

func (c *conn) close() error {
	c.release()
	c.forget()
	return c.database.close()
}

func (c *conn) forget() {
	for text, s := range c.statements {
		if !s.running {
			s.finalize()
			delete(c.statements, text)
		}
	}
}

func (c *conn) prepare(text string) (*statement, error) {
	if s, ok := c.statements[text]; ok {
		return s, nil
	}
	if len(c.statements) >= maxStatements {
		c.forget()
	}
	s, err := c.database.prepare(text)
	if err != nil {
		return nil, classify(err)
	}
	c.statements[text] = s
	return s, nil
}

// A reader keeps its read transaction open between requests for as long as
// nothing was committed and the log was not copied: taking and releasing the log's lock for every statement
// is a quarter of a point read (BenchmarkProject). The writer counts a commit
// before it acknowledges it, so whoever was told of a write sees it.

// see prepares for reading what was committed up to the given state.
func (c *conn) see(state int64) error {
	if c.seen == state {
		return c.hold(state)
	}
	c.release()
	c.seen = state
	return nil
}

// hold prepares for reading with one snapshot, no older than the given state.
func (c *conn) hold(state int64) error {
	if c.holds && c.seen == state {
		return nil
	}
	c.release()
	c.seen = state
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

// exec runs a statement to its end and reports how many rows it changed.
func (c *conn) exec(text string, args ...any) (int64, error) {
	err := c.query(context.Background(), text, args, func(row) error { return nil })
	if err != nil {
		return 0, err
	}
	return c.database.changes(), nil
}

// query runs a statement and calls each for every row. The row is valid during
// the call only. When ctx ends, the statement is interrupted; a context that
// cannot end costs nothing, so pass context.Background() where the work is
// bounded.
func (c *conn) query(ctx context.Context, text string, args []any, each func(row) error) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	if s.running {
		return fmt.Errorf("storage: a statement runs within itself: %q", text)
	}
	if err := s.bind(args); err != nil {
		return classify(err)
	}
	if ctx.Done() != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		defer c.watch(ctx)()
	}
	s.running = true
	defer func() {
		s.reset()
		s.running = false
	}()
	for {
		more, err := s.step()
		if err != nil {
			return interrupted(ctx, err)
		}
		if !more {
			return nil
		}
		if err := each(row{s: s}); err != nil {
			return interrupted(ctx, err) // it may be a query within this one that was
		}
	}
}

// watch interrupts the connection when ctx ends, until the function it returns
// is called. That waits for an interruption under way, so that it cannot hit the
// next statement.
func (c *conn) watch(ctx context.Context) (stop func()) {
	interrupting := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		c.database.interrupt()
		close(interrupting)
	})
	return func() {
		if !unhook() {
			<-interrupting
		}
	}
}

func interrupted(ctx context.Context, err error) error {
	var e *sqliteError
	if errors.As(err, &e) && e.code == sqlite3.SQLITE_INTERRUPT && ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(err)
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

// row gives the columns of one result row by position. The schema is STRICT, so
// asking for another type than the column's is a defect, which tests show.
type row struct {
	s  *statement
	at int // position of its first column
}

func (r row) null(i int) bool         { return r.s.columnNull(r.at + i) }
func (r row) text(i int) string       { return string(r.s.columnBytes(r.at + i)) }
func (r row) int(i int) int64         { return r.s.columnInt(r.at + i) }
func (r row) bool(i int) bool         { return r.int(i) != 0 }
func (r row) float(i int) float64     { return r.s.columnFloat(r.at + i) } // of an INTEGER too
func (r row) time(i int) tenancy.Time { return tenancy.Time(r.int(i)) }
func (r row) id(i int) tenancy.ID     { return tenancy.ID(r.s.columnBytes(r.at + i)) }
func (r row) bytes(i int) []byte      { return append([]byte{}, r.s.columnBytes(r.at+i)...) }

func (r row) object(i int) tenancy.Object {
	text := r.s.columnBytes(r.at + i)
	if string(text) == "{}" {
		return nil
	}
	return append(tenancy.Object{}, text...)
}

// lentText is text without a copy: valid until the next step.
func (r row) lentText(i int) string {
	text := r.s.columnBytes(r.at + i)
	return unsafe.String(unsafe.SliceData(text), len(text))
}

// lentObject is object likewise.
func (r row) lentObject(i int) tenancy.Object {
	text := r.s.columnBytes(r.at + i)
	if string(text) == "{}" {
		return nil
	}
	return text
}

// optional reads a column into room, and returns that; nil for NULL.
func optional[T any](r row, i int, read func(row, int) T, room *T) *T {
	if r.null(i) {
		return nil
	}
	*room = read(r, i)
	return room
}

// value reads a column as what it is: nil, int64, float64, string or []byte.
func (r row) value(i int) any {
	switch r.s.columnType(r.at + i) {
	case sqlite3.SQLITE_INTEGER:
		return r.int(i)
	case sqlite3.SQLITE_FLOAT:
		return r.float(i)
	case sqlite3.SQLITE_TEXT:
		return r.text(i)
	case sqlite3.SQLITE_BLOB:
		return r.bytes(i)
	default:
		return nil
	}
}

// from returns the row without its first n columns.
func (r row) from(n int) row { return row{s: r.s, at: r.at + n} }

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

// classify gives SQLite's errors the codes that callers act on.
func classify(err error) error {
	var e *sqliteError
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return &constraintError{kind: uniqueViolation, err: err}
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return &constraintError{kind: referenceViolation, err: err}
	}
	switch e.code & 0xff {
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
