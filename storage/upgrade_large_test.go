package storage

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/migrations"
)

// scale is how large the generated database of TestUpgradeOfALargeDatabase is: 1
// for 100 000 projects, 500 000 artifacts and 1 000 000 predictions.
var scale = flag.Float64("scale", 0.002, "size of the database that the upgrade is measured with; 1 is full size")

// The bounds that hold at full size, on two cores that nobody else uses.
const (
	upgradeSeconds  = 60
	upgradeMemoryMB = 300
)

// coreTables are the tables of the core, with the columns that are compared.
var coreTables = map[string]string{
	"projects":        "id, name, description, problem_class, status, complexity_score, team_size, start_date, completion_date, model_performance, compute_cost, business_impact, success_score, metadata, created_at, updated_at",
	"artifacts":       "id, name, type, version, description, tags, content_hash, size_bytes, storage_uri, usage_count, avg_impact_score, metadata, created_at, updated_at",
	"artifact_usage":  "id, artifact_id, project_id, used_at, impact_score, context",
	"team_members":    "id, project_id, name, role, experience_level, contribution_hours, performance_score, created_at",
	"process_metrics": "id, project_id, metric_type, metric_value, timestamp, metadata",
	"predictions":     "id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost, confidence, recommendation, model_version, created_at",
}

// upgradedMetrics is process_metrics as an upgraded database has it: ids are kept
// for the way down.
const upgradedMetrics = `(SELECT k.id, s.project_id, s.metric_type, p.value AS metric_value, p.time AS timestamp, coalesce(p.metadata, '{}') AS metadata
	FROM series s CROSS JOIN points p ON p.series = s.id JOIN kept_4_metric_ids k ON k.series = p.series AND k.time = p.time AND k.seq = p.seq)`

// TestUpgradeOfALargeDatabase upgrades a pre-tenancy database in a process of its
// own, brings it down and up again, and compares every row each time. At full
// size (make upgrade) it holds the time and the memory to their bounds.
func TestUpgradeOfALargeDatabase(t *testing.T) {
	if dir := os.Getenv("MAESTRO_TEST_MIGRATE_DIR"); dir != "" {
		migrateChild(t, dir)
		return
	}
	dir := t.TempDir()
	begin := time.Now()
	rows := generateLegacy(t, dir, *scale)
	t.Logf("generated %d rows in %.1f s, %.0f MB", rows, time.Since(begin).Seconds(), megabytes(t, dir))
	before := legacyDigests(t, dir, false)
	newest := migrations.Newest()
	for i, to := range []int64{newest, 1, newest} {
		seconds, cpu, peak := migrateProcess(t, dir, to)
		t.Logf("to schema %d: %.1f s (%.1f s of a core), %.0f rows/s, %.0f MB at most, database of %.0f MB", to, seconds, cpu, float64(rows)/seconds, peak, megabytes(t, dir))
		if *scale >= 1 && i == 0 && (seconds >= upgradeSeconds || peak >= upgradeMemoryMB) {
			t.Errorf("the upgrade took %.1f s and %.0f MB, want less than %d s and %d MB", seconds, peak, upgradeSeconds, upgradeMemoryMB)
		}
		begin := time.Now()
		if diff := gocmp.Diff(before, legacyDigests(t, dir, to != 1)); diff != "" {
			t.Errorf("at schema %d rows differ (-before +after):\n%s", to, diff)
		}
		t.Logf("compared every row in %.1f s", time.Since(begin).Seconds())
	}
}

// migrateProcess migrates in a process of its own and returns what it needed.
func migrateProcess(t *testing.T, dir string, to int64) (seconds, cpu, peak float64) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestUpgradeOfALargeDatabase$")
	child.Env = append(os.Environ(), "MAESTRO_TEST_MIGRATE_DIR="+dir, "MAESTRO_TEST_MIGRATE_TO="+strconv.FormatInt(to, 10))
	begin := time.Now()
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`peak (\d+) kB`).FindSubmatch(out)
	if m == nil {
		t.Logf("this system does not tell a process how much memory it needed:\n%s", out)
		return time.Since(begin).Seconds(), child.ProcessState.UserTime().Seconds() + child.ProcessState.SystemTime().Seconds(), 0
	}
	kilobytes, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(begin).Seconds(), child.ProcessState.UserTime().Seconds() + child.ProcessState.SystemTime().Seconds(), float64(kilobytes) / (1 << 10)
}

func migrateChild(t *testing.T, dir string) {
	to, err := strconv.ParseInt(os.Getenv("MAESTRO_TEST_MIGRATE_TO"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(context.Background(), MigrateOptions{Dir: dir, Version: to}); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status); err == nil && m != nil {
		fmt.Printf("peak %s kB\n", m[1])
	}
}

func megabytes(t *testing.T, dir string) float64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	return float64(info.Size()) / (1 << 20)
}

// generateLegacy makes a database of schema 1 with random ids, as the older
// system's were, and counters that are right.
func generateLegacy(t *testing.T, dir string, scale float64) (rows int64) {
	t.Helper()
	if _, err := Migrate(background, MigrateOptions{Dir: dir, Version: 1}); err != nil {
		t.Fatal(err)
	}
	db := openRaw(t, dir)
	defer db.Close()
	n := func(full float64) int { return max(1, int(full*scale)) }
	projects, artifacts, others := n(100_000), n(500_000), n(1_000_000)
	with := func(rows int, text string) string {
		return strings.NewReplacer("COUNTING", fmt.Sprintf("WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)", rows),
			"PROJECTS", strconv.Itoa(projects), "ARTIFACTS", strconv.Itoa(artifacts)).Replace(text)
	}
	for _, statement := range []string{
		"PRAGMA synchronous = off", "PRAGMA cache_size = -200000", "BEGIN",
		with(projects, `INSERT INTO projects COUNTING SELECT randomblob(16), 'Project ' || i, 'What it is about, in a sentence', 'classification',
			CASE WHEN i % 3 THEN 'completed' ELSE 'active' END, 1 + i % 100, 1 + i % 9, 1600000000000000 + i * 1000000, 1610000000000000 + i * 1000000,
			(i % 100) / 100.0, i % 5000, i % 77, i % 101, '{"n":' || i || '}', 1600000000000000 + i, 1600000000000000 + i FROM c`),
		with(artifacts, `INSERT INTO artifacts COUNTING SELECT randomblob(16), 'Artifact ' || i, 'model', '1.' || i, 'Reusable', '["a","b"]',
			hex(randomblob(32)), i, '', 0, NULL, '{}', 1600000000000000 + i, 1600000000000000 + i FROM c`),
		"CREATE TEMP TABLE p AS SELECT row_number() OVER () AS n, id FROM projects", "CREATE UNIQUE INDEX temp.pn ON p (n)",
		"CREATE TEMP TABLE a AS SELECT row_number() OVER () AS n, id FROM artifacts", "CREATE UNIQUE INDEX temp.an ON a (n)",
		with(n(500_000), `INSERT INTO artifact_usage COUNTING SELECT randomblob(16), a.id, p.id, 1620000000000000 + i,
			CASE WHEN i % 4 THEN i % 100 + 0.25 END, '{}' FROM c JOIN a ON a.n = 1 + i * 7 % ARTIFACTS JOIN p ON p.n = 1 + i % PROJECTS`),
		with(n(200_000), `INSERT INTO team_members COUNTING SELECT randomblob(16), p.id, 'Member ' || i, 'ml_engineer', 'senior', i % 300, i % 100,
			1620000000000000 + i FROM c JOIN p ON p.n = 1 + i % PROJECTS`),
		with(others, `INSERT INTO process_metrics COUNTING SELECT randomblob(16), p.id, 'metric_' || (i / 1000 % 3), i / 3.0,
			1620000000000000 + i * 1000, CASE WHEN i % 2 THEN '{}' ELSE '{"step":1}' END FROM c JOIN p ON p.n = 1 + i % PROJECTS`),
		with(others, `INSERT INTO predictions COUNTING SELECT randomblob(16), CASE WHEN i % 10 THEN p.id END,
			'{"team_size":' || (i % 9) || ',"complexity_score":40}', i % 100, i % 365, i * 1.5, 0.8,
			'Add a data engineer', 'v1', 1620000000000000 + i FROM c JOIN p ON p.n = 1 + i % PROJECTS`),
		`UPDATE artifacts SET usage_count = d.uses, avg_impact_score = CASE WHEN d.scored > 0 THEN d.units / 1000000000.0 / d.scored END
			FROM (SELECT artifact_id, count(*) AS uses, count(impact_score) AS scored, coalesce(sum(CAST(round(impact_score * 1000000000.0) AS INTEGER)), 0) AS units
				FROM artifact_usage GROUP BY artifact_id) AS d WHERE artifacts.id = d.artifact_id`,
		"COMMIT",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err, statement)
		}
	}
	for table := range coreTables {
		var count int64
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&count); err != nil {
			t.Fatal(err)
		}
		rows += count
	}
	return rows
}

// legacyDigests returns, for each table of the core, its number of rows and a
// digest of them in the order of their ids.
func legacyDigests(t *testing.T, dir string, upgraded bool) map[string]string {
	t.Helper()
	db := openRaw(t, dir)
	defer db.Close()
	found := make(map[string]string)
	for table, columns := range coreTables {
		from := table
		if upgraded && table == "process_metrics" {
			from = upgradedMetrics
		}
		found[table] = rowsDigest(t, db, columns, from)
	}
	return found
}

// rowsDigest returns how many rows a query has and a digest of them.
func rowsDigest(t *testing.T, db *sql.DB, columns, from string) string {
	t.Helper()
	rows, err := db.Query("SELECT " + columns + " FROM " + from + " ORDER BY id, 2")
	if err != nil {
		t.Fatal(err)
	}
	hash, n := sha256.New(), 0
	values := make([]any, strings.Count(columns, ",")+1)
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(hash, "%#v\n", values)
		n++
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d rows %s", n, hex.EncodeToString(hash.Sum(nil)))
}

// openRaw opens the database of a directory that nobody has open.
func openRaw(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := openMigrating(filepath.Join(dir, databaseName), nil)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
