package storage

import (
	"context"
	"errors"
	"time"

	"maestro/tenancy"
)

// How often background work looks for something to do without being woken.
const (
	maintenanceInterval = time.Minute
	rescoreInterval     = time.Second
)

// Wake asks for a pass of maintenance soon.
func (s *Store) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // one is asked for already
	}
}

// RunMaintenance does background work until ctx ends: a pass when woken, and one
// a minute; scores that are behind every second.
func (s *Store) RunMaintenance(ctx context.Context) {
	pass, rescore := time.NewTicker(maintenanceInterval), time.NewTicker(rescoreInterval)
	defer pass.Stop()
	defer rescore.Stop()
	work := s.Maintain
	for {
		switch err := work(ctx); {
		case err == nil:
			s.passes.last.Store(s.now().UnixMilli())
		case ctx.Err() == nil:
			s.passes.failed.Add(1)
			s.log.Error("background work failed; it goes on with the next pass", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			work = s.Maintain
		case <-pass.C:
			work = s.Maintain
		case <-rescore.C:
			work = s.Rescore
		}
	}
}

// Maintain does one pass of background work: it removes what deleted tenants and
// dropped series left, forgets old idempotency keys, deliveries and times of
// commits, derives scores anew, indexes what an upgrade brought, sweeps some of
// the content files, and keeps the audit trail: refusals that were counted, and
// its retention. Every step is a
// short write of its own, so that no request waits long behind it, and a pass
// that is cut short is finished by the next.
func (s *Store) Maintain(ctx context.Context) error {
	return errors.Join(
		s.removeDeletedTenants(ctx),
		s.removeDroppedPoints(ctx),
		s.forgetIdempotencyKeys(ctx),
		s.forgetDeliveries(ctx),
		s.Rescore(ctx),
		s.indexUnindexed(ctx),
		s.sweepSome(ctx),
		s.storeDenials(ctx),
		s.pruneAudit(ctx),
	)
}

// removalSlice is how many rows of a deleted tenant one write removes: with
// their index entries some milliseconds of work.
const removalSlice = 100

// removals empty a deleted tenant's tables, what refers before what is referred
// to, so that no cascade makes a slice long. $2 is removalSlice. A test compares
// the tables with the schema.
var removals = []string{
	`DELETE FROM artifact_usage WHERE tenant_id = $1 AND id IN (SELECT id FROM artifact_usage WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM team_members WHERE tenant_id = $1 AND id IN (SELECT id FROM team_members WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM predictions WHERE tenant_id = $1 AND id IN (SELECT id FROM predictions WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM derived_points WHERE tenant_id = $1 AND (project_id, metric_type, time) IN (SELECT project_id, metric_type, time FROM derived_points WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM commit_times WHERE tenant_id = $1 AND (project_id, commit_sha) IN (SELECT project_id, commit_sha FROM commit_times WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM pipeline_runs WHERE tenant_id = $1 AND id IN (SELECT id FROM pipeline_runs WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM hook_deliveries WHERE tenant_id = $1 AND (hook_id, digest) IN (SELECT hook_id, digest FROM hook_deliveries WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM hooks WHERE tenant_id = $1 AND id IN (SELECT id FROM hooks WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM series WHERE tenant_id = $1 AND id IN (SELECT id FROM series WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM projects WHERE tenant_id = $1 AND id IN (SELECT id FROM projects WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM artifacts WHERE tenant_id = $1 AND id IN (SELECT id FROM artifacts WHERE tenant_id = $1 LIMIT $2)`, // a trigger follows in the search index
	`DELETE FROM blobs WHERE tenant_id = $1 AND content_hash IN (SELECT content_hash FROM blobs WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM sessions WHERE tenant_id = $1 AND id IN (SELECT id FROM sessions WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM api_tokens WHERE tenant_id = $1 AND id IN (SELECT id FROM api_tokens WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM links WHERE tenant_id = $1 AND (user_id, kind) IN (SELECT user_id, kind FROM links WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM user_roles WHERE tenant_id = $1 AND (user_id, role) IN (SELECT user_id, role FROM user_roles WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM users WHERE tenant_id = $1 AND id IN (SELECT id FROM users WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM roles WHERE tenant_id = $1 AND name IN (SELECT name FROM roles WHERE tenant_id = $1 LIMIT $2)`,
	`DELETE FROM idempotency_keys WHERE tenant_id = $1 AND (actor_id, key) IN (SELECT actor_id, key FROM idempotency_keys WHERE tenant_id = $1 LIMIT $2)`,
}

const (
	selectDeletedTenants = `SELECT id FROM tenants WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 100`
	deleteTenantRow      = `DELETE FROM tenants WHERE id = $1 AND deleted_at IS NOT NULL`
)

func (s *Store) removeDeletedTenants(ctx context.Context) error {
	var deleted []tenancy.ID
	err := s.read(ctx, func(c *conn) error {
		return c.query(ctx, selectDeletedTenants, nil, func(r row) error {
			deleted = append(deleted, r.id(0))
			return nil
		})
	})
	for _, tenant := range deleted {
		if err == nil {
			err = s.removeTenant(ctx, tenant)
		}
	}
	return err
}

// removeTenant removes the rows and files of a deleted tenant, and last the
// tenant itself, which is what says that there is work left.
func (s *Store) removeTenant(ctx context.Context, tenant tenancy.ID) error {
	start := s.now()
	for _, removal := range removals {
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			removed := int64(0)
			err := s.writer.do(ctx, tenant, func(tx *Tx) (err error) {
				removed, err = tx.exec(removal, tenant, removalSlice)
				return err
			})
			if err != nil {
				return err
			}
			if removed < removalSlice {
				break
			}
		}
	}
	if err := s.removeChain(ctx, tenant); err != nil {
		return err
	}
	if s.files.kept() {
		return nil // the next pass finishes it
	}
	if err := s.root.RemoveAll(tenant.String()); err != nil {
		return err
	}
	err := s.writer.do(ctx, tenant, func(tx *Tx) error {
		_, err := tx.exec(deleteTenantRow, tenant)
		return err
	})
	if err == nil {
		s.log.Info("removed a deleted tenant", "tenant", tenant.String(), "took", s.now().Sub(start))
	}
	return err
}

const (
	selectTenantsAfter = `SELECT id FROM tenants WHERE id > $1 ORDER BY id LIMIT 100`
	selectExpiredKey   = `SELECT 1 FROM idempotency_keys WHERE tenant_id = $1 AND created_at < $2 LIMIT 1`
	deleteExpiredKeys  = `DELETE FROM idempotency_keys WHERE tenant_id = $1 AND (actor_id, key) IN
		(SELECT actor_id, key FROM idempotency_keys WHERE tenant_id = $1 AND created_at < $3 LIMIT $2)`
)

// forgetIdempotencyKeys removes the keys that are past their life.
func (s *Store) forgetIdempotencyKeys(ctx context.Context) error {
	return s.forget(ctx, selectExpiredKey, idempotencyLife, func(tx *Tx, tenant tenancy.ID, before tenancy.Time) error {
		_, err := tx.exec(deleteExpiredKeys, tenant, removalSlice, before)
		return err
	})
}

// forget removes rows that are past their life, tenant by tenant and slice by
// slice. found asks whether the tenant $1 has a row older than $2; remove removes
// a slice of those. It writes only where there is one.
func (s *Store) forget(ctx context.Context, found string, life time.Duration, remove func(tx *Tx, tenant tenancy.ID, before tenancy.Time) error) error {
	return s.eachTenant(ctx, func(tenant tenancy.ID) error {
		for {
			before := tenancy.TimeOf(s.now().Add(-life))
			err := s.read(ctx, func(c *conn) error {
				return c.queryRow(found, []any{tenant, before}, func(row) {})
			})
			if errors.Is(err, errNoRow) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.writer.do(ctx, tenant, func(tx *Tx) error { return remove(tx, tenant, before) }); err != nil {
				return err
			}
		}
	})
}

// eachTenant calls f for every tenant, deleted ones included.
func (s *Store) eachTenant(ctx context.Context, f func(tenancy.ID) error) error {
	var last tenancy.ID
	for {
		var ids []tenancy.ID
		err := s.read(ctx, func(c *conn) error {
			return c.query(ctx, selectTenantsAfter, []any{last}, func(r row) error {
				ids = append(ids, r.id(0))
				return nil
			})
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := f(id); err != nil {
				return err
			}
		}
		last = ids[len(ids)-1]
	}
}
