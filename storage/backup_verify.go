package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"filippo.io/age"

	"maestro/migrations"
	"maestro/problem"
	"maestro/storage/archive"
)

// BackupReport says what a backup that was checked holds.
type BackupReport struct {
	archive.Info
	Encrypted bool  `json:"encrypted"`
	Files     int   `json:"files"`
	Bytes     int64 `json:"bytes"` // of these files
	Blobs     int64 `json:"blobs"` // artifact contents among them
}

// VerifyBackup reads a backup file whole and checks everything that a restore
// relies on: every byte against its digest, the database's pages, references and
// counters, and that the contents are those that its rows name. temp is a
// directory with room for the database; os.TempDir for "".
func VerifyBackup(ctx context.Context, name string, identities []age.Identity, temp string) (report BackupReport, err error) {
	dir, err := os.MkdirTemp(temp, "verify-*") // 0700
	if err != nil {
		return report, diskError(err)
	}
	defer func() { err = errors.Join(err, removeGently(dir)) }()
	return unpack(ctx, name, identities, dir, false)
}

// unpack reads a backup file into a directory and checks it: everything, or only
// what the checking needs. On failure what it wrote stays, for the caller to
// remove.
func unpack(ctx context.Context, name string, identities []age.Identity, dir string, everything bool) (report BackupReport, err error) {
	if err := lockOpenFiles(); err != nil {
		return report, err
	}
	file, err := os.Open(name)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return report, problem.Wrap(err, problem.NotFound, "There is no file %s.", name)
		}
		return report, err
	}
	defer func() { _ = file.Close() }() // it was only read
	root, err := os.OpenRoot(dir)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	in, encrypted, err := archive.Decrypt(file, identities)
	if err != nil {
		return report, fmt.Errorf("%s: %w", name, err)
	}
	u := &unpacking{ctx: ctx, dir: dir, root: root, everything: everything, report: BackupReport{Encrypted: encrypted}}
	defer func() { err = errors.Join(err, u.close()) }()
	if u.report.Info, err = archive.Read(in, dir, u.file); err == nil {
		err = u.finish()
	}
	if err != nil {
		return u.report, fmt.Errorf("%s: %w", name, err)
	}
	return u.report, nil
}

// unpacking is a backup that is being read.
type unpacking struct {
	ctx        context.Context
	dir        string
	root       *os.Root
	everything bool
	report     BackupReport

	database *conn
	blobs    bool   // the schema has them
	lastBlob string // names rise, so that none comes twice
}

// file takes one file of the archive.
func (u *unpacking) file(info archive.Info, name string, size int64, content io.Reader) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	u.report.Files++
	u.report.Bytes += size
	u.report.Info = info
	first, _, _ := strings.Cut(name, "/")
	switch {
	case name == databaseName:
		if newest := migrations.Newest(); info.Schema > newest {
			return &migrations.NewerSchemaError{Database: info.Schema, Known: newest}
		}
		if err := u.extract(name, content); err != nil {
			return err
		}
		return u.openDatabase()
	case name == revocationsName, first == keptDirs[0], first == keptDirs[1]:
		if u.everything {
			return u.extract(name, content)
		}
		return nil
	case first == blobsName:
		return u.blob(name, size, content)
	}
	return &archive.DamageError{Name: name, Reason: "is nothing that a backup holds"}
}

// extract writes a file to the directory. It is put on disk with the rest.
func (u *unpacking) extract(name string, content io.Reader) error {
	if err := u.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return diskError(err)
	}
	file, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return diskError(err)
	}
	_, err = io.Copy(&pacedFile{file: file}, content)
	if err == nil && u.everything {
		err = file.Sync()
	}
	return diskError(errors.Join(err, file.Close()))
}

func (u *unpacking) openDatabase() error {
	if u.database != nil {
		return &archive.DamageError{Name: databaseName, Reason: "is there twice"}
	}
	var err error
	if u.database, err = openOffline(u.dir, []string{"query_only(1)", unmapped}); err != nil {
		return err
	}
	err = u.database.queryRow(selectBlobTable, nil, func(row) { u.blobs = true })
	if err != nil && !errors.Is(err, errNoRow) {
		return fmt.Errorf("the database in the archive is damaged: %w", err)
	}
	return nil
}

// blob takes a content, which must be one that the database names.
func (u *unpacking) blob(name string, size int64, content io.Reader) error {
	k, ok := blobOf(name)
	if !ok || u.database == nil || !u.blobs || name <= u.lastBlob {
		return &archive.DamageError{Name: name, Reason: "is nothing that a backup holds"}
	}
	u.lastBlob = name
	u.report.Blobs++
	var listed int64
	err := u.database.queryRow(selectBlob, []any{k.tenant, k.hash}, func(r row) { listed = r.int(0) })
	if errors.Is(err, errNoRow) || (err == nil && listed != size) {
		return &archive.DamageError{Name: name, Reason: "is not what the database names"}
	}
	if err != nil {
		return err
	}
	hash := sha256.New()
	content = io.TeeReader(content, hash)
	if u.everything {
		err = u.extract(name, content)
	} else {
		_, err = io.Copy(io.Discard, content)
	}
	if err == nil && hex.EncodeToString(hash.Sum(nil)) != k.hash {
		return &archive.DamageError{Name: name, Reason: "is damaged: it is not the content of its hash"}
	}
	return err
}

// blobOf parses the name of a content in the archive.
func blobOf(name string) (k blobKey, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 5 || parts[2] != shardsName || !shardPattern.MatchString(parts[3]) || !restPattern.MatchString(parts[4]) {
		return k, false
	}
	if k.tenant.UnmarshalText([]byte(parts[1])) != nil {
		return k, false
	}
	k.hash = parts[3] + parts[4]
	return k, name == path.Join(blobsName, k.path())
}

const countBlobs = `SELECT count(*) FROM blobs`

// finish checks what can only be checked at the end.
func (u *unpacking) finish() error {
	if u.database == nil {
		return &archive.DamageError{Name: databaseName, Reason: "is missing"}
	}
	schema := int64(0)
	err := u.database.queryRow("PRAGMA user_version", nil, func(r row) { schema = r.int(0) })
	if err != nil {
		return fmt.Errorf("the database in the archive: %w", err)
	}
	if schema != u.report.Schema {
		return &archive.DamageError{Name: databaseName, Reason: fmt.Sprintf("has schema version %d, the archive says %d", schema, u.report.Schema)}
	}
	if u.blobs {
		rows := int64(0)
		if err := u.database.queryRow(countBlobs, nil, func(r row) { rows = r.int(0) }); err != nil {
			return err
		}
		if rows != u.report.Blobs {
			return &archive.DamageError{Name: blobsName, Reason: fmt.Sprintf("holds %d contents, the database names %d", u.report.Blobs, rows)}
		}
	}
	// The counters are those of this program's schema; an earlier one is brought to
	// it, and checked, by the upgrade.
	if err := errors.Join(checkDatabase(u.ctx, u.database, schema == migrations.Newest())...); err != nil {
		return fmt.Errorf("the database in the archive contradicts itself: %w", err)
	}
	return nil
}

func (u *unpacking) close() error {
	if u.database == nil {
		return nil
	}
	return u.database.close()
}
