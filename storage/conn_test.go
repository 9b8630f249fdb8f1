package storage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"maestro/problem"
	"maestro/tenancy"
)

func TestValuesComeBackAsTheyWereBound(t *testing.T) {
	s := openStore(t)
	id := tenancy.NewID()
	long := strings.Repeat("é", 100_000)
	err := s.read(background, func(c *conn) error {
		return c.queryRow("SELECT $3, $1, $2, $1, $4, $5, $6, $7, $8, $9", []any{"", long, int64(-5), 1.5, id, true, nil, []byte{0, 1, 0}, tenancy.Time(7)}, func(r row) {
			if r.int(0) != -5 || r.text(1) != "" || r.text(2) != long || r.text(3) != "" || r.float(4) != 1.5 || r.id(5) != id || !r.bool(6) ||
				!r.null(7) || string(r.bytes(8)) != "\x00\x01\x00" || r.time(9) != 7 {
				t.Error("a value changed on its way")
			}
			if r.value(0) != int64(-5) || r.value(4) != 1.5 || r.value(7) != nil || r.value(1) != "" || r.from(3).value(0) != "" {
				t.Error("a value has another type than its column")
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestALongStatementEndsWithItsContext(t *testing.T) {
	s := openStore(t)
	const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < $1"
	err := s.read(background, func(c *conn) error {
		ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
		defer cancel()
		err := c.query(ctx, endless, []any{-1}, func(row) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		if err := c.query(ctx, "SELECT 1", nil, func(row) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a statement began after its context ended: %v", err)
		}
		return c.queryRow("SELECT 1", nil, func(row) {}) // the connection goes on
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMisuseIsAnError(t *testing.T) {
	s := openStore(t)
	err := s.read(background, func(c *conn) error {
		for _, misuse := range []struct {
			text string
			args []any
		}{
			{"SELECT $1, $2", []any{1}}, {"SELECT :name", []any{1}}, {"SELECT ?", []any{1}}, {"SELECT 1; SELECT 2", nil}, {"", nil}, {"SELEKT", nil},
			{"DELETE FROM tenants", nil}, // a reader cannot write
		} {
			if _, err := c.exec(misuse.text, misuse.args...); err == nil {
				t.Errorf("%q passed", misuse.text)
			}
		}
		const outer = "SELECT 1 UNION SELECT 2"
		err := c.query(background, outer, nil, func(row) error { return c.query(background, outer, nil, func(row) error { return nil }) })
		if err == nil {
			t.Error("a statement ran within itself")
		}
		refusal := errors.New("enough")
		if err := c.query(background, outer, nil, func(row) error { return refusal }); !errors.Is(err, refusal) {
			t.Errorf("got %v, want what the reader of rows said", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailuresOfTheDiskHaveTheirCodes(t *testing.T) {
	for code, want := range map[int32]problem.Code{13: problem.StorageFull, 10: problem.Unavailable, 778: problem.Unavailable, 8: problem.Unavailable, 1: problem.Internal} {
		if got := problem.CodeOf(classify(&sqliteError{code: code})); got != want {
			t.Errorf("SQLite's code %d is %s, want %s", code, got, want)
		}
	}
}

func TestAQueryWithinAnInterruptedOneFailsWithTheContext(t *testing.T) {
	s := openStore(t)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	err := s.read(background, func(c *conn) error {
		return c.query(ctx, "SELECT 1", nil, func(row) error {
			cancel()
			// Endless, so that the interruption finds it at work.
			return c.query(background, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0", nil, func(row) error { return nil })
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("failed with %v, want the context's error", err)
	}
}

func TestColumnsAreWhatSQLiteSays(t *testing.T) {
	c, err := openConn(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	const every = `SELECT 1, -9223372036854775808, 1.5, -0.0, 9e999, 'text', '', 'é' || char(0) || 'x', x'00ff', x'', zeroblob(3), NULL,
		CAST('12' AS INTEGER), CAST(7 AS REAL), '42', '1.5 apples', x'3432', 3.99, max(2, 3.0), hex(zeroblob(100)), count(*)`
	if _, err := c.exec("CREATE TEMP TABLE kinds (i INTEGER, r REAL, t TEXT, b BLOB) STRICT"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.exec("INSERT INTO kinds VALUES (0, 0, '', x''), (1, 1, '1', x'31'), (-1, 2.5, 'é', zeroblob(9)), (NULL, NULL, NULL, NULL), (1 << 40, 1 << 40, $1, $2)",
		strings.Repeat("x", 10_000), []byte{0, 1}); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, text := range []string{every, "SELECT i, r, t, b, r + 0, i || t FROM kinds", "SELECT r, i FROM kinds ORDER BY r, i", "SELECT DISTINCT t, b FROM kinds UNION ALL SELECT b, t FROM kinds"} {
		err := c.query(background, text, nil, func(r row) error {
			rows++
			for i := range r.s.columns {
				// The flags are looked at before SQLite's functions, which may convert the value.
				null, number, float, bytes := r.null(i), r.int(i), r.float(i), string(r.s.columnBytes(i))
				tls, h, column := r.s.d.tls, r.s.handle, int32(i)
				if want := sqlite3.Xsqlite3_column_type(tls, h, column) == sqlite3.SQLITE_NULL; null != want {
					t.Errorf("%s, column %d: got null %v", text, i, null)
				}
				if want := sqlite3.Xsqlite3_column_int64(tls, h, column); number != want {
					t.Errorf("%s, column %d: got %d, want %d", text, i, number, want)
				}
				if want := sqlite3.Xsqlite3_column_double(tls, h, column); float != want {
					t.Errorf("%s, column %d: got %v, want %v", text, i, float, want)
				}
				start := sqlite3.Xsqlite3_column_blob(tls, h, column)
				if want := libc.GoBytes(start, int(sqlite3.Xsqlite3_column_bytes(tls, h, column))); bytes != string(want) {
					t.Errorf("%s, column %d: got %q, want %q", text, i, bytes, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if rows != 1+5+5+10 {
		t.Errorf("got %d rows", rows)
	}
}

// A statement that is kept while the schema changes has the columns of its next run,
// and a row that is kept beyond its call has none.
func TestColumnsAreThoseOfTheRow(t *testing.T) {
	c, err := openConn(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	var kept row
	columns := func() (n int) {
		if err := c.queryRow("SELECT * FROM t", nil, func(r row) { n, kept = r.s.columns, r }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	refused := func(read func()) (refused bool) {
		defer func() { refused = recover() != nil }()
		read()
		return false
	}
	for _, step := range []struct {
		change string
		want   int
	}{{"CREATE TABLE t AS SELECT 1 AS a, 2 AS b", 2}, {"ALTER TABLE t DROP COLUMN b", 1}, {"ALTER TABLE t ADD COLUMN c TEXT", 2}} {
		if _, err := c.exec(step.change); err != nil {
			t.Fatal(err)
		}
		if got := columns(); got != step.want {
			t.Errorf("after %s a row has %d columns, want %d", step.change, got, step.want)
		}
		if !refused(func() { kept.null(0) }) || !refused(func() { kept.value(0) }) {
			t.Errorf("after %s a row that is over is read", step.change)
		}
	}
}
