package storage

import (
	"maestro/problem"
	"maestro/tenancy"
)

// resource is something a tenant may hold only so much of.
type resource struct {
	name string // in problems and in tenant_use
	read string // the statement that reads what is used, and the limit
}

var (
	users     = resource{"users", readUsers}
	projects  = resource{"projects", readProjects}
	artifacts = resource{"artifacts", readArtifacts}
	bytesHeld = resource{"storage_bytes", readBytes} // of contents and of records
)

// pointBytes is about what a point of a metric takes on disk, beside its metadata.
// What other records take, their triggers say (migrations/00010_records.sql).
const pointBytes = 40

// The statements check and count at once: two requests for the last place are
// two updates of one row, and the second finds no room.
const (
	takeUsers = `UPDATE tenant_use SET users = users + $2 WHERE tenant_id = $1 AND users + $2 <=
		(SELECT max_users FROM tenants WHERE id = $1 AND deleted_at IS NULL)`
	// One project, as a change of the tenant's projects too; $2 is 1 when it has ended.
	takeProject = `UPDATE tenant_use SET projects = projects + 1, project_changes = project_changes + 1, history_changes = history_changes + $2
		WHERE tenant_id = $1 AND projects + 1 <= (SELECT max_projects FROM tenants WHERE id = $1 AND deleted_at IS NULL)`
	takeArtifacts = `UPDATE tenant_use SET artifacts = artifacts + $2 WHERE tenant_id = $1 AND artifacts + $2 <=
		(SELECT max_artifacts FROM tenants WHERE id = $1 AND deleted_at IS NULL)`
	takeBytes = `UPDATE tenant_use SET storage_bytes = storage_bytes + $2 WHERE tenant_id = $1 AND storage_bytes + record_bytes + $2 <=
		(SELECT max_storage_bytes FROM tenants WHERE id = $1 AND deleted_at IS NULL)`
	takeRecords = `UPDATE tenant_use SET record_bytes = record_bytes + $2 WHERE tenant_id = $1 AND storage_bytes + record_bytes + $2 <=
		(SELECT max_storage_bytes FROM tenants WHERE id = $1 AND deleted_at IS NULL)`

	readUsers     = `SELECT u.users, t.max_users FROM tenant_use u JOIN tenants t ON t.id = u.tenant_id WHERE u.tenant_id = $1 AND t.deleted_at IS NULL`
	readProjects  = `SELECT u.projects, t.max_projects FROM tenant_use u JOIN tenants t ON t.id = u.tenant_id WHERE u.tenant_id = $1 AND t.deleted_at IS NULL`
	readArtifacts = `SELECT u.artifacts, t.max_artifacts FROM tenant_use u JOIN tenants t ON t.id = u.tenant_id WHERE u.tenant_id = $1 AND t.deleted_at IS NULL`
	readBytes     = `SELECT u.storage_bytes + u.record_bytes, t.max_storage_bytes FROM tenant_use u JOIN tenants t ON t.id = u.tenant_id WHERE u.tenant_id = $1 AND t.deleted_at IS NULL`

	giveUsers     = `UPDATE tenant_use SET users = users - $2 WHERE tenant_id = $1`
	giveProjects  = `UPDATE tenant_use SET projects = projects - $2 WHERE tenant_id = $1`
	giveArtifacts = `UPDATE tenant_use SET artifacts = artifacts - $2 WHERE tenant_id = $1`
	giveBytes     = `UPDATE tenant_use SET storage_bytes = storage_bytes - $2 WHERE tenant_id = $1`

	countRecords = `UPDATE tenant_use SET record_bytes = record_bytes + $2 WHERE tenant_id = $1`
)

// take reserves some of a resource for the tenant by one of the statements above, whose
// $2 is n. It answers limit-reached when that is more than is left, and not-found when
// the tenant was deleted since the caller was authenticated.
func (tx *Tx) take(tenant tenancy.ID, r resource, statement string, n any) error {
	changed, err := tx.exec(statement, tenant, n)
	if err != nil || changed == 1 {
		return err
	}
	limit, err := tx.limit(tenant, r)
	if err != nil {
		return err
	}
	return limitReached(limit)
}

// requireRoom answers limit-reached when the tenant's storage is full, for a record
// that is counted as it is inserted.
func (tx *Tx) requireRoom(tenant tenancy.ID) error {
	limit, err := tx.limit(tenant, bytesHeld)
	if err != nil || limit.Current < limit.Limit {
		return err
	}
	return limitReached(limit)
}

// limit reads what the tenant uses of a resource, and may use.
func (tx *Tx) limit(tenant tenancy.ID, r resource) (problem.Limit, error) {
	limit := problem.Limit{Resource: r.name}
	err := tx.queryRow(r.read, []any{tenant}, func(row row) { limit.Current, limit.Limit = row.int(0), row.int(1) })
	if err != nil {
		return limit, notFound(err, "tenant")
	}
	return limit, nil
}

func limitReached(limit problem.Limit) error {
	return &problem.Error{Code: problem.LimitReached, Limit: &limit,
		Detail: "The tenant holds as much as it may: delete something or ask the operator for a higher limit."}
}
