package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage/archive"
	"maestro/tenancy"
	"maestro/tracking"
)

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

// TestNoWholeNumberOfAnArchiveIsOutOfBounds forges each whole number and each time of
// the rows in turn. A version at the end of the range would be one that no write could
// ever raise: the row would never change again, nor the user be disabled.
func TestNoWholeNumberOfAnArchiveIsOutOfBounds(t *testing.T) {
	_, _, name := full(t, true)
	info, honest := archived(t, name)
	dir := newDirectory(t)
	before := tree(t, dir)
	tried := map[portableKind]int{}
	for _, table := range portableTables {
		for _, c := range table.columns {
			values := map[portableKind][]any{asInt: {int64(-1), int64(maxWhole + 1), int64(math.MaxInt64)},
				asCount: {int64(0), int64(-1), int64(maxWhole + 1), int64(math.MaxInt64)},
				asTime:  {"1969-12-31T23:59:59.999999Z", "2200-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"}}[c.kind]
			for _, value := range values {
				tried[c.kind]++
				files := slices.Clone(honest)
				setMember(t, &files[slices.IndexFunc(files, func(f archivedFile) bool { return f.name == table.name+linesSuffix })], c.member(), value)
				_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, files), DryRun: true})
				var damage *archive.DamageError
				if !errors.As(err, &damage) || damage.Name != table.name+linesSuffix || !strings.Contains(err.Error(), ", which "+c.member()+" is no ") {
					t.Errorf("%s.%s %v: got %v", table.name, c.member(), value, err)
				}
			}
		}
	}
	if tried[asInt] < 12 || tried[asCount] < 24 || tried[asTime] < 60 {
		t.Errorf("tried %v", tried)
	}
	wantSameFiles(t, before, tree(t, dir))
}

// TestNoNumberOfAManifestIsOutOfBounds does so with the manifest's.
func TestNoNumberOfAManifestIsOutOfBounds(t *testing.T) {
	_, _, name := full(t, false)
	info, honest := archived(t, name)
	dir := newDirectory(t)
	want := map[string]string{"no revision": "no revision", "the last revision": "no revision", "a revision above": "no revision",
		"changed in 2200": "is not written as", "a trail's time": "is not written as"} // a time that cannot be read is written otherwise
	for what, change := range map[string]func(m *TenantManifest){
		"no revision":          func(m *TenantManifest) { m.Tenant.Revision = 0 },
		"the last revision":    func(m *TenantManifest) { m.Tenant.Revision = math.MaxInt64 },
		"a revision above":     func(m *TenantManifest) { m.Tenant.Revision = maxWhole + 1 },
		"made before all time": func(m *TenantManifest) { m.Tenant.CreatedAt = math.MinInt64 },
		"changed in 2200":      func(m *TenantManifest) { m.Tenant.UpdatedAt = 7258118400_000000 },
		"a trail's time":       func(m *TenantManifest) { m.Trail.Head.Time = -1 },
		"a trail of all numbers": func(m *TenantManifest) {
			m.Trail.Pruned.Sequence, m.Trail.Head.Sequence = math.MaxInt64, math.MinInt64+m.rows(trailTable)-1
		},
		"tokens":            func(m *TenantManifest) { m.LeftBehind.APITokens = math.MaxInt64 },
		"hooks":             func(m *TenantManifest) { m.LeftBehind.Hooks = -1 },
		"operators":         func(m *TenantManifest) { m.LeftBehind.Operators = -1 },
		"bytes of contents": func(m *TenantManifest) { m.ContentBytes = math.MaxInt64 },
	} {
		files := slices.Clone(honest)
		var m TenantManifest
		at := slices.IndexFunc(files, func(f archivedFile) bool { return f.name == manifestName })
		if err := json.Unmarshal([]byte(files[at].content), &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		files[at].content = string(m.encode())
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, files)})
		var damage *archive.DamageError
		if !errors.As(err, &damage) || damage.Name != manifestName || !strings.Contains(err.Error(), want[what]) && !strings.Contains(err.Error(), "that is none from") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	wantNothingCame(t, dir)
}

// TestATenantWithTheHighestVersionsCanBeChanged imports each counter at the highest
// that an archive may have: the tenant can still be suspended and deleted, and its
// rows changed.
func TestATenantWithTheHighestVersionsCanBeChanged(t *testing.T) {
	_, tenant, name := full(t, true)
	info, files := archived(t, name)
	for i := range files {
		files[i].content = strings.ReplaceAll(files[i].content, `"version":1}`, fmt.Sprintf(`"version":%d}`, int64(maxWhole)))
		files[i].content = strings.ReplaceAll(files[i].content, `"revision":1}`, fmt.Sprintf(`"revision":%d}`, int64(maxWhole)))
		files[i].content = strings.Replace(files[i].content, `"revision": 1`, fmt.Sprintf(`"revision": %d`, int64(maxWhole)), 1)
	}
	dir := newDirectory(t)
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, files)}); err != nil {
		t.Fatal(err)
	}
	s := opened(t, dir)
	defer closeStore(t, s)
	id := tenant.scope.Tenant()
	highest := int64(0)
	for _, table := range []string{"users", "roles", "projects"} {
		highest += count(t, s, "SELECT count(*) FROM "+table+" WHERE version >= 1 << 53")
	}
	for _, table := range []string{"tenants", "artifacts", "team_members"} {
		highest += count(t, s, "SELECT count(*) FROM "+table+" WHERE revision >= 1 << 53")
	}
	if highest < 6 {
		t.Errorf("only %d counters are at their highest", highest)
	}
	err := s.writer.do(background, id, func(tx *Tx) error {
		for _, text := range []string{"UPDATE tenants SET revision = revision + 1 WHERE id = $1", "UPDATE users SET version = version + 1 WHERE tenant_id = $1",
			"UPDATE roles SET version = version + 1 WHERE tenant_id = $1", "UPDATE projects SET version = version + 1 WHERE tenant_id = $1",
			"UPDATE artifacts SET revision = revision + 1 WHERE tenant_id = $1", "UPDATE team_members SET revision = revision + 1 WHERE tenant_id = $1"} {
			if _, err := tx.exec(text, id); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestALegacyTimeIsOneThatAnArchiveMayHave: what comes from an older system must be
// able to leave again.
func TestALegacyTimeIsOneThatAnArchiveMayHave(t *testing.T) {
	for _, test := range []struct {
		value any
		fits  bool
	}{
		{"1970-01-01", true}, {"2199-12-31 23:59:59.999999", true}, {time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC), true},
		{"1969-12-31", false}, {"2200-01-01 00:00:00", false}, {time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), false},
	} {
		r := &legacyReader{row: legacyRow{"start_date": test.value}, used: map[string]bool{}}
		if at := r.time("start_date"); (at != nil) != test.fits || (len(r.misfits) == 0) != test.fits {
			t.Errorf("%v: got %v, misfits %v", test.value, at, r.misfits)
		}
	}
}

// TestWhatTheAPIBoundsIsBoundedInAnArchive: as many roles, roles of a user, runs of a
// week and times of commits as there may be come in, and one more of either is refused
// before anything is written.
func TestWhatTheAPIBoundsIsBoundedInAnArchive(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	id, p := tenant.scope.Tenant(), newProject(t, tenant, "p")
	u := newUser("user@example.com", auth.RoleViewer)
	u.EmailKey, u.PasswordHash = u.Email, ""
	if _, err := tenant.CreateUser(background, tenant.scope, *u, func(auth.RoleBook) error { return nil }); err != nil {
		t.Fatal(err)
	}
	err := tenant.write(background, func(tx *Tx) error {
		for n := range auth.MaxRoles {
			if _, err := tx.exec(insertPortableRole, id, fmt.Sprintf("role-%03d", n), "", `["projects:view"]`, 1, 1, 1); err != nil {
				return err
			}
		}
		for n := range auth.MaxRolesPerUser - 1 { // beside that of a viewer
			if _, err := tx.exec(insertUserRole, id, u.ID, fmt.Sprintf("role-%03d", n)); err != nil {
				return err
			}
		}
		run := func(n int, week any) error {
			_, err := tx.exec(insertPortableRun, id, tenancy.NewID(), p.ID, tracking.RunProviders[0], fmt.Sprint(n), "", "success", "", nil, nil, nil, nil, nil, nil, 0, "", 0, week, 1, 1)
			return err
		}
		for n := range tracking.MaxRunsOfWeek {
			if err := run(n, aMonday); err != nil {
				return err
			}
		}
		if err := errors.Join(run(tracking.MaxRunsOfWeek, nil), run(tracking.MaxRunsOfWeek+1, aMonday+oneWeek)); err != nil {
			return err
		}
		for n := range maxCommitTimes + 1 {
			if _, err := tx.exec(insertPortableCommit, id, p.ID, fmt.Sprintf("%040x", n), 1, 1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	name, _ := exported(t, s, "acme", false)
	info, honest := archived(t, name)
	dir := newDirectory(t)
	before := tree(t, dir)
	last := "ffffffff-ffff-4fff-bfff-ffffffffffff" // behind all others
	for table, test := range map[string]struct {
		line string // that is one of the full ones
		more map[string]any
		want problem.Limit
		of   string
	}{
		"roles":         {"", map[string]any{"name": "rolf"}, problem.Limit{Resource: "roles", Limit: auth.MaxRoles, Current: auth.MaxRoles + 1}, "the tenant"},
		"user_roles":    {"", map[string]any{"role": "viewer-2"}, problem.Limit{Resource: "roles", Limit: auth.MaxRolesPerUser, Current: auth.MaxRolesPerUser + 1}, u.ID.String()},
		"pipeline_runs": {aMonday.String(), map[string]any{"id": last, "run": "more"}, problem.Limit{Resource: "pipeline_runs", Limit: tracking.MaxRunsOfWeek, Current: tracking.MaxRunsOfWeek + 1}, aMonday.String()},
		"commit_times":  {"", map[string]any{"commit_sha": strings.Repeat("f", 40)}, problem.Limit{Resource: "commit_times", Limit: maxCommitTimes + 1, Current: maxCommitTimes + 2}, p.ID.String()},
	} {
		files := slices.Clone(honest)
		for i := range files {
			if files[i].name == "roles"+linesSuffix && table == "user_roles" { // the role that the user has more
				files[i].content = strings.Replace(files[i].content, `"name":"role-099"`, `"name":"viewer-2"`, 1)
			}
			if files[i].name != table+linesSuffix {
				continue
			}
			lines := strings.SplitAfter(strings.TrimSuffix(files[i].content, "\n"), "\n")
			more := archivedFile{files[i].name, strings.TrimSuffix(lines[slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, test.line) })], "\n") + "\n"}
			for member, value := range test.more {
				setMember(t, &more, member, value)
			}
			files[i].content += more.content
		}
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, files)})
		var e *problem.Error
		if !errors.As(err, &e) || e.Code != problem.LimitReached || *e.Limit != test.want || !strings.Contains(e.Detail, test.of) {
			t.Errorf("one more of %s: got %v", table, err)
		}
	}
	wantSameFiles(t, before, tree(t, dir))
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name}); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
}

// TestRecordsAloneMayFillATenant has no content at all, and more records than the
// tenant may store.
func TestRecordsAloneMayFillATenant(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p")
	for i := range 20 {
		point := tracking.Point{ProjectID: p.ID, MetricType: "loss", MetricValue: 1, Timestamp: ptr(tenancy.Time(i)), Metadata: tenancy.Object(`{"step":1}`)}
		if _, _, err := tenant.AddPoint(background, point, Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	name, report := exported(t, s, "acme", false)
	held := count(t, s, "SELECT record_bytes FROM tenant_use WHERE tenant_id = $1", tenant.scope.Tenant())
	if report.ContentBytes != 0 || report.RecordBytes != held || held < 20*pointBytes {
		t.Fatalf("%d bytes of content, %d of records, want 0 and %d", report.ContentBytes, report.RecordBytes, held)
	}
	dir := newDirectory(t)
	for _, dry := range []bool{true, false} {
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Limits: ImportLimits{MaxStorageBytes: ptr(held - 1)}, DryRun: dry})
		wantCode(t, err, problem.LimitReached)
	}
	wantNothingCame(t, dir)
	report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Limits: ImportLimits{MaxStorageBytes: &held}, DryRun: true})
	if err != nil || report.Limits.MaxStorageBytes != held {
		t.Errorf("the trial says %+v, %v", report.Limits, err)
	}
	report, err = ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Limits: ImportLimits{MaxStorageBytes: &held}})
	if err != nil {
		t.Fatal(err)
	}
	if report.Limits.MaxStorageBytes != held || report.Limits.MaxUsers != 1e9 {
		t.Errorf("the report says %+v", report.Limits)
	}
}

// TestAManifestSaysHowLongTheFilesAre has one that says another size of each file of
// lines: an import would ask the disk for another room than it needs.
func TestAManifestSaysHowLongTheFilesAre(t *testing.T) {
	_, _, name := full(t, false)
	info, honest := archived(t, name)
	dir := newDirectory(t)
	at := slices.IndexFunc(honest, func(f archivedFile) bool { return f.name == manifestName })
	var m TenantManifest
	if err := json.Unmarshal([]byte(honest[at].content), &m); err != nil {
		t.Fatal(err)
	}
	for i, f := range m.Files {
		for _, size := range []int64{0, f.Bytes - 1, f.Bytes + 1, maxWhole, maxWhole + 1, math.MaxInt64} {
			forged := m
			forged.Files = slices.Clone(m.Files)
			if forged.Files[i].Bytes = size; size == f.Bytes {
				continue
			}
			files := slices.Clone(honest)
			files[at].content = string(forged.encode())
			_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: archiveOf(t, info, files), DryRun: true})
			var damage *archive.DamageError
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), "the manifest says") && !strings.Contains(err.Error(), "does not list "+f.Name) {
				t.Errorf("%d bytes of %s: got %v", size, f.Name, err)
			}
		}
	}
	wantNothingCame(t, dir)
}

// TestACostlyHashIsLeftOut has hashes that an import takes, and some that would make
// each login take seconds: their users come without, and the report counts them.
func TestACostlyHashIsLeftOut(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	want := map[string]bool{} // by address: whether the hash comes along
	for cost, comes := range map[int]bool{auth.MinHashCost: true, auth.DefaultHashCost: true, auth.DefaultHashCost + 1: true, auth.DefaultHashCost + 2: false, auth.MaxHashCost: false} {
		for _, scheme := range []string{"", "{hmac-sha384}"} {
			u := newUser(fmt.Sprintf("cost%d%d@example.com", cost, len(scheme)), auth.RoleViewer)
			u.EmailKey, u.PasswordHash = u.Email, scheme+strings.Replace(legacyHash, "$04$", fmt.Sprintf("$%02d$", cost), 1)
			if _, err := tenant.CreateUser(background, tenant.scope, *u, func(auth.RoleBook) error { return nil }); err != nil {
				t.Fatal(err)
			}
			want[u.Email] = comes
		}
	}
	name, written := exported(t, s, "acme", true)
	dir := newDirectory(t)
	trial, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	if err != nil {
		t.Fatal(err)
	}
	if got := [...]int64{written.CostlyHashes, trial.CostlyHashes, report.CostlyHashes}; got != [...]int64{4, 4, 4} {
		t.Errorf("%v hashes are counted, want 4 each time", got)
	}
	to := opened(t, dir)
	defer closeStore(t, to)
	for email, comes := range want {
		n := count(t, to, "SELECT count(*) FROM users WHERE email = $1 AND password_hash IS NOT NULL", email)
		if (n == 1) != comes || count(t, to, "SELECT count(*) FROM users WHERE email = $1", email) != 1 {
			t.Errorf("%s has a hash: %v, want %v", email, n == 1, comes)
		}
	}
}
