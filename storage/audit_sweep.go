package storage

import (
	"context"
	"errors"
	"time"

	"maestro/audit"
	"maestro/tenancy"
)

const (
	selectOldestEvents = `SELECT position, tenant_id, sequence, hash, time FROM audit_events ORDER BY position LIMIT $1`

	deleteOldestEvents = `DELETE FROM audit_events WHERE position <= $1 AND position IN (SELECT position FROM audit_events ORDER BY position LIMIT $2)`

	deleteEvent = `DELETE FROM audit_events WHERE position = $2 AND tenant_id = $1 AND sequence = $3 RETURNING previous, previous_hash`

	selectEventTime = `SELECT time FROM audit_events WHERE position = $2 AND tenant_id = $1`

	deleteEventsLeft = `DELETE FROM audit_events WHERE position IN (SELECT position FROM audit_events WHERE tenant_id = $1 LIMIT $2)`

	deleteChain = `DELETE FROM audit_chains WHERE tenant_id = $1`
)

const (
	// pruneRhythm is how much longer than the retention an event may be kept, so that
	// a chain has an event about its beginning once a day and not for every event.
	pruneRhythm = 24 * time.Hour
	// pruneScan is how many events a step of the retention looks at, and pruneSlice
	// how many one write removes.
	pruneScan  = 20_000
	pruneSlice = 500
)

// pruneAudit removes the events that are older than the retention. Each chain says
// first, in an event, through which of its events it is removed.
func (s *Store) pruneAudit(ctx context.Context) error {
	if s.auditRetention <= 0 {
		return nil
	}
	now := s.now()
	before := tenancy.TimeOf(now.Add(-s.auditRetention))
	due, err := s.expiredEvents(ctx, 1, tenancy.TimeOf(now.Add(-s.auditRetention-pruneRhythm)))
	for err == nil && due.position > 0 {
		if due, err = s.expiredEvents(ctx, pruneScan, before); err == nil && due.position > 0 {
			err = s.pruneThrough(ctx, due)
		}
	}
	return err
}

// expired are the events before some time, or as many of the oldest as were looked
// at.
type expired struct {
	position int64 // of the last; 0 when there is none
	chains   map[tenancy.ID]audit.Link
}

func (s *Store) expiredEvents(ctx context.Context, scan int, before tenancy.Time) (due expired, err error) {
	due.chains = make(map[tenancy.ID]audit.Link)
	err = s.read(ctx, func(c *conn) error {
		return c.query(ctx, selectOldestEvents, []any{scan}, func(r row) error {
			if r.time(4) >= before {
				return errEnough
			}
			due.position = r.int(0)
			if tenant := r.eventID(1); tenant != nil {
				due.chains[*tenant] = audit.Link{Sequence: r.int(2), Hash: r.hash(3), Time: r.time(4)}
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return due, err
}

func (s *Store) pruneThrough(ctx context.Context, due expired) error {
	for tenant, through := range due.chains {
		err := s.writer.do(ctx, tenant, func(tx *Tx) error { return tx.prune(tenant, through) })
		if err != nil {
			return err
		}
	}
	for {
		removed := int64(0)
		err := s.writer.do(ctx, installationChain, func(tx *Tx) (err error) {
			removed, err = tx.exec(deleteOldestEvents, due.position, pruneSlice)
			return err
		})
		if err != nil || removed < pruneSlice {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// prune has a chain begin behind the link. It changes nothing where that is so
// already, after a pass that was cut short.
func (tx *Tx) prune(tenant tenancy.ID, through audit.Link) error {
	c, err := tx.trail.chain(tx.conn, tenant)
	if err != nil || through.Sequence <= c.pruned.Sequence || through.Sequence > c.head.Sequence {
		return err
	}
	if c, err = tx.edit(tenant); err != nil {
		return err
	}
	c.pruned = through
	return tx.record(tenant, audit.AuditPrune, "", audit.Prune(through))
}

// removeChain removes the events of a deleted tenant, the last first, in slices: the
// chain is sound after each.
func (s *Store) removeChain(ctx context.Context, tenant tenancy.ID) error {
	for left := true; left; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.writer.do(ctx, tenant, func(tx *Tx) (err error) {
			left, err = tx.shorten(tenant)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shorten removes a slice from the end of a chain and reports whether something is
// left. The chain itself goes last.
func (tx *Tx) shorten(tenant tenancy.ID) (left bool, err error) {
	c, err := tx.edit(tenant)
	if err != nil {
		return false, err
	}
	for range removalSlice {
		err := tx.queryRow(deleteEvent, []any{tenant, c.position, c.head.Sequence}, func(r row) {
			c.position, c.head.Sequence, c.head.Hash = r.int(0), c.head.Sequence-1, r.hash(1)
		})
		if errors.Is(err, errNoRow) {
			return tx.dropChain(tenant)
		}
		if err != nil {
			return false, err
		}
	}
	err = tx.queryRow(selectEventTime, []any{tenant, c.position}, func(r row) { c.head.Time = r.time(0) })
	if errors.Is(err, errNoRow) {
		return tx.dropChain(tenant)
	}
	return true, err
}

// dropChain removes the chain, and what its pointers did not lead to because it was
// damaged.
func (tx *Tx) dropChain(tenant tenancy.ID) (left bool, err error) {
	removed, err := tx.exec(deleteEventsLeft, tenant, removalSlice)
	if err != nil || removed == removalSlice {
		return true, err
	}
	delete(tx.trail.chains, tenant)
	_, err = tx.exec(deleteChain, tenant)
	return false, err
}
