package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

const (
	selectChains = `SELECT c.tenant_id, c.position, c.sequence, c.hash, c.time, c.pruned_sequence, c.pruned_hash, c.pruned_time, t.deleted_at IS NOT NULL, coalesce(t.slug, '')
		FROM audit_chains c LEFT JOIN tenants t ON t.id = c.tenant_id ORDER BY c.tenant_id`

	selectAllEvents = `SELECT position, tenant_id, previous, ` + eventColumns + ` FROM audit_events ORDER BY position`
)

// ChainReport is what the verification of one chain found.
type ChainReport struct {
	Tenant *tenancy.ID  `json:"tenant_id"` // nil for the installation's own
	Slug   string       `json:"tenant"`    // empty for the installation's own
	Events int64        `json:"events"`    // that are there, behind Pruned
	Pruned audit.Link   `json:"pruned"`    // the last event that the retention removed; zero if none was
	Head   audit.Link   `json:"head"`      // the last event
	Fault  *audit.Fault `json:"fault"`     // the first event that is not as it was written; nil for a sound chain
}

// VerifyAudit reads the whole audit trail and reports on each chain, the
// installation's first: whether every event is as it was written, in its place, and
// none is missing from the first to the head; and whether the chains have the
// anchors. It takes time in proportion to the trail and changes nothing.
func (s *Store) VerifyAudit(ctx context.Context, anchors ...audit.Anchor) (reports []ChainReport, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		reports, err = verifyAudit(ctx, c, anchors...)
		return err
	})
	return reports, err
}

// VerifyAuditDir is VerifyAudit of a data directory that no process has: the caller
// holds its lock.
func VerifyAuditDir(ctx context.Context, dir string, anchors ...audit.Anchor) (reports []ChainReport, err error) {
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		return nil, problem.Wrap(err, problem.NotFound, "%s is no data directory: it has no %s.", dir, databaseName)
	}
	if err := lockOpenFiles(); err != nil {
		return nil, err
	}
	c, err := openOffline(dir, readerPragmas)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	switch there, err := c.exists(selectAuditTable); {
	case err != nil:
		return nil, err
	case !there:
		return nil, problem.New(problem.NotFound, "The database is of a version that had no audit trail: start the server once.")
	}
	return verifyAudit(ctx, c, anchors...)
}

// followed is a chain as its verification comes along it.
type followed struct {
	chain
	report   ChainReport
	at       audit.Link
	position int64      // of the event at at
	said     audit.Link // through which the events say that the chain was pruned
	anchors  []audit.Anchor
	leaving  bool // its tenant is deleted: it is being removed from its end
}

func verifyAudit(ctx context.Context, c *conn, anchors ...audit.Anchor) ([]ChainReport, error) {
	chains := make(map[tenancy.ID]*followed)
	var order []tenancy.ID
	err := c.query(ctx, selectChains, nil, func(r row) error {
		tenant := tenancy.ID{}
		if id := r.eventID(0); id != nil {
			tenant = *id
		}
		f := &followed{chain: chain{
			position: r.int(1), head: audit.Link{Sequence: r.int(2), Hash: r.hash(3), Time: r.time(4)},
			pruned: audit.Link{Sequence: r.int(5), Hash: r.hash(6), Time: r.time(7)},
		}}
		f.at, f.leaving = f.pruned, r.bool(8)
		f.report = ChainReport{Tenant: chainName(tenant), Slug: r.text(9), Pruned: f.pruned, Head: f.head}
		chains[tenant] = f
		order = append(order, tenant)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, anchor := range anchors {
		f := chains[anchor.Tenant]
		if f == nil {
			f = &followed{report: ChainReport{Tenant: chainName(anchor.Tenant)}}
			chains[anchor.Tenant] = f
			order = append(order, anchor.Tenant)
		}
		f.anchors = append(f.anchors, anchor)
	}
	err = c.query(ctx, selectAllEvents, nil, func(r row) error {
		tenant := tenancy.ID{0xff}
		if id := r.eventID(1); id != nil {
			tenant = *id
		}
		f := chains[tenant]
		if f == nil { // an event of a chain that the store does not know
			f = &followed{report: ChainReport{Tenant: chainName(tenant)}}
			chains[tenant] = f
			order = append(order, tenant)
		}
		f.follow(r.int(0), r.int(2), readEvent(r.from(3), tenant))
		return nil
	})
	if err != nil {
		return nil, err
	}
	reports := make([]ChainReport, 0, len(order))
	for _, tenant := range order {
		reports = append(reports, chains[tenant].finish())
	}
	return reports, nil
}

// follow takes the next event of the chain, in the order of writing.
func (f *followed) follow(position, previous int64, e audit.Event) {
	if e.Sequence <= f.pruned.Sequence && f.report.Events == 0 && e.Sequence > 0 {
		return // on its way out
	}
	f.report.Events++
	if f.report.Fault != nil {
		return
	}
	if err := e.Follows(f.at); err != nil {
		f.report.Fault = err
		return
	}
	// What the retention removed is not there to be pointed to.
	if first := e.Sequence == f.pruned.Sequence+1; !first && previous != f.position || first && f.pruned.Sequence == 0 && previous != 0 {
		f.report.Fault = f.fault(e.Sequence, "it does not point to the event before it")
		return
	}
	if through, ok := e.Pruned(); ok {
		f.said = through
	}
	for _, anchor := range f.anchors {
		if e.Sequence == anchor.Sequence && e.Hash != anchor.Hash {
			f.report.Fault = anchor.Moved()
			return
		}
	}
	f.at, f.position = e.Link(), position
}

// finish compares the chain's end with its head, and its beginning with what the
// events say.
func (f *followed) finish() ChainReport {
	switch {
	case f.report.Fault != nil:
	case f.at.Sequence < f.head.Sequence:
		f.report.Fault = f.fault(f.at.Sequence+1, fmt.Sprintf("it is missing, with all behind it up to event %d", f.head.Sequence))
	case f.at != f.head || f.position != f.chain.position:
		f.report.Fault = f.fault(f.at.Sequence, "it is the last, and the head of the chain is not")
	case f.said != f.pruned && !f.leaving:
		f.report.Fault = f.fault(f.pruned.Sequence, "it was removed, with all before it, and no event says so")
	}
	for _, anchor := range f.anchors {
		if f.report.Fault == nil {
			f.report.Fault = anchor.Check(f.pruned, f.head)
		}
	}
	return f.report
}

func (f *followed) fault(sequence int64, reason string) *audit.Fault {
	return &audit.Fault{Tenant: f.report.Tenant, Sequence: sequence, Reason: reason}
}
