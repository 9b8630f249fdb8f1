package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"filippo.io/age"

	"maestro/audit"
	"maestro/problem"
	"maestro/storage/archive"
	"maestro/tenancy"
)

// ImportTenantOptions says how the archive of a tenant becomes a tenant.
type ImportTenantOptions struct {
	Dir        string         // the data directory; the caller holds its lock
	File       string         // the archive
	Identities []age.Identity // secret keys, for an encrypted archive
	Slug, Name string         // of the tenant, in place of those in the archive, where set
	Limits     ImportLimits   // in place of those in the archive, where set
	DryRun     bool           // check everything, and change nothing
	Temp       string         // a directory with room for the ids of its rows; os.TempDir unless set
	Now        func() time.Time
	Progress   func(step string, done, total int64) // in bytes of the file; nobody is told unless set

	before func(point string) error // of each write; set by tests that cut the import short there
}

// ImportLimits replace the limits that a tenant brings.
type ImportLimits struct {
	MaxUsers, MaxProjects, MaxArtifacts, MaxStorageBytes *int64
}

func (o *ImportTenantOptions) fields(m *TenantManifest) tenancy.TenantFields {
	f := m.Tenant.TenantFields
	if o.Slug != "" {
		f.Slug = o.Slug
	}
	if o.Name != "" {
		f.Name = o.Name
	}
	for _, limit := range []struct{ given, into *int64 }{{o.Limits.MaxUsers, &f.MaxUsers}, {o.Limits.MaxProjects, &f.MaxProjects},
		{o.Limits.MaxArtifacts, &f.MaxArtifacts}, {o.Limits.MaxStorageBytes, &f.MaxStorageBytes}} {
		if limit.given != nil {
			*limit.into = *limit.given
		}
	}
	return f
}

// ImportTenant makes a tenant of an archive, in a directory that no process uses:
// whole, or not at all. Everything is checked before anything is written. While its
// rows come in, in transactions of many, the tenant is marked as deleted: nobody sees
// it, and whatever ends the process, the next start removes what came, as it does
// with every deleted tenant. The last transaction takes the mark off and records the
// import.
//
// The tenant keeps its id, unless a tenant here has it, and its rows keep theirs. A
// slug or name that is taken is a conflict, and more than the limits admit is
// LimitReached.
func ImportTenant(ctx context.Context, o ImportTenantOptions) (report TenantReport, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.before == nil {
		o.before = func(string) error { return nil }
	}
	// An older directory is brought up by what changes it, never by a trial.
	if o.DryRun {
		if err := requireNewestSchema(o.Dir); err != nil {
			return report, err
		}
	}
	temp, err := os.MkdirTemp(o.Temp, "import-*") // 0700
	if err != nil {
		return report, diskError(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	file := &tenantFile{name: o.File, identities: o.Identities, temp: temp, progress: o.Progress}
	if report, err = verifyTenantFile(ctx, file); err != nil {
		return report, err
	}
	i := &tenantImport{ctx: ctx, options: o, verified: report}
	if o.DryRun {
		return i.verified, i.try(file)
	}
	if i.store, err = Open(ctx, Options{Dir: o.Dir, Now: o.Now, Readers: 1}); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, i.store.Close()) }()
	i.look = func(f func(*conn) error) error { return i.store.read(ctx, f) }
	if err := readPortable(ctx, file, "importing", i); err != nil {
		return report, i.undo(err)
	}
	return i.verified, nil
}

// try does what comes before the first write, beside whoever uses the directory.
func (i *tenantImport) try(file *tenantFile) (err error) {
	c, err := openOffline(i.options.Dir, readerPragmas)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	i.look = func(f func(*conn) error) error { return f(c) }
	if err := readPortable(i.ctx, file, "trying", i); !errors.Is(err, errTrial) {
		return err
	}
	return nil
}

// tenantImport is the sink that writes.
type tenantImport struct {
	ctx      context.Context
	store    *Store
	options  ImportTenantOptions
	look     func(func(*conn) error) error // reads the database
	verified TenantReport                  // of the check; the second reading must find the same
	manifest *TenantManifest
	fields   tenancy.TenantFields
	id       tenancy.ID // zero until there is something to undo

	batch  []portableRow
	bytes  int   // of the lines in it
	series int64 // that the last point is of
	sum    *portableSeries
}

// errTrial ends a trial before anything is written.
var errTrial = errors.New("storage: a trial")

// The bounds of a transaction of an import: some milliseconds, and what it holds.
const (
	importRows  = 1000
	importBytes = 4 << 20
)

const (
	selectTakenTenant = `SELECT deleted_at IS NOT NULL FROM tenants WHERE id = $1`
	selectTakenName   = `SELECT 1 FROM tenants WHERE name = $1 AND deleted_at IS NULL`
	selectTakenSlug   = `SELECT 1 FROM tenants WHERE slug = $1 AND deleted_at IS NULL`

	// Hidden as a deleted tenant is. Its epoch rises above any that a tenant of this
	// id ever had here: no token of before its removal holds again.
	insertHiddenTenant = `INSERT INTO tenants (id, num, name, slug, is_active, max_users, max_projects, max_artifacts, max_storage_bytes,
		success_weights, metadata, created_at, updated_at, revision, deleted_at, epoch)
		SELECT $1, coalesce(max(num), 0) + 1, $2, $3, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM tenants`

	showTenant = `UPDATE tenants SET deleted_at = NULL, is_active = $2 WHERE id = $1`

	setPortableUse = `UPDATE tenant_use SET users = $2, projects = $3, artifacts = $4, storage_bytes = $5, scores_stale_since = $6,
		outcome_changes = 1, history_changes = 1, project_changes = 1 WHERE tenant_id = $1`

	insertPortableBlob = `INSERT INTO blobs (tenant_id, content_hash, size_bytes, refs) VALUES ($1, $2, $3, 0)`
	referToBlob        = `UPDATE blobs SET refs = refs + 1 WHERE tenant_id = $1 AND content_hash = $2`
)

// begin refuses what cannot be admitted, and makes the hidden tenant.
func (i *tenantImport) begin(m *TenantManifest, _ archive.Info, digest string) error {
	if digest != i.verified.Digest {
		return &archive.DamageError{Name: manifestName, Reason: "is another one than was checked: the file was changed meanwhile"}
	}
	i.manifest, i.fields = m, i.options.fields(m)
	i.verified.Slug, i.verified.Name, i.verified.Limits = i.fields.Slug, i.fields.Name, i.fields.Limits
	if err := i.fields.Validate(); err != nil {
		return err
	}
	if err := i.admit(); err != nil {
		return err
	}
	id, err := i.chooseID()
	if err != nil {
		return err
	}
	i.verified.ID = id
	if i.options.DryRun {
		return errTrial
	}
	if err := i.options.before("the tenant"); err != nil {
		return err
	}
	i.id = id
	return i.store.writer.do(i.ctx, id, func(tx *Tx) error {
		f := i.fields
		_, err := tx.exec(insertHiddenTenant, id, f.Name, f.Slug, f.MaxUsers, f.MaxProjects, f.MaxArtifacts, f.MaxStorageBytes, encodeWeights(f.SuccessWeights),
			encodeObject(f.Metadata), m.Tenant.CreatedAt, m.Tenant.UpdatedAt, m.Tenant.Revision, tx.Now, tx.Now.Std().Unix())
		if err == nil {
			_, err = tx.exec(insertTenantUse, id)
		}
		return err
	})
}

// admit refuses a tenant whose name is taken, who has more than its limits, or for
// whom the disk has no room.
func (i *tenantImport) admit() error {
	err := i.look(func(c *conn) error {
		for _, name := range []struct{ text, value, flag string }{{selectTakenSlug, i.fields.Slug, "slug"}, {selectTakenName, i.fields.Name, "name"}} {
			if taken, err := c.exists(name.text, name.value); err != nil {
				return err
			} else if taken {
				return problem.New(problem.Conflict, "A tenant here has the %s %q already. Import this one under another: --%s NEW", name.flag, name.value, name.flag)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, held := range []struct {
		resource
		has, limit int64
		flag       string
	}{
		{users, i.manifest.rows("users"), i.fields.MaxUsers, "users"}, {projects, i.manifest.rows("projects"), i.fields.MaxProjects, "projects"},
		{artifacts, i.manifest.rows(artifactTable), i.fields.MaxArtifacts, "artifacts"}, {bytesHeld, i.manifest.ContentBytes + i.verified.RecordBytes, i.fields.MaxStorageBytes, "storage-bytes"},
	} {
		if held.has > held.limit {
			return &problem.Error{Code: problem.LimitReached, Limit: &problem.Limit{Resource: held.name, Limit: held.limit, Current: held.has},
				Detail: fmt.Sprintf("The archive has %d %s and the tenant's limit is %d. Give it another limit here: --max-%s %d", held.has, held.name, held.limit, held.flag, held.has)}
		}
	}
	need := i.manifest.ContentBytes + spareBytes // each of the terms is that of a file which was read, and at most maxWhole
	for _, f := range i.manifest.Files {
		need += 2 * f.Bytes // rows with their index entries, and the log
	}
	free, err := freeBytes(i.options.Dir)
	if err == nil && free < need {
		err = problem.New(problem.StorageFull, "The import needs %d bytes, the disk has %d.", need, free)
	}
	return err
}

// chooseID returns the id that the tenant gets. What an import left that was cut
// short, or a tenant of that id that is deleted, is removed first.
func (i *tenantImport) chooseID() (tenancy.ID, error) {
	id, taken, deleted := i.manifest.Tenant.ID, false, false
	err := i.look(func(c *conn) error {
		err := c.queryRow(selectTakenTenant, []any{id}, func(r row) { taken, deleted = true, r.bool(0) })
		if errors.Is(err, errNoRow) {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return id, err
	case deleted && !i.options.DryRun:
		return id, i.store.removeTenant(i.ctx, id)
	case taken && !deleted:
		return tenancy.NewID(), nil
	}
	return id, nil
}

func (i *tenantImport) row(row portableRow) error {
	if row.table.name == blobTable {
		return nil // a content's row comes behind its file
	}
	if row.table.name == userTable && costlyHash(row) {
		row.values[row.table.column("password_hash")] = nil
	}
	if len(i.batch) > 0 && (i.batch[0].table != row.table || len(i.batch) == importRows || i.bytes >= importBytes) {
		if err := i.flush(); err != nil {
			return err
		}
	}
	i.bytes += len(row.line)
	row.line = nil // the next one takes its place
	i.batch = append(i.batch, row)
	return nil
}

// flush writes the rows of the batch in one transaction.
func (i *tenantImport) flush() error {
	if len(i.batch) == 0 {
		return nil
	}
	if err := i.options.before(i.batch[0].table.name); err != nil {
		return err
	}
	err := i.store.writer.do(i.ctx, i.id, func(tx *Tx) error {
		for _, row := range i.batch {
			if err := i.insert(tx, row); err != nil {
				return fmt.Errorf("%s: %w", row.table.name, err)
			}
		}
		return nil
	})
	i.batch, i.bytes = i.batch[:0], 0
	return err
}

func (i *tenantImport) insert(tx *Tx, row portableRow) error {
	if row.table.name == pointTable {
		return i.insertPoint(tx, row)
	}
	args := append([]any{i.id}, row.values...)
	if row.table.complete != nil {
		args = append(args, row.table.complete(row)...)
	}
	if _, err := tx.exec(row.table.insert, args...); err != nil {
		return err
	}
	switch row.table.name {
	case artifactTable:
		if !row.value("has_content").(bool) {
			return nil
		}
		_, err := tx.exec(referToBlob, i.id, row.value("content_hash"))
		return err
	case usageTable:
		_, err := tx.exec(countPortableUse, i.id, row.value("id"))
		return err
	}
	return nil
}

// content keeps a content, and then its row.
func (i *tenantImport) content(hash string, size int64, content io.Reader) error {
	if err := i.options.before("content"); err != nil {
		return err
	}
	received, err := i.store.stage(i.id, content, func(int64) error { return i.ctx.Err() })
	if err != nil {
		return err
	}
	if received.hash != hash || received.size != size {
		i.store.abandonUpload(received)
		return &archive.DamageError{Name: contentName(hash), Reason: "is not the content of its hash"}
	}
	if err := i.store.place(blobKey{i.id, hash}, received); err != nil {
		return err
	}
	if err := i.options.before("row of content"); err != nil {
		return err
	}
	return i.store.writer.do(i.ctx, i.id, func(tx *Tx) error {
		_, err := tx.exec(insertPortableBlob, i.id, hash, size)
		return err
	})
}

// finish shows the tenant to everybody. The archive was read to its end by now, and
// found to be what it was when it was checked.
func (i *tenantImport) finish() error {
	if err := errors.Join(i.flush(), i.endSeries()); err != nil {
		return err
	}
	if err := i.options.before("the end"); err != nil {
		return err
	}
	err := i.store.writer.do(i.ctx, i.id, func(tx *Tx) error {
		_, err := tx.exec(setPortableUse, i.id, i.manifest.rows("users"), i.manifest.rows("projects"), i.manifest.rows(artifactTable), i.manifest.ContentBytes, tx.Now)
		if err != nil {
			return err
		}
		if _, err := tx.exec(showTenant, i.id, i.fields.IsActive); err != nil {
			return err
		}
		return i.record(tx)
	})
	i.verified.Imported = err == nil
	return err
}

// record begins the tenant's trail with where it comes from: the trail of before
// stays in the archive, for nobody here saw what it tells.
func (i *tenantImport) record(tx *Tx) error {
	t, err := tenantByID(tx.conn, i.id)
	if err != nil {
		return err
	}
	head := i.manifest.Trail.Head
	for _, chain := range []tenancy.ID{installationChain, i.id} {
		changes := tenantChanges(nil, &t).Note("source_id", i.manifest.Tenant.ID.String()).Note("source_slug", i.manifest.Tenant.Slug).
			Count("last_sequence", head.Sequence).Note("last_hash", head.Hash.String()).Note("archive", i.verified.Digest)
		if err := tx.record(chain, audit.TenantImport, i.id.String(), changes); err != nil {
			return err
		}
	}
	return nil
}

// undo removes what came of an import that failed. What it cannot remove now, the
// next start does.
func (i *tenantImport) undo(cause error) error {
	if i.id.IsZero() || i.verified.Imported {
		return cause
	}
	ctx := context.WithoutCancel(i.ctx)
	// A commit that failed may have happened.
	err := i.store.writer.do(ctx, i.id, func(tx *Tx) error {
		_, err := tx.exec(markTenantDeleted, i.id, tx.Now)
		return err
	})
	if err == nil {
		err = i.store.removeTenant(ctx, i.id)
	}
	return errors.Join(cause, err)
}
