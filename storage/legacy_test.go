package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// legacyDDL is the older system's schema as SQLAlchemy writes it: ids of 36 or 32
// characters, JSON, naive timestamps. %[1]s is the type of ids, %[2]s of times.
const legacyDDL = `
CREATE TABLE users (id %[1]s NOT NULL, email VARCHAR(255) NOT NULL, hashed_password VARCHAR(255) NOT NULL, full_name VARCHAR(255), role VARCHAR(50) NOT NULL, is_active BOOLEAN NOT NULL, created_at %[2]s, PRIMARY KEY (id), UNIQUE (email));
CREATE TABLE projects (id %[1]s NOT NULL, name VARCHAR(255) NOT NULL, description TEXT, problem_class VARCHAR(100), status VARCHAR(50), complexity_score FLOAT, team_size INTEGER, start_date %[2]s, completion_date %[2]s, model_performance FLOAT, compute_cost FLOAT, business_impact FLOAT, success_score FLOAT, metadata JSON, created_at %[2]s NOT NULL, updated_at %[2]s, PRIMARY KEY (id));
CREATE TABLE artifacts (id %[1]s NOT NULL, name VARCHAR(255) NOT NULL, type VARCHAR(50) NOT NULL, version VARCHAR(50), description TEXT, tags JSON, content_hash VARCHAR(64), size_bytes INTEGER, storage_path VARCHAR(500), usage_count INTEGER, avg_impact_score FLOAT, metadata JSON, created_at %[2]s NOT NULL, updated_at %[2]s, PRIMARY KEY (id));
CREATE TABLE artifact_usage (id %[1]s NOT NULL, artifact_id %[1]s, project_id %[1]s, used_at %[2]s, impact_score FLOAT, context JSON, PRIMARY KEY (id));
CREATE TABLE team_members (id %[1]s NOT NULL, project_id %[1]s, name VARCHAR(255), role VARCHAR(50), experience_level VARCHAR(50), contribution_hours FLOAT, performance_score FLOAT, created_at %[2]s, PRIMARY KEY (id));
CREATE TABLE process_metrics (id %[1]s NOT NULL, project_id %[1]s, metric_type VARCHAR(100), metric_value FLOAT, timestamp %[2]s, metadata JSON, PRIMARY KEY (id));
CREATE TABLE predictions (id %[1]s NOT NULL, project_id %[1]s, inputs JSON, predicted_success_score FLOAT, predicted_duration_days INTEGER, predicted_cost FLOAT, confidence FLOAT, recommendation TEXT, model_version VARCHAR(50), created_at %[2]s, PRIMARY KEY (id));`

// legacyHash is bcrypt's of "correct horse battery staple", as passlib writes it.
const legacyHash = "$2b$04$iVnTSb7IUaVvZQ0pFq5oIeCI2BiF.tLxw7ORoh3tjyDTqMKQAC3oW"

func legacyStatements(id func(n int) string) []string {
	q := func(n int) string { return "'" + id(n) + "'" }
	return []string{
		"INSERT INTO users VALUES (" + q(1) + ", 'Ann@Example.org', '" + legacyHash + "', 'Ann', 'admin', true, '2024-01-02 03:04:05.678901')",
		"INSERT INTO users VALUES (" + q(2) + ", 'dev@example.org', '" + legacyHash + "', NULL, 'developer', true, '2024-01-02 03:04:05')",
		"INSERT INTO users VALUES (" + q(3) + ", 'guest@example.org', 'plain', NULL, 'guest', false, '2024-01-02 03:04:05')",
		"INSERT INTO projects VALUES (" + q(10) + `, 'Churn', 'd', 'Classification', 'completed', 40, 3, '2024-01-02 03:04:05.678901', '2024-03-02 00:00:00', 0.9, 120.5, 7, 80, '{"team": "a", "n": [1, 2.50]}', '2024-01-02 03:04:05.678901', '2024-01-03 00:00:00')`,
		"INSERT INTO projects VALUES (" + q(11) + ", 'Churn', NULL, NULL, 'in_progress', 250, 0, NULL, NULL, NULL, -5, NULL, NULL, NULL, '2024-01-02 03:04:06', NULL)",
		"INSERT INTO artifacts VALUES (" + q(20) + `, 'pipe', 'feature_pipeline', '1.0', NULL, '["b", "a"]', NULL, 10, 's3://x/y', 99, 1, '{}', '2024-01-02 03:04:05', NULL)`,
		"INSERT INTO artifact_usage VALUES (" + q(30) + ", " + q(20) + ", " + q(10) + ", '2024-02-01 00:00:00', 70.25, '{}')",
		"INSERT INTO artifact_usage VALUES (" + q(31) + ", " + q(20) + ", " + q(99) + ", '2024-02-01 00:00:00', 50, '{}')",
		"INSERT INTO team_members VALUES (" + q(40) + ", " + q(10) + ", 'Bob', 'ml_engineer', 'senior', 12.5, 150, '2024-01-02 03:04:05')",
		"INSERT INTO process_metrics VALUES (" + q(50) + ", " + q(10) + ", 'accuracy', 0.5, '2024-02-01 00:00:00.000001', NULL)",
		"INSERT INTO process_metrics VALUES (" + q(51) + ", " + q(10) + `, 'accuracy', 0.75, '2024-02-02 00:00:00', '{"step": 2}')`,
		"INSERT INTO predictions VALUES (" + q(60) + ", NULL, '{\"team_size\": 3}', 70, 30, 100, 0.8, 'more data', 'v1', '2024-01-02 03:04:05')",
		"INSERT INTO predictions VALUES (" + q(61) + ", " + q(98) + ", NULL, 70, 30, -1, 0.8, NULL, NULL, '2024-01-02 03:04:05')",
	}
}

func dashed(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }
func packed(n int) string { return strings.ReplaceAll(dashed(n), "-", "") }

func legacyFile(t *testing.T, idType string, id func(int) string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "legacy.sqlite")
	db, err := openMigrating(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	loadLegacy(t, db, fmt.Sprintf(legacyDDL, idType, "DATETIME"), legacyStatements(id))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadLegacy(t testing.TB, db *sql.DB, ddl string, statements []string) {
	t.Helper()
	for _, statement := range append(strings.Split(strings.TrimSuffix(strings.TrimSpace(ddl), ";"), ";\n"), statements...) {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
}

// newDirectory makes a data directory that nobody has open.
func newDirectory(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(background, Options{Dir: dir, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func importLegacy(t *testing.T, o LegacyOptions) (report []LegacyTable, misfits []string) {
	t.Helper()
	o.Misfit = func(m LegacyMisfit) {
		misfits = append(misfits, strings.TrimSpace(m.Table+" "+m.Row[len(m.Row)-2:]+" "+m.Field))
	}
	report, err := ImportLegacy(background, o)
	if err != nil {
		t.Fatal(err)
	}
	return report, misfits
}

// wantMisfits are the values and rows of legacyStatements that do not fit.
var wantMisfits = []string{
	"users 03 password_hash", "users 03 role",
	"projects 0b complexity_score", "projects 0b team_size", "projects 0b compute_cost", "projects 0b name",
	"artifact_usage 1f", "team_members 28 performance_score",
	"predictions 3d predicted_cost", "predictions 3d project_id",
}

func checkImported(t *testing.T, dir string, report []LegacyTable) {
	t.Helper()
	rows := map[string][2]int64{}
	for _, table := range report {
		rows[table.Name] = [2]int64{table.Rows, table.Imported}
		if !table.Equal {
			t.Errorf("%s is not what was read", table.Name)
		}
	}
	want := map[string][2]int64{"users": {3, 3}, "projects": {2, 2}, "artifacts": {1, 1}, "artifact_usage": {2, 1}, "team_members": {1, 1}, "process_metrics": {2, 2}, "predictions": {2, 2}}
	if diff := gocmp.Diff(want, rows); diff != "" {
		t.Errorf("rows and imported (-want +got):\n%s", diff)
	}
	s := reopenStore(t, dir)
	checkIntegrity(t, s)
	if err := s.Maintain(background); err != nil {
		t.Error(err)
	}
	checkIntegrity(t, s)
	for query, want := range map[string]int64{
		"SELECT count(*) FROM projects WHERE id = x'0000000000004000800000000000000a' AND created_at = 1704164645678901 AND start_date = 1704164645678901 AND problem_class = 'classification' AND metadata IN ('{\"team\":\"a\",\"n\":[1,2.50]}', '{\"n\":[1,2.50],\"team\":\"a\"}')": 1,
		"SELECT count(*) FROM projects WHERE name = 'Churn (0000000000004000800000000000000b)' AND status = 'active' AND complexity_score IS NULL AND compute_cost IS NULL":                                                                                                            1,
		"SELECT count(*) FROM users WHERE email_key = 'ann@example.org' AND password_hash = '" + legacyHash + "' AND is_active = 1":                                                                                                                                                    1,
		"SELECT count(*) FROM users u JOIN user_roles r ON r.user_id = u.id WHERE (u.email_key, r.role) IN (('ann@example.org', 'tenant_admin'), ('dev@example.org', 'data_scientist'), ('guest@example.org', 'viewer'))":                                                              3,
		"SELECT count(*) FROM users WHERE email_key = 'guest@example.org' AND password_hash IS NULL AND is_active = 0":                                                                                                                                                                 1,
		"SELECT count(*) FROM artifacts WHERE tags = '[\"a\",\"b\"]' AND usage_count = 1 AND avg_impact_score = 70.25 AND storage_uri = 's3://x/y'":                                                                                                                                    1,
		"SELECT count(*) FROM series WHERE points = 2 AND last_value = 0.75":                                                                                                                                                                                                           1,
		"SELECT count(*) FROM points WHERE time = 1706745600000001 AND metadata IS NULL":                                                                                                                                                                                               1,
		"SELECT count(*) FROM import_misfits WHERE relation = 'projects' AND field = 'complexity_score' AND value = '\"250\"'":                                                                                                                                                         1,
		"SELECT count(*) FROM import_misfits WHERE relation = 'artifact_usage' AND field = '' AND value LIKE '%\"impact_score\":50%'":                                                                                                                                                  1,
		"SELECT count(*) FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE u.projects = 2 AND u.users = 3 AND u.artifacts = 1":                                                                                                                                              1,
	} {
		if got := count(t, s, query); got != want {
			t.Errorf("%d, want %d: %s", got, want, query)
		}
	}
}

func TestImportOfALegacyFile(t *testing.T) {
	for name, file := range map[string]func(t *testing.T) string{
		"ids of 36 characters": func(t *testing.T) string { return legacyFile(t, "VARCHAR(36)", dashed) },
		"ids of 32 characters": func(t *testing.T) string { return legacyFile(t, "CHAR(32)", packed) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, source := newDirectory(t), file(t)
			dry, misfits := importLegacy(t, LegacyOptions{Dir: dir, Source: source, Tenant: "default", DryRun: true})
			if diff := gocmp.Diff(wantMisfits, misfits); diff != "" {
				t.Errorf("a trial's misfits (-want +got):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(dir, workName)); !errors.Is(err, os.ErrNotExist) {
				t.Error("the trial left its copy")
			}
			report, misfits := importLegacy(t, LegacyOptions{Dir: dir, Source: source, Tenant: "default"})
			if diff := gocmp.Diff(wantMisfits, misfits); diff != "" {
				t.Errorf("misfits (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(dry, report); diff != "" {
				t.Errorf("the trial's report and the import's (-trial +import):\n%s", diff)
			}
			again, misfits := importLegacy(t, LegacyOptions{Dir: dir, Source: source, Tenant: "default"})
			if diff := gocmp.Diff(report, again); diff != "" || len(misfits) > 0 {
				t.Errorf("a second import is not the same (-first +second), with %v:\n%s", misfits, diff)
			}
			checkImported(t, dir, report)
		})
	}
}

// TestAnImportRaisesTheLimitsToWhatComes imports into a tenant that may have nothing,
// and into one that may have more than comes.
func TestAnImportRaisesTheLimitsToWhatComes(t *testing.T) {
	for name, test := range map[string]struct{ limit, users, projects, artifacts int64 }{
		"nothing": {0, 3, 2, 1},
		"more":    {1 << 30, 1 << 30, 1 << 30, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			dir, source := newDirectory(t), legacyFile(t, "VARCHAR(36)", dashed)
			db, err := openMigrating(filepath.Join(dir, databaseName), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec("UPDATE tenants SET max_users = $1, max_projects = $1, max_artifacts = $1, max_storage_bytes = $1", test.limit)
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			importLegacy(t, LegacyOptions{Dir: dir, Source: source, Tenant: "default"})
			s := reopenStore(t, dir)
			held := count(t, s, "SELECT storage_bytes + record_bytes FROM tenant_use")
			if least := int64(2*pointBytes + 4*400); held < least { // points; a usage, a member, predictions
				t.Errorf("%d bytes are held, want at least %d", held, least)
			}
			for column, want := range map[string]int64{"max_users": test.users, "max_projects": test.projects, "max_artifacts": test.artifacts, "max_storage_bytes": max(test.limit, held)} {
				if got := count(t, s, "SELECT "+column+" FROM tenants"); got != want {
					t.Errorf("%s is %d, want %d", column, got, want)
				}
			}
		})
	}
}

// TestAnImportGoesOnWhereItWasStopped stops one after its first batch: of ids as
// text, as bytes, and of both with numbers that are no ids among them.
func TestAnImportGoesOnWhereItWasStopped(t *testing.T) {
	text := `printf('10000000-0000-4000-8000-%012x', i)`
	bytes := `unhex(printf('1000000000004000a000%012x', i))`
	for name, ids := range map[string]struct {
		expression, of string
		misfits        int64
	}{
		"text":  {text, "'" + dashed(10) + "'", 0},
		"bytes": {bytes, "x'" + packed(10) + "'", 0},
		// 5001 rows: every seventh is a number, and half of the others are bytes.
		"all": {"CASE WHEN i % 7 = 0 THEN i WHEN i % 2 THEN " + bytes + " ELSE " + text + " END", "'" + dashed(10) + "'", 715},
	} {
		t.Run(name, func(t *testing.T) {
			source := legacyFile(t, "BLOB", dashed)
			db, err := openMigrating(source, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec(`WITH RECURSIVE c (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM c WHERE i < 6000)
				INSERT INTO process_metrics SELECT ` + ids.expression + `, ` + ids.of + `, 'loss', i, '2024-02-01 00:00:00', NULL FROM c`)
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			dir := newDirectory(t)
			for range 2 {
				ctx, cancel := context.WithCancel(background)
				_, err = ImportLegacy(ctx, LegacyOptions{Dir: dir, Source: source, Tenant: "default", Progress: func(table string, done, total int64) {
					if table == "process_metrics" {
						cancel()
					}
				}})
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("stopped with %v", err)
				}
			}
			want := 5003 - ids.misfits
			report, _ := importLegacy(t, LegacyOptions{Dir: dir, Source: source, Tenant: "default"})
			for _, table := range report {
				if table.Name == "process_metrics" && (table.Imported != want || table.Misfits != ids.misfits || !table.Equal) {
					t.Errorf("got %+v, want %d points and %d rows that are none", table, want, ids.misfits)
				}
			}
			s := reopenStore(t, dir)
			checkIntegrity(t, s)
			if n := count(t, s, "SELECT count(*) FROM points"); n != want {
				t.Errorf("%d points, want %d", n, want)
			}
		})
	}
}

// TestATextThatLooksMarkedIsOne: what any id is kept as in the progress is that id.
func TestATextThatLooksMarkedIsOne(t *testing.T) {
	s := &legacySource{}
	for _, id := range []any{"a", "blob:00", "text:blob:00", "integer:", "x:y", "", []byte{0, 1, 255}, []byte("blob:"), int64(-7), 0.25, -1e300} {
		got, err := s.marked(s.mark(id))
		if diff := gocmp.Diff(id, got); err != nil || diff != "" {
			t.Errorf("%#v: %v (-want +got):\n%s", id, err, diff)
		}
	}
	if _, err := s.marked("blob:0"); err == nil {
		t.Error("half a byte is an id")
	}
}

// TestImportFromPostgres needs a server that may be written to: MAESTRO_TEST_POSTGRES
// names a database of it that is empty.
func TestImportFromPostgres(t *testing.T) {
	url := os.Getenv("MAESTRO_TEST_POSTGRES")
	if url == "" {
		t.Skip("MAESTRO_TEST_POSTGRES is not set: the import from PostgreSQL is not tried")
	}
	for _, idType := range []string{"UUID", "VARCHAR(36)"} {
		t.Run(idType, func(t *testing.T) {
			db, err := sql.Open("pgx", url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("DROP TABLE IF EXISTS users, projects, artifacts, artifact_usage, team_members, process_metrics, predictions"); err != nil {
				t.Fatal(err)
			}
			loadLegacy(t, db, strings.ReplaceAll(fmt.Sprintf(legacyDDL, idType, "TIMESTAMP"), "JSON", "JSONB"), legacyStatements(dashed))
			dir := newDirectory(t)
			report, misfits := importLegacy(t, LegacyOptions{Dir: dir, Source: url, Tenant: "default"})
			if diff := gocmp.Diff(wantMisfits, misfits); diff != "" {
				t.Errorf("misfits (-want +got):\n%s", diff)
			}
			checkImported(t, dir, report)
		})
	}
}
