package storage

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/migrations"
)

// makeDirectories writes the data directories of testdata that no program wrote:
// those of the schemas that are older than the first version of this one.
var makeDirectories = flag.Bool("make-directories", false, "make the data directories of testdata that are missing")

const directories = "../testdata/directories"

// TestEveryKeptDirectoryIsUpgraded opens a data directory of each released
// version, and of the schemas before, and looks for every row.
func TestEveryKeptDirectoryIsUpgraded(t *testing.T) {
	if *makeDirectories {
		makeOldDirectories(t)
	}
	files, err := filepath.Glob(directories + "/*.tar.gz")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d directories, %v, want one of each version", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".tar.gz"), func(t *testing.T) {
			dir := unpackDirectory(t, file)
			before, err := InspectSchema(background, dir)
			if err != nil {
				t.Fatal(err)
			}
			want := coreDigests(t, dir)
			s, err := Open(background, Options{Dir: dir, Readers: 2})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Maintain(background), s.Check(background), s.Close()); err != nil {
				t.Error(err)
			}
			if diff := gocmp.Diff(want, coreDigests(t, dir)); diff != "" {
				t.Errorf("rows differ (-before +after):\n%s", diff)
			}
			db := openRaw(t, dir)
			defer db.Close()
			fresh, err := openMigrating(":memory:", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer fresh.Close()
			if err := migrations.Check(background, db, fresh); err != nil {
				t.Error(err)
			}
			snapshots, err := filepath.Glob(filepath.Join(dir, snapshotsName, "schema-*.db"))
			if err != nil || len(snapshots) != 1 {
				t.Fatalf("snapshots %v, %v, want the old database", snapshots, err)
			}
			if err := os.Rename(snapshots[0], filepath.Join(dir, databaseName)); err != nil {
				t.Fatal(err)
			}
			if after, err := InspectSchema(background, dir); err != nil || after.Version != before.Version {
				t.Errorf("the snapshot has schema %d, %v, want %d", after.Version, err, before.Version)
			}
		})
	}
}

// coreDigests is legacyDigests without the metrics, whose form changes, and what
// is counted anew.
func coreDigests(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	db := openRaw(t, dir)
	defer db.Close()
	for table, columns := range coreTables {
		if table == "process_metrics" {
			continue
		}
		found[table] = rowsDigest(t, db, columns, table)
	}
	return found
}

// makeOldDirectories makes a pre-tenancy directory, and one of the first schema
// that has tenants, with two of them.
func makeOldDirectories(t *testing.T) {
	for version, name := range map[int64]string{1: "schema-1-pre-tenancy", 2: "schema-2-tenancy"} {
		dir := t.TempDir()
		generateLegacy(t, dir, 0.0002)
		if version == 2 {
			if _, err := Migrate(background, MigrateOptions{Dir: dir, Version: 2}); err != nil {
				t.Fatal(err)
			}
			db := openRaw(t, dir)
			for _, statement := range []string{
				"INSERT INTO tenants (id, num, name, slug, success_weights, created_at, updated_at) SELECT randomblob(16), 2, 'Acme', 'acme', success_weights, 1, 1 FROM tenants",
				"INSERT INTO tenant_use (tenant_id) SELECT id FROM tenants WHERE num = 2",
				"INSERT INTO projects (tenant_id, id, name, created_at, updated_at) SELECT t.id, p.id, p.name, 1, 1 FROM projects p JOIN tenants t ON t.num = 2",
				"UPDATE tenant_use SET projects = (SELECT count(*) FROM projects p WHERE p.tenant_id = tenant_use.tenant_id)",
			} {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(db.Close(), os.RemoveAll(filepath.Join(dir, snapshotsName))); err != nil {
				t.Fatal(err)
			}
		}
		packDirectory(t, dir, filepath.Join(directories, name+".tar.gz"))
	}
}

func packDirectory(t *testing.T, dir, to string) {
	t.Helper()
	file, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(file)
	archive := tar.NewWriter(zip)
	text, err := os.ReadFile(filepath.Join(dir, databaseName))
	if err == nil {
		err = archive.WriteHeader(&tar.Header{Name: "data/" + databaseName, Mode: 0o600, Size: int64(len(text))})
	}
	if err == nil {
		_, err = archive.Write(text)
	}
	if err := errors.Join(err, archive.Close(), zip.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpackDirectory returns the data directory in an archive.
func unpackDirectory(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(zip)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(dir, "data")
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, header.Name)
		if header.FileInfo().IsDir() {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnlySoManySnapshotsAreKept goes down and up often.
func TestOnlySoManySnapshotsAreKept(t *testing.T) {
	dir := t.TempDir()
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := func() time.Time { clock = clock.Add(time.Second); return clock }
	for _, version := range []int64{1, 2, 3, 2, 1} {
		if _, err := Migrate(background, MigrateOptions{Dir: dir, Version: version, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	snapshots, err := filepath.Glob(filepath.Join(dir, snapshotsName, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range snapshots {
		version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "schema-"), "-")
		got = append(got, version)
	}
	slices.Sort(got)
	if diff := gocmp.Diff([]string{"2", "2", "3"}, got); diff != "" {
		t.Errorf("snapshots of schemas (-want +got):\n%s", diff)
	}
}

// TestADatabaseThatIsNotAsItShouldBeStaysAsItIs refuses an upgrade whose result
// has something that no migration made, and one of a damaged database.
func TestADatabaseThatIsNotAsItShouldBeStaysAsItIs(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"not expected: index mine": func(t *testing.T, dir string) {
			db := openRaw(t, dir)
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE mine (a); CREATE INDEX mine_a ON mine (a)"); err != nil {
				t.Fatal(err)
			}
		},
		"it is damaged": func(t *testing.T, dir string) {
			file, err := os.OpenFile(filepath.Join(dir, databaseName), os.O_RDWR, 0)
			if err == nil {
				_, err = file.WriteAt(make([]byte, 2048), 2*4096)
			}
			if err := errors.Join(err, file.Close()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			generateLegacy(t, dir, 0.0002)
			spoil(t, dir)
			before, err := os.ReadFile(filepath.Join(dir, databaseName))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Migrate(context.Background(), MigrateOptions{Dir: dir, Version: migrations.Newest()})
			if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, " mine")) {
				t.Errorf("got %v, want %s", err, name)
			}
			after, err := os.ReadFile(filepath.Join(dir, databaseName))
			if err != nil || string(after) != string(before) {
				t.Errorf("the database is not what it was: %v", err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("%v, %v is left over", entries, err)
			}
		})
	}
}
