package storage

import (
	"context"
	"errors"

	"maestro/audit"
	"maestro/auth"
	"maestro/tenancy"
)

const (
	eventColumns = `sequence, time, actor_kind, actor_id, credential_id, address, request_id, action, object, outcome, before, after, previous_hash, hash`

	insertEvent = `INSERT INTO audit_events (tenant_id, previous, ` + eventColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`

	selectChain = `SELECT position, sequence, hash, time, pruned_sequence, pruned_hash, pruned_time FROM audit_chains WHERE tenant_id = $1`

	upsertChain = `INSERT INTO audit_chains (tenant_id, position, sequence, hash, time, pruned_sequence, pruned_hash, pruned_time)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position, sequence = excluded.sequence, hash = excluded.hash, time = excluded.time,
		pruned_sequence = excluded.pruned_sequence, pruned_hash = excluded.pruned_hash, pruned_time = excluded.pruned_time`
)

// installationChain names the chain of what belongs to no tenant.
var installationChain tenancy.ID

// chain is where a tenant's audit trail ends, and where it begins.
type chain struct {
	head     audit.Link
	position int64      // of the event at the head
	pruned   audit.Link // the last event that the retention removed
	unsaved  bool       // audit_chains does not say so yet
}

// trail has the chains that the writer wrote to, so that an event costs one insert:
// the heads are read once and written once a transaction. It belongs to the
// writer's goroutine.
type trail struct {
	chains  map[tenancy.ID]*chain
	unsaved []tenancy.ID
	scratch []byte
}

// maxChains bounds how many chains are remembered.
const maxChains = 10_000

func newTrail() *trail { return &trail{chains: make(map[tenancy.ID]*chain)} }

// chain returns the chain of a tenant, which begins with its first event.
func (t *trail) chain(c *conn, tenant tenancy.ID) (*chain, error) {
	if found := t.chains[tenant]; found != nil {
		return found, nil
	}
	found, err := readChain(c, tenant)
	if err != nil && !errors.Is(err, errNoRow) {
		return nil, err
	}
	t.chains[tenant] = &found
	return &found, nil
}

func readChain(c *conn, tenant tenancy.ID) (found chain, err error) {
	err = c.queryRow(selectChain, []any{tenant}, func(r row) {
		found.position = r.int(0)
		found.head = audit.Link{Sequence: r.int(1), Hash: r.hash(2), Time: r.time(3)}
		found.pruned = audit.Link{Sequence: r.int(4), Hash: r.hash(5), Time: r.time(6)}
	})
	return found, err
}

// save writes the heads that changed. It belongs before the commit.
func (t *trail) save(c *conn) error {
	for _, tenant := range t.unsaved {
		h := t.chains[tenant]
		if h == nil || !h.unsaved {
			continue
		}
		h.unsaved = false
		if _, err := c.exec(upsertChain, tenant, h.position, h.head.Sequence, h.head.Hash[:], h.head.Time,
			h.pruned.Sequence, h.pruned.Hash[:], h.pruned.Time); err != nil {
			return err
		}
	}
	t.unsaved = t.unsaved[:0]
	if len(t.chains) > maxChains {
		t.forget()
	}
	return nil
}

// forget has the chains read anew: after a transaction that was not committed.
func (t *trail) forget() {
	clear(t.chains)
	t.unsaved = t.unsaved[:0]
}

// edit returns a tenant's chain for a change in this transaction, which is undone
// with the request.
func (tx *Tx) edit(tenant tenancy.ID) (*chain, error) {
	c, err := tx.trail.chain(tx.conn, tenant)
	if err != nil {
		return nil, err
	}
	before := *c
	tx.OnUndo(func() { *c = before })
	if !c.unsaved {
		c.unsaved = true
		tx.trail.unsaved = append(tx.trail.unsaved, tenant)
	}
	return c, nil
}

// record adds an event to a tenant's audit trail, or to the installation's
// (installationChain), in the transaction of the change: it is there if and only
// if the change is. Every function that changes something on somebody's behalf
// ends with it. object is the id or name of what the action's word says; changes
// may be nil.
func (tx *Tx) record(tenant tenancy.ID, action audit.Action, object string, changes *audit.Changes) error {
	return tx.writeEvent(tenant, &audit.Event{Action: action, Object: object, Outcome: audit.Success}, changes)
}

// Record adds an event to the installation's audit trail about something that is not
// in the database, such as a file, and so cannot be in its transaction. It belongs
// right behind the change, and before the change is acknowledged.
func (s *Store) Record(ctx context.Context, action audit.Action, object string, changes *audit.Changes) error {
	return s.writer.do(ctx, installationChain, func(tx *Tx) error { return tx.record(installationChain, action, object, changes) })
}

// recordFor is record for what somebody does whom the request could not name
// before: whoever logs in, or shows a refresh token or a link.
func (tx *Tx) recordFor(user auth.UserKey, credential tenancy.ID, action audit.Action, object string, changes *audit.Changes) error {
	by := audit.Origin{}
	if tx.origin != nil {
		by = *tx.origin
	}
	by.Actor, by.Tenant, by.Credential = tenancy.Actor{ID: user.User, Kind: tenancy.ActorUser}, user.Tenant, credential
	tx.origin = &by
	return tx.record(user.Tenant, action, object, changes)
}

func (tx *Tx) writeEvent(tenant tenancy.ID, e *audit.Event, changes *audit.Changes) error {
	c, err := tx.edit(tenant)
	if err != nil {
		return err
	}
	if tenant != installationChain {
		e.TenantID = &tenant
	}
	tx.origin.Stamp(e, tenant)
	if cap(tx.trail.scratch) == 0 {
		tx.trail.scratch = make([]byte, 0, 16<<10)
	}
	e.Seal(c.head, tx.Now, changes, tx.trail.scratch)
	_, err = tx.exec(insertEvent, tenant, c.position, e.Sequence, e.Time, string(e.ActorKind), e.ActorID, e.CredentialID, e.Address, e.RequestID,
		string(e.Action), e.Object, string(e.Outcome), objectOrNull(e.Before), objectOrNull(e.After), e.PreviousHash[:], e.Hash[:])
	if err != nil {
		return err
	}
	c.head, c.position = e.Link(), tx.database.lastInsert()
	return nil
}

func objectOrNull(o tenancy.Object) any {
	if len(o) == 0 {
		return nil
	}
	return string(o)
}
