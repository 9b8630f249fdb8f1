-- The single-tenant core, table by table as the older system had it. Ids are
-- brought to 16 bytes and times to integers by the import that reads its files.

-- +goose Up
CREATE TABLE projects (
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

CREATE TABLE artifacts (
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

CREATE TABLE artifact_usage (
    id           BLOB    NOT NULL PRIMARY KEY,
    artifact_id  BLOB    NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    project_id   BLOB    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    used_at      INTEGER NOT NULL,
    impact_score REAL,
    context      TEXT    NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE team_members (
    id                 BLOB    NOT NULL PRIMARY KEY,
    project_id         BLOB    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name               TEXT    NOT NULL,
    role               TEXT    NOT NULL,
    experience_level   TEXT    NOT NULL,
    contribution_hours REAL    NOT NULL DEFAULT 0,
    performance_score  REAL,
    created_at         INTEGER NOT NULL
) STRICT;

CREATE TABLE process_metrics (
    id           BLOB    NOT NULL PRIMARY KEY,
    project_id   BLOB    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    metric_type  TEXT    NOT NULL,
    metric_value REAL    NOT NULL,
    timestamp    INTEGER NOT NULL,
    metadata     TEXT    NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE predictions (
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

-- +maestro restore table projects
-- +maestro restore table artifacts
-- +maestro restore table artifact_usage
-- +maestro restore table team_members
-- +maestro restore table process_metrics
-- +maestro restore table predictions

-- +goose Down
-- +maestro keep table predictions
-- +maestro keep table process_metrics
-- +maestro keep table team_members
-- +maestro keep table artifact_usage
-- +maestro keep table artifacts
-- +maestro keep table projects
