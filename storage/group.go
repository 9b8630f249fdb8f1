package storage

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of a group, the writes of one transaction.
const (
	// maxGroup and maxGroupTime end a transaction, whichever comes first: what
	// waits behind it waits no longer than that, one commit, and the second run of at
	// most maxShared writes.
	maxGroup     = 512
	maxGroupTime = 5 * time.Millisecond

	// maxShared is how many writes share a savepoint. SQLite keeps in memory what each
	// page that they change was before.
	maxShared = 64

	// carefully is how many writes of a tenant get a savepoint of their own after one of
	// them had a shared one undone: where many of a tenant fail, few are run twice, and
	// the other tenants go on sharing.
	carefully = 512
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
	if r.again && !w.mustBeAlone(r.tenant) {
		return w.attemptShared(r)
	}
	if broken := w.release(); broken != nil {
		return broken
	}
	return w.attemptAlone(r)
}

// mustBeAlone reports whether a tenant's write may not share because one before it had a
// shared savepoint undone, and counts it.
func (w *writer) mustBeAlone(tenant tenancy.ID) bool {
	left := w.careful[tenant]
	switch {
	case left > 1:
		w.careful[tenant] = left - 1
	case left == 1:
		delete(w.careful, tenant)
	}
	return left > 0
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
		if w.conn.database.autocommits() {
			return errRolledBack
		}
		return nil
	}
	w.careful[r.tenant] = carefully
	for _, s := range slices.Backward(w.shared) {
		s.tx.undo()
	}
	if _, undo := w.conn.exec("ROLLBACK TO request"); undo != nil {
		return brokenBy(r.err, undo)
	}
	r.err = nil // what it did not find may be there the second time
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
	var e *sqliteError
	if errors.As(failure, &e) {
		return errors.Join(e, undo)
	}
	return undo
}

// errRolledBack says that SQLite rolled the transaction back under a write that did not
// notice. What ran behind it would be committed one statement at a time.
var errRolledBack = errors.New("storage: the transaction was rolled back")

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
