package storage

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/auth"
	"maestro/registry"
	"maestro/storage/archive"
	"maestro/tenancy"
	"maestro/tracking"
)

// fillTenant gives a tenant some of everything. r draws how much, and of what.
func fillTenant(t testing.TB, s *Store, tenant *Tenant, r func(n int) int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func() string {
		return []string{"plain", "two\nlines", `"quoted" \ é 🎵`, "\u2028 <b>", strings.Repeat("long ", 200)}[r(5)]
	}
	_, err := s.CreateRole(background, tenant.scope, auth.Role{RoleFields: auth.RoleFields{Name: "reader", Permissions: []string{"projects:view"}}, CreatedAt: 5})
	must(err)
	var users []tenancy.ID
	for i := range 1 + r(4) {
		u := newUser(fmt.Sprintf("User%d@example.com", i), []string{auth.RoleViewer, "reader", auth.RoleTenantAdmin}[r(3)])
		u.EmailKey, u.PasswordHash, u.Metadata = strings.ToLower(u.Email), legacyHash, tenancy.Object(`{"n":[1,2.50]}`)
		u.IsOperator = i == 0
		_, err := tenant.CreateUser(background, tenant.scope, *u, func(auth.RoleBook) error { return nil })
		must(err)
		users = append(users, u.ID)
	}
	openSession(t, s, auth.UserKey{Tenant: tenant.scope.Tenant(), User: users[0]}, tenancy.TimeOf(time.Now()), tenancy.TimeOf(time.Now().Add(time.Hour)))
	_, err = s.CreateAPIToken(background, tenant.scope, auth.NewAPIToken{ID: tenancy.NewID(), User: users[0], Name: "job", Digest: auth.Digest(sha256.Sum256([]byte(tenant.scope.Tenant().String()))),
		CreatedBy: users[0], CreatedAt: 1, ExpiresAt: tenancy.TimeOf(time.Now().Add(time.Hour))}, func(auth.UserView) error { return nil })
	must(err)
	finishProjects(t, tenant, 5+r(4), r(3))
	var projects []tenancy.ID
	for i := range 1 + r(4) {
		f := tracking.ProjectFields{Name: fmt.Sprint("open ", i), Description: text(), Status: tracking.Active, Metadata: tenancy.Object(`{"a":"\u00e9"}`),
			Attributes: tracking.Attributes{"big": true, "x": -0.1, "word": "é"}}
		p, _, err := tenant.CreateProject(background, f, Idempotency{})
		must(err)
		projects = append(projects, p.ID)
	}
	var artifacts []tenancy.ID
	for i := range 1 + r(5) {
		a := newArtifact(t, tenant, fmt.Sprint("artifact ", i), func(f *registry.ArtifactFields) { f.Tags, f.Description = []string{"a", "é \"t\""}, text() })
		if r(3) > 0 {
			mustUpload(t, tenant, a.ID, fmt.Sprint("content ", r(2), strings.Repeat("x", r(3000))))
		}
		artifacts = append(artifacts, a.ID)
	}
	for range r(6) {
		fields := registry.UsageFields{ProjectID: projects[r(len(projects))]}
		if r(2) == 0 {
			fields.ImpactScore = ptr(float64(r(1000)) / 7)
			*fields.ImpactScore = min(*fields.ImpactScore, 100)
		}
		_, _, err := tenant.UseArtifact(background, artifacts[r(len(artifacts))], fields, Idempotency{Key: fmt.Sprint("key ", tenancy.NewID()), Fingerprint: []byte{1}})
		must(err)
	}
	for i := range r(4) {
		m := tracking.MemberFields{Name: fmt.Sprint("member ", i), Role: "devops", ExperienceLevel: "mid", ContributionHours: float64(r(100)) / 3}
		if r(2) == 0 {
			m.UserID = &users[r(len(users))]
		}
		_, _, err := tenant.CreateMember(background, projects[0], m, Idempotency{})
		must(err)
	}
	for i := range r(40) {
		p := tracking.Point{ProjectID: projects[r(len(projects))], MetricType: fmt.Sprint("loss ", i%3), MetricValue: float64(r(1000)-500) / 9, Timestamp: ptr(tenancy.Time(r(10)))}
		if r(3) == 0 {
			p.Metadata = tenancy.Object(`{"step":1}`)
		}
		_, _, err := tenant.AddPoint(background, p, Idempotency{})
		must(err)
	}
	for i := range 1 + r(5) {
		recordRun(t, tenant, projects[0], report(fmt.Sprint("run ", i), tracking.RunSuccess, 1+r(20000), func(f *tracking.RunFields) {
			if r(2) == 0 {
				deploying(f)
			}
			f.CommitSHA, f.CommittedAt = ptr(fmt.Sprintf("%040x", i)), ptr(aMonday-tenancy.Time(i))
		}))
	}
	_, err = tenant.CreateHook(background, projects[0], tenancy.NewID(), tracking.HookFields{Name: "CI", Provider: "github"}, []byte("sealed secret"))
	must(err)
	_, _, err = tenant.Predict(background, predictionOf(nil), Idempotency{})
	must(err)
	_, _, err = tenant.Predict(background, predictionOf(&projects[0]), Idempotency{})
	must(err)
	must(s.writer.do(background, tenant.scope.Tenant(), func(tx *Tx) error {
		_, err := tx.exec(insertPortableMisfit, tenant.scope.Tenant(), "projects", "1", "team_size", `{"was":"ten"}`, text(), 7)
		return err
	}))
	must(s.Rescore(background))
}

// exported writes a tenant's archive file and checks it.
func exported(t testing.TB, s *Store, tenant string, hashes bool, recipients ...age.Recipient) (name string, report TenantReport) {
	t.Helper()
	name = filepath.Join(t.TempDir(), tenant+".tar")
	report, err := WriteTenantFile(background, name, recipients, t.TempDir(), func(out io.Writer) error {
		return s.ExportTenant(background, tenant, out, ExportOptions{Version: "test", PasswordHashes: hashes, Temp: t.TempDir()})
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, report
}

// archived reads the files of an archive.
func archived(t testing.TB, name string) (info archive.Info, files []archivedFile) {
	t.Helper()
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err = archive.Read(in, t.TempDir(), func(_ archive.Info, name string, _ int64, content io.Reader) error {
		text, err := io.ReadAll(content)
		files = append(files, archivedFile{name, string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return info, files
}

type archivedFile struct{ name, content string }

// portableContent is what two exports of the same tenant must have alike: all but the
// trail, which has the exports, and the manifest, which has the trail.
func portableContent(t testing.TB, name string) map[string]string {
	t.Helper()
	_, files := archived(t, name)
	content := map[string]string{}
	for _, f := range files {
		if f.name != manifestName && f.name != trailTable+linesSuffix {
			content[f.name] = f.content
		}
	}
	return content
}

// rowsOf returns all rows that a tenant has, by table.
func rowsOf(t testing.TB, s *Store, tenant tenancy.ID) map[string][]string {
	t.Helper()
	tables := map[string][]string{}
	err := s.snapshot(background, func(c *conn) error {
		var names []string
		err := c.query(background, `SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) i ON i.name = 'tenant_id' WHERE m.type = 'table'`, nil,
			func(r row) error { names = append(names, r.text(0)); return nil })
		for _, name := range names {
			if err == nil {
				err = c.query(background, "SELECT * FROM "+name+" WHERE tenant_id = $1", []any{tenant}, func(r row) error {
					var values []any
					for i := range r.s.columns {
						values = append(values, r.value(i))
					}
					tables[name] = append(tables[name], fmt.Sprint(values))
					return nil
				})
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// TestATenantMovesWhole moves random tenants: what the other installation exports
// again is byte for byte what came, its other tenants are untouched, and so is what
// the first installation has.
func TestATenantMovesWhole(t *testing.T) {
	from, dir := openStore(t), t.TempDir()
	s := opened(t, dir)
	stays := newTenant(t, s, "stays")
	fillTenant(t, s, stays, func(n int) int { return n / 2 })
	staysID := stays.scope.Tenant()
	before := rowsOf(t, s, staysID)
	closeStore(t, s)
	moved := 0
	rapid.Check(t, func(r *rapid.T) {
		if moved == 12 { // each takes a second
			return
		}
		moved++
		hashes := rapid.Bool().Draw(r, "hashes")
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "n") }
		slug := fmt.Sprint("moves-", moved)
		tenant := newTenant(t, from, slug)
		fillTenant(t, from, tenant, draw)
		beside := newTenant(t, from, slug+"-twin") // with the same names and contents
		fillTenant(t, from, beside, draw)
		twin := rowsOf(t, from, beside.scope.Tenant())
		name, exportedReport := exported(t, from, slug, hashes)
		if diff := gocmp.Diff(twin, rowsOf(t, from, beside.scope.Tenant())); diff != "" {
			t.Fatalf("the export changed another tenant:\n%s", diff)
		}
		report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Temp: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if report.ID != tenant.scope.Tenant() || !report.Imported || report.Digest != exportedReport.Digest {
			t.Errorf("the report is %+v", report)
		}
		to := opened(t, dir)
		defer closeStore(t, to)
		checkIntegrity(t, to)
		again, _ := exported(t, to, slug, hashes)
		if diff := gocmp.Diff(portableContent(t, name), portableContent(t, again)); diff != "" {
			t.Errorf("the second export differs (-first +second):\n%s", diff)
		}
		if diff := gocmp.Diff(before, rowsOf(t, to, staysID)); diff != "" {
			t.Errorf("another tenant was changed:\n%s", diff)
		}
		// What is derived anew is what it was.
		for _, table := range []string{"tenant_use", "series", "artifacts"} {
			was, is := derivedRows(t, from, table, tenant.scope.Tenant()), derivedRows(t, to, table, tenant.scope.Tenant())
			if diff := gocmp.Diff(was, is); diff != "" {
				t.Errorf("%s differs (-was +is):\n%s", table, diff)
			}
		}
		if err := to.Maintain(background); err != nil {
			t.Error(err)
		}
		checkIntegrity(t, to)
		last, _ := exported(t, to, slug, hashes)
		if diff := gocmp.Diff(portableContent(t, name), portableContent(t, last)); diff != "" {
			t.Errorf("after the maintenance it differs:\n%s", diff)
		}
	})
	if moved < 5 {
		t.Errorf("only %d tenants moved", moved)
	}
}

// derivedRows are the derived columns of a table.
func derivedRows(t testing.TB, s *Store, table string, tenant tenancy.ID) (rows []string) {
	t.Helper()
	text := map[string]string{
		"tenant_use": "SELECT users, projects, artifacts, storage_bytes, record_bytes FROM tenant_use WHERE tenant_id = $1",
		"series":     "SELECT project_id, metric_type, points, value_min, value_max, round(value_sum, 6), first_time, last_time, last_value, metadata_bytes FROM series WHERE tenant_id = $1 ORDER BY project_id, metric_type",
		"artifacts":  "SELECT id, usage_count, avg_impact_score, impact_sum, impact_count FROM artifacts WHERE tenant_id = $1 ORDER BY id",
	}[table]
	err := s.read(background, func(c *conn) error {
		return c.query(background, text, []any{tenant}, func(r row) error {
			var values []any
			for i := range r.s.columns {
				values = append(values, r.value(i))
			}
			rows = append(rows, fmt.Sprint(values))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// full makes a store with one full tenant, and its archive.
func full(t testing.TB, hashes bool) (s *Store, tenant *Tenant, name string) {
	t.Helper()
	s = openStore(t)
	tenant = newTenant(t, s, "acme")
	fillTenant(t, s, tenant, func(n int) int { return n - 1 })
	name, _ = exported(t, s, "acme", hashes)
	return s, tenant, name
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// opened opens a directory that the test closes itself (closeStore).
func opened(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(background, Options{Dir: dir, Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// wantSameFiles compares trees; SQLite's own files may come and go when it is read.
func wantSameFiles(t testing.TB, before, after map[string]string) {
	t.Helper()
	for _, files := range []map[string]string{before, after} {
		for _, own := range []string{databaseName + "-wal", databaseName + "-shm"} {
			delete(files, own)
		}
	}
	if diff := gocmp.Diff(before, after); diff != "" {
		t.Errorf("files changed:\n%.2000s", diff)
	}
}
