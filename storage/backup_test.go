package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	gocmp "github.com/google/go-cmp/cmp"

	"maestro/migrations"
	"maestro/problem"
	"maestro/registry"
	"maestro/storage/archive"
	"maestro/tenancy"
)

// backUp writes a backup file of an open store.
func backUp(t testing.TB, s *Store, recipients ...age.Recipient) (name string, report BackupReport) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "backup.tar")
	report, err := WriteBackupFile(background, name, recipients, t.TempDir(), func(out io.Writer) error {
		_, err := s.Backup(background, out, BackupOptions{Version: "test", Temp: t.TempDir()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, report
}

// filled is a store with a tenant that has projects, artifacts and content.
func filled(t testing.TB) (*Store, *Tenant) {
	t.Helper()
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	for i := range 20 {
		newProject(t, tenant, fmt.Sprint("project ", i))
		a := newArtifact(t, tenant, fmt.Sprint("artifact ", i))
		mustUpload(t, tenant, a.ID, strings.Repeat(fmt.Sprint("content ", i, " "), 100))
	}
	for _, dir := range []string{"keys", "tls"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"secret.key", "1-a.pem", "deep/file"} {
			if err := os.WriteFile(filepath.Join(s.dir, dir, name), []byte(dir+"/"+name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, revocationsName), []byte("stands for a file of bbolt"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, tenant
}

// TestABackupUnderWritesIsACommittedState has clients write while backups are
// made. What is restored is a state that was committed between the beginning of
// the backup and its end, whole: of projects created one after the other a first
// part, with the content of every artifact.
func TestABackupUnderWritesIsACommittedState(t *testing.T) {
	s, tenant := filled(t)
	ctx, stop := context.WithCancel(background)
	var clients sync.WaitGroup
	var begun, acknowledged atomic.Int64
	clients.Go(func() {
		for i := int64(1); ctx.Err() == nil; i++ {
			begun.Store(i)
			newProject(t, tenant, fmt.Sprintf("numbered %06d", i))
			acknowledged.Store(i)
		}
	})
	for client := range 3 {
		clients.Go(func() { // content comes, is replaced, and goes
			for i := 0; ctx.Err() == nil; i++ {
				a := newArtifact(t, tenant, fmt.Sprint("artifact ", client, " ", i))
				mustUpload(t, tenant, a.ID, fmt.Sprint("first ", client, i))
				mustUpload(t, tenant, a.ID, fmt.Sprint("second ", client, i))
				if i%2 == 0 {
					if err := tenant.DeleteArtifact(background, a.ID, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	type taken struct {
		name           string
		atLeast, atEnd int64
	}
	var backups []taken
	for range 5 {
		b := taken{atLeast: acknowledged.Load()}
		b.name, _ = backUp(t, s)
		b.atEnd = begun.Load()
		backups = append(backups, b)
	}
	stop()
	clients.Wait()
	if acknowledged.Load() < 20 {
		t.Fatalf("only %d projects were written meanwhile: the test did not test", acknowledged.Load())
	}
	for _, b := range backups {
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := Restore(background, b.name, dir, RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		restored := reopenStore(t, dir)
		checkIntegrity(t, restored)
		n := count(t, restored, "SELECT count(*) FROM projects WHERE name LIKE 'numbered %'")
		last := count(t, restored, "SELECT coalesce(max(CAST(substr(name, 10) AS INTEGER)), 0) FROM projects WHERE name LIKE 'numbered %'")
		if n != last || n < b.atLeast || n > b.atEnd {
			t.Errorf("there are %d projects, the last is number %d; %d were acknowledged before, %d begun at the end", n, last, b.atLeast, b.atEnd)
		}
		for _, a := range allArtifacts(t, restored.Tenant(tenant.scope)) {
			if a.SizeBytes != nil {
				download(t, restored.Tenant(tenant.scope), a.ID)
			}
		}
		if got, want := len(files(t, restored)), int(count(t, restored, "SELECT count(*) FROM blobs")); got != want {
			t.Errorf("%d files for %d contents", got, want)
		}
	}
	// What had to stay for the backups goes afterwards.
	for done := false; !done; {
		sweep, err := s.SweepBlobs(background, 1000)
		if err != nil {
			t.Fatal(err)
		}
		done = sweep.Done
	}
	if got, want := len(files(t, s)), int(count(t, s, "SELECT count(*) FROM blobs")); got != want {
		t.Errorf("%d files for %d contents are left", got, want)
	}
}

func allArtifacts(t testing.TB, tenant *Tenant) (all []registry.Artifact) {
	t.Helper()
	for page := (Page{Limit: MaxLimit}); ; {
		list, err := tenant.Artifacts(background, page, ArtifactFilter{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list.Items...)
		if page.Cursor = list.Next; page.Cursor == "" {
			return all
		}
	}
}

// tree returns every file below a directory, with its content.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		relative, _ := filepath.Rel(dir, name)
		found[filepath.ToSlash(relative)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEverythingComesBackButWhatWasSignedWith(t *testing.T) {
	s, _ := filled(t)
	name, report := backUp(t, s)
	if report.Blobs != 20 || report.Schema != s.Schema() || report.Version != "test" || report.Encrypted {
		t.Errorf("the report is %+v", report)
	}
	dir := filepath.Join(t.TempDir(), "new", "data")
	if _, err := Restore(background, name, dir, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	want, got := tree(t, s.dir), tree(t, dir)
	for _, files := range []map[string]string{want, got} {
		for _, own := range []string{databaseName, databaseName + "-wal", databaseName + "-shm"} {
			delete(files, own)
		}
	}
	delete(want, "keys/1-a.pem") // a key that was retired since the backup must not come back
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{".", "keys", "blobs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, databaseName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database: %v, %v", info.Mode(), err)
	}
	restored := reopenStore(t, dir)
	if got, want := contents(t, restored), contents(t, s); !gocmp.Equal(got, want) {
		t.Error(gocmp.Diff(want, got))
	}
	if got, want := actions(installationEvents(t, restored)), append(actions(installationEvents(t, s)), "installation.restore"); !gocmp.Equal(got, want) {
		t.Error(gocmp.Diff(want, got))
	}
	wantSound(t, restored)
}

// contents returns the rows of every table but what a restore changes.
func contents(t testing.TB, s *Store) map[string][]string {
	t.Helper()
	tables := map[string][]string{}
	err := s.snapshot(background, func(c *conn) error {
		var names []string
		if err := c.query(background, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'installation'", nil, func(r row) error {
			names = append(names, r.text(0))
			return nil
		}); err != nil {
			return err
		}
		for _, name := range names {
			tables[name] = []string{}
			statement := "SELECT * FROM " + name
			if strings.HasPrefix(name, "audit_") {
				statement += " WHERE tenant_id <> zeroblob(16)" // the installation's own trail has the restore
			}
			if err := c.query(background, statement, nil, func(r row) error {
				var values []any
				for i := range r.s.columns {
					values = append(values, r.value(i))
				}
				tables[name] = append(tables[name], fmt.Sprintf("%v", values))
				return nil
			}); err != nil {
				return err
			}
			slices.Sort(tables[name])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) < 15 {
		t.Fatalf("only %d tables", len(tables))
	}
	return tables
}

func TestABackupOfADirectoryThatNobodyUses(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(background, Options{Dir: dir, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	newProject(t, newTenant(t, s, "acme"), "only")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "backup.tar")
	write := func(out io.Writer) error {
		_, err := BackupDir(background, dir, out, BackupOptions{Version: "test"})
		return err
	}
	if _, err := WriteBackupFile(background, name, nil, "", write); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	restored := filepath.Join(t.TempDir(), "data")
	if _, err := Restore(background, name, restored, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := count(t, reopenStore(t, restored), "SELECT count(*) FROM projects"); got != 1 {
		t.Errorf("there are %d projects", got)
	}

	_, err = WriteBackupFile(background, name, nil, "", write)
	wantCode(t, err, problem.Conflict)
	_, err = BackupDir(background, t.TempDir(), io.Discard, BackupOptions{})
	wantCode(t, err, problem.NotFound)
	if entries, err := os.ReadDir(filepath.Dir(name)); err != nil || len(entries) != 1 {
		t.Errorf("something was left: %v, %v", entries, err)
	}
}

// TestADamagedBackupIsRefusedByName flips bits all over a backup. Neither
// verifying nor restoring lets one pass, and neither leaves anything.
func TestADamagedBackupIsRefusedByName(t *testing.T) {
	s, _ := filled(t)
	name, _ := backUp(t, s)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	named := map[string]bool{}
	step := len(whole) / 40
	for at := step / 2; at < len(whole); at += step {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 4
		path := filepath.Join(t.TempDir(), "damaged.tar")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		temp := t.TempDir()
		_, verified := VerifyBackup(background, path, nil, temp)
		_, restored := Restore(background, path, filepath.Join(parent, "data"), RestoreOptions{})
		if verified == nil || restored == nil {
			t.Fatalf("byte %d of %d: verify says %v, restore %v", at, len(whole), verified, restored)
		}
		var damage *archive.DamageError
		if errors.As(verified, &damage) {
			named[damage.Name] = true
		} else if !strings.Contains(verified.Error(), "maestro.db") && !strings.Contains(verified.Error(), "database in the archive") {
			t.Errorf("byte %d: %v names nothing", at, verified)
		}
		for _, dir := range []string{temp, parent} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
				t.Fatalf("byte %d left %v, %v", at, entries, err)
			}
		}
	}
	if !named[databaseName] {
		t.Errorf("the database was never named, only %v", named)
	}
}

func TestRestoreNeverDestroysADirectory(t *testing.T) {
	s, _ := filled(t)
	name, _ := backUp(t, s)
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	old, err := Open(background, Options{Dir: dir, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	newProject(t, newTenant(t, old, "old"), "old")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)

	lock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := Restore(background, name, dir, RestoreOptions{}); !errors.As(err, &locked) {
		t.Errorf("a directory in use: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	before[lockName] = tree(t, dir)[lockName]
	if diff := gocmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error("the refused restore changed it:", diff)
	}

	now := time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)
	report, err := Restore(background, name, dir, RestoreOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if want := dir + ".before-restore-20261123T123000Z"; report.Previous != want || report.Directory != dir {
		t.Errorf("the old directory is %s, want %s", report.Previous, want)
	}
	if diff := gocmp.Diff(before, tree(t, report.Previous)); diff != "" {
		t.Error(diff)
	}
	if got := count(t, reopenStore(t, dir), "SELECT count(*) FROM projects"); got != 20 {
		t.Errorf("the new one has %d projects", got)
	}
	_, err = Restore(background, name, dir, RestoreOptions{Now: func() time.Time { return now }})
	if err == nil {
		t.Error("a second old directory took the first one's name")
	}
}

func TestOnlyTheSecretKeyRestoresAnEncryptedBackup(t *testing.T) {
	s, tenant := filled(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	name, report := backUp(t, s, identity.Recipient())
	if !report.Encrypted || report.Blobs != 20 {
		t.Errorf("the report is %+v", report)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{"SQLite format", "content 7", "keys/secret.key", tenant.scope.Tenant().String()} {
		if bytes.Contains(content, []byte(clear)) {
			t.Errorf("%q is readable", clear)
		}
	}
	if _, err := VerifyBackup(background, name, nil, ""); err == nil || !strings.Contains(err.Error(), "--identity") {
		t.Errorf("without a key: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := Restore(background, name, dir, RestoreOptions{Identities: []age.Identity{identity}}); err != nil {
		t.Fatal(err)
	}
	checkIntegrity(t, reopenStore(t, dir))
}

func TestABackupOfDamagedContentFails(t *testing.T) {
	s, tenant := filled(t)
	a := allArtifacts(t, tenant)[0]
	file := filepath.Join(s.dir, "blobs", blobKey{tenant.scope.Tenant(), *a.ContentHash}.path())
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[5] ^= 1
	for _, damage := range []func() error{func() error { return os.WriteFile(file, content, 0o600) }, func() error { return os.Remove(file) }} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		_, err := WriteBackupFile(background, filepath.Join(dir, "backup.tar"), nil, t.TempDir(), func(out io.Writer) error {
			_, err := s.Backup(background, out, BackupOptions{Temp: t.TempDir()})
			return err
		})
		if err == nil || !strings.Contains(err.Error(), (*a.ContentHash)[2:]) {
			t.Errorf("got %v, want the content's name", err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("left %v, %v", entries, err)
		}
	}
}

// TestWhatTheDatabaseDoesNotNameIsRefused forges archives that are whole.
func TestWhatTheDatabaseDoesNotNameIsRefused(t *testing.T) {
	s, tenant := filled(t)
	database := filepath.Join(t.TempDir(), databaseName)
	schema, err := copyDatabase(background, filepath.Join(s.dir, databaseName), database, (*os.File).Sync)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	unnamed := "blobs/" + blobKey{tenant.scope.Tenant(), hashOf("unnamed")}.path()
	newer := &migrations.NewerSchemaError{}
	for _, test := range []struct {
		about  string
		schema int64
		files  [][2]string
		want   any
	}{
		{"its contents are missing", schema, [][2]string{{databaseName, string(page)}}, new(*archive.DamageError)},
		{"no database", schema, nil, new(*archive.DamageError)},
		{"a content that no row names", schema, [][2]string{{databaseName, string(page)}, {unnamed, "unnamed"}}, new(*archive.DamageError)},
		{"a file that belongs nowhere", schema, [][2]string{{"run/control.sock", "x"}}, new(*archive.DamageError)},
		{"another schema than it says", schema - 1, [][2]string{{databaseName, string(page)}}, new(*archive.DamageError)},
		{"a newer schema", schema + 1, [][2]string{{databaseName, string(page)}}, &newer},
	} {
		name := filepath.Join(t.TempDir(), "forged.tar")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w, err := archive.NewWriter(file, t.TempDir(), archive.Info{Schema: test.schema, CreatedAt: tenancy.TimeOf(time.Now())})
		for _, f := range test.files {
			if err == nil {
				_, err = w.Add(f[0], int64(len(f[1])), strings.NewReader(f[1]))
			}
		}
		if err := errors.Join(err, w.Close(), file.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyBackup(background, name, nil, ""); !errors.As(err, test.want) {
			t.Errorf("%s: %v", test.about, err)
		}
	}
}
