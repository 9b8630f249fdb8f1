package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
)

// hold occupies the writer until release is called, so that what is queued
// meanwhile shares the next transaction.
func hold(t *testing.T, s *Store) (release func() error) {
	t.Helper()
	began, end := make(chan struct{}), make(chan struct{})
	held := queue(t, s, tenancy.NewID(), func(*Tx) error {
		close(began)
		<-end
		return nil
	})
	<-began
	return func() error { close(end); return <-held }
}

// queue hands a write to the writer and returns when it waits there.
func queue(t *testing.T, s *Store, tenant tenancy.ID, f func(*Tx) error) (result <-chan error) {
	t.Helper()
	r := &write{tenant: tenant, run: f, done: make(chan error, 1)}
	if err := s.writer.enqueue(r); err != nil {
		t.Fatal(err)
	}
	return r.done
}

// queueAgain is queue for a write that may share a savepoint.
func queueAgain(t *testing.T, s *Store, tenant tenancy.ID, f func(*Tx) error) (result <-chan error) {
	t.Helper()
	r := &write{tenant: tenant, run: f, again: true, done: make(chan error, 1)}
	if err := s.writer.enqueue(r); err != nil {
		t.Fatal(err)
	}
	return r.done
}

var errRefused = problem.New(problem.Conflict, "a secret name exists")

type queueing func(*testing.T, *Store, tenancy.ID, func(*Tx) error) <-chan error

func put(name string) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO settings (name, value) VALUES ($1, x'00')", name)
		return err
	}
}

func has(t *testing.T, s *Store, name string) bool {
	t.Helper()
	return count(t, s, "SELECT count(*) FROM settings WHERE name = $1", name) == 1
}

func TestWritesThatWaitShareOneCommit(t *testing.T) {
	s := openStandingStore(t)
	release := hold(t, s)
	before := s.writer.stats.Commits.Load()
	var results []<-chan error
	for i := range 100 {
		results = append(results, queue(t, s, tenancy.ID{1}, put(fmt.Sprint("row ", i))))
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if !has(t, s, fmt.Sprint("row ", i)) {
			t.Fatalf("row %d is acknowledged and not there", i)
		}
	}
	if commits := s.writer.stats.Commits.Load() - before; commits > 2 {
		t.Errorf("100 waiting writes took %d commits, want the held one and at most one more", commits)
	}
}

func TestAFailedWriteUndoesOnlyItself(t *testing.T) {
	t.Run("alone", func(t *testing.T) { testAFailedWrite(t, queue) })
	t.Run("in a savepoint that is shared", func(t *testing.T) { testAFailedWrite(t, queueAgain) })
}

func testAFailedWrite(t *testing.T, queue queueing) {
	s := openStandingStore(t)
	refusal := errors.New("refused after it wrote")
	release := hold(t, s)
	first := queue(t, s, tenancy.ID{1}, put("first"))
	refused := queue(t, s, tenancy.ID{1}, func(tx *Tx) error {
		return errors.Join(put("refused")(tx), refusal)
	})
	constraint := queue(t, s, tenancy.ID{1}, put("first"))
	panicked := queue(t, s, tenancy.ID{1}, func(tx *Tx) error {
		if err := put("panicked")(tx); err != nil {
			return err
		}
		panic("a defect")
	})
	last := queue(t, s, tenancy.ID{1}, put("last"))
	if err := release(); err != nil {
		t.Fatal(err)
	}

	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := <-refused; !errors.Is(err, refusal) {
		t.Errorf("got %v, want its own error", err)
	}
	if err := <-constraint; !violates(err, uniqueViolation) {
		t.Errorf("got %v, want the unique violation", err)
	}
	if err := <-panicked; err == nil || !strings.Contains(err.Error(), "a defect") || problem.CodeOf(err) != problem.Internal {
		t.Errorf("got %v, want the panic as an internal error", err)
	}
	if err := <-last; err != nil {
		t.Error(err)
	}
	for name, want := range map[string]bool{"first": true, "refused": false, "panicked": false, "last": true} {
		if got := has(t, s, name); got != want {
			t.Errorf("%q is there: %v, want %v", name, got, want)
		}
	}
}

func TestATransactionThatBreaksFailsAllInIt(t *testing.T) {
	for name, failure := range map[string]error{"unnoticed": nil, "noticed": problem.New(problem.StorageFull, "full"), "after a refusal": errRefused} {
		t.Run(name, func(t *testing.T) { testABrokenTransaction(t, queue, failure) })
		t.Run(name+", in a savepoint that is shared", func(t *testing.T) { testABrokenTransaction(t, queueAgain, failure) })
	}
}

func testABrokenTransaction(t *testing.T, queue queueing, failure error) {
	s := openStandingStore(t)
	release := hold(t, s)
	undone := 0
	before := queue(t, s, tenancy.ID{1}, func(tx *Tx) error {
		tx.OnUndo(func() { undone++ })
		return put("before")(tx)
	})
	breaks := queue(t, s, tenancy.ID{1}, func(tx *Tx) error {
		_, err := tx.exec("ROLLBACK") // as SQLite does by itself when the disk fails
		return errors.Join(err, failure)
	})
	behind := queue(t, s, tenancy.ID{1}, put("behind"))
	held, told, own, next := release(), <-before, <-breaks, <-behind
	if there := has(t, s, "behind"); next != nil || !there {
		t.Errorf("the write behind it, which belongs into the next transaction: %v, there: %v", next, there)
	}
	if held == nil || told == nil || own == nil {
		t.Error("acknowledged though the transaction was rolled back")
	}
	if failure != nil && !errors.Is(own, failure) {
		t.Errorf("what the write itself answered is lost: %v", own)
	}
	if errors.Is(told, errRefused) {
		t.Errorf("another write's refusal is told: %v", told)
	}
	if full := problem.CodeOf(failure) == problem.StorageFull; full != (problem.CodeOf(told) == problem.StorageFull) {
		t.Errorf("the transaction broke with %v; the others are told %v", failure, told)
	}
	if has(t, s, "before") {
		t.Error("refused and there all the same")
	}
	if undone != 1 {
		t.Errorf("undone %d times, want once", undone)
	}
	if err := s.writer.do(background, tenancy.ID{1}, put("after")); err != nil {
		t.Errorf("the writer does not go on: %v", err)
	}
}

func TestCommitHooksRunForAcknowledgedWritesOnly(t *testing.T) {
	s := openStandingStore(t)
	var told []string
	hook := func(name string, failure error) func(*Tx) error {
		return func(tx *Tx) error {
			tx.OnCommit(func() { told = append(told, name) })
			return failure
		}
	}
	release := hold(t, s)
	a := queue(t, s, tenancy.ID{1}, hook("a", nil))
	b := queue(t, s, tenancy.ID{1}, hook("b", errors.New("no")))
	c := queue(t, s, tenancy.ID{1}, hook("c", nil))
	if err := release(); err != nil {
		t.Fatal(err)
	}
	<-a
	<-b
	<-c
	if want := []string{"a", "c"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// Whatever fails and whoever shares a savepoint: what is acknowledged happened once, in
// its order and with its hooks; what is refused left nothing, in the database and beside it.
func TestFailuresAmongSharedWrites(t *testing.T) {
	s := openStandingStore(t)
	rapid.Check(t, func(r *rapid.T) {
		type draw struct{ shares, fails bool }
		draws := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) draw {
			return draw{rapid.IntRange(0, 9).Draw(r, "shares") > 0, rapid.IntRange(0, 30).Draw(r, "fails") == 0}
		}), 1, 2*maxShared+10).Draw(r, "writes")
		if err := s.writer.do(background, tenancy.ID{}, func(tx *Tx) error {
			clear(s.writer.careful)
			_, err := tx.exec("DELETE FROM settings WHERE name LIKE 'row %'")
			return err
		}); err != nil {
			r.Fatal(err)
		}
		var want, beside, told []string
		var results []<-chan error
		release := hold(t, s)
		for i, d := range draws {
			name := fmt.Sprintf("row %03d", i)
			handOver := queue
			if d.shares {
				handOver = queueAgain
			}
			if !d.fails {
				want = append(want, name)
			}
			results = append(results, handOver(t, s, tenancy.ID{1}, func(tx *Tx) error {
				beside = append(beside, name)
				length := len(beside)
				tx.OnUndo(func() {
					if len(beside) != length || beside[length-1] != name {
						r.Errorf("%s is undone and %v was the last", name, beside[len(beside)-1:])
					}
					beside = beside[:length-1]
				})
				tx.OnCommit(func() { told = append(told, name) })
				if err := put(name)(tx); err != nil {
					return err
				}
				if d.fails {
					return errors.New("refused after it wrote")
				}
				return nil
			}))
		}
		if err := release(); err != nil {
			r.Fatal(err)
		}
		for i, result := range results {
			if err := <-result; (err != nil) != draws[i].fails {
				r.Errorf("write %d: %v, want a failure: %v", i, err, draws[i].fails)
			}
		}
		var rows []string
		err := s.read(background, func(c *conn) error {
			return c.query(background, "SELECT name FROM settings WHERE name LIKE 'row %' ORDER BY name", nil, func(row row) error {
				rows = append(rows, row.text(0))
				return nil
			})
		})
		if err != nil {
			r.Fatal(err)
		}
		for what, got := range map[string][]string{"rows": rows, "beside the database": beside, "told": told} {
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				r.Errorf("%s:\n%s", what, diff)
			}
		}
	})
}

// Where many of a tenant fail, few are run twice.
func TestAfterAFailureATenantsWritesDoNotShare(t *testing.T) {
	s := openStandingStore(t)
	runs := 0
	release := hold(t, s)
	var results []<-chan error
	const writes = 2 * maxShared
	for i := range writes {
		results = append(results, queueAgain(t, s, tenancy.ID{1}, func(tx *Tx) error {
			runs++
			if i%10 == 9 {
				return errors.New("no")
			}
			return nil
		}))
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		<-result
	}
	if want := writes + 10; runs != want {
		t.Errorf("%d writes ran %d times, want %d: the first ten twice", writes, runs, want)
	}
	left := map[tenancy.ID]int{}
	if err := s.writer.do(background, tenancy.ID{1}, func(*Tx) error { maps.Copy(left, s.writer.careful); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[tenancy.ID]int{{1}: carefully - (writes - 10)}, left); diff != "" {
		t.Errorf("more writes that run alone:\n%s", diff)
	}
}

// One tenant's refusals do not take the shared savepoints from the others.
func TestATenantsFailuresLeaveTheOthersSharing(t *testing.T) {
	s := openStandingStore(t)
	var results []<-chan error
	release := hold(t, s)
	for i := range 10 {
		tenant, refused := tenancy.ID{2}, i == 0
		if refused {
			tenant = tenancy.ID{1}
		}
		results = append(results, queueAgain(t, s, tenant, func(*Tx) error {
			if refused {
				return errors.New("no")
			}
			return nil
		}))
	}
	shares := 0
	results = append(results, queueAgain(t, s, tenancy.ID{2}, func(*Tx) error { shares = len(s.writer.shared); return nil }))
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		<-result
	}
	if shares < 2 {
		t.Errorf("a write of another tenant shares a savepoint with %d, itself included", shares)
	}
	if n := s.writer.careful[tenancy.ID{1}]; n != carefully {
		t.Errorf("%d writes of the tenant that was refused run alone, want %d", n, carefully)
	}
}

func TestAWithdrawnWriteLeavesNoTrace(t *testing.T) {
	s := openStandingStore(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(background)
	cancel()
	err := s.writer.do(ctx, tenancy.ID{1}, put("withdrawn"))
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if err := s.writer.do(background, tenancy.ID{1}, put("after")); err != nil {
		t.Fatal(err)
	}
	if has(t, s, "withdrawn") {
		t.Error("a withdrawn write happened")
	}
}

func TestTenantsTakeTurns(t *testing.T) {
	s := openStandingStore(t)
	var order []string
	note := func(name string) func(*Tx) error {
		return func(*Tx) error { order = append(order, name); return nil }
	}
	release := hold(t, s)
	var results []<-chan error
	for i := range 50 {
		results = append(results, queue(t, s, tenancy.ID{1}, note(fmt.Sprint("busy ", i))))
	}
	results = append(results, queue(t, s, tenancy.ID{2}, note("quiet")), queue(t, s, tenancy.ID{3}, note("other")))
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		<-result
	}
	if want := []string{"busy 0", "quiet", "other", "busy 1", "busy 2"}; !slices.Equal(order[:5], want) {
		t.Errorf("began with %v, want %v", order[:5], want)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	s := openStandingStore(t)
	release := hold(t, s)
	defer func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	}()
	for range maxQueuedTenant {
		queue(t, s, tenancy.ID{1}, func(*Tx) error { return nil })
	}
	err := s.writer.do(background, tenancy.ID{1}, put("too many"))
	wantCode(t, err, problem.Unavailable)
	var e *problem.Error
	if !errors.As(err, &e) || e.RetryAfter <= 0 {
		t.Error("does not say when to try again")
	} else if want := "Too many writes are waiting. Nothing was kept."; e.Detail != want {
		t.Errorf("says %q, want %q", e.Detail, want)
	}
	if queue(t, s, tenancy.ID{2}, put("another tenant")) == nil {
		t.Error("one tenant's queue refuses another's write")
	}
}

func TestAcknowledgedWritesSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(background, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writer.do(background, tenancy.ID{1}, put("kept")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err = s.writer.do(background, tenancy.ID{1}, put("late"))
	var e *problem.Error
	if !errors.As(err, &e) || e.Code != problem.Unavailable || e.Detail != "The server is stopping. Nothing was kept." || e.RetryAfter <= 0 {
		t.Errorf("a write after Close got %v, want unavailable because the server is stopping", err)
	}
	if !has(t, reopenStore(t, dir), "kept") {
		t.Error("an acknowledged write is gone")
	}
}
