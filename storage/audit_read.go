package storage

import (
	"context"
	"errors"
	"strings"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

const selectEvent = `SELECT previous, ` + eventColumns + ` FROM audit_events WHERE position = $2 AND tenant_id = $1`

// maxWalk is how many events a page looks at: some 50 ms. A filter that few events
// pass yields pages that are shorter than asked for, or empty, and that go on.
const maxWalk = 10_000

// EventFilter narrows a list of audit events. Zero fields do not narrow.
type EventFilter struct {
	Actor   tenancy.ID
	Action  string // an action, or the kind of object that stands before its dot
	Object  string
	Outcome audit.Outcome
	From    *tenancy.Time
	Until   *tenancy.Time // exclusive
}

func (f *EventFilter) admits(e *audit.Event) bool {
	return (f.Actor.IsZero() || e.ActorID != nil && *e.ActorID == f.Actor) &&
		(f.Action == "" || string(e.Action) == f.Action || !strings.Contains(f.Action, ".") && e.Action.Kind() == f.Action) &&
		(f.Object == "" || e.Object == f.Object) &&
		(f.Outcome == "" || e.Outcome == f.Outcome) &&
		(f.Until == nil || e.Time < *f.Until)
}

// Events returns one page of the tenant's audit trail, the newest first.
func (t *Tenant) Events(ctx context.Context, page Page, f EventFilter) (List[audit.Event], error) {
	return t.events(ctx, t.scope.Tenant(), page, f)
}

// InstallationEvents returns one page of the installation's own audit trail, the
// newest first.
func (s *Store) InstallationEvents(ctx context.Context, page Page, f EventFilter) (List[audit.Event], error) {
	return s.events(ctx, installationChain, page, f)
}

const eventListName = "audit events"

func (s *Store) events(ctx context.Context, tenant tenancy.ID, page Page, f EventFilter) (list List[audit.Event], err error) {
	var checks problem.Checks
	checks.Require(page.Limit >= 1 && page.Limit <= MaxLimit, "query.limit", "must be 1 to %d", MaxLimit)
	if err := checks.Err(); err != nil {
		return list, err
	}
	list.Items = []audit.Event{}
	err = s.snapshot(ctx, func(c *conn) error {
		trail, err := readChain(c, tenant)
		if errors.Is(err, errNoRow) {
			return nil // nothing has happened yet
		}
		if err != nil {
			return err
		}
		position, sequence := trail.position, trail.head.Sequence
		if page.Cursor != "" {
			at, err := s.decodeCursor(tenant, eventListName, "", page.Cursor)
			if err != nil {
				return err
			}
			// What is signed for this list has its form.
			values := at.Value.([]any)
			position, sequence = int64(values[0].(float64)), int64(values[1].(float64))
		}
		for looked := 0; sequence > trail.pruned.Sequence; looked++ {
			if len(list.Items) == page.Limit || looked == maxWalk {
				list.Next = s.encodeCursor(tenant, eventListName, "", positionOfEvent(position, sequence))
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			e, previous, err := readEventAt(c, tenant, position, sequence)
			if err != nil {
				return err
			}
			if f.From != nil && e.Time < *f.From {
				return nil // those before are not newer
			}
			if f.admits(&e) {
				list.Items = append(list.Items, e)
			}
			position, sequence = previous, sequence-1
		}
		return nil
	})
	return list, err
}

func positionOfEvent(at, sequence int64) position { return position{Value: []any{at, sequence}} }

// readEventAt reads the event that a chain's pointer leads to. One that is not there
// is a *audit.Fault.
func readEventAt(c *conn, tenant tenancy.ID, at, sequence int64) (e audit.Event, previous int64, err error) {
	err = c.queryRow(selectEvent, []any{tenant, at}, func(r row) {
		previous, e = r.int(0), readEvent(r.from(1), tenant)
	})
	if errors.Is(err, errNoRow) || err == nil && e.Sequence != sequence {
		err = &audit.Fault{Tenant: chainName(tenant), Sequence: sequence, Reason: "it is missing"}
	}
	return e, previous, err
}

// chainName is how an event names its chain: nil for the installation's.
func chainName(tenant tenancy.ID) *tenancy.ID {
	if tenant == installationChain {
		return nil
	}
	return &tenant
}

func readEvent(r row, tenant tenancy.ID) audit.Event {
	e := audit.Event{
		TenantID: chainName(tenant), Sequence: r.int(0), Time: r.time(1), ActorKind: tenancy.ActorKind(r.text(2)),
		ActorID: r.eventID(3), CredentialID: r.eventID(4), Address: r.text(5), RequestID: r.text(6), Action: audit.Action(r.text(7)),
		Object: r.text(8), Outcome: audit.Outcome(r.text(9)), Before: r.eventObject(10), After: r.eventObject(11),
		PreviousHash: r.hash(12), Hash: r.hash(13),
	}
	e.ID = audit.EventID(e.Time, e.Hash)
	return e
}

// The columns of an event may have been altered by anybody. What cannot have been
// written is read as something that no hash fits, never as something that was.

func (r row) eventID(i int) *tenancy.ID {
	if r.null(i) {
		return nil
	}
	id := tenancy.ID{0xff}
	if found := r.s.columnBytes(r.at + i); len(found) == len(id) {
		id = tenancy.ID(found)
	}
	return &id
}

func (r row) eventObject(i int) tenancy.Object {
	if r.null(i) {
		return nil
	}
	text := r.s.columnBytes(r.at + i)
	if len(text) <= len("{}") {
		return tenancy.Object("{ }")
	}
	return append(tenancy.Object{}, text...)
}

func (r row) hash(i int) (hash audit.Hash) {
	if found := r.s.columnBytes(r.at + i); len(found) == len(hash) {
		return audit.Hash(found)
	}
	for i := range hash {
		hash[i] = 0xff
	}
	return hash
}
