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

-- The tenants that a way down kept, and whose the rows are that it left: nothing
-- unless there was one.
-- +maestro restore table tenants
-- +maestro restore table tenant_use
CREATE TABLE IF NOT EXISTS kept_2_tenant_of (row TEXT NOT NULL, id BLOB NOT NULL, tenant_id BLOB NOT NULL, PRIMARY KEY (row, id)) WITHOUT ROWID;

-- 2. The default tenant. Its id is fixed, so that every upgraded installation
--    calls it the same; its limits admit what is already there.
INSERT INTO tenants (id, num, name, slug, max_projects, max_artifacts, success_weights, created_at, updated_at)
SELECT x'00000000000070008000000000000001', coalesce(max(num), 0) + 1,
       CASE WHEN EXISTS (SELECT 1 FROM tenants WHERE name = 'Default') THEN 'Default (upgraded)' ELSE 'Default' END,
       CASE WHEN EXISTS (SELECT 1 FROM tenants WHERE slug = 'default') THEN 'default-upgraded' ELSE 'default' END,
       max(100, (SELECT count(*) FROM projects)), max(1000, (SELECT count(*) FROM artifacts)),
       '{"model_performance":0.4,"business_impact":0.3,"cost_efficiency":0.15,"delivery_speed":0.15}',
       CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM tenants
HAVING count(*) = 0 OR (NOT EXISTS (SELECT 1 FROM tenants WHERE id = x'00000000000070008000000000000001') AND (
    EXISTS (SELECT 1 FROM projects p WHERE NOT EXISTS (SELECT 1 FROM kept_2_tenant_of k WHERE k.row = 'projects' AND k.id = p.id))
    OR EXISTS (SELECT 1 FROM artifacts a WHERE NOT EXISTS (SELECT 1 FROM kept_2_tenant_of k WHERE k.row = 'artifacts' AND k.id = a.id))
    OR EXISTS (SELECT 1 FROM predictions p WHERE p.project_id IS NULL AND NOT EXISTS (SELECT 1 FROM kept_2_tenant_of k WHERE k.row = 'predictions' AND k.id = p.id))));

-- 3. tenant_id, which may be empty, on all six tables; 4. filled with the default
--    tenant, which as the column's default rewrites no row. A row that a way down
--    left has the tenant that it had, and what was added to it its project's.
ALTER TABLE projects ADD COLUMN tenant_id BLOB DEFAULT x'00000000000070008000000000000001';
ALTER TABLE artifacts ADD COLUMN tenant_id BLOB DEFAULT x'00000000000070008000000000000001';
ALTER TABLE artifact_usage ADD COLUMN tenant_id BLOB DEFAULT x'00000000000070008000000000000001';
ALTER TABLE team_members ADD COLUMN tenant_id BLOB DEFAULT x'00000000000070008000000000000001';
ALTER TABLE process_metrics ADD COLUMN tenant_id BLOB DEFAULT x'00000000000070008000000000000001';
ALTER TABLE predictions ADD COLUMN tenant_id BLOB DEFAULT x'00000000000070008000000000000001';
UPDATE projects SET tenant_id = k.tenant_id FROM kept_2_tenant_of k WHERE k.row = 'projects' AND k.id = projects.id;
UPDATE artifacts SET tenant_id = k.tenant_id FROM kept_2_tenant_of k WHERE k.row = 'artifacts' AND k.id = artifacts.id;
UPDATE artifact_usage SET tenant_id = coalesce((SELECT k.tenant_id FROM kept_2_tenant_of k WHERE k.row = 'artifact_usage' AND k.id = artifact_usage.id),
    (SELECT p.tenant_id FROM projects p WHERE p.id = artifact_usage.project_id), x'00000000000070008000000000000001')
WHERE EXISTS (SELECT 1 FROM kept_2_tenant_of);
UPDATE team_members SET tenant_id = coalesce((SELECT k.tenant_id FROM kept_2_tenant_of k WHERE k.row = 'team_members' AND k.id = team_members.id),
    (SELECT p.tenant_id FROM projects p WHERE p.id = team_members.project_id), x'00000000000070008000000000000001')
WHERE EXISTS (SELECT 1 FROM kept_2_tenant_of);
UPDATE process_metrics SET tenant_id = coalesce((SELECT k.tenant_id FROM kept_2_tenant_of k WHERE k.row = 'process_metrics' AND k.id = process_metrics.id),
    (SELECT p.tenant_id FROM projects p WHERE p.id = process_metrics.project_id), x'00000000000070008000000000000001')
WHERE EXISTS (SELECT 1 FROM kept_2_tenant_of);
UPDATE predictions SET tenant_id = coalesce((SELECT k.tenant_id FROM kept_2_tenant_of k WHERE k.row = 'predictions' AND k.id = predictions.id),
    (SELECT p.tenant_id FROM projects p WHERE p.id = predictions.project_id), x'00000000000070008000000000000001')
WHERE EXISTS (SELECT 1 FROM kept_2_tenant_of);

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
-- +maestro in chunks of projects
INSERT INTO projects_new
SELECT tenant_id, id, name, description, problem_class, status, complexity_score, team_size, start_date,
       completion_date, model_performance, compute_cost, business_impact, success_score, metadata, created_at, updated_at
FROM projects WHERE $chunk ORDER BY id;

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
-- +maestro in chunks of artifacts
INSERT INTO artifacts_new
SELECT tenant_id, id, name, type, version, description, tags, content_hash, size_bytes, storage_uri,
       usage_count, avg_impact_score, metadata, created_at, updated_at
FROM artifacts WHERE $chunk ORDER BY id;

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
-- +maestro in chunks of artifact_usage
INSERT INTO artifact_usage_new
SELECT tenant_id, id, artifact_id, project_id, used_at, impact_score, context
FROM artifact_usage WHERE $chunk ORDER BY id;

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
-- +maestro in chunks of team_members
INSERT INTO team_members_new
SELECT tenant_id, id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at
FROM team_members WHERE $chunk ORDER BY id;

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
-- +maestro in chunks of process_metrics
INSERT INTO process_metrics_new
SELECT tenant_id, id, project_id, metric_type, metric_value, timestamp, metadata
FROM process_metrics WHERE $chunk ORDER BY id;

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
-- +maestro in chunks of predictions
INSERT INTO predictions_new
SELECT tenant_id, id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost,
       confidence, recommendation, model_version, created_at
FROM predictions WHERE $chunk ORDER BY id;

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

-- What a way down could not leave in tables without tenants: rows whose id another
-- tenant's row has.
-- +maestro restore table projects
-- +maestro restore table artifacts
-- +maestro restore table artifact_usage
-- +maestro restore table team_members
-- +maestro restore table process_metrics
-- +maestro restore table predictions
DROP TABLE kept_2_tenant_of;

INSERT OR IGNORE INTO tenant_use (tenant_id) SELECT id FROM tenants;
UPDATE tenant_use SET
    projects = (SELECT count(*) FROM projects p WHERE p.tenant_id = tenant_use.tenant_id),
    artifacts = (SELECT count(*) FROM artifacts a WHERE a.tenant_id = tenant_use.tenant_id);

-- Older systems did not check what their rows refer to, and know nothing of rows
-- of two tenants that must not meet.
-- +maestro set aside what refers to nothing

-- +goose Down

-- Whose the rows are, unless the default tenant's. Ids are unique in a tenant
-- only: of rows that share one, the first tenant's stays and the others are kept.
-- +maestro keep projects
SELECT * FROM projects WHERE (SELECT count(*) FROM tenants) > 1 AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY id ORDER BY tenant_id) AS n FROM projects) WHERE n > 1);
-- +maestro keep artifacts
SELECT * FROM artifacts WHERE (SELECT count(*) FROM tenants) > 1 AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY id ORDER BY tenant_id) AS n FROM artifacts) WHERE n > 1);
-- +maestro keep artifact_usage
SELECT * FROM artifact_usage WHERE (SELECT count(*) FROM tenants) > 1 AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY id ORDER BY tenant_id) AS n FROM artifact_usage) WHERE n > 1);
-- +maestro keep team_members
SELECT * FROM team_members WHERE (SELECT count(*) FROM tenants) > 1 AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY id ORDER BY tenant_id) AS n FROM team_members) WHERE n > 1);
-- +maestro keep process_metrics
SELECT * FROM process_metrics WHERE (SELECT count(*) FROM tenants) > 1 AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY id ORDER BY tenant_id) AS n FROM process_metrics) WHERE n > 1);
-- +maestro keep predictions
SELECT * FROM predictions WHERE (SELECT count(*) FROM tenants) > 1 AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY id ORDER BY tenant_id) AS n FROM predictions) WHERE n > 1);
CREATE TABLE kept_2_tenant_of (row TEXT NOT NULL, id BLOB NOT NULL, tenant_id BLOB NOT NULL, PRIMARY KEY (row, id)) WITHOUT ROWID;
INSERT OR IGNORE INTO kept_2_tenant_of SELECT 'projects', id, tenant_id FROM projects
WHERE tenant_id <> x'00000000000070008000000000000001' AND NOT EXISTS (SELECT 1 FROM projects d WHERE d.tenant_id = x'00000000000070008000000000000001' AND d.id = projects.id)
ORDER BY tenant_id, id;
INSERT OR IGNORE INTO kept_2_tenant_of SELECT 'artifacts', id, tenant_id FROM artifacts
WHERE tenant_id <> x'00000000000070008000000000000001' AND NOT EXISTS (SELECT 1 FROM artifacts d WHERE d.tenant_id = x'00000000000070008000000000000001' AND d.id = artifacts.id)
ORDER BY tenant_id, id;
INSERT OR IGNORE INTO kept_2_tenant_of SELECT 'artifact_usage', id, tenant_id FROM artifact_usage
WHERE tenant_id <> x'00000000000070008000000000000001' AND NOT EXISTS (SELECT 1 FROM artifact_usage d WHERE d.tenant_id = x'00000000000070008000000000000001' AND d.id = artifact_usage.id)
ORDER BY tenant_id, id;
INSERT OR IGNORE INTO kept_2_tenant_of SELECT 'team_members', id, tenant_id FROM team_members
WHERE tenant_id <> x'00000000000070008000000000000001' AND NOT EXISTS (SELECT 1 FROM team_members d WHERE d.tenant_id = x'00000000000070008000000000000001' AND d.id = team_members.id)
ORDER BY tenant_id, id;
INSERT OR IGNORE INTO kept_2_tenant_of SELECT 'process_metrics', id, tenant_id FROM process_metrics
WHERE tenant_id <> x'00000000000070008000000000000001' AND NOT EXISTS (SELECT 1 FROM process_metrics d WHERE d.tenant_id = x'00000000000070008000000000000001' AND d.id = process_metrics.id)
ORDER BY tenant_id, id;
INSERT OR IGNORE INTO kept_2_tenant_of SELECT 'predictions', id, tenant_id FROM predictions
WHERE tenant_id <> x'00000000000070008000000000000001' AND NOT EXISTS (SELECT 1 FROM predictions d WHERE d.tenant_id = x'00000000000070008000000000000001' AND d.id = predictions.id)
ORDER BY tenant_id, id;

-- The tables of the core.
CREATE TABLE projects_old (
    id                BLOB    NOT NULL PRIMARY KEY,
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
    updated_at        INTEGER NOT NULL
) STRICT;
-- +maestro in chunks of projects
INSERT OR IGNORE INTO projects_old
SELECT id, name, description, problem_class, status, complexity_score, team_size, start_date, completion_date,
       model_performance, compute_cost, business_impact, success_score, metadata, created_at, updated_at
FROM projects WHERE $chunk ORDER BY tenant_id, id;

CREATE TABLE artifacts_old (
    id               BLOB    NOT NULL PRIMARY KEY,
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
    updated_at       INTEGER NOT NULL
) STRICT;
-- +maestro in chunks of artifacts
INSERT OR IGNORE INTO artifacts_old
SELECT id, name, type, version, description, tags, content_hash, size_bytes, storage_uri, usage_count,
       avg_impact_score, metadata, created_at, updated_at
FROM artifacts WHERE $chunk ORDER BY tenant_id, id;

CREATE TABLE artifact_usage_old (
    id           BLOB    NOT NULL PRIMARY KEY,
    artifact_id  BLOB    NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    project_id   BLOB    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    used_at      INTEGER NOT NULL,
    impact_score REAL,
    context      TEXT    NOT NULL DEFAULT '{}'
) STRICT;
-- +maestro in chunks of artifact_usage
INSERT OR IGNORE INTO artifact_usage_old
SELECT id, artifact_id, project_id, used_at, impact_score, context
FROM artifact_usage WHERE $chunk ORDER BY tenant_id, id;

CREATE TABLE team_members_old (
    id                 BLOB    NOT NULL PRIMARY KEY,
    project_id         BLOB    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name               TEXT    NOT NULL,
    role               TEXT    NOT NULL,
    experience_level   TEXT    NOT NULL,
    contribution_hours REAL    NOT NULL DEFAULT 0,
    performance_score  REAL,
    created_at         INTEGER NOT NULL
) STRICT;
-- +maestro in chunks of team_members
INSERT OR IGNORE INTO team_members_old
SELECT id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at
FROM team_members WHERE $chunk ORDER BY tenant_id, id;

CREATE TABLE process_metrics_old (
    id           BLOB    NOT NULL PRIMARY KEY,
    project_id   BLOB    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    metric_type  TEXT    NOT NULL,
    metric_value REAL    NOT NULL,
    timestamp    INTEGER NOT NULL,
    metadata     TEXT    NOT NULL DEFAULT '{}'
) STRICT;
-- +maestro in chunks of process_metrics
INSERT OR IGNORE INTO process_metrics_old
SELECT id, project_id, metric_type, metric_value, timestamp, metadata
FROM process_metrics WHERE $chunk ORDER BY tenant_id, id;

CREATE TABLE predictions_old (
    id                      BLOB    NOT NULL PRIMARY KEY,
    project_id              BLOB    REFERENCES projects (id) ON DELETE CASCADE,
    inputs                  TEXT    NOT NULL DEFAULT '{}',
    predicted_success_score REAL,
    predicted_duration_days REAL,
    predicted_cost          REAL,
    confidence              REAL,
    recommendation          TEXT    NOT NULL DEFAULT '',
    model_version           TEXT    NOT NULL DEFAULT '',
    created_at              INTEGER NOT NULL
) STRICT;
-- +maestro in chunks of predictions
INSERT OR IGNORE INTO predictions_old
SELECT id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost, confidence,
       recommendation, model_version, created_at
FROM predictions WHERE $chunk ORDER BY tenant_id, id;

DROP TABLE predictions;
DROP TABLE process_metrics;
DROP TABLE team_members;
DROP TABLE artifact_usage;
DROP TABLE artifacts;
DROP TABLE projects;
ALTER TABLE projects_old RENAME TO projects;
ALTER TABLE artifacts_old RENAME TO artifacts;
ALTER TABLE artifact_usage_old RENAME TO artifact_usage;
ALTER TABLE team_members_old RENAME TO team_members;
ALTER TABLE process_metrics_old RENAME TO process_metrics;
ALTER TABLE predictions_old RENAME TO predictions;
-- +maestro keep table tenant_use
-- +maestro keep table tenants
