package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// derived are the columns that every way up counts or numbers anew, and the
// tables that it makes anew. Series are compared by their points.
var derived = map[string][]string{
	"artifacts":      {"usage_count", "avg_impact_score", "impact_sum", "impact_count", "search_id"},
	"tenant_use":     {"projects", "artifacts", "storage_bytes", "record_bytes"},
	"blobs":          {"refs"},
	"series":         nil,
	"points":         nil,
	"dropped_series": nil,
}

// digests tells of every table how many rows it has and what they hold.
func digests(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	f := &filler{t: t, db: db}
	found := map[string]string{}
	for _, row := range f.query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'kept_*' AND name <> 'goose_db_version'") {
		table := row[0].(string)
		gone, some := derived[table]
		if some && gone == nil {
			continue
		}
		var columns []string
		for _, row := range f.query("SELECT name FROM pragma_table_info(?)", table) {
			if name := row[0].(string); !slices.Contains(gone, name) {
				columns = append(columns, name)
			}
		}
		found[table] = digest(f.query("SELECT " + strings.Join(columns, ", ") + " FROM " + table))
	}
	if _, there := found["projects"]; there && number(t, db, "SELECT count(*) FROM sqlite_schema WHERE name = 'points'") == 1 {
		found["points"] = digest(f.query(`SELECT s.tenant_id, s.project_id, s.metric_type, s.points, s.last_value, p.time, p.value, p.metadata,
			row_number() OVER (PARTITION BY s.id ORDER BY p.time, p.seq) FROM series s JOIN points p ON p.series = s.id`))
	}
	return found
}

func digest(rows [][]any) string {
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = fmt.Sprintf("%#v", row)
	}
	slices.Sort(lines)
	return fmt.Sprintf("%d rows, %x", len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n"))))
}

func versions(t *testing.T) (all []int64) {
	t.Helper()
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		all = append(all, m.Version)
	}
	return all
}

func migrate(t *testing.T, db *sql.DB, version int64) {
	t.Helper()
	if err := To(context.Background(), db, version, nil); err != nil {
		t.Fatalf("to %d: %v", version, err)
	}
}

func schema(t *testing.T, db *sql.DB) string {
	t.Helper()
	objects, err := Schema(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(objects, "\n")
}

// TestDownAndUpBringsEveryRowBack fills every version with rows of many tenants
// and goes down to the one before it, and from the newest to each, and up again.
func TestDownAndUpBringsEveryRowBack(t *testing.T) {
	all := append([]int64{0}, versions(t)...)
	for i, from := range all[1:] {
		for _, to := range all[:i+1] {
			if to != all[i] && from != all[len(all)-1] {
				continue // by one from each version, and to each from the newest
			}
			t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) {
				db := openDatabase(t)
				migrate(t, db, from)
				fill(t, db, 12)
				settle(t, db)
				want := digests(t, db)
				migrate(t, db, to)
				migrate(t, db, from)
				if diff := gocmp.Diff(want, digests(t, db)); diff != "" {
					t.Errorf("what came back differs (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// settle gives filled series the summaries that their points have.
func settle(t *testing.T, db *sql.DB) {
	t.Helper()
	if number(t, db, "SELECT count(*) FROM sqlite_schema WHERE name = 'points'") == 1 {
		exec(t, db, "UPDATE series SET points = (SELECT count(*) FROM points WHERE series = id), last_value = (SELECT value FROM points WHERE series = id ORDER BY time DESC, seq DESC LIMIT 1)")
	}
}

// TestUpAndDownBringsEveryRowBack does the same the other way round: an older
// system's rows are what they were, after a newer schema was in force.
func TestUpAndDownBringsEveryRowBack(t *testing.T) {
	all := versions(t)
	newest := all[len(all)-1]
	for _, from := range all[:len(all)-1] {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			db := openDatabase(t)
			migrate(t, db, from)
			fill(t, db, 12)
			if from < 4 { // names that the older system did not keep apart
				exec(t, db, "UPDATE projects SET name = 'same'")
				exec(t, db, "UPDATE artifacts SET name = 'same', version = '1'")
			}
			want := digests(t, db)
			migrate(t, db, newest)
			migrate(t, db, from)
			got := digests(t, db)
			if from == 1 {
				delete(got, "tenant_use")
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("what came back differs (-before +after):\n%s", diff)
			}
		})
	}
}

// TestEveryWayLeadsToOneSchema compares what is reached by going up from a
// database with rows, and by going down to it, with a fresh installation.
func TestEveryWayLeadsToOneSchema(t *testing.T) {
	all := versions(t)
	newest := all[len(all)-1]
	fresh := map[int64]string{}
	for _, version := range all {
		db := openDatabase(t)
		migrate(t, db, version)
		fresh[version] = schema(t, db)
	}
	for _, version := range all {
		db := openDatabase(t)
		migrate(t, db, version)
		fill(t, db, 12)
		migrate(t, db, newest)
		if diff := gocmp.Diff(fresh[newest], schema(t, db)); diff != "" {
			t.Errorf("up from %d (-fresh +got):\n%s", version, diff)
		}
		migrate(t, db, version)
		if diff := gocmp.Diff(fresh[version], schema(t, db)); diff != "" {
			t.Errorf("down to %d (-fresh +got):\n%s", version, diff)
		}
	}
}

// TestTheTenantsSurviveTheWayDown holds the downgrade to what the older system's
// lost: rows of two tenants that have one id, and what was added meanwhile.
func TestTheTenantsSurviveTheWayDown(t *testing.T) {
	db := openDatabase(t)
	migrate(t, db, 2)
	exec(t, db, `INSERT INTO tenants (id, num, name, slug, success_weights, created_at, updated_at) VALUES (x'0b', 2, 'B', 'b', '{}', 1, 1)`)
	exec(t, db, `INSERT INTO projects (tenant_id, id, name, created_at, updated_at) SELECT id, x'01', 'of ' || slug, 1, 1 FROM tenants`)
	exec(t, db, `INSERT INTO projects (tenant_id, id, name, created_at, updated_at) VALUES (x'0b', x'02', 'alone', 1, 1)`)
	exec(t, db, `INSERT INTO team_members (tenant_id, id, project_id, name, role, experience_level, created_at) SELECT id, id, x'01', 'm', 'other', 'mid', 1 FROM tenants`)
	migrate(t, db, 1)
	if n := number(t, db, "SELECT count(*) FROM projects"); n != 2 {
		t.Errorf("the older schema has %d projects, want 2: one of each id", n)
	}
	exec(t, db, `INSERT INTO projects (id, name, created_at, updated_at) VALUES (x'03', 'new', 1, 1)`)
	exec(t, db, `INSERT INTO team_members (id, project_id, name, role, experience_level, created_at) VALUES (x'33', x'02', 'late', 'other', 'mid', 1)`)
	exec(t, db, `INSERT INTO artifacts (id, name, type, version, created_at, updated_at) VALUES (x'0a', 'a', 'model', '1', 1, 1)`)
	exec(t, db, `INSERT INTO artifact_usage (id, artifact_id, project_id, used_at) VALUES (x'44', x'0a', x'02', 1), (x'45', x'0a', x'03', 1)`)
	migrate(t, db, 2)
	f := &filler{t: t, db: db}
	want := [][]any{{"default", "new"}, {"default", "of default"}, {"b", "alone"}, {"b", "of b"}}
	got := f.query("SELECT t.slug, p.name FROM projects p JOIN tenants t ON t.id = p.tenant_id ORDER BY t.slug DESC, p.name")
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("projects (-want +got):\n%s", diff)
	}
	if n := number(t, db, "SELECT count(*) FROM team_members m JOIN tenants t ON t.id = m.tenant_id WHERE t.slug = 'b'"); n != 2 {
		t.Errorf("%d members of b, want its own and the one who came to its project", n)
	}
	if n := number(t, db, "SELECT count(*) FROM artifact_usage"); n != 1 {
		t.Errorf("%d uses, want the one within a tenant", n)
	}
	kept, err := Kept(context.Background(), db)
	if diff := gocmp.Diff(map[string]int64{"kept_2_unplaced_artifact_usage": 1}, kept); err != nil || diff != "" {
		t.Errorf("kept %v (-want +got):\n%s", err, diff)
	}
	if n := number(t, db, "SELECT projects FROM tenant_use u JOIN tenants t ON t.id = u.tenant_id WHERE t.slug = 'default'"); n != 2 {
		t.Errorf("the default tenant counts %d projects, want 2", n)
	}
}

// TestWhatRefersToNothingIsSetAside upgrades an older system's rows that refer to
// rows which are not there.
func TestWhatRefersToNothingIsSetAside(t *testing.T) {
	db := openDatabase(t)
	migrate(t, db, 1)
	exec(t, db, "INSERT INTO projects (id, name, created_at, updated_at) VALUES (x'01', 'p', 1, 1)")
	exec(t, db, "INSERT INTO predictions (id, project_id, created_at) VALUES (x'11', x'01', 1), (x'12', x'99', 1), (x'13', NULL, 1)")
	apply(t, db)
	if n := number(t, db, "SELECT count(*) FROM predictions"); n != 2 {
		t.Errorf("%d predictions, want the 2 that can be placed", n)
	}
	if n := number(t, db, "SELECT count(*) FROM kept_2_unplaced_predictions WHERE id = x'12' AND project_id = x'99'"); n != 1 {
		t.Error("the one that refers to nothing is not kept")
	}
}
