package storage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

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
