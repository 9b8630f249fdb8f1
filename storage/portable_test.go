package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/auth"
	"maestro/migrations"
	"maestro/problem"
	"maestro/registry"
	"maestro/storage/archive"
	"maestro/tenancy"
	"maestro/tracking"
)

// leftTables are the tables of tenants' rows that do not go along, each with its
// reason.
var leftTables = map[string]string{
	"sessions":         "a credential",
	"api_tokens":       "a credential",
	"links":            "a credential",
	"hooks":            "its secret is sealed by this installation's key, and its address is this installation's",
	"hook_deliveries":  "belongs to the hooks",
	"idempotency_keys": "of requests to this installation, for a day",
	"import_progress":  "of imports into this installation; names files of its machine",
	"tenant_use":       "counted anew",
	"audit_events":     "the trail goes along as a record, in a file of its own",
	"audit_chains":     "the manifest has the head",
	"series":           "summed anew from the points",
	"derived_points":   "the points say which of them are derived",
	// A table of points, without tenant_id, is in the list of those that go along.
}

// leftColumns are the columns of those that go along that do not, each with its reason.
var leftColumns = map[string]map[string]string{
	"*":      {"tenant_id": "the import says whose the rows are"},
	"users":  {"email_key": "follows from email", "is_operator": "runs this installation, not the other", "epoch": "of the tokens of this installation"},
	"blobs":  {"refs": "counted anew"},
	"points": {"series": "a number of this installation: the project and the type stand in its place"},
	"artifacts": {"usage_count": "counted anew", "avg_impact_score": "counted anew", "impact_sum": "counted anew", "impact_count": "counted anew",
		"search_id": "a number of this installation"},
}

// TestAnArchiveHasEveryTableOfATenant fails when a table of tenants' rows, or a
// column of one, is added and nobody has decided whether it goes along.
func TestAnArchiveHasEveryTableOfATenant(t *testing.T) {
	s := openStore(t)
	portable := map[string]*portableTable{}
	for _, table := range portableTables {
		portable[table.name] = table
	}
	tables := tenantTables(t, s)
	tables[pointTable] = true
	for name := range tables {
		if (portable[name] == nil) == (leftTables[name] == "") {
			t.Errorf("%s must either go along or be left for a reason", name)
		}
	}
	for name, table := range portable {
		goes := map[string]bool{}
		for _, c := range table.columns {
			goes[c.name] = true
		}
		err := s.read(background, func(c *conn) error {
			return c.query(background, "SELECT name FROM pragma_table_info('"+name+"')", nil, func(r row) error {
				column := r.text(0)
				left := leftColumns[name][column]
				if left == "" {
					left = leftColumns["*"][column]
				}
				if goes[column] == (left != "") {
					t.Errorf("%s.%s must either go along or be left for a reason", name, column)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

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

// TestNoSecretLeaves looks for every secret of the tenant in the archive.
func TestNoSecretLeaves(t *testing.T) {
	s, tenant, _ := full(t, false)
	err := s.writer.do(background, tenant.scope.Tenant(), func(tx *Tx) error {
		_, err := tx.exec("UPDATE sessions SET current_hash = $2, previous_hash = $2 WHERE tenant_id = $1", tenant.scope.Tenant(), []byte("hash of a refresh token"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name, _ := exported(t, s, "acme", false)
	with, _ := exported(t, s, "acme", true)
	secrets := map[string][]byte{"a hash of a password": []byte(legacyHash), "a hook's secret": []byte("sealed secret")}
	err = s.read(background, func(c *conn) error {
		for what, text := range map[string]string{"a refresh token's hash": "SELECT current_hash FROM sessions WHERE tenant_id = $1",
			"an API token's digest": "SELECT digest FROM api_tokens WHERE tenant_id = $1"} {
			if err := c.queryRow(text, []any{tenant.scope.Tenant()}, func(r row) { secrets[what] = r.bytes(0) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	without, has := read(t, name), read(t, with)
	for what, secret := range secrets {
		forms := [][]byte{secret, []byte(hex.EncodeToString(secret))}
		for _, form := range forms {
			if bytes.Contains(without, form) {
				t.Errorf("%s is in the archive", what)
			}
			if bytes.Contains(has, form) && what != "a hash of a password" {
				t.Errorf("%s is in the archive with password hashes", what)
			}
		}
	}
	if !bytes.Contains(has, []byte(legacyHash)) {
		t.Error("the hashes of passwords do not go along when they are asked for")
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestTheTrailOfBothInstallations: the export is in the trail, which the archive has;
// the tenant's new trail begins with where it comes from.
func TestTheTrailOfBothInstallations(t *testing.T) {
	s, tenant, name := full(t, false)
	dir := newDirectory(t)
	report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	if err != nil {
		t.Fatal(err)
	}
	trail := events(t, tenant, EventFilter{})
	if head := trail[len(trail)-1]; head.Action != "tenant.export" || head.Link() != report.TrailHead {
		t.Errorf("the trail ends with %s, and the archive with %+v", head.Action, report.TrailHead)
	}
	if got := actions(installationEvents(t, s)); !slices.Contains(got, "tenant.export") {
		t.Errorf("the installation's trail has %v", got)
	}
	to := reopenStore(t, dir)
	wantSound(t, to)
	imported := events(t, to.Tenant(tenant.scope), EventFilter{})
	if len(imported) != 1 || imported[0].Action != "tenant.import" {
		t.Fatalf("the new trail has %v", actions(imported))
	}
	var after map[string]any
	if err := json.Unmarshal(imported[0].After, &after); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"source_id": tenant.scope.Tenant().String(), "source_slug": "acme", "last_sequence": float64(report.TrailHead.Sequence),
		"last_hash": report.TrailHead.Hash.String(), "archive": report.Digest}
	for name, value := range want {
		if after[name] != value {
			t.Errorf("the event says %s is %v, want %v", name, after[name], value)
		}
	}
	if got := actions(installationEvents(t, to)); !slices.Contains(got, "tenant.import") {
		t.Errorf("the other installation's trail has %v", got)
	}
}

// TestWhoComesCannotActOnHisOldRights: nobody is an operator, nobody has a session or
// token, and tokens of a tenant that was here before do not hold again.
func TestWhoComesCannotActOnHisOldRights(t *testing.T) {
	dir := t.TempDir()
	first := opened(t, dir)
	tenant := newTenant(t, first, "acme")
	fillTenant(t, first, tenant, func(n int) int { return n - 1 })
	operator := newUser("operator@example.com", auth.RoleViewer)
	operator.IsOperator = true
	runs := newTenant(t, first, "runs")
	if _, err := runs.CreateUser(background, runs.scope, *operator, func(auth.RoleBook) error { return nil }); err != nil {
		t.Fatal(err)
	}
	name, _ := exported(t, first, "acme", true)
	id := tenant.scope.Tenant()
	old, err := first.TenantState(background, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.DeleteTenant(background, id, nil); err != nil {
		t.Fatal(err)
	}
	closeStore(t, first)
	// It is still there as a deleted one, which is removed first.
	report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	if err != nil {
		t.Fatal(err)
	}
	s := reopenStore(t, dir)
	if report.ID != id {
		t.Errorf("the tenant has the id %s, want its own, %s", report.ID, id)
	}
	now, err := s.TenantState(background, id)
	if err != nil || now.Epoch <= old.Epoch {
		t.Errorf("the epoch is %d, and was %d: %v", now.Epoch, old.Epoch, err)
	}
	for _, table := range []string{"users WHERE is_operator = 1 AND", "sessions WHERE", "api_tokens WHERE", "links WHERE", "hooks WHERE", "hook_deliveries WHERE", "idempotency_keys WHERE"} {
		if n := count(t, s, "SELECT count(*) FROM "+table+" tenant_id = $1", id); n != 0 {
			t.Errorf("%d rows of %s tenant_id came", n, table)
		}
	}
	if report.LeftBehind != (LeftBehind{APITokens: 1, Hooks: 1, Operators: 1}) {
		t.Errorf("left behind: %+v", report.LeftBehind)
	}
	if n := count(t, s, "SELECT count(*) FROM users WHERE tenant_id = $1 AND password_hash IS NOT NULL", id); n != report.Rows["users"] {
		t.Errorf("%d of %d users have their password", n, report.Rows["users"])
	}
	checkIntegrity(t, s)
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

// TestATenantWhoseIDIsTaken is what everybody's default tenant meets: it needs another
// slug and name, and gets another id. The one that is there stays as it is.
func TestATenantWhoseIDIsTaken(t *testing.T) {
	s := openStore(t)
	found, err := s.TenantBySlug(background, tenancy.DefaultSlug)
	if err != nil {
		t.Fatal(err)
	}
	newProject(t, s.Tenant(tenancy.Issue(found.ID, tenancy.Actor{Kind: tenancy.ActorSystem})), "mine")
	name, _ := exported(t, s, tenancy.DefaultSlug, false)
	dir := newDirectory(t)
	_, err = ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	wantCode(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "--slug") {
		t.Errorf("%v names no way", err)
	}
	_, err = ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Slug: "moved"})
	wantCode(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "--name") {
		t.Errorf("%v names no way", err)
	}
	o := ImportTenantOptions{Dir: dir, File: name, Slug: "moved", Name: "Moved", DryRun: true}
	if report, err := ImportTenant(background, o); err != nil || report.Imported {
		t.Errorf("the trial: %+v, %v", report, err)
	}
	o.DryRun = false
	report, err := ImportTenant(background, o)
	if err != nil || report.ID == found.ID || report.Source != found.ID || report.Slug != "moved" {
		t.Fatalf("%+v, %v", report, err)
	}
	to := reopenStore(t, dir)
	if n := count(t, to, "SELECT count(*) FROM projects WHERE tenant_id = $1", report.ID); n != 1 {
		t.Errorf("%d projects came", n)
	}
	if n := count(t, to, "SELECT count(*) FROM projects WHERE tenant_id = $1", found.ID); n != 0 {
		t.Errorf("%d projects came to the other tenant", n)
	}
	checkIntegrity(t, to)
}

// TestAnImportKeepsToLimits has one more of everything than may be.
func TestAnImportKeepsToLimits(t *testing.T) {
	s, tenant, name := full(t, false)
	use, err := s.TenantByID(background, tenant.scope.Tenant())
	if err != nil {
		t.Fatal(err)
	}
	dir := newDirectory(t)
	for resource, limits := range map[string]ImportLimits{
		"users": {MaxUsers: ptr(use.Use.Users - 1)}, "projects": {MaxProjects: ptr(use.Use.Projects - 1)},
		"artifacts": {MaxArtifacts: ptr(use.Use.Artifacts - 1)}, "storage_bytes": {MaxStorageBytes: ptr(use.Use.StorageBytes - 1)},
	} {
		for _, dry := range []bool{true, false} {
			before := tree(t, dir)
			_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Limits: limits, DryRun: dry})
			wantCode(t, err, problem.LimitReached)
			if !strings.Contains(err.Error(), resource) {
				t.Errorf("%v does not name %s", err, resource)
			}
			if dry {
				wantSameFiles(t, before, tree(t, dir))
			}
		}
	}
	limits := ImportLimits{&use.Use.Users, &use.Use.Projects, &use.Use.Artifacts, &use.Use.StorageBytes}
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Limits: limits}); err != nil {
		t.Fatal(err)
	}
	to := reopenStore(t, dir)
	_, _, err = to.Tenant(tenant.scope).CreateProject(background, tracking.ProjectFields{Name: "one more", Status: tracking.Planned}, Idempotency{})
	wantCode(t, err, problem.LimitReached)
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

func TestATenantMovesEncrypted(t *testing.T) {
	s := openStore(t)
	newProject(t, newTenant(t, s, "acme"), "hidden words")
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	name, report := exported(t, s, "acme", true, key.Recipient())
	if bytes.Contains(read(t, name), []byte("hidden words")) || !report.Encrypted {
		t.Error("the archive is readable")
	}
	dir := newDirectory(t)
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name}); err == nil || !strings.Contains(err.Error(), "--identity") {
		t.Errorf("without the key: %v", err)
	}
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Identities: []age.Identity{key}}); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeExported(t *testing.T) {
	s, tenant, name := full(t, false)
	err := s.ExportTenant(background, "nobody", io.Discard, ExportOptions{})
	wantCode(t, err, problem.NotFound)
	if err := s.ExportTenant(background, tenant.scope.Tenant().String(), io.Discard, ExportOptions{}); err != nil {
		t.Errorf("by its id: %v", err)
	}
	_, err = WriteTenantFile(background, name, nil, "", func(io.Writer) error { return nil })
	wantCode(t, err, problem.Conflict)
	_, err = ImportTenant(background, ImportTenantOptions{Dir: t.TempDir(), File: filepath.Join(t.TempDir(), "missing")})
	wantCode(t, err, problem.NotFound)
	backup, _ := backUp(t, s)
	_, err = VerifyTenantFile(background, backup, nil, "")
	wantCode(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "maestro restore") {
		t.Errorf("a backup: %v", err)
	}
	if _, err := Restore(background, name, filepath.Join(t.TempDir(), "data"), RestoreOptions{}); err == nil {
		t.Error("the archive of a tenant is restored as an installation")
	}
	// A content that is missing, or not what it was.
	held := files(t, s)
	if err := os.WriteFile(filepath.Join(s.dir, blobsName, held[0]), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.ExportTenant(background, "acme", io.Discard, ExportOptions{}); err == nil {
		t.Error("a damaged content is exported")
	}
	dir := t.TempDir()
	if _, err := Migrate(background, MigrateOptions{Dir: dir, Version: migrations.Newest() - 1}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	wantCode(t, ExportTenantDir(background, dir, "default", io.Discard, ExportOptions{}), problem.Conflict)
	_, err = ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, DryRun: true})
	wantCode(t, err, problem.Conflict)
	wantSameFiles(t, before, tree(t, dir))
}

// TestContentThatGoesMeanwhileIsExported deletes every artifact when the first byte of
// the archive is written: the rows were read by then, their content not. It goes
// afterwards.
func TestContentThatGoesMeanwhileIsExported(t *testing.T) {
	s, tenant := filled(t)
	deleted := false
	out := writerFunc(func(b []byte) (int, error) {
		if !deleted {
			deleted = true
			for _, a := range allArtifacts(t, tenant) {
				if err := tenant.DeleteArtifact(background, a.ID, nil); err != nil {
					t.Error(err)
				}
			}
		}
		return len(b), nil
	})
	name := filepath.Join(t.TempDir(), "acme.tar")
	report, err := WriteTenantFile(background, name, nil, t.TempDir(), func(file io.Writer) error {
		return s.ExportTenant(background, "acme", io.MultiWriter(out, file), ExportOptions{})
	})
	if err != nil || !deleted || report.Contents != 20 || report.Rows["artifacts"] != 20 {
		t.Errorf("%+v, %v", report, err)
	}
	sweepAll(t, s, 1000)
	if left := files(t, s); len(left) > 0 {
		t.Errorf("%d contents are left that nothing refers to", len(left))
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
