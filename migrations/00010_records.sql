-- What a tenant's records take counts towards its storage, not the content alone:
-- points of metrics, usages, team members, runs and predictions. It is an estimate
-- that any row can be asked for again: a point 40 bytes and its metadata, any other
-- record 400 bytes and its free texts. Points are counted by who writes them, once a
-- batch; all else, and what goes, by triggers, which fire for cascades too.

-- +goose Up
ALTER TABLE series ADD COLUMN metadata_bytes INTEGER NOT NULL DEFAULT 0; -- of all its points
ALTER TABLE tenant_use ADD COLUMN record_bytes INTEGER NOT NULL DEFAULT 0;

-- +maestro in chunks of series
UPDATE series SET metadata_bytes = (SELECT coalesce(sum(octet_length(metadata)), 0) FROM points p WHERE p.series = series.id) WHERE $chunk;
UPDATE tenant_use SET record_bytes =
    (SELECT coalesce(sum(40 * points + metadata_bytes), 0) FROM series s WHERE s.tenant_id = tenant_use.tenant_id)
    + (SELECT coalesce(sum(400 + octet_length(context)), 0) FROM artifact_usage u WHERE u.tenant_id = tenant_use.tenant_id)
    + (SELECT 400 * count(*) FROM team_members m WHERE m.tenant_id = tenant_use.tenant_id)
    + (SELECT 400 * count(*) FROM pipeline_runs r WHERE r.tenant_id = tenant_use.tenant_id)
    + (SELECT coalesce(sum(400 + octet_length(inputs) + octet_length(explanation)), 0) FROM predictions p WHERE p.tenant_id = tenant_use.tenant_id);

-- +goose StatementBegin
CREATE TRIGGER series_uncounted AFTER DELETE ON series BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes - 40 * old.points - old.metadata_bytes WHERE tenant_id = old.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER usages_counted AFTER INSERT ON artifact_usage BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes + 400 + octet_length(new.context) WHERE tenant_id = new.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER usages_uncounted AFTER DELETE ON artifact_usage BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes - 400 - octet_length(old.context) WHERE tenant_id = old.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER members_counted AFTER INSERT ON team_members BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes + 400 WHERE tenant_id = new.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER members_uncounted AFTER DELETE ON team_members BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes - 400 WHERE tenant_id = old.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER runs_counted AFTER INSERT ON pipeline_runs BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes + 400 WHERE tenant_id = new.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER runs_uncounted AFTER DELETE ON pipeline_runs BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes - 400 WHERE tenant_id = old.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER predictions_counted AFTER INSERT ON predictions BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes + 400 + octet_length(new.inputs) + octet_length(new.explanation) WHERE tenant_id = new.tenant_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER predictions_uncounted AFTER DELETE ON predictions BEGIN
    UPDATE tenant_use SET record_bytes = record_bytes - 400 - octet_length(old.inputs) - octet_length(old.explanation) WHERE tenant_id = old.tenant_id;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER series_uncounted;
DROP TRIGGER usages_counted;
DROP TRIGGER usages_uncounted;
DROP TRIGGER members_counted;
DROP TRIGGER members_uncounted;
DROP TRIGGER runs_counted;
DROP TRIGGER runs_uncounted;
DROP TRIGGER predictions_counted;
DROP TRIGGER predictions_uncounted;
-- Rebuilt, the series would forget which numbers were used, and points of dropped
-- ones may be left.
ALTER TABLE series DROP COLUMN metadata_bytes;
ALTER TABLE tenant_use DROP COLUMN record_bytes;
