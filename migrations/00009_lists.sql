-- Artifacts in any order and by any tag: what a list is sorted by has an index, and
-- what it is narrowed by is found in the search index.

-- +goose Up
-- An artifact without a score stands before those with the least. SQLite looks for
-- a column in an index, and for what is computed only where nothing follows it.
ALTER TABLE artifacts ADD COLUMN impact_order REAL NOT NULL GENERATED ALWAYS AS (coalesce(avg_impact_score, -1)) VIRTUAL;
-- Each holds what the list is filtered by too, so that a page walks the index alone.
CREATE INDEX artifacts_updated ON artifacts (tenant_id, updated_at, id, type, is_active, avg_impact_score);
CREATE INDEX artifacts_usage ON artifacts (tenant_id, usage_count, id, type, is_active, avg_impact_score);
CREATE INDEX artifacts_impact ON artifacts (tenant_id, impact_order, id);
-- Artifacts out of use stand in the search index too, under words that no search
-- asks for. Those that are not in yet are put there after the upgrade.
DROP INDEX artifacts_to_index;
CREATE INDEX artifacts_to_index ON artifacts (tenant_id, created_at, id) WHERE search_id IS NULL;

-- +goose Down
DROP INDEX artifacts_to_index;
CREATE INDEX artifacts_to_index ON artifacts (tenant_id, created_at, id) WHERE search_id IS NULL AND is_active = 1;
DROP INDEX artifacts_impact;
DROP INDEX artifacts_usage;
DROP INDEX artifacts_updated;
ALTER TABLE artifacts DROP COLUMN impact_order; -- of which nothing is stored
