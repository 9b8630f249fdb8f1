-- The tenancy upgrade. Every row of the single-tenant core comes to belong to
-- the tenant 'default'. SQLite cannot add a constraint to a table, so each table
-- is rebuilt: clustered by (tenant_id, id), which makes a tenant's rows
-- neighbours on disk, with composite foreign keys, so that the database itself
-- refuses a reference into another tenant.

-- +goose Up

-- 1. Tenants, and the counters that their limits are checked against. The
--    counters have a table of their own because they change with every create.
CREATE TABLE tenants (
    id                BLOB    NOT NULL PRIMARY KEY,
    num               INTEGER NOT NULL UNIQUE, -- short name of the tenant in the search index
    name              TEXT    NOT NULL,
    slug              TEXT    NOT NULL,
    is_active         INTEGER NOT NULL DEFAULT 1,
    max_users         INTEGER NOT NULL DEFAULT 10,
    max_projects      INTEGER NOT NULL DEFAULT 100,
    max_artifacts     INTEGER NOT NULL DEFAULT 1000,
    max_storage_bytes INTEGER NOT NULL DEFAULT 53687091200,
    success_weights   TEXT    NOT NULL,
    metadata          TEXT    NOT NULL DEFAULT '{}',
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    revision          INTEGER NOT NULL DEFAULT 1,
    deleted_at        INTEGER -- set: gone for everybody, its rows are being removed in slices
) STRICT;
CREATE UNIQUE INDEX tenants_name ON tenants (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX tenants_slug ON tenants (slug) WHERE deleted_at IS NULL;
CREATE INDEX tenants_created ON tenants (created_at, id);
CREATE INDEX tenants_deleted ON tenants (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE tenant_use (
    tenant_id     BLOB    NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    users         INTEGER NOT NULL DEFAULT 0,
    projects      INTEGER NOT NULL DEFAULT 0,
    artifacts     INTEGER NOT NULL DEFAULT 0,
    storage_bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- 2. The default tenant. Its id is fixed, so that every upgraded installation
--    calls it the same; its limits admit what is already there.
INSERT INTO tenants (id, num, name, slug, max_projects, max_artifacts, success_weights, created_at, updated_at)
SELECT x'00000000000070008000000000000001', 1, 'Default', 'default',
       max(100, (SELECT count(*) FROM projects)), max(1000, (SELECT count(*) FROM artifacts)),
       '{"model_performance":0.4,"business_impact":0.3,"cost_efficiency":0.15,"delivery_speed":0.15}',
       CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER);
INSERT INTO tenant_use (tenant_id, projects, artifacts)
SELECT id, (SELECT count(*) FROM projects), (SELECT count(*) FROM artifacts) FROM tenants;

-- 3. tenant_id, empty, on all six tables; 4. filled with the default tenant.
ALTER TABLE projects ADD COLUMN tenant_id BLOB;
ALTER TABLE artifacts ADD COLUMN tenant_id BLOB;
ALTER TABLE artifact_usage ADD COLUMN tenant_id BLOB;
ALTER TABLE team_members ADD COLUMN tenant_id BLOB;
ALTER TABLE process_metrics ADD COLUMN tenant_id BLOB;
ALTER TABLE predictions ADD COLUMN tenant_id BLOB;
UPDATE projects SET tenant_id = x'00000000000070008000000000000001';
UPDATE artifacts SET tenant_id = x'00000000000070008000000000000001';
UPDATE artifact_usage SET tenant_id = x'00000000000070008000000000000001';
UPDATE team_members SET tenant_id = x'00000000000070008000000000000001';
UPDATE process_metrics SET tenant_id = x'00000000000070008000000000000001';
UPDATE predictions SET tenant_id = x'00000000000070008000000000000001';

-- 5. NOT NULL, 6. composite foreign keys with cascade: a rebuild of each table.
CREATE TABLE projects_new (
    tenant_id         BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                BLOB    NOT NULL,
    name              TEXT    NOT NULL,
    description       TEXT    NOT NULL DEFAULT '',
    problem_class     TEXT,
    status            TEXT    NOT NULL DEFAULT 'planned',
    complexity_score  REAL,
    team_size         INTEGER,
    start_date        INTEGER,
    completion_date   INTEGER,
    model_performance REAL,
    compute_cost      REAL,
    business_impact   REAL,
    success_score     REAL,
    metadata          TEXT    NOT NULL DEFAULT '{}',
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO projects_new
SELECT tenant_id, id, name, description, problem_class, status, complexity_score, team_size, start_date,
       completion_date, model_performance, compute_cost, business_impact, success_score, metadata, created_at, updated_at
FROM projects;

CREATE TABLE artifacts_new (
    tenant_id        BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id               BLOB    NOT NULL,
    name             TEXT    NOT NULL,
    type             TEXT    NOT NULL,
    version          TEXT    NOT NULL,
    description      TEXT    NOT NULL DEFAULT '',
    tags             TEXT    NOT NULL DEFAULT '[]',
    content_hash     TEXT,
    size_bytes       INTEGER,
    storage_uri      TEXT    NOT NULL DEFAULT '',
    usage_count      INTEGER NOT NULL DEFAULT 0,
    avg_impact_score REAL,
    metadata         TEXT    NOT NULL DEFAULT '{}',
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO artifacts_new
SELECT tenant_id, id, name, type, version, description, tags, content_hash, size_bytes, storage_uri,
       usage_count, avg_impact_score, metadata, created_at, updated_at
FROM artifacts;

CREATE TABLE artifact_usage_new (
    tenant_id    BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id           BLOB    NOT NULL,
    artifact_id  BLOB    NOT NULL,
    project_id   BLOB    NOT NULL,
    used_at      INTEGER NOT NULL,
    impact_score REAL,
    context      TEXT    NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, artifact_id) REFERENCES artifacts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO artifact_usage_new
SELECT tenant_id, id, artifact_id, project_id, used_at, impact_score, context FROM artifact_usage;

CREATE TABLE team_members_new (
    tenant_id          BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                 BLOB    NOT NULL,
    project_id         BLOB    NOT NULL,
    name               TEXT    NOT NULL,
    role               TEXT    NOT NULL,
    experience_level   TEXT    NOT NULL,
    contribution_hours REAL    NOT NULL DEFAULT 0,
    performance_score  REAL,
    created_at         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO team_members_new
SELECT tenant_id, id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at
FROM team_members;

CREATE TABLE process_metrics_new (
    tenant_id    BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id           BLOB    NOT NULL,
    project_id   BLOB    NOT NULL,
    metric_type  TEXT    NOT NULL,
    metric_value REAL    NOT NULL,
    timestamp    INTEGER NOT NULL,
    metadata     TEXT    NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO process_metrics_new
SELECT tenant_id, id, project_id, metric_type, metric_value, timestamp, metadata FROM process_metrics;

CREATE TABLE predictions_new (
    tenant_id               BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                      BLOB    NOT NULL,
    project_id              BLOB,
    inputs                  TEXT    NOT NULL DEFAULT '{}',
    predicted_success_score REAL,
    predicted_duration_days REAL,
    predicted_cost          REAL,
    confidence              REAL,
    recommendation          TEXT    NOT NULL DEFAULT '',
    model_version           TEXT    NOT NULL DEFAULT '',
    created_at              INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO predictions_new
SELECT tenant_id, id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost,
       confidence, recommendation, model_version, created_at
FROM predictions;

DROP TABLE predictions;
DROP TABLE process_metrics;
DROP TABLE team_members;
DROP TABLE artifact_usage;
DROP TABLE artifacts;
DROP TABLE projects;
ALTER TABLE projects_new RENAME TO projects;
ALTER TABLE artifacts_new RENAME TO artifacts;
ALTER TABLE artifact_usage_new RENAME TO artifact_usage;
ALTER TABLE team_members_new RENAME TO team_members;
ALTER TABLE process_metrics_new RENAME TO process_metrics;
ALTER TABLE predictions_new RENAME TO predictions;

-- 7. Composite indexes: newest first, and what the foreign keys are looked up by.
CREATE INDEX projects_created ON projects (tenant_id, created_at, id);
CREATE INDEX artifacts_created ON artifacts (tenant_id, created_at, id);
CREATE INDEX artifact_usage_artifact ON artifact_usage (tenant_id, artifact_id, used_at, id);
CREATE INDEX artifact_usage_project ON artifact_usage (tenant_id, project_id, used_at, id);
CREATE INDEX team_members_project ON team_members (tenant_id, project_id, created_at, id);
CREATE INDEX process_metrics_project ON process_metrics (tenant_id, project_id, timestamp);
CREATE INDEX predictions_created ON predictions (tenant_id, created_at, id);
CREATE INDEX predictions_project ON predictions (tenant_id, project_id);
