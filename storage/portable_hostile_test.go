package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maestro/audit"
	"maestro/problem"
	"maestro/registry"
	"maestro/storage/archive"
	"maestro/tenancy"
	"maestro/tracking"
)

// wantNothingCame fails unless a directory has its default tenant alone, and no content.
func wantNothingCame(t testing.TB, dir string) {
	t.Helper()
	s := opened(t, dir)
	defer closeStore(t, s)
	if n := count(t, s, "SELECT count(*) FROM tenants"); n != 1 {
		t.Errorf("there are %d tenants", n)
	}
	if n := count(t, s, "SELECT (SELECT count(*) FROM projects) + (SELECT count(*) FROM users) + (SELECT count(*) FROM blobs) + (SELECT count(*) FROM series)"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, blobsName)); err != nil || len(entries) > 0 {
		t.Errorf("content is left: %v, %v", entries, err)
	}
	checkIntegrity(t, s)
}

// TestADamagedTenantFileIsRefusedByName flips bits all over an archive, and cuts it
// off. The file that is damaged is named, and nothing is written.
func TestADamagedTenantFileIsRefusedByName(t *testing.T) {
	_, _, name := full(t, true)
	whole := read(t, name)
	dir, temp := newDirectory(t), t.TempDir()
	before := tree(t, dir)
	path := filepath.Join(t.TempDir(), "damaged.tar")
	try := func(content []byte) *archive.DamageError {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: path, Temp: temp})
		var damage *archive.DamageError
		if err == nil || !errors.As(err, &damage) && !errors.Is(err, archive.ErrNoArchive) {
			t.Fatalf("%v names nothing", err)
		}
		return damage
	}
	at := func(f archivedFile) int { return bytes.Index(whole, []byte(f.content)) }
	_, files := archived(t, name)
	for _, f := range files {
		if f.content == "" {
			continue
		}
		damaged := bytes.Clone(whole)
		damaged[at(f)+len(f.content)/2] ^= 2
		if damage := try(damaged); damage.Name != f.name {
			t.Errorf("a bit of %s: %s is named", f.name, damage.Name)
		}
	}
	for length := 0; length < len(whole); length += len(whole) / 23 {
		try(whole[:length])
	}
	wantSameFiles(t, before, tree(t, dir))
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// forge writes an archive of other files, whose manifest and digests agree with them
// as far as they can: whoever forges one can compute digests.
func forge(t testing.TB, info archive.Info, files []archivedFile) string {
	t.Helper()
	for i := range files {
		if files[i].name != manifestName {
			continue
		}
		var m TenantManifest
		if json.Unmarshal([]byte(files[i].content), &m) != nil || m.Format != PortableFormat || string(m.encode()) != files[i].content {
			continue
		}
		for j := range m.Files {
			for _, f := range files {
				if f.name == m.Files[j].Name {
					sum := sha256.Sum256([]byte(f.content))
					m.Files[j] = PortableFile{Name: f.name, Rows: int64(strings.Count(f.content, "\n")), Bytes: int64(len(f.content)), SHA256: hex.EncodeToString(sum[:])}
				}
			}
		}
		m.Contents = m.rows(blobTable)
		files[i].content = string(m.encode())
	}
	return archiveOf(t, info, files)
}

// archiveOf writes an archive of files as they are.
func archiveOf(t testing.TB, info archive.Info, files []archivedFile) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "forged.tar")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := archive.NewWriter(out, t.TempDir(), info)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := w.Add(f.name, int64(len(f.content)), strings.NewReader(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestAForgedTenantFileIsRefused has archives whose every digest holds and whose
// content does not.
func TestAForgedTenantFileIsRefused(t *testing.T) {
	_, tenant, name := full(t, true)
	info, honest := archived(t, name)
	dir := newDirectory(t)
	before := tree(t, dir)
	line := func(f *archivedFile, n int) string { return strings.SplitAfter(f.content, "\n")[n] }
	replace := func(old, new string) func(*archivedFile) {
		return func(f *archivedFile) {
			if !strings.Contains(f.content, old) {
				t.Fatalf("%s has no %s", f.name, old)
			}
			f.content = strings.Replace(f.content, old, new, 1)
		}
	}
	id, otherID := tenant.scope.Tenant().String(), tenancy.NewID().String()
	for _, test := range []struct {
		name, file string
		change     func(*archivedFile)
		want       string // in the refusal
	}{
		{"a row twice", "projects", func(f *archivedFile) { f.content = line(f, 0) + f.content }, "line 2, which does not rise"},
		{"rows out of order", "projects", func(f *archivedFile) { f.content = line(f, 1) + line(f, 0) }, "line 2, which does not rise"},
		{"another tenant's row", "projects", replace(`{"id"`, `{"tenant_id":"`+otherID+`","id"`), `line 1, which has "tenant_id"`},
		{"a member twice", "projects", replace(`,"status"`, `,"version":1,"status"`), "spelt"},
		{"a member that no row has", "users", replace(`,"version"`, `,"is_operator":true,"version"`), `has "is_operator"`},
		{"no member", "users", replace(`"is_active":true,`, ``), "has no is_active"},
		{"another type", "projects", replace(`"version":1`, `"version":"1"`), "version is no whole number"},
		{"null where there is none", "projects", replace(`"version":1`, `"version":null`), "version is null"},
		{"a number out of range", "projects", replace(`"complexity_score":1,`, `"complexity_score":1000,`), "complexity_score must be"},
		{"no number", "points", replace(`"metric_value":`, `"metric_value":1e999,"x":`), "metric_value is no finite number"},
		{"space", "projects", replace(`{"id":`, `{ "id":`), "spelt"},
		{"an escape that need not be", "projects", replace(`"status":"`, `"status":"\u0061`), "spelt"},
		{"no object", "projects", func(f *archivedFile) { f.content = "[]\n" + f.content }, "line 1, which is no JSON object"},
		{"no line end", "projects", func(f *archivedFile) { f.content += "{" }, "has no end"},
		{"an endless line", "projects", func(f *archivedFile) { f.content += strings.Repeat(" ", maxLine+1) + "\n" }, "has more than"},
		{"a deep object", "projects", replace(`"metadata":{}`, `"metadata":{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`), "metadata is no object"},
		{"a name twice", "projects", replace(`"name":"finished 1"`, `"name":"finished 0"`), "has the name of another row"},
		{"an address twice", "users", replace(`"email":"User1@`, `"email":"uSER0@`), "has the name of another row"},
		{"no address", "users", replace(`User0@example.com`, `nowhere`), "email must be"},
		{"a hash that costs hours", "users", replace(legacyHash, strings.Replace(legacyHash, "$04$", "$31$", 1)), "password_hash is no hash"},
		{"a permission that is none", "roles", replace(`["projects:view"]`, `["operator:everything"]`), "permissions"},
		{"a role with a system role's name", "roles", replace(`"reader"`, `"tenant_admin"`), "is reserved"},
		{"a role that is not there", "user_roles", replace(`"role":"tenant_admin"`, `"role":"tenant_admins"`), "has a role that is not in the archive"},
		{"a user that is not there", "team_members", func(f *archivedFile) { setMember(t, f, "user_id", otherID) }, "has a user_id that is not in the archive"},
		{"a project that is not there", "artifact_usage", func(f *archivedFile) { setMember(t, f, "project_id", otherID) }, "has a project_id that is not in the archive"},
		{"an artifact that is not there", "artifact_usage", func(f *archivedFile) { setMember(t, f, "artifact_id", otherID) }, "has a artifact_id that is not in the archive"},
		{"points of a project that is not there", "points", func(f *archivedFile) { setMember(t, f, "project_id", strings.Repeat("0", 8)+otherID[8:]) }, "has a project_id that is not in the archive"},
		{"a content that is not there", "artifacts", func(f *archivedFile) { setMember(t, f, "content_hash", strings.Repeat("0", 64)) }, "has a content that is not in the archive"},
		{"a content that nobody has", "artifacts", func(f *archivedFile) {
			f.content = strings.ReplaceAll(f.content, `"has_content":true`, `"has_content":false`)
		}, "that no artifact has"},
		{"a content's size", blobTable, func(f *archivedFile) { setMember(t, f, "size_bytes", 1) }, "is not what the list of contents names"},
		{"a status that is none", "pipeline_runs", replace(`"status":"success"`, `"status":"won"`), "status is none"},
		{"a number behind the last", "points", func(f *archivedFile) { setMember(t, f, "sequence", int64(1)<<40) }, "sequence number above"},
		{"an explanation", "predictions", replace(`"explanation":{`, `"explanation":{"note":1,"x":{},`), "explanation cannot be read"},
		{"an event that says something else", trailTable, replace(`"action":"project.create"`, `"action":"project.delete"`), "is broken at event"},
		{"an event of another tenant", trailTable, replace(`"tenant_id":"`+id, `"tenant_id":"`+otherID), "line 1, which is an event of another tenant"},
		{"an event less", trailTable, func(f *archivedFile) { f.content = strings.Replace(f.content, line(f, 3), "", 1) }, "counts the events"},
		{"an id of another tenant", manifestName, replace(id, otherID), "is an event of another tenant"},
		{"a tenant that cannot be", manifestName, replace(`"slug": "acme"`, `"slug": "../acme"`), "slug must be"},
		{"a manifest otherwise spelt", manifestName, replace(`"format": 1,`, `"format": 1,"format": 1,`), "is not written as an export writes it"},
		{"a newer format", manifestName, replace(`"format": 1`, `"format": 2`), "Upgrade this installation"},
		{"a content on another path", "content", func(f *archivedFile) { f.name = "blobs/acme" + strings.TrimPrefix(f.name, "blobs/sha256") }, "is nothing that the archive of a tenant has in this place"},
		{"another content", "content", func(f *archivedFile) { f.content = "?" + f.content[1:] }, "is not the content of its hash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := slices.Clone(honest)
			changed := false
			for i := range files {
				if f := &files[i]; !changed && (f.name == test.file || f.name == test.file+linesSuffix || test.file == "content" && strings.HasPrefix(f.name, contentsPrefix)) {
					test.change(f)
					changed = true
				}
			}
			forged := forge(t, info, files)
			_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forged})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			var damage *archive.DamageError
			var fault *audit.Fault
			if !errors.As(err, &damage) && !errors.As(err, &fault) && problem.CodeOf(err) != problem.Conflict {
				t.Errorf("%v names nothing", err)
			}
		})
	}
	wantSameFiles(t, before, tree(t, dir))
	// What is forged of honest files is what is imported: the refusals are of the changes.
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, slices.Clone(honest))}); err != nil {
		t.Error(err)
	}
}

// TestATeamAndItsUsagesHaveAnEndInAnArchive: as many members and usages of a project
// as there may be come in, and one more of either is refused before anything is written.
func TestATeamAndItsUsagesHaveAnEndInAnArchive(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p, other, a := newProject(t, tenant, "p"), newProject(t, tenant, "other"), newArtifact(t, tenant, "a")
	err := tenant.write(background, func(tx *Tx) error {
		for _, many := range []struct {
			project         tenancy.ID
			members, usages int
		}{{p.ID, tracking.MaxMembers, registry.MaxUsages}, {other.ID, 1, 1}} {
			for n := range many.members {
				if _, err := tx.exec(insertMember, tenancy.NewID(), tenant.scope.Tenant(), many.project, nil, fmt.Sprint(n), "devops", "mid", 0, nil, tx.Now); err != nil {
					return err
				}
			}
			for range many.usages {
				if _, err := tx.exec(insertUsage, tenancy.NewID(), tenant.scope.Tenant(), a.ID, many.project, tx.Now, nil, nil, "{}", nil); err != nil {
					return err
				}
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
	for table, want := range map[string]problem.Limit{
		memberTable: {Resource: "members", Limit: tracking.MaxMembers, Current: tracking.MaxMembers + 1},
		usageTable:  {Resource: "usages", Limit: registry.MaxUsages, Current: registry.MaxUsages + 1},
	} {
		files := slices.Clone(honest)
		for i := range files {
			if files[i].name != table+linesSuffix {
				continue
			}
			lines := strings.SplitAfter(strings.TrimSuffix(files[i].content, "\n"), "\n")
			at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, `"project_id":"`+p.ID.String()) })
			more := []byte(strings.TrimSuffix(lines[at], "\n"))
			copy(more[len(`{"id":"`):], "ffffffff-ffff-4fff-bfff-ffffffffffff") // behind all others
			files[i].content += string(more) + "\n"
		}
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, files)})
		var e *problem.Error
		if !errors.As(err, &e) || e.Code != problem.LimitReached || *e.Limit != want || !strings.Contains(e.Detail, p.ID.String()) {
			t.Errorf("one more of %s: got %v", table, err)
		}
	}
	wantSameFiles(t, before, tree(t, dir))
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name}); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
}

// setMember changes a member of the first line that has a value for it.
func setMember(t testing.TB, f *archivedFile, member string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for from := 0; ; {
		i := strings.Index(f.content[from:], `"`+member+`":`)
		if i < 0 {
			break
		}
		if at = from + i + len(member) + 3; !strings.HasPrefix(f.content[at:], "null") {
			break
		}
		from = at
	}
	if at < 0 {
		t.Fatalf("%s has no %s", f.name, member)
	}
	end := at + strings.IndexAny(f.content[at:], ",}")
	f.content = f.content[:at] + string(text) + f.content[end:]
}

// TestFilesThatDoNotBelongAreRefused adds, moves and removes whole files.
func TestFilesThatDoNotBelongAreRefused(t *testing.T) {
	_, _, name := full(t, false)
	info, honest := archived(t, name)
	dir := newDirectory(t)
	for what, files := range map[string][]archivedFile{
		"a file more":           append(slices.Clone(honest), archivedFile{"keys/secret.key", "x"}),
		"a file twice":          append(slices.Clone(honest), honest[len(honest)-1]),
		"a file less":           slices.Clone(honest[:len(honest)-1]),
		"a content less":        slices.Delete(slices.Clone(honest), 2, 3),
		"no manifest":           slices.Clone(honest[1:]),
		"content at the end":    append(slices.Delete(slices.Clone(honest), 2, 3), honest[2]),
		"a file of the archive": append(slices.Clone(honest), archivedFile{"maestro.json", "{}"}),
		"nothing":               nil,
	} {
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: forge(t, info, files)})
		var damage *archive.DamageError
		if !errors.As(err, &damage) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	wantNothingCame(t, dir)
}

// TestAFileThatChangesMeanwhileIsRefused swaps the file between the check and the
// import: what was written by then is removed.
func TestAFileThatChangesMeanwhileIsRefused(t *testing.T) {
	_, _, name := full(t, false)
	info, files := archived(t, name)
	for i := range files {
		if files[i].name == "projects.ndjson" {
			files[i].content = strings.ReplaceAll(files[i].content, "finished", "FINISHED")
		}
	}
	dir := newDirectory(t)
	other := forge(t, info, files)
	o := ImportTenantOptions{Dir: dir, File: name}
	o.Progress = func(step string, done, _ int64) {
		if step == "reading" && other != "" { // for the last time
			if err := os.Rename(other, name); err != nil {
				t.Error(err)
			}
			other = ""
		}
	}
	_, err := ImportTenant(background, o)
	if err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("got %v", err)
	}
	wantNothingCame(t, dir)
}

// TestAnImportThatIsCutShortLeavesNoTenant stops an import at each of its writes, and
// looks at the directory as the death of the process would leave it there: nobody sees
// the tenant, the next start removes what came, and the next import succeeds. An
// import that fails removes what came itself.
func TestAnImportThatIsCutShortLeavesNoTenant(t *testing.T) {
	_, tenant, name := full(t, true)
	points := 0
	dir := newDirectory(t)
	_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, before: func(string) error { points++; return nil }})
	if err != nil || points < 15 {
		t.Fatalf("%d points, %v", points, err)
	}
	errStop := errors.New("stopped here")
	for stop := 1; stop <= points; stop++ {
		dir, image := newDirectory(t), t.TempDir()
		reached, at := 0, ""
		_, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, before: func(point string) error {
			if reached++; reached < stop {
				return nil
			}
			at = point
			if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return errStop
		}})
		if !errors.Is(err, errStop) {
			t.Fatalf("point %d: %v", stop, err)
		}
		wantNothingCame(t, dir)
		s := opened(t, image)
		if _, err := s.TenantByID(background, tenant.scope.Tenant()); problem.CodeOf(err) != problem.NotFound {
			t.Errorf("before %s: the tenant is there: %v", at, err)
		}
		checkIntegrity(t, s)
		if stop%2 == 0 { // the next thing is a start, else another import
			if err := s.Maintain(background); err != nil {
				t.Error(err)
			}
			closeStore(t, s)
			wantNothingCame(t, image)
		} else {
			closeStore(t, s)
		}
		if _, err := ImportTenant(background, ImportTenantOptions{Dir: image, File: name}); err != nil {
			t.Errorf("before %s: the next import: %v", at, err)
		}
		s = opened(t, image)
		checkIntegrity(t, s)
		if n := count(t, s, "SELECT count(*) FROM tenants"); n != 2 {
			t.Errorf("before %s: there are %d tenants", at, n)
		}
		if got, want := len(files(t, s)), int(count(t, s, "SELECT count(*) FROM blobs")); got != want {
			t.Errorf("before %s: %d files for %d contents", at, got, want)
		}
		closeStore(t, s)
	}
}
