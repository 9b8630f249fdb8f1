package migrations

import (
	"context"
	"testing"
)

// TestAnUpgradeCountsTheUses brings a database of the older system up, whose
// counters are stale, and holds them to its rows.
func TestAnUpgradeCountsTheUses(t *testing.T) {
	db := openDatabase(t)
	if err := To(context.Background(), db, 1, nil); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO projects (id, name, created_at, updated_at) VALUES (x'01', 'p', 1, 1)`,
		`INSERT INTO artifacts (id, name, type, version, usage_count, avg_impact_score, created_at, updated_at)
			VALUES (x'0a', 'used', 'model', '1', 99, 12.5, 1, 1), (x'0b', 'unused', 'model', '1', 7, 50, 1, 1), (x'0c', 'unscored', 'model', '1', 0, 3, 1, 1)`,
		`INSERT INTO artifact_usage (id, artifact_id, project_id, used_at, impact_score)
			VALUES (x'11', x'0a', x'01', 1, 70.25), (x'12', x'0a', x'01', 2, 80), (x'13', x'0a', x'01', 3, NULL), (x'14', x'0c', x'01', 3, NULL)`,
		`INSERT INTO process_metrics (id, project_id, metric_type, metric_value, timestamp, metadata)
			VALUES (x'21', x'01', 'm', 1, 1, '{}'), (x'22', x'01', 'm', 1, 2, '{"a":"ä"}'), (x'23', x'01', 'n', 1, 2, '{"b":1}')`,
		`INSERT INTO team_members (id, project_id, name, role, experience_level, created_at) VALUES (x'31', x'01', 'n', 'devops', 'mid', 1)`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Apply(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][4]any{
		"used": {int64(3), int64(150_250_000_000), int64(2), 75.125}, "unused": {int64(0), int64(0), int64(0), nil}, "unscored": {int64(1), int64(0), int64(0), nil},
	} {
		var got [4]any
		err := db.QueryRow("SELECT usage_count, impact_sum, impact_count, avg_impact_score FROM artifacts WHERE name = ?", name).Scan(&got[0], &got[1], &got[2], &got[3])
		if err != nil || got != want {
			t.Errorf("%s counts %v, %v, want %v", name, got, err, want)
		}
	}
	var held, metadata int
	if err := db.QueryRow("SELECT record_bytes, (SELECT sum(metadata_bytes) FROM series) FROM tenant_use WHERE projects > 0").Scan(&held, &metadata); err != nil || held != 4*402+3*40+17+400 || metadata != 17 {
		t.Errorf("the records count %d bytes, %d of them metadata of points, %v", held, metadata, err)
	}
	var reported int
	if err := db.QueryRow("SELECT count(*) FROM artifact_usage WHERE impact_source = 'reported'").Scan(&reported); err != nil || reported != 2 {
		t.Errorf("%d scores are reported, %v, want 2", reported, err)
	}
}
