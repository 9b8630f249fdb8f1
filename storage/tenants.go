package storage

import (
	"context"
	"encoding/json"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

const tenantColumns = `t.id, t.name, t.slug, t.is_active, t.max_users, t.max_projects, t.max_artifacts, t.max_storage_bytes,
	t.success_weights, t.metadata, t.created_at, t.updated_at, t.revision, u.users, u.projects, u.artifacts, u.storage_bytes + u.record_bytes,
	u.scores_stale_since`

const (
	selectTenant = `SELECT ` + tenantColumns + ` FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.id = $1 AND t.deleted_at IS NULL`

	selectTenantBySlug = `SELECT ` + tenantColumns + ` FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.slug = $1 AND t.deleted_at IS NULL`

	insertTenant = `INSERT INTO tenants (id, num, name, slug, is_active, max_users, max_projects, max_artifacts, max_storage_bytes,
		success_weights, metadata, created_at, updated_at)
		SELECT $1, coalesce(max(num), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11 FROM tenants`

	insertTenantUse = `INSERT INTO tenant_use (tenant_id) VALUES ($1)`

	updateTenant = `UPDATE tenants SET name = $2, slug = $3, is_active = $4, max_users = $5, max_projects = $6, max_artifacts = $7,
		max_storage_bytes = $8, success_weights = $9, metadata = $10, updated_at = $11, revision = revision + 1 WHERE id = $1`

	markTenantDeleted = `UPDATE tenants SET deleted_at = $2, is_active = 0, updated_at = $2, revision = revision + 1 WHERE id = $1 AND deleted_at IS NULL`
)

var tenantList = listing{
	name:    "tenants",
	columns: tenantColumns,
	from:    "tenants t JOIN tenant_use u ON u.tenant_id = t.id",
	where:   "t.deleted_at IS NULL",
	order:   "name",
	sorts: map[string]sortKey{
		"created_at": {expression: "t.created_at", kind: sortTime},
		"name":       {expression: "t.name", kind: sortText},
		"slug":       {expression: "t.slug", kind: sortText},
	},
}

// CreateTenant makes a tenant with its first user, if one is given. A name or slug
// that is taken is a conflict.
func (s *Store) CreateTenant(ctx context.Context, fields tenancy.TenantFields, admin *auth.NewUser) (t tenancy.Tenant, err error) {
	if err := fields.Validate(); err != nil {
		return t, err
	}
	id := tenancy.NewID()
	err = s.writer.do(ctx, id, func(tx *Tx) error {
		if err := insertNewTenant(tx, id, fields); err != nil {
			return err
		}
		if admin != nil {
			user, err := s.addUser(tx, id, admin)
			if err != nil {
				return err
			}
			if err := recordNewUser(tx, &user, admin.Invitation); err != nil {
				return err
			}
		}
		if t, err = tenantByID(tx.conn, id); err != nil {
			return err
		}
		return tx.record(installationChain, audit.TenantCreate, id.String(), tenantChanges(nil, &t))
	})
	return t, err
}

func insertNewTenant(tx *Tx, id tenancy.ID, fields tenancy.TenantFields) error {
	_, err := tx.exec(insertTenant, id, fields.Name, fields.Slug, fields.IsActive, fields.MaxUsers, fields.MaxProjects, fields.MaxArtifacts,
		fields.MaxStorageBytes, encodeWeights(fields.SuccessWeights), encodeObject(fields.Metadata), tx.Now)
	if violates(err, uniqueViolation) {
		return problem.Wrap(err, problem.Conflict, "A tenant of that name or slug exists.")
	}
	if err != nil {
		return err
	}
	_, err = tx.exec(insertTenantUse, id)
	return err
}

// TenantByID returns a tenant; not-found for one that was deleted.
func (s *Store) TenantByID(ctx context.Context, id tenancy.ID) (t tenancy.Tenant, err error) {
	err = s.read(ctx, func(c *conn) error {
		t, err = tenantByID(c, id)
		return err
	})
	return t, err
}

// TenantBySlug returns the tenant that people know by slug.
func (s *Store) TenantBySlug(ctx context.Context, slug string) (t tenancy.Tenant, err error) {
	err = s.read(ctx, func(c *conn) error {
		return notFound(c.queryRow(selectTenantBySlug, []any{slug}, func(r row) { t = readTenant(r) }), "tenant")
	})
	return t, err
}

func tenantByID(c *conn, id tenancy.ID) (t tenancy.Tenant, err error) {
	err = c.queryRow(selectTenant, []any{id}, func(r row) { t = readTenant(r) })
	return t, notFound(err, "tenant")
}

// Tenants returns one page of the installation's tenants.
func (s *Store) Tenants(ctx context.Context, page Page) (list List[tenancy.Tenant], err error) {
	list.Items = []tenancy.Tenant{}
	list.Next, err = tenantList.page(ctx, s, tenancy.ID{}, page, narrowed{filters: nil}, func(r row) {
		list.Items = append(list.Items, readTenant(r))
	})
	return list, err
}

// UpdateTenant applies change to the tenant's fields in the transaction.
func (s *Store) UpdateTenant(ctx context.Context, id tenancy.ID, match Match, change func(*tenancy.TenantFields) error) (t tenancy.Tenant, err error) {
	err = s.writer.do(ctx, id, func(tx *Tx) error {
		before, err := tenantByID(tx.conn, id)
		if err != nil {
			return err
		}
		if err := match.check(before.Revision); err != nil {
			return err
		}
		t = before
		if err := change(&t.TenantFields); err != nil {
			return err
		}
		if err := t.TenantFields.Validate(); err != nil {
			return err
		}
		_, err = tx.exec(updateTenant, id, t.Name, t.Slug, t.IsActive, t.MaxUsers, t.MaxProjects, t.MaxArtifacts, t.MaxStorageBytes,
			encodeWeights(t.SuccessWeights), encodeObject(t.Metadata), tx.Now)
		if violates(err, uniqueViolation) {
			return problem.Wrap(err, problem.Conflict, "A tenant of that name or slug exists.")
		}
		if err != nil {
			return err
		}
		t.UpdatedAt, t.Revision = tx.Now, before.Revision+1
		if t.IsActive != before.IsActive {
			if err := s.switchTenant(tx, id, t.IsActive); err != nil {
				return err
			}
		}
		if t.SuccessWeights != before.SuccessWeights {
			if _, err := tx.exec(markScoresStale, id, tx.Now); err != nil {
				return err
			}
			t.ScoresStaleSince = &tx.Now
		}
		return recordForBoth(tx, id, audit.TenantUpdate, tenantChanges(&before, &t))
	})
	return t, err
}

// DeleteTenant makes a tenant gone for everybody at once. Its rows and files are
// removed in slices by Maintain, which goes on after a restart.
func (s *Store) DeleteTenant(ctx context.Context, id tenancy.ID, match Match) error {
	err := s.writer.do(ctx, id, func(tx *Tx) error {
		t, err := tenantByID(tx.conn, id)
		if err != nil {
			return err
		}
		if err := match.check(t.Revision); err != nil {
			return err
		}
		had, err := tx.exists(selectOperatorOfTenant, id)
		if err != nil {
			return err
		}
		if _, err := tx.exec(markTenantDeleted, id, tx.Now); err != nil {
			return err
		}
		if err := keepOperator(tx, had); err != nil {
			return err
		}
		s.notify(tx, auth.Change{Kind: auth.TenantChanged, Tenant: id})
		return recordTenantDeletion(tx, &t)
	})
	if err == nil {
		s.models.forget(id)
		s.texts.forget(id)
		s.Wake()
	}
	return err
}

// recordTenantDeletion records that a tenant is deleted, and where its own chain
// ended, which goes with it.
func recordTenantDeletion(tx *Tx, t *tenancy.Tenant) error {
	own, err := tx.trail.chain(tx.conn, t.ID)
	if err != nil {
		return err
	}
	changes := tenantChanges(t, nil).Count("last_sequence", own.head.Sequence).Note("last_hash", own.head.Hash.String())
	return tx.record(installationChain, audit.TenantDelete, t.ID.String(), changes)
}

// switchTenant is what follows from the suspension of a tenant, or its end: tokens
// of before a suspension stay refused after it.
func (s *Store) switchTenant(tx *Tx, id tenancy.ID, active bool) error {
	if active {
		s.notify(tx, auth.Change{Kind: auth.TenantChanged, Tenant: id})
		return nil
	}
	had, err := tx.exists(selectOperatorOfTenant, id)
	if err != nil {
		return err
	}
	if err := keepOperator(tx, had); err != nil {
		return err
	}
	_, err = s.endTenantSessions(tx, id)
	return err
}

func readTenant(r row) tenancy.Tenant {
	t := tenancy.Tenant{
		ID: r.id(0),
		TenantFields: tenancy.TenantFields{
			Name: r.text(1), Slug: r.text(2), IsActive: r.bool(3),
			Limits:   tenancy.Limits{MaxUsers: r.int(4), MaxProjects: r.int(5), MaxArtifacts: r.int(6), MaxStorageBytes: r.int(7)},
			Metadata: r.object(9),
		},
		CreatedAt: r.time(10), UpdatedAt: r.time(11), Revision: r.int(12),
		Use:              tenancy.Use{Users: r.int(13), Projects: r.int(14), Artifacts: r.int(15), StorageBytes: r.int(16)},
		ScoresStaleSince: r.nullTime(17),
	}
	t.SuccessWeights = decodeWeights(r.text(8))
	return t
}

func encodeWeights(w tenancy.SuccessWeights) string {
	text, err := json.Marshal(w)
	if err != nil {
		panic("storage: " + err.Error()) // Validate admits finite numbers only
	}
	return string(text)
}
