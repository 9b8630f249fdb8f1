package storage

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"maestro/audit"
	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

const artifactColumns = `id, tenant_id, name, type, version, description, tags, content_hash, media_type, storage_uri, is_active, metadata,
	size_bytes, usage_count, avg_impact_score, created_by, created_at, updated_at, revision`

const (
	selectArtifact = `SELECT ` + artifactColumns + `, has_content, search_id FROM artifacts WHERE tenant_id = $1 AND id = $2`

	insertArtifact = `INSERT INTO artifacts (id, tenant_id, name, type, version, description, tags, content_hash, media_type, storage_uri, is_active,
		metadata, search_id, created_by, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)`

	updateArtifact = `UPDATE artifacts SET name = $3, type = $4, version = $5, description = $6, tags = $7, content_hash = $8, media_type = $9,
		storage_uri = $10, is_active = $11, metadata = $12, search_id = $13, updated_at = $14, revision = revision + 1
		WHERE tenant_id = $1 AND id = $2`

	deleteArtifact = `DELETE FROM artifacts WHERE tenant_id = $1 AND id = $2`
)

// leastImpact is a condition that the indexes of the list's orders answer. They do
// not for impact_order, because SQLite looks a computed column up.
const leastImpact = "coalesce(avg_impact_score, -1) >= %s"

var artifactList = listing{
	name:    "artifacts",
	columns: artifactColumns,
	from:    "artifacts",
	owned:   true,
	first:   firstLook,
	sought:  map[string]string{leastImpact: "impact_order >= %s"},
	order:   "-created_at",
	sorts: map[string]sortKey{
		"created_at":       {expression: "created_at", kind: sortTime},
		"updated_at":       {expression: "updated_at", kind: sortTime},
		"name":             {expression: "name", kind: sortText, plain: true, grouped: true},
		"usage_count":      {expression: "usage_count", kind: sortInteger},
		"avg_impact_score": {expression: "impact_order", kind: sortNumber, plain: true},
	},
}

// storedArtifact is an artifact with what only the store knows of it.
type storedArtifact struct {
	registry.Artifact
	held     bool   // the content that content_hash names is held here
	searchID *int64 // its row in the search index; nil until it has one
}

// ArtifactFilter narrows a list of artifacts. Zero fields do not narrow.
type ArtifactFilter struct {
	Type      string
	Tag       string // one of the artifact's tags, exactly
	Name      string // exactly: every version of one artifact
	IsActive  *bool
	MinImpact *float64 // avg_impact_score at least this
}

func (f *ArtifactFilter) conditions() []filter {
	var filters []filter
	if f.Type != "" {
		filters = append(filters, filter{"type = %s", f.Type})
	}
	if f.Tag != "" {
		// Tags are ["a","b"]: with a comma for the bracket, each is ,"tag" and
		// nothing else is, because a quote inside a tag has a backslash before it.
		filters = append(filters, filter{"instr(',' || substr(tags, 2), %s) > 0", "," + encodeText(f.Tag)})
	}
	if f.Name != "" {
		filters = append(filters, filter{"name = %s", f.Name})
	}
	if f.IsActive != nil {
		filters = append(filters, filter{"is_active = %s", *f.IsActive})
	}
	if f.MinImpact != nil {
		filters = append(filters, filter{leastImpact, *f.MinImpact})
	}
	return filters
}

// CreateArtifact records an artifact. A name and version that are taken together
// are a conflict. With a repeated idempotency key it returns what the first
// request made, and true.
func (t *Tenant) CreateArtifact(ctx context.Context, fields registry.ArtifactFields, request Idempotency) (a registry.Artifact, replayed bool, err error) {
	if err := fields.Validate(); err != nil {
		return a, false, err
	}
	fields.Normalise()
	id := tenancy.NewID()
	err = t.write(ctx, func(tx *Tx) error {
		made, found, err := t.replayed(tx, request)
		if err != nil {
			return err
		}
		if found {
			replayed = true
			stored, err := t.artifact(tx.conn, made)
			a = stored.Artifact
			return err
		}
		if err := tx.take(t.scope.Tenant(), artifacts, takeArtifacts, 1); err != nil {
			return err
		}
		a = registry.Artifact{ID: id, TenantID: t.scope.Tenant(), ArtifactFields: fields, CreatedBy: t.author(), CreatedAt: tx.Now, UpdatedAt: tx.Now, Revision: 1}
		searchID, err := t.index(tx, &a.ArtifactFields)
		if err != nil {
			return err
		}
		_, err = tx.exec(insertArtifact, a.ID, a.TenantID, a.Name, a.Type, a.Version, a.Description, encodeTags(a.Tags), a.ContentHash, a.MediaType,
			a.StorageURI, a.IsActive, encodeObject(a.Metadata), searchID, a.CreatedBy, a.CreatedAt)
		if err != nil {
			return takenArtifact(err)
		}
		if err := t.record(tx, audit.ArtifactCreate, a.ID, artifactChanges(nil, &a)); err != nil {
			return err
		}
		return t.remember(tx, request, a.ID)
	})
	return a, replayed, err
}

// Artifact returns an artifact of the tenant.
func (t *Tenant) Artifact(ctx context.Context, id tenancy.ID) (registry.Artifact, error) {
	a, err := t.readArtifact(ctx, id)
	return a.Artifact, err
}

func (t *Tenant) readArtifact(ctx context.Context, id tenancy.ID) (a storedArtifact, err error) {
	err = t.read(ctx, func(c *conn) error {
		a, err = t.artifact(c, id)
		return err
	})
	return a, err
}

func (t *Tenant) artifact(c *conn, id tenancy.ID) (a storedArtifact, err error) {
	err = c.queryRow(selectArtifact, []any{t.scope.Tenant(), id}, func(r row) {
		a = storedArtifact{Artifact: readArtifact(r), held: r.bool(19), searchID: r.nullInt(20)}
	})
	return a, notFound(err, "artifact")
}

// Artifacts returns one page of the tenant's artifacts.
func (t *Tenant) Artifacts(ctx context.Context, page Page, f ArtifactFilter) (list List[registry.Artifact], err error) {
	list.Items = make([]registry.Artifact, 0, min(max(page.Limit, 0), DefaultLimit))
	list.Next, err = artifactList.page(ctx, t.Store, t.scope.Tenant(), page, t.narrowArtifacts(&f), func(r row) {
		list.Items = append(list.Items, readArtifact(r))
	})
	return list, err
}

// UpdateArtifact applies change to the artifact's fields, in the transaction, so
// that it sees what it changes. The hash of content that is held here follows
// the content alone.
func (t *Tenant) UpdateArtifact(ctx context.Context, id tenancy.ID, match Match, change func(*registry.ArtifactFields) error) (a registry.Artifact, err error) {
	err = t.write(ctx, func(tx *Tx) error {
		before, err := t.artifact(tx.conn, id)
		if err != nil {
			return err
		}
		if err := match.check(before.Revision); err != nil {
			return err
		}
		a = before.Artifact
		a.ArtifactFields = before.ArtifactFields.Clone() // decoders write into the slices and pointers they find
		if err := change(&a.ArtifactFields); err != nil {
			return err
		}
		if err := checkArtifactChange(&before, &a.ArtifactFields); err != nil {
			return err
		}
		a.Normalise()
		a.UpdatedAt, a.Revision = tx.Now, before.Revision+1
		searchID, err := t.reindex(tx, &before, &a.ArtifactFields)
		if err != nil {
			return err
		}
		_, err = tx.exec(updateArtifact, t.scope.Tenant(), id, a.Name, a.Type, a.Version, a.Description, encodeTags(a.Tags), a.ContentHash, a.MediaType,
			a.StorageURI, a.IsActive, encodeObject(a.Metadata), searchID, a.UpdatedAt)
		if err != nil {
			return takenArtifact(err)
		}
		return t.record(tx, audit.ArtifactUpdate, id, artifactChanges(&before.Artifact, &a))
	})
	return a, err
}

// checkArtifactChange names every value that is not allowed after a change,
// among them a hash that is no longer the caller's to say.
func checkArtifactChange(before *storedArtifact, after *registry.ArtifactFields) error {
	err := after.Validate()
	if !before.held || (after.ContentHash != nil && *after.ContentHash == *before.ContentHash) {
		return err
	}
	const location, message = "body.content_hash", "must stay the hash of the content that is held"
	var invalid *problem.Error
	if errors.As(err, &invalid) {
		invalid.Violations = append(invalid.Violations, problem.Violation{Location: location, Message: message})
		return invalid
	}
	var checks problem.Checks
	checks.Require(false, location, message)
	return checks.Err()
}

// DeleteArtifact removes an artifact with its usages. Its content goes with it
// unless another artifact of the tenant has the same.
func (t *Tenant) DeleteArtifact(ctx context.Context, id tenancy.ID, match Match) error {
	var freed []string
	err := t.write(ctx, func(tx *Tx) error {
		a, err := t.artifact(tx.conn, id)
		if err != nil {
			return err
		}
		if err := match.check(a.Revision); err != nil {
			return err
		}
		if freed, err = t.release(tx, &a); err != nil {
			return err
		}
		if _, err := tx.exec(deleteArtifact, t.scope.Tenant(), id); err != nil {
			return err
		}
		if _, err := tx.exec(countHistoryChange, t.scope.Tenant()); err != nil {
			return err // its usages are gone
		}
		if _, err := tx.exec(giveArtifacts, t.scope.Tenant(), 1); err != nil {
			return err
		}
		return t.record(tx, audit.ArtifactDelete, id, artifactChanges(&a.Artifact, nil))
	})
	if err == nil {
		t.discard(freed)
	}
	return err
}

func takenArtifact(err error) error {
	if violates(err, uniqueViolation) {
		return problem.Wrap(err, problem.Conflict, "An artifact of that name and version exists.")
	}
	return err
}

func readArtifact(r row) registry.Artifact {
	return registry.Artifact{
		ID: r.id(0), TenantID: r.id(1),
		ArtifactFields: registry.ArtifactFields{
			Name: r.text(2), Type: r.text(3), Version: r.text(4), Description: r.text(5), Tags: decodeTags(r.text(6)),
			ContentHash: r.nullText(7), MediaType: r.text(8), StorageURI: r.text(9), IsActive: r.bool(10), Metadata: r.object(11),
		},
		SizeBytes: r.nullInt(12), UsageCount: r.int(13), AvgImpactScore: r.nullFloat(14),
		CreatedBy: r.nullID(15), CreatedAt: r.time(16), UpdatedAt: r.time(17), Revision: r.int(18),
	}
}

func encodeTags(tags []string) string {
	if len(tags) == 0 {
		return "[]"
	}
	text := "["
	for i, tag := range tags {
		if i > 0 {
			text += ","
		}
		text += encodeText(tag)
	}
	return text + "]"
}

// encodeText is a string as it stands in JSON, with no more escapes than needed.
func encodeText(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic("storage: " + err.Error()) // strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// decodeTags reads what encodeTags wrote. Lists decode thousands of them, so
// those without an escape, nearly all, are cut at their quotes.
func decodeTags(text string) (tags []string) {
	if text == "[]" {
		return nil
	}
	if strings.HasPrefix(text, `["`) && strings.HasSuffix(text, `"]`) && strings.IndexByte(text, '\\') < 0 {
		tags = strings.Split(text[2:len(text)-2], `","`)
		if strings.Count(text, `"`) == 2*len(tags) {
			return tags
		}
	}
	if err := json.Unmarshal([]byte(text), &tags); err != nil {
		panic("storage: the tags of an artifact are damaged: " + err.Error())
	}
	return tags
}
