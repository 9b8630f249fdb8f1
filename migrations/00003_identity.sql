-- Identity: who may log in to a tenant, what they may do there, and by which
-- credentials. No table holds a secret, only hashes of them.

-- +goose Up

-- Epochs: every session remembers those of its user, tenant and installation. One
-- that differs ends it, however many sessions there are.
ALTER TABLE tenants ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
CREATE TABLE installation (
    only         INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    global_epoch INTEGER NOT NULL,
    revoked      INTEGER NOT NULL -- the highest acknowledged sequence number of the revocations
) STRICT;
INSERT INTO installation (only, global_epoch, revoked) VALUES (1, 1, 0);

CREATE TABLE users (
    tenant_id           BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                  BLOB    NOT NULL,
    email               TEXT    NOT NULL,
    email_key           TEXT    NOT NULL, -- the form in which addresses are compared
    name                TEXT    NOT NULL,
    password_hash       TEXT,             -- null for a service account, and until an invitation is accepted
    is_active           INTEGER NOT NULL,
    is_operator         INTEGER NOT NULL,
    is_service          INTEGER NOT NULL,
    epoch               INTEGER NOT NULL DEFAULT 1,
    last_login_at       INTEGER,
    password_changed_at INTEGER,
    metadata            TEXT    NOT NULL DEFAULT '{}',
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    version             INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_email ON users (tenant_id, email_key);
CREATE INDEX users_any_email ON users (email_key); -- for a login that names no tenant
CREATE INDEX users_created ON users (tenant_id, created_at, id);
CREATE INDEX users_name ON users (tenant_id, name, id);
CREATE INDEX users_operators ON users (tenant_id, id) WHERE is_operator = 1;

-- What a tenant defines beside the system roles, which are part of the program.
CREATE TABLE roles (
    tenant_id   BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL DEFAULT '',
    permissions TEXT    NOT NULL DEFAULT '[]',
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- role names a system role or one of the tenant's own, so it is no reference.
CREATE TABLE user_roles (
    tenant_id BLOB NOT NULL,
    user_id   BLOB NOT NULL,
    role      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX user_roles_role ON user_roles (tenant_id, role, user_id);

-- A login: a family of refresh tokens, of which the hashes of the current one and
-- of the one before are kept.
CREATE TABLE sessions (
    tenant_id     BLOB    NOT NULL,
    id            BLOB    NOT NULL,
    user_id       BLOB    NOT NULL,
    user_epoch    INTEGER NOT NULL,
    tenant_epoch  INTEGER NOT NULL,
    global_epoch  INTEGER NOT NULL,
    generation    INTEGER NOT NULL DEFAULT 0, -- counts the rotations
    current_hash  BLOB    NOT NULL,
    previous_hash BLOB,
    rotated_at    INTEGER,
    address       TEXT    NOT NULL,
    user_agent    TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    access_until  INTEGER NOT NULL, -- when the last access token issued expires
    ends_at       INTEGER NOT NULL, -- when it expires, or ended before
    end_reason    TEXT,             -- null until it is ended
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (tenant_id, user_id, last_used_at, id);
CREATE INDEX sessions_ends ON sessions (ends_at);

CREATE TABLE api_tokens (
    tenant_id    BLOB    NOT NULL,
    id           BLOB    NOT NULL,
    user_id      BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    digest       BLOB    NOT NULL,
    scopes       TEXT    NOT NULL DEFAULT '[]',
    created_by   BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_tokens_digest ON api_tokens (digest);
CREATE INDEX api_tokens_created ON api_tokens (tenant_id, created_at, id);
CREATE INDEX api_tokens_user ON api_tokens (tenant_id, user_id, created_at, id);

-- One-time links that set a password: one of a kind for each user.
CREATE TABLE links (
    tenant_id  BLOB    NOT NULL,
    user_id    BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    created_by BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id, kind),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX links_digest ON links (digest);
CREATE INDEX links_expires ON links (expires_at);

-- What a way down kept.
-- +maestro restore columns of tenants
-- +maestro restore table installation
-- +maestro restore table users
-- +maestro restore table roles
-- +maestro restore table user_roles
-- +maestro restore table sessions
-- +maestro restore table api_tokens
-- +maestro restore table links

-- +goose Down
-- +maestro keep table links
-- +maestro keep table api_tokens
-- +maestro keep table sessions
-- +maestro keep table user_roles
-- +maestro keep table roles
-- +maestro keep table users
-- +maestro keep table installation
-- +maestro keep columns of tenants: epoch
-- +maestro drop columns of tenants: epoch
