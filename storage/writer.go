package storage

import (
	"context"
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

	retryAfter = time.Second
)

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

	shared  []*write           // that ran in the savepoint that is open: none where none is
	careful map[tenancy.ID]int // how many more writes of a tenant, that may share, do not

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
	w := &writer{conn: c, trail: newTrail(), now: now, gone: gone, paused: paused, stats: new(WriterStats), queues: make(map[tenancy.ID][]*write), careful: make(map[tenancy.ID]int), stopped: make(chan struct{})}
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
