package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage/archive"
)

// VerifyTenantFile reads the archive of a tenant whole and checks everything that an
// import relies on: every byte against its digest, every row, that no row is there
// twice and that what it refers to is in the archive, the contents, and the audit
// trail. temp is a directory with room for the ids of the rows; os.TempDir for "".
func VerifyTenantFile(ctx context.Context, name string, identities []age.Identity, temp string) (TenantReport, error) {
	return verifyTenantFile(ctx, &tenantFile{name: name, identities: identities, temp: temp})
}

func verifyTenantFile(ctx context.Context, f *tenantFile) (report TenantReport, err error) {
	dir, err := os.MkdirTemp(f.temp, "tenant-*") // 0700
	if err != nil {
		return report, diskError(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	own := *f
	own.temp = dir
	// The digests first: they name what is damaged, whatever it would be taken for.
	_, encrypted, err := own.each(ctx, "checking", func(archive.Info, string, int64, io.Reader) error { return nil })
	if err != nil {
		return report, err
	}
	v, err := newPortableVerifier(dir)
	if err != nil {
		return report, err
	}
	err = errors.Join(readPortable(ctx, &own, "reading", v), v.known.close())
	v.report.Encrypted = encrypted
	return v.report, err
}

// portableVerifier remembers the rows that others may refer to, in a file: their
// number is the archive's to choose.
type portableVerifier struct {
	known   *conn
	report  TenantReport
	listed  int64 // contents that were there
	used    int64 // of them that an artifact has
	project any   // that the last point was of: the next is mostly of the same
}

const (
	createKnown = `CREATE TABLE known (key BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID`
	insertKnown = `INSERT INTO known (key) VALUES ($1) ON CONFLICT DO NOTHING`
	selectKnown = `SELECT 1 FROM known WHERE key = $1`

	createCounted = `CREATE TABLE counted (key BLOB NOT NULL PRIMARY KEY, rows INTEGER NOT NULL) STRICT, WITHOUT ROWID`
	countBounded  = `INSERT INTO counted (key, rows) VALUES ($1, 1) ON CONFLICT DO UPDATE SET rows = rows + 1 WHERE rows < $2`
)

func newPortableVerifier(dir string) (*portableVerifier, error) {
	if err := lockOpenFiles(); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "known.db")
	if err := ensureFile(name); err != nil {
		return nil, diskError(err)
	}
	c, err := openConn(name, []string{"journal_mode(off)", "synchronous(off)", "locking_mode(exclusive)", "cache_size(-16000)"})
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{createKnown, createCounted, "BEGIN"} {
		if _, err := c.exec(statement); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return &portableVerifier{known: c}, nil
}

// knownKey is what a row is remembered by: 128 bits of a digest of what it is.
func knownKey(kind string, values ...any) []byte {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q", kind)
	for _, value := range values {
		fmt.Fprintf(hash, " %q", fmt.Sprint(value))
	}
	return hash.Sum(nil)[:16]
}

// remember reports whether it was new.
func (v *portableVerifier) remember(kind string, values ...any) (bool, error) {
	changed, err := v.known.exec(insertKnown, knownKey(kind, values...))
	return changed == 1, err
}

func (v *portableVerifier) knows(kind string, values ...any) (bool, error) {
	return v.known.exists(selectKnown, knownKey(kind, values...))
}

func (v *portableVerifier) begin(m *TenantManifest, info archive.Info, digest string) error {
	v.report = reportOf(m, info, digest)
	return nil
}

// referred are the tables that others refer to by their first column.
var referred = map[string]bool{"roles": true, "users": true, "projects": true, artifactTable: true}

// countedTexts are the tables whose rows count, and the columns that count by their size.
var countedTexts = map[string][]string{pointTable: {"metadata"}, usageTable: {"context"}, memberTable: nil, "pipeline_runs": nil, "predictions": {"inputs", "explanation"}}

// recordBytesOf is what a row counts towards its tenant's storage, as the triggers of
// migrations/00010_records.sql and pointBytes say.
func recordBytesOf(row portableRow) int64 {
	names, counts := countedTexts[row.table.name]
	if !counts {
		return 0
	}
	bytes := int64(400)
	if row.table.name == pointTable {
		bytes = pointBytes
	}
	for _, name := range names {
		text, _ := row.value(name).(string)
		bytes += int64(len(text))
	}
	return bytes
}

// bound answers limit-reached for a row more than there may be.
func (v *portableVerifier) bound(row portableRow) error {
	bounded, ok := boundedRows[row.table.name]
	if !ok {
		return nil
	}
	of := valuesOf(bounded.of...)(row)
	if slices.Contains(of, nil) {
		return nil
	}
	changed, err := v.known.exec(countBounded, knownKey(row.table.name, of...), bounded.limit)
	if err != nil || changed == 1 {
		return err
	}
	whose := bounded.whose
	if len(of) > 0 {
		whose = fmt.Sprintf(whose, of[len(of)-1])
	}
	return &problem.Error{Code: problem.LimitReached, Limit: &problem.Limit{Resource: bounded.name, Limit: bounded.limit, Current: bounded.limit + 1},
		Detail: fmt.Sprintf("The archive has more than %d %s of %s, and there may be no more.", bounded.limit, bounded.name, whose)}
}

func (v *portableVerifier) row(row portableRow) error {
	v.report.RecordBytes += recordBytesOf(row)
	if row.table.name == blobTable {
		_, err := v.remember(blobTable, row.values...)
		return err
	}
	for i, c := range row.table.columns {
		if c.parent == "" || row.values[i] == nil || row.table.name == pointTable && row.values[i] == v.project {
			continue
		}
		if there, err := v.parent(c.parent, row.values[i]); err != nil {
			return err
		} else if !there {
			return refuseLine("has a %s that is not in the archive", c.member())
		}
	}
	if err := v.bound(row); err != nil {
		return err
	}
	switch row.table.name {
	case userTable:
		if costlyHash(row) {
			v.report.CostlyHashes++
		}
	case pointTable:
		v.project = row.value("project_id")
		return nil
	case artifactTable:
		if err := v.artifact(row); err != nil {
			return err
		}
	}
	if row.table.unique != nil {
		if fresh, err := v.remember("unique "+row.table.name, row.table.unique(row)...); err != nil {
			return err
		} else if !fresh {
			return refuseLine("has the name of another row")
		}
	}
	if !referred[row.table.name] {
		return nil
	}
	_, err := v.remember(row.table.name, row.values[0])
	return err
}

func (v *portableVerifier) parent(table string, value any) (bool, error) {
	if name, ok := value.(string); ok && table == "roles" {
		if _, system := auth.SystemRole(name); system {
			return true, nil
		}
	}
	return v.knows(table, value)
}

// artifact requires the content that an artifact says it has.
func (v *portableVerifier) artifact(row portableRow) error {
	if !row.value("has_content").(bool) {
		return nil
	}
	hash, size := row.value("content_hash"), row.value("size_bytes")
	if there, err := v.knows(blobTable, hash, size); err != nil {
		return err
	} else if !there {
		return refuseLine("has a content that is not in the archive")
	}
	fresh, err := v.remember("used content", hash)
	if fresh {
		v.used++
	}
	return err
}

func (v *portableVerifier) content(hash string, size int64, content io.Reader) error {
	name := contentName(hash)
	if there, err := v.knows(blobTable, hash, size); err != nil {
		return err
	} else if !there {
		return &archive.DamageError{Name: name, Reason: "is not what the list of contents names"}
	}
	v.listed++
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != hash {
		return &archive.DamageError{Name: name, Reason: "is not the content of its hash"}
	}
	return nil
}

func (v *portableVerifier) finish() error {
	if v.used != v.listed {
		return &archive.DamageError{Name: contentsPrefix, Reason: fmt.Sprintf("has %d contents that no artifact has", v.listed-v.used)}
	}
	return nil
}
