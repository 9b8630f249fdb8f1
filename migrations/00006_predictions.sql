-- Predictions that say how sure they are and are compared with what happened, and
-- the counters that tell whether what was learned of a tenant is still so.

-- +goose Up
ALTER TABLE predictions ADD COLUMN created_by BLOB;
ALTER TABLE predictions ADD COLUMN level REAL; -- of the intervals; null of predictions without
ALTER TABLE predictions ADD COLUMN success_score_low REAL;
ALTER TABLE predictions ADD COLUMN success_score_high REAL;
ALTER TABLE predictions ADD COLUMN duration_days_low REAL;
ALTER TABLE predictions ADD COLUMN duration_days_high REAL;
ALTER TABLE predictions ADD COLUMN cost_low REAL;
ALTER TABLE predictions ADD COLUMN cost_high REAL;
ALTER TABLE predictions ADD COLUMN basis INTEGER NOT NULL DEFAULT 0;
ALTER TABLE predictions ADD COLUMN explanation TEXT NOT NULL DEFAULT '{}'; -- what is shown and never searched
-- What happened, for as long as the project is completed.
ALTER TABLE predictions ADD COLUMN actual_success_score REAL;
ALTER TABLE predictions ADD COLUMN actual_duration_days REAL;
ALTER TABLE predictions ADD COLUMN actual_cost REAL;
ALTER TABLE predictions ADD COLUMN compared_at INTEGER;
-- +maestro restore columns of predictions

DROP INDEX predictions_project;
CREATE INDEX predictions_project ON predictions (tenant_id, project_id, created_at, id);
CREATE INDEX predictions_compared ON predictions (tenant_id, compared_at, id) WHERE compared_at IS NOT NULL;

-- How often the ended projects changed, in anything that is learned from, and how
-- often any project did.
ALTER TABLE tenant_use ADD COLUMN history_changes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenant_use ADD COLUMN project_changes INTEGER NOT NULL DEFAULT 0;
-- +maestro restore columns of tenant_use

-- +goose Down
DROP INDEX predictions_project;
DROP INDEX predictions_compared;
-- +maestro keep columns of predictions: created_by, level, success_score_low, success_score_high, duration_days_low, duration_days_high, cost_low, cost_high, basis, explanation, actual_success_score, actual_duration_days, actual_cost, compared_at
-- +maestro drop columns of predictions: created_by, level, success_score_low, success_score_high, duration_days_low, duration_days_high, cost_low, cost_high, basis, explanation, actual_success_score, actual_duration_days, actual_cost, compared_at
CREATE INDEX predictions_project ON predictions (tenant_id, project_id);
-- +maestro keep columns of tenant_use: history_changes, project_changes
-- +maestro drop columns of tenant_use: history_changes, project_changes
