package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/audit"
	"maestro/migrations"
	"maestro/tenancy"
)

// TestATrialChangesNothing has data directories of an older version, of this one, and
// of a server that was killed with rows in its log.
func TestATrialChangesNothing(t *testing.T) {
	killed, older := t.TempDir(), t.TempDir()
	s := reopenStore(t, t.TempDir())
	newTenant(t, s, "in-the-log")
	if err := os.CopyFS(killed, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(killed, databaseName+"-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("there is nothing in the log: %v", err)
	}
	if _, err := Migrate(background, MigrateOptions{Dir: older, Version: migrations.Newest() - 1}); err != nil {
		t.Fatal(err)
	}
	source := legacyFile(t, "VARCHAR(36)", dashed)
	for name, dir := range map[string]string{"older": older, "this version": newDirectory(t), "killed": killed} {
		t.Run(name, func(t *testing.T) {
			before, temp := tree(t, dir), t.TempDir()
			tenant := "default"
			if name == "killed" {
				tenant = "in-the-log"
			}
			report, err := ImportLegacy(background, LegacyOptions{Dir: dir, Source: source, Tenant: tenant, DryRun: true, Temp: temp})
			if err != nil || len(report) != 7 {
				t.Fatalf("%+v, %v", report, err)
			}
			if diff := gocmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the directory was changed:\n%.1000s", diff)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("the trial left %v, %v", left, err)
			}
		})
	}
	if version, err := schemaOf(filepath.Join(older, databaseName)); err != nil || version != migrations.Newest()-1 {
		t.Errorf("the older directory has schema version %d, %v", version, err)
	}
}

// TestAnImportOfTheOlderSystemIsInTheTrail: it is there before the first row, also of
// one that is stopped there, and says at its end what came.
func TestAnImportOfTheOlderSystemIsInTheTrail(t *testing.T) {
	source, dir := legacyFile(t, "VARCHAR(36)", dashed), newDirectory(t)
	ctx, cancel := context.WithCancel(background)
	_, err := ImportLegacy(ctx, LegacyOptions{Dir: dir, Source: source, Tenant: "default", Progress: func(string, int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	importLegacy(t, LegacyOptions{Dir: dir, Source: source, Tenant: "default"})
	s := reopenStore(t, dir)
	wantSound(t, s)
	found, err := s.TenantBySlug(background, tenancy.DefaultSlug)
	if err != nil {
		t.Fatal(err)
	}
	for name, trail := range map[string][]audit.Event{
		"tenant": events(t, s.Tenant(tenancy.Issue(found.ID, tenancy.Actor{Kind: tenancy.ActorSystem})), EventFilter{}), "installation": installationEvents(t, s)} {
		var stages []string
		var last map[string]any
		for _, e := range trail {
			if e.Action != audit.TenantImportLegacy {
				continue
			}
			last = nil
			if err := json.Unmarshal(e.After, &last); err != nil {
				t.Fatal(err)
			}
			stages = append(stages, fmt.Sprint(last["stage"]))
			if _, says := last["source"]; says != (name == "installation") {
				t.Errorf("the trail of the %s says of the source: %v", name, last["source"])
			}
		}
		if diff := gocmp.Diff([]string{"begin", "begin", "end"}, stages); diff != "" {
			t.Errorf("the trail of the %s (-want +got):\n%s", name, diff)
		}
		if last["users"] != 3.0 || last["artifact_usage"] != 1.0 || last["artifact_usage_misfits"] != 1.0 {
			t.Errorf("the trail of the %s says %v", name, last)
		}
	}
}

// BenchmarkImportLegacy imports a file of the older system with 400 projects, 2 000
// artifacts and 4 000 predictions, points, uses and members each, comparison included.
func BenchmarkImportLegacy(b *testing.B) {
	if err := lockOpenFiles(); err != nil {
		b.Fatal(err)
	}
	source := filepath.Join(b.TempDir(), "legacy.sqlite")
	db, err := openMigrating(source, nil)
	if err != nil {
		b.Fatal(err)
	}
	rows := int64(0)
	fill := func(n int, text string) string {
		rows += int64(n)
		return fmt.Sprintf("WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) ", n-1) + text
	}
	id := func(kind, number string) string {
		return "printf('" + kind + "0000000-0000-4000-8000-%012x', " + number + ")"
	}
	loadLegacy(b, db, fmt.Sprintf(legacyDDL, "VARCHAR(36)", "DATETIME"), []string{
		fill(400, "INSERT INTO projects (id, name, status, complexity_score, compute_cost, metadata, created_at) SELECT "+id("1", "i")+", 'project ' || i, 'active', 1 + i % 99, i, '{\"n\": 1}', '2024-01-02 03:04:05.678901' FROM c"),
		fill(2000, "INSERT INTO artifacts (id, name, type, version, tags, created_at) SELECT "+id("2", "i")+", 'artifact ' || i, 'model', '1', '[\"a\", \"b\"]', '2024-01-02 03:04:05' FROM c"),
		fill(4000, "INSERT INTO artifact_usage (id, artifact_id, project_id, used_at, impact_score) SELECT "+id("3", "i")+", "+id("2", "i % 2000")+", "+id("1", "i % 400")+", '2024-02-01 00:00:00', i % 100 FROM c"),
		fill(4000, "INSERT INTO team_members (id, project_id, name, role, experience_level, contribution_hours, created_at) SELECT "+id("4", "i")+", "+id("1", "i % 400")+", 'member ' || i, 'devops', 'mid', 1, '2024-01-02 03:04:05' FROM c"),
		fill(4000, "INSERT INTO process_metrics (id, project_id, metric_type, metric_value, timestamp) SELECT "+id("5", "i")+", "+id("1", "i % 400")+", 'loss', i, '2024-02-01 00:00:00' FROM c"),
		fill(4000, "INSERT INTO predictions (id, project_id, inputs, predicted_success_score, confidence, created_at) SELECT "+id("6", "i")+", "+id("1", "i % 400")+", '{\"team_size\": 3}', 70, 0.8, '2024-01-02 03:04:05' FROM c"),
	})
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		dir := newDirectory(b)
		b.StartTimer()
		report, err := ImportLegacy(background, LegacyOptions{Dir: dir, Source: source, Tenant: "default"})
		if err != nil {
			b.Fatal(err)
		}
		for _, table := range report {
			if !table.Equal || table.Misfits > 0 {
				b.Fatalf("%+v", table)
			}
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
