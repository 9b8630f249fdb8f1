package audit

import (
	"encoding/json"
	"fmt"

	"maestro/tenancy"
)

// Link is a place in a chain: an event's sequence, hash and time. The zero Link
// stands before the first event.
type Link struct {
	Sequence int64        `json:"sequence"`
	Hash     Hash         `json:"hash"`
	Time     tenancy.Time `json:"time"`
}

// Link returns the event's place.
func (e *Event) Link() Link { return Link{e.Sequence, e.Hash, e.Time} }

// Seal completes an event that follows the link: it gives it its place, its time
// and its hash. A clock that was set back does not set back the chain. scratch may
// be nil; its memory is used.
func (e *Event) Seal(after Link, at tenancy.Time, c *Changes, scratch []byte) {
	e.Sequence, e.PreviousHash, e.Time = after.Sequence+1, after.Hash, max(at, after.Time)
	e.Before, e.After = c.sides()
	e.Hash = e.Sum(scratch)
	e.ID = EventID(e.Time, e.Hash)
}

// Fault is where a chain is broken: the first event that is not what it must be.
type Fault struct {
	Tenant   *tenancy.ID `json:"tenant_id"` // nil for the installation
	Sequence int64       `json:"sequence"`
	Reason   string      `json:"reason"`
}

func (f *Fault) Error() string {
	whose := "the installation"
	if f.Tenant != nil {
		whose = "tenant " + f.Tenant.String()
	}
	return fmt.Sprintf("the audit trail of %s is broken at event %d: %s", whose, f.Sequence, f.Reason)
}

// Follows reports where e cannot be the event right behind the link:
// an event is missing, moved or added, or says something else than when it was
// written.
func (e *Event) Follows(link Link) *Fault {
	switch {
	case e.Sequence != link.Sequence+1:
		return &Fault{e.TenantID, link.Sequence + 1, fmt.Sprintf("it is missing; event %d stands in its place", e.Sequence)}
	case e.PreviousHash != link.Hash:
		return &Fault{e.TenantID, e.Sequence, "the event before it is not the one that it was written behind"}
	case e.Sum(nil) != e.Hash:
		return &Fault{e.TenantID, e.Sequence, "what it says is not what was written"}
	case e.Time < link.Time:
		return &Fault{e.TenantID, e.Sequence, "it is older than the event before it"}
	case e.ID != EventID(e.Time, e.Hash):
		return &Fault{e.TenantID, e.Sequence, "its id is another event's"}
	}
	return nil
}

// Prune returns what the event says by which the beginning of a chain, through the
// link, is removed.
func Prune(through Link) *Changes {
	return Updated().Count("through_sequence", through.Sequence).Note("through_hash", through.Hash.String()).
		Time("through_time", nil, &through.Time)
}

// Pruned returns through which link the event says that the chain was removed.
func (e *Event) Pruned() (through Link, ok bool) {
	if e.Action != AuditPrune {
		return through, false
	}
	var said struct {
		Sequence int64        `json:"through_sequence"`
		Hash     Hash         `json:"through_hash"`
		Time     tenancy.Time `json:"through_time"`
	}
	if err := json.Unmarshal(e.After, &said); err != nil {
		return through, false
	}
	return Link{said.Sequence, said.Hash, said.Time}, true
}
