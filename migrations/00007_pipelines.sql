-- Pipelines: what continuous integration reports of a project, and the hooks that
-- it reports through.

-- +goose Up
-- secret is encrypted, for it is the key of the deliveries' signatures and cannot
-- be a hash. remembered counts the hook's rows in hook_deliveries.
CREATE TABLE hooks (
    tenant_id           BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                  BLOB    NOT NULL,
    project_id          BLOB    NOT NULL,
    name                TEXT    NOT NULL,
    provider            TEXT    NOT NULL,
    deployment_workflow TEXT    NOT NULL DEFAULT '',
    secret              BLOB    NOT NULL,
    created_by          BLOB,
    created_at          INTEGER NOT NULL,
    last_delivery_at    INTEGER,
    deliveries          INTEGER NOT NULL DEFAULT 0,
    remembered          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
-- A delivery names the hook alone.
CREATE INDEX hooks_id ON hooks (id);
CREATE INDEX hooks_project ON hooks (tenant_id, project_id, created_at, id);

-- What was delivered lately, so that it has no effect a second time. No foreign
-- key: the rows of a hook that is gone are swept like the others, in slices.
CREATE TABLE hook_deliveries (
    tenant_id   BLOB    NOT NULL,
    hook_id     BLOB    NOT NULL,
    digest      BLOB    NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, hook_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX hook_deliveries_received ON hook_deliveries (tenant_id, received_at);

-- One row a run, by whatever ways and however often it is reported. week is the
-- Monday of the week in which it first succeeded or failed; null until then.
-- succeeded_at is when it first succeeded: it may have failed since.
CREATE TABLE pipeline_runs (
    tenant_id    BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id           BLOB    NOT NULL,
    project_id   BLOB    NOT NULL,
    provider     TEXT    NOT NULL,
    run_id       TEXT    NOT NULL,
    name         TEXT    NOT NULL DEFAULT '',
    status       TEXT    NOT NULL,
    branch       TEXT    NOT NULL DEFAULT '',
    commit_sha   TEXT,
    committed_at INTEGER,
    started_at   INTEGER,
    finished_at  INTEGER,
    succeeded_at INTEGER,
    seconds      REAL,
    deployment   INTEGER NOT NULL DEFAULT 0,
    environment  TEXT    NOT NULL DEFAULT '',
    production   INTEGER NOT NULL DEFAULT 0,
    week         INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX pipeline_runs_run ON pipeline_runs (tenant_id, project_id, provider, run_id);
CREATE INDEX pipeline_runs_list ON pipeline_runs (tenant_id, project_id, created_at, id);
CREATE INDEX pipeline_runs_commit ON pipeline_runs (tenant_id, project_id, commit_sha) WHERE commit_sha IS NOT NULL;
-- Holds all that a week's metrics are made of.
CREATE INDEX pipeline_runs_week ON pipeline_runs (tenant_id, project_id, week, deployment, production, status, seconds, committed_at, succeeded_at)
    WHERE week IS NOT NULL;

-- When commits were made, for the deployments that name only the commit.
CREATE TABLE commit_times (
    tenant_id    BLOB    NOT NULL,
    project_id   BLOB    NOT NULL,
    commit_sha   TEXT    NOT NULL,
    committed_at INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, project_id, commit_sha),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX commit_times_created ON commit_times (tenant_id, created_at);

-- Which points are derived from runs, so that they are replaced and not added to.
CREATE TABLE derived_points (
    tenant_id   BLOB    NOT NULL,
    project_id  BLOB    NOT NULL,
    metric_type TEXT    NOT NULL,
    time        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, project_id, metric_type, time),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- +maestro restore table hooks
-- +maestro restore table hook_deliveries
-- +maestro restore table pipeline_runs
-- +maestro restore table commit_times
-- +maestro restore table derived_points

-- +goose Down
-- +maestro keep table derived_points
-- +maestro keep table commit_times
-- +maestro keep table pipeline_runs
-- +maestro keep table hook_deliveries
-- +maestro keep table hooks
