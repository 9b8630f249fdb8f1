// Package audit owns the audit trail: what an event says, who acts and from where,
// what a change did to which fields, and the chain of hashes that shows whether
// events were altered.
//
// Every tenant has a chain of its own, and the installation has one. An event
// names its place in the chain (its sequence, from 1, without a gap) and the hash
// of the event before, and its own hash covers all of that and all that it says
// (Event.AppendCanonical). So nothing can be changed, removed, added or moved
// without changing every hash behind it, up to the head that the chain keeps
// beside its events.
//
// Invariants: no secret is part of an event, because Changes takes single fields
// that its caller names and never a value whole; what an event says is bounded in
// size; nothing here does I/O. Package storage writes the events, in the
// transaction of the change.
package audit
