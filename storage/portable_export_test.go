package storage

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maestro/migrations"
	"maestro/problem"
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
