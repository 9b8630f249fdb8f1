package audit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"maestro/tenancy"
)

// Anchor is a place in a chain that was noted elsewhere. Whoever can write the
// database can write a chain anew, with hashes that fit; a chain that still has the
// anchor's event at its place was not, up to there.
type Anchor struct {
	Tenant   tenancy.ID // zero for the installation's chain
	Sequence int64
	Hash     Hash
}

// installationName is the installation's chain in an anchor's text.
const installationName = "installation"

// String returns the text that ParseAnchor reads: the tenant's id or the word
// installation, the sequence and the hash, with colons between.
func (a Anchor) String() string {
	chain := installationName
	if !a.Tenant.IsZero() {
		chain = a.Tenant.String()
	}
	return fmt.Sprintf("%s:%d:%s", chain, a.Sequence, a.Hash)
}

var errAnchor = errors.New("must be a tenant's id or the word installation, a sequence number and a hash, with colons between, as maestro audit verify prints it")

// ParseAnchor reads the text of an anchor.
func ParseAnchor(text string) (a Anchor, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return a, errAnchor
	}
	if parts[0] != installationName {
		if a.Tenant, err = tenancy.ParseID(parts[0]); err != nil || a.Tenant.IsZero() {
			return a, errAnchor
		}
	}
	if a.Sequence, err = strconv.ParseInt(parts[1], 10, 64); err != nil || a.Sequence < 1 {
		return a, errAnchor
	}
	if a.Hash.UnmarshalText([]byte(parts[2])) != nil {
		return a, errAnchor
	}
	return a, nil
}

// Anchor returns the event's place as an anchor.
func (e *Event) Anchor() Anchor {
	a := Anchor{Sequence: e.Sequence, Hash: e.Hash}
	if e.TenantID != nil {
		a.Tenant = *e.TenantID
	}
	return a
}

// name is how an event names the anchor's chain.
func (a Anchor) name() *tenancy.ID { return a.Tenant.OrNil() }

// Moved returns the fault of a chain that has another event at the anchor's place.
func (a Anchor) Moved() *Fault {
	return &Fault{a.name(), a.Sequence, "it is not the event that the anchor names: the chain was written anew, or is another one"}
}

// Check reports where a sound chain, from behind pruned to head, cannot have had the
// anchor. What the retention removed cannot be told.
func (a Anchor) Check(pruned, head Link) *Fault {
	switch {
	case a.Sequence > head.Sequence:
		return &Fault{a.name(), head.Sequence + 1, fmt.Sprintf("it is missing, with all behind it up to event %d, which the anchor names", a.Sequence)}
	case a.Sequence == pruned.Sequence && a.Hash != pruned.Hash, a.Sequence == head.Sequence && a.Hash != head.Hash:
		return a.Moved()
	}
	return nil
}
