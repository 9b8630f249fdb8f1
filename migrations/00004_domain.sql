-- What the core grew into: attributes, provenance and change counters, content
-- held here, metrics as series, names that are unique in their tenant.

-- +goose Up
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- +maestro restore table settings

-- created_by and the like record who did it. They are not references: they
-- outlive the user.
DROP INDEX projects_created; -- SQLite reads a table's indexes with it when a column is added
ALTER TABLE projects ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN created_by BLOB;
ALTER TABLE projects ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- +maestro restore columns of projects

-- The older system did not keep names apart. The oldest keeps its name.
CREATE INDEX projects_by_name ON projects (tenant_id, name, created_at, id);
-- +maestro keep project_names
SELECT tenant_id, id, name AS was FROM projects
WHERE EXISTS (SELECT 1 FROM projects o WHERE o.tenant_id = projects.tenant_id AND o.name = projects.name
              AND (o.created_at, o.id) < (projects.created_at, projects.id));
DROP INDEX projects_by_name;
-- +maestro if kept project_names
UPDATE projects SET name = substr(name, 1, 200) || ' (' || lower(hex(projects.id)) || ')'
FROM kept_4_project_names k WHERE projects.tenant_id = k.tenant_id AND projects.id = k.id;
CREATE UNIQUE INDEX projects_name ON projects (tenant_id, name);
-- One index orders the list and holds what else it is filtered and sorted by:
-- a tenant's creates dirty pages of three trees, not of seven, which is 3.4 times
-- the rate when they are spread over 100 tenants.
CREATE INDEX projects_list ON projects (tenant_id, created_at, id, status, problem_class, updated_at, success_score);
-- The finished projects' distributions, which the success score ranks within.
CREATE INDEX projects_finished_impact ON projects (tenant_id, business_impact)
    WHERE status = 'completed' AND business_impact IS NOT NULL;
CREATE INDEX projects_finished_cost ON projects (tenant_id, compute_cost)
    WHERE status = 'completed' AND compute_cost IS NOT NULL;
CREATE INDEX projects_finished_time ON projects (tenant_id, completion_date - start_date)
    WHERE status = 'completed' AND completion_date IS NOT NULL AND start_date IS NOT NULL;

-- Which tenants' scores are behind: since when, and how many outcomes have
-- changed, which tells a rescoring whether it saw them all.
ALTER TABLE tenant_use ADD COLUMN scores_stale_since INTEGER;
ALTER TABLE tenant_use ADD COLUMN outcome_changes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tenant_use_stale ON tenant_use (scores_stale_since) WHERE scores_stale_since IS NOT NULL;
-- +maestro restore columns of tenant_use

DROP INDEX artifacts_created;
ALTER TABLE artifacts ADD COLUMN media_type TEXT NOT NULL DEFAULT '';
ALTER TABLE artifacts ADD COLUMN is_active INTEGER NOT NULL DEFAULT 1;
ALTER TABLE artifacts ADD COLUMN created_by BLOB;
ALTER TABLE artifacts ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
-- The sum is kept in billionths: integers can be taken away again without a
-- rounding error, so that the counters equal the usages' rows at all times.
ALTER TABLE artifacts ADD COLUMN impact_sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE artifacts ADD COLUMN impact_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE artifacts ADD COLUMN has_content INTEGER NOT NULL DEFAULT 0; -- 1: content_hash is held here
ALTER TABLE artifacts ADD COLUMN search_id INTEGER;                      -- its row in artifact_search; null: out of search
-- +maestro restore columns of artifacts
CREATE INDEX artifacts_by_name ON artifacts (tenant_id, name, version, created_at, id);
-- +maestro keep artifact_versions
SELECT tenant_id, id, version AS was FROM artifacts
WHERE EXISTS (SELECT 1 FROM artifacts o WHERE o.tenant_id = artifacts.tenant_id AND o.name = artifacts.name
              AND o.version = artifacts.version AND (o.created_at, o.id) < (artifacts.created_at, artifacts.id));
DROP INDEX artifacts_by_name;
-- +maestro if kept artifact_versions
UPDATE artifacts SET version = version || ' (' || lower(hex(artifacts.id)) || ')'
FROM kept_4_artifact_versions k WHERE artifacts.tenant_id = k.tenant_id AND artifacts.id = k.id;
CREATE UNIQUE INDEX artifacts_name ON artifacts (tenant_id, name, version);
-- As with the projects: one index orders the list and holds what it is filtered,
-- sorted and ranked by.
CREATE INDEX artifacts_list ON artifacts (tenant_id, created_at, id, type, is_active, updated_at, usage_count,
    avg_impact_score, impact_count, impact_sum);
CREATE INDEX artifacts_search_id ON artifacts (tenant_id, search_id);
CREATE INDEX artifacts_to_index ON artifacts (tenant_id, created_at, id) WHERE search_id IS NULL AND is_active = 1;

ALTER TABLE artifact_usage ADD COLUMN impact_source TEXT;
ALTER TABLE artifact_usage ADD COLUMN created_by BLOB;
-- +maestro in chunks of artifact_usage
UPDATE artifact_usage SET impact_source = 'reported' WHERE impact_score IS NOT NULL AND $chunk;
-- +maestro restore columns of artifact_usage

-- The older system recomputed its counters now and then. Here they equal the rows.
-- +maestro in chunks of artifacts
UPDATE artifacts SET usage_count = 0, avg_impact_score = NULL
WHERE (usage_count <> 0 OR avg_impact_score IS NOT NULL) AND $chunk
      AND NOT EXISTS (SELECT 1 FROM artifact_usage u WHERE u.tenant_id = artifacts.tenant_id AND u.artifact_id = artifacts.id);
UPDATE artifacts SET usage_count = d.uses, impact_sum = d.units, impact_count = d.scored,
    avg_impact_score = CASE WHEN d.scored > 0 THEN d.units / 1000000000.0 / d.scored END
FROM (SELECT tenant_id, artifact_id, count(*) AS uses, count(impact_score) AS scored,
             coalesce(sum(CAST(round(impact_score * 1000000000.0) AS BIGINT)), 0) AS units
      FROM artifact_usage GROUP BY tenant_id, artifact_id) AS d
WHERE artifacts.tenant_id = d.tenant_id AND artifacts.id = d.artifact_id;

-- Content held here, by digest, stored once in a tenant however many artifacts
-- name it. A row goes when its last artifact goes; the file is swept after.
CREATE TABLE blobs (
    tenant_id    BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    content_hash TEXT    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    refs         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, content_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_size ON blobs (tenant_id, size_bytes);
-- +maestro restore table blobs
-- Artifacts may have gone while the older schema was in force.
UPDATE blobs SET refs = 0;
UPDATE blobs SET refs = d.refs
FROM (SELECT tenant_id, content_hash, count(*) AS refs FROM artifacts WHERE has_content = 1 GROUP BY tenant_id, content_hash) AS d
WHERE blobs.tenant_id = d.tenant_id AND blobs.content_hash = d.content_hash;
DELETE FROM blobs WHERE refs = 0;
UPDATE tenant_use SET storage_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM blobs b WHERE b.tenant_id = tenant_use.tenant_id);

-- Search: the words of name, description and tags, and the tags and the type as
-- words of their own behind a '='. Each has the tenant's number in front, eight
-- hexadecimal digits, so that a tenant's words are a range of their own in the
-- index; the prefixes of 9 to 14 characters are the first 1 to 6 that people
-- type. A row's id is the number of its tenant times 2^32 plus a count in the
-- tenant. So nobody's cost or order depends on another tenant's rows.
CREATE VIRTUAL TABLE artifact_search USING fts5 (
    words,
    content = '', contentless_delete = 1, detail = 'none', tokenize = "ascii tokenchars '='", prefix = '9 10 11 12 13 14'
);
-- Fires for cascades too: nothing that is gone is found.
-- +goose StatementBegin
CREATE TRIGGER artifacts_removed AFTER DELETE ON artifacts WHEN old.search_id IS NOT NULL BEGIN
    DELETE FROM artifact_search WHERE rowid = old.search_id;
END;
-- +goose StatementEnd

-- A member may be a user. Deleting the user empties the reference (by statement:
-- SET NULL would empty tenant_id with it).
CREATE TABLE team_members_new (
    tenant_id          BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                 BLOB    NOT NULL,
    project_id         BLOB    NOT NULL,
    user_id            BLOB,
    name               TEXT    NOT NULL,
    role               TEXT    NOT NULL,
    experience_level   TEXT    NOT NULL,
    contribution_hours REAL    NOT NULL DEFAULT 0,
    performance_score  REAL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    revision           INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO team_members_new (tenant_id, id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at, updated_at)
SELECT tenant_id, id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at, created_at
FROM team_members;
DROP TABLE team_members;
ALTER TABLE team_members_new RENAME TO team_members;
CREATE INDEX team_members_project ON team_members (tenant_id, project_id, created_at, id);
CREATE INDEX team_members_user ON team_members (tenant_id, user_id) WHERE user_id IS NOT NULL;
-- +maestro restore columns of team_members

-- Metrics: one series per project and type, its points beside each other on
-- disk. points has no foreign key: a series of millions of points is removed in
-- slices, queued by a trigger that fires for cascades too.
CREATE TABLE series (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id    BLOB    NOT NULL,
    project_id   BLOB    NOT NULL,
    metric_type  TEXT    NOT NULL,
    points       INTEGER NOT NULL DEFAULT 0,
    value_min    REAL,
    value_max    REAL,
    value_sum    REAL    NOT NULL DEFAULT 0,
    first_time   INTEGER,
    last_time    INTEGER,
    last_value   REAL,
    UNIQUE (tenant_id, project_id, metric_type),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE TABLE points (
    series   INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    value    REAL    NOT NULL,
    metadata TEXT,
    PRIMARY KEY (series, time, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped_series (
    series INTEGER PRIMARY KEY
) STRICT;
-- +goose StatementBegin
CREATE TRIGGER series_dropped AFTER DELETE ON series BEGIN
    INSERT OR IGNORE INTO dropped_series (series) VALUES (old.id);
END;
-- +goose StatementEnd

CREATE INDEX process_metrics_series ON process_metrics (tenant_id, project_id, metric_type, timestamp, id, metric_value, metadata);
INSERT INTO series (tenant_id, project_id, metric_type, points, value_min, value_max, value_sum, first_time, last_time)
SELECT tenant_id, project_id, metric_type, count(*), min(metric_value), max(metric_value), sum(metric_value), min(timestamp), max(timestamp)
FROM process_metrics GROUP BY tenant_id, project_id, metric_type;
-- +maestro in chunks of projects
INSERT INTO points (series, time, seq, value, metadata)
SELECT s.id, m.timestamp, row_number() OVER (PARTITION BY s.id ORDER BY m.timestamp, m.id), m.metric_value, nullif(m.metadata, '{}')
FROM (SELECT tenant_id, id FROM projects WHERE $chunk) p
CROSS JOIN series s ON s.tenant_id = p.tenant_id AND s.project_id = p.id
CROSS JOIN process_metrics m ON m.tenant_id = s.tenant_id AND m.project_id = s.project_id AND m.metric_type = s.metric_type;
UPDATE series SET last_value = (SELECT value FROM points WHERE series = series.id ORDER BY time DESC, seq DESC LIMIT 1);
-- A point has no id of its own. Those that the rows had are kept for the way down.
CREATE TABLE kept_4_metric_ids (
    series INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    id     BLOB    NOT NULL,
    PRIMARY KEY (series, time, seq)
) STRICT, WITHOUT ROWID;
-- +maestro in chunks of projects
INSERT INTO kept_4_metric_ids (series, time, seq, id)
SELECT s.id, m.timestamp, row_number() OVER (PARTITION BY s.id ORDER BY m.timestamp, m.id), m.id
FROM (SELECT tenant_id, id FROM projects WHERE $chunk) p
CROSS JOIN series s ON s.tenant_id = p.tenant_id AND s.project_id = p.id
CROSS JOIN process_metrics m ON m.tenant_id = s.tenant_id AND m.project_id = s.project_id AND m.metric_type = s.metric_type;
-- +maestro forget metric_ids if empty
DROP TABLE process_metrics;

-- What a repeated POST with the same Idempotency-Key made the first time.
CREATE TABLE idempotency_keys (
    tenant_id   BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    actor_id    BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    object_id   BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, actor_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_created ON idempotency_keys (tenant_id, created_at);
-- +maestro restore table idempotency_keys

-- +goose Down
-- +maestro keep table idempotency_keys

-- The points as rows. One that never was a row gets an id that stands behind those
-- of its time that were: the time of this way down, its series and its number.
CREATE TABLE IF NOT EXISTS kept_4_metric_ids (
    series INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    id     BLOB    NOT NULL,
    PRIMARY KEY (series, time, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE process_metrics (
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
INSERT INTO process_metrics
SELECT s.tenant_id, coalesce(k.id, unhex(printf('ffff%012x%08x%08x', d.at, s.id, p.seq))) AS row_id, s.project_id, s.metric_type, p.value, p.time,
       coalesce(p.metadata, '{}')
FROM (SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS at) d CROSS JOIN series s CROSS JOIN points p ON p.series = s.id
     LEFT JOIN kept_4_metric_ids k ON k.series = p.series AND k.time = p.time AND k.seq = p.seq
ORDER BY s.tenant_id, row_id;
CREATE INDEX process_metrics_project ON process_metrics (tenant_id, project_id, timestamp);
DROP TABLE kept_4_metric_ids;
DROP TABLE dropped_series;
DROP TABLE points;
DROP TABLE series;

-- +maestro keep columns_of_team_members
SELECT tenant_id, id, user_id, updated_at, revision FROM team_members
WHERE user_id IS NOT NULL OR updated_at <> created_at OR revision <> 1;
CREATE TABLE team_members_old (
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
INSERT INTO team_members_old
SELECT tenant_id, id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at
FROM team_members WHERE $chunk;
DROP TABLE team_members;
ALTER TABLE team_members_old RENAME TO team_members;
CREATE INDEX team_members_project ON team_members (tenant_id, project_id, created_at, id);

-- The words of the search index are made anew on the way up.
DROP TRIGGER artifacts_removed;
DROP TABLE artifact_search;
-- +maestro keep table blobs

-- +maestro keep columns_of_artifact_usage
SELECT tenant_id, id, impact_source, created_by FROM artifact_usage
WHERE created_by IS NOT NULL OR impact_source IS NOT CASE WHEN impact_score IS NULL THEN NULL ELSE 'reported' END;
-- +maestro drop columns of artifact_usage: impact_source, created_by

DROP INDEX artifacts_name;
DROP INDEX artifacts_list;
DROP INDEX artifacts_search_id;
DROP INDEX artifacts_to_index;
-- +maestro if kept artifact_versions
UPDATE artifacts SET version = k.was FROM kept_4_artifact_versions k
WHERE artifacts.tenant_id = k.tenant_id AND artifacts.id = k.id AND artifacts.version = k.was || ' (' || lower(hex(k.id)) || ')';
DROP TABLE IF EXISTS kept_4_artifact_versions;
-- +maestro keep columns of artifacts: media_type, is_active, created_by, revision, has_content
-- +maestro drop columns of artifacts: media_type, is_active, created_by, revision, has_content, impact_sum, impact_count, search_id
CREATE INDEX artifacts_created ON artifacts (tenant_id, created_at, id);

DROP INDEX tenant_use_stale;
-- +maestro keep columns of tenant_use: scores_stale_since, outcome_changes
-- +maestro drop columns of tenant_use: scores_stale_since, outcome_changes

DROP INDEX projects_name;
DROP INDEX projects_list;
DROP INDEX projects_finished_impact;
DROP INDEX projects_finished_cost;
DROP INDEX projects_finished_time;
-- +maestro if kept project_names
UPDATE projects SET name = k.was FROM kept_4_project_names k
WHERE projects.tenant_id = k.tenant_id AND projects.id = k.id AND projects.name = substr(k.was, 1, 200) || ' (' || lower(hex(k.id)) || ')';
DROP TABLE IF EXISTS kept_4_project_names;
-- +maestro keep columns of projects: attributes, created_by, version
-- +maestro drop columns of projects: attributes, created_by, version
CREATE INDEX projects_created ON projects (tenant_id, created_at, id);
-- +maestro keep table settings
