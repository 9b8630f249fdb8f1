-- The import of an older system's database: how far it is, so that it can go on
-- where it was stopped, and what did not fit, so that nothing is dropped silently.

-- +goose Up
CREATE TABLE import_progress (
    tenant_id BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    source    TEXT    NOT NULL, -- what is imported, as the operator named it
    relation  TEXT    NOT NULL, -- of the source
    last_id   TEXT    NOT NULL, -- the last row that is in, as the source writes its id
    rows      INTEGER NOT NULL, -- that are in
    PRIMARY KEY (tenant_id, source, relation)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_misfits (
    tenant_id  BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    relation   TEXT    NOT NULL, -- of the source
    row_id     TEXT    NOT NULL, -- as the source writes it
    field      TEXT    NOT NULL, -- '' for the row as a whole
    value      TEXT    NOT NULL, -- JSON of the field, or of the row
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, relation, row_id, field)
) STRICT, WITHOUT ROWID;
-- +maestro restore table import_progress
-- +maestro restore table import_misfits

-- +goose Down
-- +maestro keep table import_misfits
-- +maestro keep table import_progress
