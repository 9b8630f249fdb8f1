package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"maestro/audit"
	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

const (
	selectBlob = `SELECT size_bytes, refs FROM blobs WHERE tenant_id = $1 AND content_hash = $2`

	addBlob = `INSERT INTO blobs (tenant_id, content_hash, size_bytes, refs) VALUES ($1, $2, $3, 1)
		ON CONFLICT (tenant_id, content_hash) DO UPDATE SET refs = blobs.refs + 1`

	dropBlobRef = `UPDATE blobs SET refs = refs - 1 WHERE tenant_id = $1 AND content_hash = $2`

	deleteBlob = `DELETE FROM blobs WHERE tenant_id = $1 AND content_hash = $2 AND refs = 0`

	largestBlob = `SELECT coalesce(max(size_bytes), 0) FROM blobs WHERE tenant_id = $1`

	setContent = `UPDATE artifacts SET content_hash = $3, size_bytes = $4, media_type = $5, has_content = 1, updated_at = $6, revision = revision + 1
		WHERE tenant_id = $1 AND id = $2`
)

// NewContent is content to be kept for an artifact.
type NewContent struct {
	Body      io.Reader
	Size      int64    // of the body in bytes, or -1 when it is not known beforehand
	Hashes    []string // every SHA-256 that the caller says the body has, in hexadecimal
	MediaType string   // empty keeps the artifact's
	Match     ContentMatch
}

// ContentMatch is a precondition on the content that is held: its hash, or "".
// Nil admits any.
type ContentMatch func(held string) bool

func (m ContentMatch) check(a *storedArtifact) error {
	held := ""
	if a.held {
		held = *a.ContentHash
	}
	if m == nil || m(held) {
		return nil
	}
	return problem.New(problem.PreconditionFailed, "The content was changed since you read it.")
}

// PutContent keeps content for an artifact in place of what it had, if anything,
// and reports whether it is its first. The body is streamed to disk while it is
// hashed; a hash that the caller announced, or that the artifact was created
// with, must be the body's. The same content is kept, and counted, once in a
// tenant; until it is, its bytes count as staged. It returns when everything is on disk; refused content leaves no trace.
func (t *Tenant) PutContent(ctx context.Context, id tenancy.ID, content NewContent) (a registry.Artifact, first bool, err error) {
	before, err := t.readArtifact(ctx, id)
	if err != nil {
		return a, false, err
	}
	if err := content.check(&before); err != nil {
		return a, false, err
	}
	share := t.files.staging.open(t.scope.Tenant())
	defer share.release()
	received, err := t.receive(&arrival{ctx: ctx, tenant: t, before: &before, share: share}, &content)
	if err != nil {
		return a, false, err
	}
	if err := content.checkHash(received.hash); err != nil {
		t.abandonUpload(received)
		return a, false, err
	}
	return t.keep(ctx, id, &content, received, share)
}

// check refuses what need not be read to be refused. It is asked again in the
// transaction, of the artifact as it is then.
func (n *NewContent) check(a *storedArtifact) error {
	if err := n.Match.check(a); err != nil {
		return err
	}
	if a.held || a.ContentHash == nil {
		return nil
	}
	for _, hash := range n.Hashes {
		if hash != *a.ContentHash {
			return errDigest("The announced digest is not the content_hash that the artifact was created with.")
		}
	}
	return nil
}

func (n *NewContent) checkHash(hash string) error {
	for _, announced := range n.Hashes {
		if announced != hash {
			return errDigest("The SHA-256 of what arrived differs from the one announced.")
		}
	}
	return nil
}

func errDigest(detail string) error { return problem.New(problem.DigestMismatch, "%s", detail) }

// contentBound is how many bytes new content of the artifact may have: what the
// tenant has left, with what it would free; or as much as the largest content it
// holds, because holding that once more costs nothing. The transaction decides.
func (t *Tenant) contentBound(ctx context.Context, before *storedArtifact) (bound int64, err error) {
	err = t.snapshot(ctx, func(c *conn) error {
		if err := c.queryRow(readBytes, []any{t.scope.Tenant()}, func(r row) { bound = r.int(1) - r.int(0) }); err != nil {
			return notFound(err, "tenant")
		}
		if before.held {
			if err := c.queryRow(selectBlob, []any{t.scope.Tenant(), before.ContentHash}, func(r row) {
				if r.int(1) == 1 {
					bound += r.int(0)
				}
			}); err != nil && !errors.Is(err, errNoRow) {
				return err
			}
		}
		return c.queryRow(largestBlob, []any{t.scope.Tenant()}, func(r row) { bound = max(bound, r.int(0)) })
	})
	return bound, err
}

// keep places the received content and records it, holding the content's lock,
// so that nobody removes the file between the two. The content's share of the
// staging ends where its bytes are counted.
func (t *Tenant) keep(ctx context.Context, id tenancy.ID, content *NewContent, received upload, share *share) (a registry.Artifact, first bool, err error) {
	k := blobKey{t.scope.Tenant(), received.hash}
	unlock := t.files.lock(k)
	var freed []string
	if err = t.place(k, received); err == nil {
		err = t.write(ctx, func(tx *Tx) error {
			share.release()
			stored, err := t.artifact(tx.conn, id)
			if err != nil {
				return err
			}
			if err := content.check(&stored); err != nil {
				return err
			}
			if !stored.held && stored.ContentHash != nil && *stored.ContentHash != received.hash {
				return errDigest("The SHA-256 of what arrived is not the content_hash that the artifact was created with.")
			}
			first = !stored.held
			if freed, err = t.exchange(tx, &stored, received); err != nil {
				return err
			}
			a = stored.Artifact
			a.ContentHash, a.SizeBytes, a.UpdatedAt, a.Revision = &received.hash, &received.size, tx.Now, stored.Revision+1
			if content.MediaType != "" {
				a.MediaType = content.MediaType
			}
			if _, err := tx.exec(setContent, t.scope.Tenant(), id, a.ContentHash, a.SizeBytes, a.MediaType, a.UpdatedAt); err != nil {
				return err
			}
			return t.record(tx, audit.ArtifactUpload, id, artifactChanges(&stored.Artifact, &a))
		})
	}
	if certain(err) {
		t.removeUnlessHeld(k)
	}
	unlock()
	if err != nil {
		return registry.Artifact{}, false, err
	}
	t.discard(freed)
	return a, first, nil
}

// certain reports whether err says that the transaction did not happen. After a
// failed commit it may yet turn out to have happened, so then the file stays
// until the sweep knows.
func certain(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true // withdrawn before it began
	}
	switch problem.CodeOf(err) {
	case "", problem.Internal, problem.Unavailable, problem.StorageFull:
		return false
	}
	return true
}

// exchange makes the tenant hold the received content for the artifact, in place
// of what the artifact had. It returns the hashes of what nobody refers to now.
func (t *Tenant) exchange(tx *Tx, before *storedArtifact, received upload) (freed []string, err error) {
	if before.held && *before.ContentHash == received.hash {
		return nil, nil
	}
	// What goes makes room for what comes.
	if freed, err = t.release(tx, before); err != nil {
		return nil, err
	}
	held := false
	err = tx.queryRow(selectBlob, []any{t.scope.Tenant(), received.hash}, func(row) { held = true })
	if err != nil && !errors.Is(err, errNoRow) {
		return nil, err
	}
	if !held {
		if err := tx.take(t.scope.Tenant(), bytesHeld, takeBytes, received.size); err != nil {
			return nil, err
		}
	}
	_, err = tx.exec(addBlob, t.scope.Tenant(), received.hash, received.size)
	return freed, err
}

// release ends the artifact's hold on its content. When it was the last, the
// tenant's bytes are given back and the content's hash is returned: its file is
// to be discarded once the transaction is on disk.
func (t *Tenant) release(tx *Tx, a *storedArtifact) (freed []string, err error) {
	if !a.held {
		return nil, nil
	}
	if _, err := tx.exec(dropBlobRef, t.scope.Tenant(), a.ContentHash); err != nil {
		return nil, err
	}
	gone, err := tx.exec(deleteBlob, t.scope.Tenant(), a.ContentHash)
	if err != nil || gone == 0 {
		return nil, err
	}
	_, err = tx.exec(giveBytes, t.scope.Tenant(), *a.SizeBytes)
	return []string{*a.ContentHash}, err
}

// discard removes the files of content that no row names any more.
func (t *Tenant) discard(hashes []string) {
	for _, hash := range hashes {
		k := blobKey{t.scope.Tenant(), hash}
		unlock := t.files.lock(k)
		t.removeUnlessHeld(k)
		unlock()
	}
}

// removeUnlessHeld removes a file unless a row names it, or a backup may need it,
// under its lock, and reports whether it did.
func (s *Store) removeUnlessHeld(k blobKey) bool {
	err := s.read(context.Background(), func(c *conn) error {
		return c.queryRow(selectBlob, []any{k.tenant, k.hash}, func(row) {})
	})
	if !errors.Is(err, errNoRow) || s.files.kept() {
		return false
	}
	s.removeBlob(k)
	return true
}

// Content is the content of an artifact, open for reading.
type Content struct {
	Artifact registry.Artifact
	File     *os.File // the caller closes it
}

// OpenContent opens the content of an artifact; not-found when none is held.
func (t *Tenant) OpenContent(ctx context.Context, id tenancy.ID) (Content, error) {
	missing := ""
	for {
		a, err := t.readArtifact(ctx, id)
		if err != nil {
			return Content{}, err
		}
		if !a.held {
			return Content{}, problem.New(problem.NotFound, "The artifact has no content here.")
		}
		file, err := t.root.Open(blobKey{t.scope.Tenant(), *a.ContentHash}.path())
		if err == nil {
			return Content{a.Artifact, file}, nil
		}
		// It may have been replaced since its row was read: look again, once for
		// each content that was there.
		if !errors.Is(err, fs.ErrNotExist) || missing == *a.ContentHash {
			return Content{}, diskError(err)
		}
		missing = *a.ContentHash
	}
}
