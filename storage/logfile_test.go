package storage

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// openLogged makes a database if need be and opens it as the writer does, through the
// file system of that name.
func openLogged(dir, files string, pragmas ...string) (*conn, error) {
	path := filepath.Join(dir, databaseName)
	if err := errors.Join(lockOpenFiles(), registerGathering(), ensureFile(path)); err != nil {
		return nil, err
	}
	return openConn(path, files, slices.Concat(commonPragmas, writerPragmas, pragmas))
}

// gatheringConn opens a database of its own as the writer does, but with next to no
// cache, so that a transaction's pages go to the log before its commit, some of them
// again and again.
func gatheringConn(t interface{ Fatal(...any) }, dir string) *conn {
	c, err := openLogged(dir, gatheringFiles, "cache_size(10)", "mmap_size(0)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.exec("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT"); err != nil {
		t.Fatal(err)
	}
	return c
}

func contentOf(c *conn) (map[int64]string, error) {
	rows := map[int64]string{}
	err := c.query(background, "SELECT k, v FROM t", nil, func(r row) error {
		rows[r.int(0)] = r.text(1)
		return nil
	})
	return rows, err
}

// TestAGatheringLogHoldsWhatWasCommitted: after each commit the files hold it, as a
// copy of them shows, and nothing of what was rolled back; and other connections see it.
func TestAGatheringLogHoldsWhatWasCommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "gathering")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		c := gatheringConn(t, dir)
		defer func() { _ = c.close() }()
		other, err := openConn(filepath.Join(dir, databaseName), systemsOwn, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.close() }()
		exec := func(text string, args ...any) {
			if _, err := c.exec(text, args...); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		change := func(rows map[int64]string) {
			for range rapid.IntRange(1, 40).Draw(t, "changes") {
				k := rapid.Int64Range(0, 60).Draw(t, "key")
				v := strings.Repeat(fmt.Sprint(k, " "), rapid.IntRange(0, 8000).Draw(t, "size"))
				exec("INSERT INTO t VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v", k, v)
				rows[k] = v
			}
		}
		want := map[int64]string{}
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			exec("BEGIN IMMEDIATE")
			rows := maps.Clone(want)
			change(rows)
			if rapid.Bool().Draw(t, "savepoint") {
				exec("SAVEPOINT s")
				change(maps.Clone(rows))
				exec("ROLLBACK TO s")
				exec("RELEASE s")
				change(rows)
			}
			if rapid.Bool().Draw(t, "commit") {
				exec("COMMIT")
				want = rows
			} else {
				exec("ROLLBACK")
			}
			if rapid.Bool().Draw(t, "checkpoint") {
				if _, err := checkpoint(rapid.SampledFrom([]*conn{c, other}).Draw(t, "by")); err != nil {
					t.Fatal(err)
				}
			}
			for name, read := range map[string]func() (map[int64]string, error){
				"another connection": func() (map[int64]string, error) { return contentOf(other) },
				"a copy of the files": func() (map[int64]string, error) {
					return contentOfCopy(dir)
				},
			} {
				got, err := read()
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("%s does not have what was committed (-want +got):\n%s", name, d)
				}
			}
		}
	})
}

// contentOfCopy reads what a crash at this moment would leave.
func contentOfCopy(dir string) (rows map[int64]string, err error) {
	to, err := os.MkdirTemp("", "crashed")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(to) }()
	for _, name := range []string{databaseName, databaseName + "-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	c, err := openConn(filepath.Join(to, databaseName), systemsOwn, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.close() }()
	if err := c.queryRow("PRAGMA integrity_check", nil, func(r row) {
		if r.text(0) != "ok" {
			err = fmt.Errorf("the copy is damaged: %s", r.text(0))
		}
	}); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return contentOf(c)
}

// BenchmarkGatheredLog commits a hundred pages, about what a group of creates dirties.
func BenchmarkGatheredLog(b *testing.B) {
	for name, files := range map[string]string{"gathering": gatheringFiles, "system": systemsOwn} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			c, err := openLogged(dir, files)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = c.close() }()
			exec := func(text string) {
				if _, err := c.exec(text); err != nil {
					b.Fatal(err)
				}
			}
			exec("CREATE TABLE t (k INTEGER PRIMARY KEY, n INTEGER NOT NULL, v TEXT NOT NULL) STRICT")
			exec("WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 100) INSERT INTO t SELECT i, 0, printf('%.3000c', 'x') FROM s")
			for b.Loop() {
				exec("UPDATE t SET n = n + 1")
				if s, err := os.Stat(filepath.Join(dir, databaseName+"-wal")); err == nil && s.Size() > checkpointBytes {
					_, _ = checkpoint(c)
				}
			}
		})
	}
}
