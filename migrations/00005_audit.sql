-- The audit trail: one table for all chains, in the order of writing, because an
-- event is part of every change. With the chains' events mixed, a hundred tenants'
-- changes dirty one page instead of a hundred; an index on the tenant would bring
-- the hundred back. So an event has a pointer to its chain's event before, and a
-- chain is read from its head backwards.

-- +goose Up
CREATE TABLE audit_events (
    position      INTEGER PRIMARY KEY,
    tenant_id     BLOB    NOT NULL, -- zeros: the installation's own chain
    sequence      INTEGER NOT NULL, -- in its chain, from 1, without a gap
    previous      INTEGER NOT NULL, -- position of the chain's event before; 0: none
    time          INTEGER NOT NULL,
    actor_kind    TEXT    NOT NULL,
    actor_id      BLOB,
    credential_id BLOB,
    address       TEXT    NOT NULL,
    request_id    TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    object        TEXT    NOT NULL,
    outcome       TEXT    NOT NULL,
    before        TEXT,
    after         TEXT,
    previous_hash BLOB    NOT NULL,
    hash          BLOB    NOT NULL
) STRICT;

-- The head of each chain, and how far its beginning was removed. Without it
-- nothing would tell that the last events are missing.
CREATE TABLE audit_chains (
    tenant_id       BLOB    NOT NULL PRIMARY KEY, -- zeros: the installation's own
    position        INTEGER NOT NULL, -- of the last event
    sequence        INTEGER NOT NULL,
    hash            BLOB    NOT NULL,
    time            INTEGER NOT NULL,
    pruned_sequence INTEGER NOT NULL DEFAULT 0, -- of the last event that the retention removed
    pruned_hash     BLOB    NOT NULL,
    pruned_time     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- +maestro restore table audit_events
-- +maestro restore table audit_chains

-- +goose Down
-- +maestro keep table audit_chains
-- +maestro keep table audit_events
