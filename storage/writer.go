package storage

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of the writer.
const (
	// maxQueued is how many writes may wait, and maxQueuedTenant how many of one
	// tenant. Beyond, a write is refused at once and may be tried again.
	maxQueued       = 8192
	maxQueuedTenant = 4096

	// maxGroup and maxGroupTime end a transaction, whichever comes first: what
	// waits behind it waits no longer than that, one commit, and the second run of at
	// most maxShared writes.
	maxGroup     = 512
	maxGroupTime = 5 * time.Millisecond

	// maxShared is how many writes share a savepoint. SQLite keeps in memory what each
	// page that they change was before.
	maxShared = 64

	// carefully is how many writes get a savepoint of their own after a shared one had
	// to be undone: where many fail, few are run twice.
	carefully = 512

	retryAfter = time.Second
)

// Tx is one request's part of a write transaction. Everything in it happens at
// one time, Now.
type Tx struct {
	*conn
	Now tenancy.Time

	origin            *audit.Origin // who asks for it; nil is the server itself
	trail             *trail
	committed, undone []func()
}

// OnCommit has f called after the transaction is on disk and before the request
// is acknowledged. f must be quick and must not write.
func (tx *Tx) OnCommit(f func()) { tx.committed = append(tx.committed, f) }

// OnUndo has f called when what the request wrote is undone, because it failed or
// its transaction could not be committed: the latest change first, before any
// other request runs. f must be quick and must not write.
func (tx *Tx) OnUndo(f func()) { tx.undone = append(tx.undone, f) }

func (tx *Tx) undo() {
	for _, f := range slices.Backward(tx.undone) {
		f()
	}
	tx.undone = nil
}

// write is one request waiting for, or in, a transaction.
type write struct {
	tenant  tenancy.ID
	origin  *audit.Origin
	run     func(*Tx) error
	again   bool        // run may be called anew when all that it did was undone
	claimed atomic.Bool // by the writer, to run it; or by the caller, to give up
	done    chan error
	tx      Tx
	err     error
}

// writer runs writes in groups, one transaction each group.
type writer struct {
	conn  *conn
	trail *trail
	now   func() time.Time
	stats *WriterStats

	mu      sync.Mutex
	wake    *sync.Cond
	queues  map[tenancy.ID][]*write
	turns   []tenancy.ID // tenants with something queued, in the order of their turns
	queued  int
	closing bool
	stopped chan struct{}

	shared  []*write // that ran in the savepoint that is open: none where none is
	careful int      // how many more writes get a savepoint of their own

	gone   func() error          // why nothing may be committed, or nil
	broken atomic.Pointer[error] // why the last transaction was not committed; nil once one is
	pause  atomic.Bool           // set: call paused after this transaction
	paused func(*conn)
}

// WriterStats counts what the writer did since the start.
type WriterStats struct {
	Writes  atomic.Int64 // requests acknowledged
	Failed  atomic.Int64 // requests that their own function refused, or whose transaction failed
	Commits atomic.Int64
	Refused atomic.Int64 // requests turned away unheard: the queue was full, or closing
	Nanos   atomic.Int64 // time spent in transactions

	// Within counts the transactions that took no longer than the bound in
	// TransactionBounds of the same place, and longer than the bound before it; the
	// last counts all that took longer than any.
	Within [len(TransactionBounds) + 1]atomic.Int64
}

// TransactionBounds divide the transactions by how long they took, in seconds.
var TransactionBounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

func (s *WriterStats) took(d time.Duration) {
	s.Nanos.Add(int64(d))
	i := 0
	for i < len(TransactionBounds) && d.Seconds() > TransactionBounds[i] {
		i++
	}
	s.Within[i].Add(1)
}

func newWriter(c *conn, now func() time.Time, gone func() error, paused func(*conn)) *writer {
	w := &writer{conn: c, trail: newTrail(), now: now, gone: gone, paused: paused, stats: new(WriterStats), queues: make(map[tenancy.ID][]*write), stopped: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	go w.loop()
	return w
}

// do runs f in a transaction and returns when it is on disk, or refused and
// without a trace. A context that ends before f began withdraws it; once begun,
// do waits for its end.
func (w *writer) do(ctx context.Context, tenant tenancy.ID, f func(*Tx) error) error {
	return w.wait(ctx, &write{tenant: tenant, origin: audit.OriginOf(ctx), run: f})
}

// doAgain is do for an f that may share a savepoint with others like it: when one of
// them fails, each is undone and runs a second time. So f
//
//   - does the same again: what it sets outside of the database it sets anew;
//   - registers hooks through tx alone (OnUndo has run before the second time);
//   - returns the failure of any statement: what failed must not be committed.
func (w *writer) doAgain(ctx context.Context, tenant tenancy.ID, f func(*Tx) error) error {
	return w.wait(ctx, &write{tenant: tenant, origin: audit.OriginOf(ctx), run: f, again: true})
}

func (w *writer) wait(ctx context.Context, r *write) error {
	r.done = make(chan error, 1)
	if err := w.enqueue(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-r.done
	}
}

func (w *writer) enqueue(r *write) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := w.queues[r.tenant]
	switch {
	case w.closing:
		w.stats.Refused.Add(1)
		return &problem.Error{Code: problem.Unavailable, Detail: "The server is stopping. Nothing was kept.", RetryAfter: retryAfter}
	case w.queued >= maxQueued || len(waiting) >= maxQueuedTenant:
		w.stats.Refused.Add(1)
		return &problem.Error{Code: problem.Unavailable, Detail: "Too many writes are waiting. Nothing was kept.", RetryAfter: retryAfter}
	}
	if len(waiting) == 0 {
		w.turns = append(w.turns, r.tenant)
	}
	w.queues[r.tenant] = append(waiting, r)
	w.queued++
	w.wake.Signal()
	return nil
}

// next takes the next write in turn: one of each tenant, round and round. It
// waits for one when wait is set, and returns nil when there is none.
func (w *writer) next(wait bool) *write {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for w.queued == 0 {
			if !wait || w.closing {
				return nil
			}
			w.wake.Wait()
		}
		tenant := w.turns[0]
		w.turns = w.turns[1:]
		waiting := w.queues[tenant]
		r := waiting[0]
		waiting[0] = nil
		if len(waiting) == 1 {
			delete(w.queues, tenant)
		} else {
			w.queues[tenant] = waiting[1:]
			w.turns = append(w.turns, tenant)
		}
		w.queued--
		if r.claimed.CompareAndSwap(false, true) {
			return r
		}
	}
}

func (w *writer) loop() {
	defer close(w.stopped)
	group := make([]*write, 0, maxGroup)
	for {
		first := w.next(true)
		if first == nil {
			return
		}
		group = w.transact(first, group[:0])
		for _, r := range group {
			if r.err != nil {
				w.stats.Failed.Add(1)
			} else {
				w.stats.Writes.Add(1)
			}
			r.done <- r.err
		}
		clear(group)
		if w.pause.CompareAndSwap(true, false) {
			w.paused(w.conn)
		}
	}
}

// transact runs first, and what else waits, in one transaction. On return the
// err of each is what its caller is told.
func (w *writer) transact(first *write, group []*write) []*write {
	start := w.now()
	defer func() { w.stats.took(w.now().Sub(start)) }()
	if _, err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		w.broken.Store(&err)
		first.err = err
		return append(group, first)
	}
	now := tenancy.TimeOf(start)
	for r := first; r != nil; {
		group = append(group, r)
		r.tx.Now = now
		if broken := w.attempt(r); broken != nil {
			return w.abandon(group, broken)
		}
		if len(group) == maxGroup || w.now().Sub(start) > maxGroupTime {
			break
		}
		r = w.next(false)
	}
	err := w.release()
	if err == nil {
		err = w.trail.save(w.conn)
	}
	if err == nil {
		err = w.gone()
	}
	if err == nil {
		_, err = w.conn.exec("COMMIT")
	}
	if err != nil {
		return w.abandon(group, err)
	}
	w.stats.Commits.Add(1)
	w.broken.Store(nil)
	for _, r := range group {
		if r.err == nil {
			for _, f := range r.tx.committed {
				f()
			}
		}
	}
	return group
}

// attempt runs one write, so that its failure undoes only itself. It returns why
// the transaction cannot go on.
func (w *writer) attempt(r *write) (broken error) {
	if r.again && w.careful == 0 {
		return w.attemptShared(r)
	}
	w.careful = max(w.careful-1, 0)
	if broken := w.release(); broken != nil {
		return broken
	}
	return w.attemptAlone(r)
}

// attemptAlone runs one write in a savepoint of its own.
func (w *writer) attemptAlone(r *write) (broken error) {
	if _, err := w.conn.exec("SAVEPOINT request"); err != nil {
		return err
	}
	if w.run(r); r.err != nil {
		r.tx.undo()
		if _, undo := w.conn.exec("ROLLBACK TO request"); undo != nil {
			return brokenBy(r.err, undo)
		}
	}
	_, err := w.conn.exec("RELEASE request")
	return err
}

// attemptShared runs one write in a savepoint that it shares with those before it.
// A savepoint has SQLite copy every page that is changed in it, once: writes that
// change the same pages are cheaper together. When one fails, all of them are undone
// and run again, in their order, each alone: the failure then undoes only itself.
func (w *writer) attemptShared(r *write) (broken error) {
	if len(w.shared) == maxShared {
		if broken := w.release(); broken != nil {
			return broken
		}
	}
	if len(w.shared) == 0 {
		if _, err := w.conn.exec("SAVEPOINT request"); err != nil {
			return err
		}
	}
	w.shared = append(w.shared, r)
	if w.run(r); r.err == nil {
		return nil
	}
	w.careful = carefully
	failure := r.err
	r.err = nil
	for _, s := range slices.Backward(w.shared) {
		s.tx.undo()
	}
	if _, undo := w.conn.exec("ROLLBACK TO request"); undo != nil {
		return brokenBy(failure, undo)
	}
	undone := slices.Clone(w.shared)
	if broken := w.release(); broken != nil {
		return broken
	}
	for _, s := range undone {
		if broken := w.attemptAlone(s); broken != nil {
			return broken
		}
	}
	return nil
}

// brokenBy returns why a transaction cannot go on that SQLite has rolled back by itself
// when a write failed, as undoing that write alone showed. The others in it are told
// that the disk failed, if it did; what else the write answers is for its caller.
func brokenBy(failure, undo error) error {
	var p *problem.Error
	if errors.As(failure, &p) && (p.Code == problem.StorageFull || p.Code == problem.Unavailable) {
		return errors.Join(p, undo)
	}
	return undo
}

// release closes the shared savepoint, if one is open: what ran in it stays.
func (w *writer) release() error {
	if len(w.shared) == 0 {
		return nil
	}
	w.forgetShared()
	_, err := w.conn.exec("RELEASE request")
	return err
}

func (w *writer) forgetShared() {
	clear(w.shared)
	w.shared = w.shared[:0]
}

// run runs the write's function from the beginning.
func (w *writer) run(r *write) {
	r.tx = Tx{conn: w.conn, Now: r.tx.Now, origin: r.origin, trail: w.trail}
	r.err = guard(r)
}

// guard runs the write's function and turns a panic into its error, so that one
// defect does not stop the writer for everybody.
func guard(r *write) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("storage: panic in a write: %v\n%s", p, debug.Stack())
		}
	}()
	return r.run(&r.tx)
}

// abandon fails every write of a transaction that could not be committed. A
// write that had already failed keeps its own error.
func (w *writer) abandon(group []*write, cause error) []*write {
	w.broken.Store(&cause)
	_, _ = w.conn.exec("ROLLBACK") // fails when SQLite has rolled back by itself
	for _, r := range slices.Backward(group) {
		if r.err == nil {
			r.tx.undo()
			r.err = cause
		}
	}
	w.trail.forget()
	w.forgetShared()
	return group
}

// depth returns how many writes wait.
func (w *writer) depth() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queued
}

// close refuses new writes, finishes those that wait, and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closing = true
	w.wake.Broadcast()
	w.mu.Unlock()
	<-w.stopped
	return w.conn.close()
}
