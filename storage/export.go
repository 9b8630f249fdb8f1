package storage

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	"maestro/audit"
	"maestro/migrations"
	"maestro/problem"
	"maestro/storage/archive"
	"maestro/tenancy"
)

// ExportOptions says how a tenant is exported.
type ExportOptions struct {
	Version string           // of the program
	Now     func() time.Time // time.Now unless set

	// PasswordHashes has the users' password hashes go along. Whoever has them can
	// try passwords for as long as he likes, so they stay unless it is set.
	PasswordHashes bool

	// Temp is a directory with room for the tenant's rows as text; os.TempDir unless set.
	Temp string
}

const (
	countPortableTokens    = `SELECT count(*) FROM api_tokens WHERE tenant_id = $1`
	countPortableHooks     = `SELECT count(*) FROM hooks WHERE tenant_id = $1`
	countPortableOperators = `SELECT count(*) FROM users WHERE tenant_id = $1 AND is_operator = 1`
)

// ExportTenant writes an archive of one tenant, named by its slug or id, as it was
// at one moment, while everything goes on: the rows from one snapshot, then the
// content that they name, whose removal waits until the archive is written. The
// export is in the audit trail before it begins, and so in the archive.
func (s *Store) ExportTenant(ctx context.Context, tenant string, out io.Writer, o ExportOptions) (err error) {
	if !s.exporting.TryLock() {
		return problem.New(problem.Conflict, "Another export is under way. Try again when it is done.")
	}
	defer s.exporting.Unlock()
	if o.Now == nil {
		o.Now = s.now
	}
	if o.Temp == "" {
		o.Temp = filepath.Join(s.dir, backupsName, "tmp") // emptied at the next start if need be
		if err := os.MkdirAll(o.Temp, 0o700); err != nil {
			return diskError(err)
		}
	}
	var id tenancy.ID
	err = s.writer.do(ctx, installationChain, func(tx *Tx) (err error) {
		id, err = recordExport(tx, tenant, o)
		return err
	})
	if err != nil {
		return err
	}
	defer s.files.keepAll()()
	c, err := s.connect(append(slices.Clone(readerPragmas), unmapped))
	if err != nil {
		return err
	}
	return errors.Join(writeExport(ctx, c, s.dir, id, out, o), c.close())
}

// ExportTenantDir is ExportTenant of a directory that no process uses. The caller
// holds its lock.
func ExportTenantDir(ctx context.Context, dir, tenant string, out io.Writer, o ExportOptions) (err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := requireNewestSchema(dir); err != nil {
		return err
	}
	c, err := openOffline(dir, writerPragmas)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var id tenancy.ID
	err = transactOffline(c, o.Now(), func(tx *Tx) (err error) {
		id, err = recordExport(tx, tenant, o)
		return err
	})
	if err != nil {
		return err
	}
	return writeExport(ctx, c, dir, id, out, o)
}

// recordExport finds the tenant and records that it is exported.
func recordExport(tx *Tx, tenant string, o ExportOptions) (id tenancy.ID, err error) {
	found, text := tenancy.Tenant{}, selectTenantBySlug
	var key any = tenant
	if parsed, err := tenancy.ParseID(tenant); err == nil {
		text, key = selectTenant, parsed
	}
	if err := tx.queryRow(text, []any{key}, func(r row) { found = readTenant(r) }); err != nil {
		if errors.Is(err, errNoRow) {
			err = problem.New(problem.NotFound, "There is no tenant %.63s.", tenant)
		}
		return id, err
	}
	return found.ID, recordForBoth(tx, found.ID, audit.TenantExport, audit.Updated().Note("slug", found.Slug).Note("password_hashes", fmt.Sprint(o.PasswordHashes)))
}

// export is one archive of a tenant that is being written.
type export struct {
	ctx      context.Context
	conn     *conn
	tenant   tenancy.ID
	temp     string
	options  ExportOptions
	manifest TenantManifest
}

func writeExport(ctx context.Context, c *conn, dir string, tenant tenancy.ID, out io.Writer, o ExportOptions) (err error) {
	temp, err := os.MkdirTemp(o.Temp, "export-*") // 0700
	if err != nil {
		return diskError(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	e := &export{ctx: ctx, conn: c, tenant: tenant, temp: temp, options: o, manifest: TenantManifest{Format: PortableFormat, PasswordHashes: o.PasswordHashes}}
	info := archive.Info{Version: o.Version, Schema: migrations.Newest(), CreatedAt: tenancy.TimeOf(o.Now())}
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	err = e.rows()
	if _, ended := c.exec("ROLLBACK"); err == nil { // it was only read
		err = ended
	}
	if err != nil {
		return err
	}
	w, err := archive.NewWriter(out, temp, info)
	if err != nil {
		return diskError(err)
	}
	root, err := os.OpenRoot(dir)
	if err == nil {
		err = errors.Join(e.write(w, root), root.Close())
	}
	return errors.Join(err, w.Close())
}

// rows writes everything that is read of the database to temporary files.
func (e *export) rows() error {
	var t tenancy.Tenant
	if err := e.conn.queryRow(selectTenant, []any{e.tenant}, func(r row) { t = readTenant(r) }); err != nil {
		return notFound(err, "tenant") // deleted since
	}
	e.manifest.Tenant = PortableTenant{ID: t.ID, TenantFields: t.TenantFields, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt, Revision: t.Revision}
	for _, count := range []struct {
		text string
		into *int64
	}{{countPortableTokens, &e.manifest.LeftBehind.APITokens}, {countPortableHooks, &e.manifest.LeftBehind.Hooks}, {countPortableOperators, &e.manifest.LeftBehind.Operators}} {
		if err := e.conn.queryRow(count.text, []any{e.tenant}, func(r row) { *count.into = r.int(0) }); err != nil {
			return err
		}
	}
	for _, table := range portableTables {
		if err := e.table(table); err != nil {
			return err
		}
	}
	return e.trail()
}

func (e *export) table(table *portableTable) error {
	return e.lines(table.name, func(line func([]byte) error) error {
		buffer := make([]byte, 0, 4096)
		return e.conn.query(e.ctx, table.read, []any{e.tenant, e.options.PasswordHashes}, func(r row) (err error) {
			if buffer, err = table.appendRow(buffer[:0], r); err != nil {
				return err
			}
			if table.name == blobTable {
				e.manifest.Contents++
				e.manifest.ContentBytes += r.int(1)
			}
			return line(buffer)
		})
	})
}

// trail writes the audit trail, the newest event first, as GET /audit lists it: a
// chain is read along its own pointers. A broken one is not exported, for who could
// tell then where it was broken.
func (e *export) trail() error {
	chain, err := readChain(e.conn, e.tenant)
	if err != nil {
		return err
	}
	e.manifest.Trail = PortableTrail{Pruned: chain.pruned, Head: chain.head}
	return e.lines(trailTable, func(line func([]byte) error) error {
		buffer := make([]byte, 0, 4096)
		position := chain.position
		for sequence := chain.head.Sequence; sequence > chain.pruned.Sequence; sequence-- {
			if err := e.ctx.Err(); err != nil {
				return err
			}
			event, previous, err := readEventAt(e.conn, e.tenant, position, sequence)
			if err != nil {
				return err
			}
			buffer = append(event.AppendJSON(buffer[:0]), '\n')
			if err := line(buffer); err != nil {
				return err
			}
			position = previous
		}
		return nil
	})
}

// lines writes a file of lines and lists it in the manifest.
func (e *export) lines(table string, write func(line func([]byte) error) error) (err error) {
	f := PortableFile{Name: table + linesSuffix}
	file, err := os.OpenFile(filepath.Join(e.temp, f.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return diskError(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(file, hash), 64<<10)
	err = write(func(line []byte) error {
		f.Rows++
		f.Bytes += int64(len(line))
		_, err := buffered.Write(line)
		return diskError(err)
	})
	if err == nil {
		err = diskError(buffered.Flush())
	}
	f.SHA256 = hex.EncodeToString(hash.Sum(nil))
	e.manifest.Files = append(e.manifest.Files, f)
	return err
}

// write puts the archive together: the manifest, the list of contents, these, and
// the other files of lines. root is the data directory.
func (e *export) write(w *archive.Writer, root *os.Root) error {
	text := e.manifest.encode()
	if _, err := w.Add(manifestName, int64(len(text)), bytes.NewReader(text)); err != nil {
		return diskError(err)
	}
	for _, f := range e.manifest.Files {
		if err := e.addLines(w, f); err != nil {
			return err
		}
		if f.Name == blobTable+linesSuffix {
			if err := e.addContents(w, root, f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *export) addLines(w *archive.Writer, f PortableFile) error {
	file, err := os.Open(filepath.Join(e.temp, f.Name))
	if err != nil {
		return diskError(err)
	}
	sum, err := w.Add(f.Name, f.Bytes, file)
	if err == nil && sum != f.SHA256 {
		err = fmt.Errorf("%s was changed while it was exported", f.Name)
	}
	return errors.Join(diskError(err), file.Close())
}

// addContents adds the contents that the list names. One that is missing, or is not
// what its hash says, fails the export.
func (e *export) addContents(w *archive.Writer, root *os.Root, list string) (err error) {
	file, err := os.Open(filepath.Join(e.temp, list))
	if err != nil {
		return diskError(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		row, err := contentList.parse(lines.Bytes())
		if err != nil {
			return err // it was written a moment ago
		}
		hash, size := row.value("content_hash").(string), row.value("size_bytes").(int64)
		if err := addContent(w, root, path.Join(blobsName, blobKey{e.tenant, hash}.path()), hash, size); err != nil {
			return fmt.Errorf("content %s: %w", hash, err)
		}
	}
	return diskError(lines.Err())
}

func addContent(w *archive.Writer, root *os.Root, name, hash string, size int64) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	sum, err := w.Add(contentName(hash), size, file)
	if err == nil && sum != hash {
		err = fmt.Errorf("it is damaged, its SHA-256 is %s", sum)
	}
	return errors.Join(diskError(err), file.Close())
}

// WriteTenantFile makes a tenant's archive, which write gives: encrypted if there
// are recipients, put on disk, read again and checked whole before it has its name.
// An existing file is left alone: Conflict. temp is a directory with room for the
// ids of its rows.
func WriteTenantFile(ctx context.Context, name string, recipients []age.Recipient, temp string, write func(io.Writer) error) (report TenantReport, err error) {
	err = writeArchiveFile(name, recipients, write, func(written string, identities []age.Identity) error {
		report, err = VerifyTenantFile(ctx, written, identities, temp)
		return err
	})
	return report, err
}
