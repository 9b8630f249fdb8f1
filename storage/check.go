package storage

import (
	"context"
	"errors"
	"fmt"
)

// Check reads the whole database and reports where it contradicts itself: damaged
// pages, references to nothing, each of counters that is not what it counts, and
// where the audit trail is broken.
// What is derived beyond those (means and scores, the summaries of series, the
// words of the search index) and the files of content it does not look at. It
// takes time in proportion to the database and changes nothing.
func (s *Store) Check(ctx context.Context) error {
	var faults []error
	err := s.snapshot(ctx, func(c *conn) error {
		faults = checkDatabase(ctx, c, true)
		return nil
	})
	return errors.Join(append(faults, err)...)
}

// checkDatabase is Check on a connection. Only a database of this program's schema
// has the counters and the audit trail.
func checkDatabase(ctx context.Context, c *conn, counted bool) (faults []error) {
	look := func(statement string, fault func(row) error) {
		err := c.query(ctx, statement, nil, func(r row) error {
			if found := fault(r); found != nil {
				faults = append(faults, found)
			}
			return nil
		})
		if err != nil {
			faults = append(faults, err)
		}
	}
	look("PRAGMA integrity_check", func(r row) error {
		if text := r.text(0); text != "ok" {
			return fmt.Errorf("the database is damaged: %s", text)
		}
		return nil
	})
	look("PRAGMA foreign_key_check", func(r row) error {
		return fmt.Errorf("a row of %s refers to a row of %s that is not there", r.text(0), r.text(2))
	})
	if !counted {
		return faults
	}
	for _, counter := range counters {
		look(counter.statement, func(r row) error {
			return fmt.Errorf("tenant %s counts %d %s and has %d", r.id(0), r.int(1), counter.name, r.int(2))
		})
	}
	chains, err := verifyAudit(ctx, c)
	if err != nil {
		return append(faults, err)
	}
	for _, chain := range chains {
		if chain.Fault != nil {
			faults = append(faults, chain.Fault)
		}
	}
	return faults
}

// counters find where a counter is wrong: its tenant, what it says and what there
// is. Deleted tenants' rows are on their way out and are not counted.
var counters = []struct{ name, statement string }{
	{"users", countedUsers}, {"projects", countedProjects}, {"artifacts", countedArtifacts}, {"bytes", countedBytes},
	{"bytes of records", countedRecords}, {"bytes of metadata of a series", countedMetadata},
	{"points of a series", countedPoints}, {"usages of an artifact", countedUsages},
	{"billionths of impact of an artifact", countedImpacts}, {"scores of an artifact", countedScores},
	{"artifacts with a content", countedRefs},
}

const (
	countedUsers = `SELECT u.tenant_id, u.users, (SELECT count(*) FROM users m WHERE m.tenant_id = u.tenant_id) AS actual
		FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.deleted_at IS NULL AND u.users <> actual`
	countedProjects = `SELECT u.tenant_id, u.projects, (SELECT count(*) FROM projects p WHERE p.tenant_id = u.tenant_id) AS actual
		FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.deleted_at IS NULL AND u.projects <> actual`
	countedArtifacts = `SELECT u.tenant_id, u.artifacts, (SELECT count(*) FROM artifacts a WHERE a.tenant_id = u.tenant_id) AS actual
		FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.deleted_at IS NULL AND u.artifacts <> actual`
	countedBytes = `SELECT u.tenant_id, u.storage_bytes, (SELECT coalesce(sum(size_bytes), 0) FROM blobs b WHERE b.tenant_id = u.tenant_id) AS actual
		FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.deleted_at IS NULL AND u.storage_bytes <> actual`
	countedRecords = `SELECT u.tenant_id, u.record_bytes,
			(SELECT coalesce(sum(40 + coalesce(octet_length(p.metadata), 0)), 0) FROM series s JOIN points p ON p.series = s.id WHERE s.tenant_id = u.tenant_id)
			+ (SELECT coalesce(sum(400 + octet_length(a.context)), 0) FROM artifact_usage a WHERE a.tenant_id = u.tenant_id)
			+ (SELECT 400 * count(*) FROM team_members m WHERE m.tenant_id = u.tenant_id)
			+ (SELECT 400 * count(*) FROM pipeline_runs r WHERE r.tenant_id = u.tenant_id)
			+ (SELECT coalesce(sum(400 + octet_length(d.inputs) + octet_length(d.explanation)), 0) FROM predictions d WHERE d.tenant_id = u.tenant_id) AS actual
		FROM tenants t JOIN tenant_use u ON u.tenant_id = t.id WHERE t.deleted_at IS NULL AND u.record_bytes <> actual`
	countedMetadata = `SELECT s.tenant_id, s.metadata_bytes, (SELECT coalesce(sum(octet_length(p.metadata)), 0) FROM points p WHERE p.series = s.id) AS actual
		FROM tenants t JOIN series s ON s.tenant_id = t.id WHERE t.deleted_at IS NULL AND s.metadata_bytes <> actual`
	countedPoints = `SELECT s.tenant_id, s.points, (SELECT count(*) FROM points p WHERE p.series = s.id) AS actual
		FROM tenants t JOIN series s ON s.tenant_id = t.id WHERE t.deleted_at IS NULL AND s.points <> actual`
	countedUsages = `SELECT a.tenant_id, a.usage_count, (SELECT count(*) FROM artifact_usage u WHERE u.tenant_id = a.tenant_id AND u.artifact_id = a.id) AS actual
		FROM tenants t JOIN artifacts a ON a.tenant_id = t.id WHERE t.deleted_at IS NULL AND a.usage_count <> actual`
	countedImpacts = `SELECT a.tenant_id, a.impact_sum, (SELECT coalesce(sum(` + impactUnits + `), 0) FROM artifact_usage u WHERE u.tenant_id = a.tenant_id AND u.artifact_id = a.id) AS actual
		FROM tenants t JOIN artifacts a ON a.tenant_id = t.id WHERE t.deleted_at IS NULL AND a.impact_sum <> actual`
	countedScores = `SELECT a.tenant_id, a.impact_count, (SELECT count(impact_score) FROM artifact_usage u WHERE u.tenant_id = a.tenant_id AND u.artifact_id = a.id) AS actual
		FROM tenants t JOIN artifacts a ON a.tenant_id = t.id WHERE t.deleted_at IS NULL AND a.impact_count <> actual`
	countedRefs = `SELECT b.tenant_id, b.refs, (SELECT count(*) FROM artifacts a WHERE a.tenant_id = b.tenant_id AND a.content_hash = b.content_hash AND a.has_content = 1) AS actual
		FROM tenants t JOIN blobs b ON b.tenant_id = t.id WHERE t.deleted_at IS NULL AND b.refs <> actual`
)
