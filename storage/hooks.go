package storage

import (
	"context"
	"errors"
	"time"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const hookColumns = `id, tenant_id, project_id, name, provider, deployment_workflow, created_by, created_at, last_delivery_at, deliveries`

const (
	selectHookState = `SELECT h.id, h.tenant_id, h.project_id, h.provider, h.deployment_workflow, h.secret FROM hooks h WHERE h.id = $1`

	countProjectHooks = `SELECT count(*) FROM hooks WHERE tenant_id = $1 AND project_id = $2`

	insertHook = `INSERT INTO hooks (tenant_id, id, project_id, name, provider, deployment_workflow, secret, created_by, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	deleteHook = `DELETE FROM hooks WHERE tenant_id = $1 AND id = $2 AND project_id = $3 RETURNING ` + hookColumns

	selectRemembered = `SELECT remembered FROM hooks WHERE tenant_id = $1 AND id = $2 AND project_id = $3`

	selectDelivery = `SELECT 1 FROM hook_deliveries WHERE tenant_id = $1 AND hook_id = $2 AND digest = $3`

	selectRestored = `SELECT received_at FROM hook_deliveries WHERE tenant_id = $1 AND hook_id = $2 AND digest = $3`

	insertDelivery = `INSERT INTO hook_deliveries (tenant_id, hook_id, digest, received_at) VALUES ($1, $2, $3, $4)`

	countDelivery = `UPDATE hooks SET last_delivery_at = $3, deliveries = deliveries + 1, remembered = remembered + $4 WHERE tenant_id = $1 AND id = $2`

	forgetRemembered = `UPDATE hooks SET remembered = remembered - 1 WHERE tenant_id = $1 AND id = $2`
)

var hookList = listing{
	name:    "hooks",
	columns: hookColumns,
	from:    "hooks",
	within:  "project_id",
	owned:   true,
	order:   "created_at",
	sorts:   map[string]sortKey{"created_at": {expression: "created_at", kind: sortTime}},
}

// HookState implements auth.HookStore.
func (s *Store) HookState(ctx context.Context, id tenancy.ID) (state auth.HookState, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.queryRow(selectHookState, []any{id}, func(r row) {
			state = auth.HookState{ID: r.id(0), Tenant: r.id(1), Project: r.id(2), Provider: r.text(3), DeploymentWorkflow: r.text(4), Secret: r.bytes(5)}
		})
	})
	return state, notFound(err, "hook")
}

// Hooks returns one page of a project's hooks, in the order they were made.
func (t *Tenant) Hooks(ctx context.Context, project tenancy.ID, page Page) (list List[tracking.Hook], err error) {
	if err := t.read(ctx, func(c *conn) error { return t.requireProject(c, project) }); err != nil {
		return list, err
	}
	list.Items = make([]tracking.Hook, 0, min(max(page.Limit, 0), DefaultLimit))
	list.Next, err = hookList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: []filter{hookList.of(project)}}, func(r row) {
		list.Items = append(list.Items, readHook(r))
	})
	return list, err
}

// CreateHook makes a hook under an id that its secret was sealed for. It fails
// with LimitReached above tracking.MaxHooks for the project.
func (t *Tenant) CreateHook(ctx context.Context, project, id tenancy.ID, fields tracking.HookFields, sealed []byte) (h tracking.Hook, err error) {
	if err := fields.Validate(); err != nil {
		return h, err
	}
	err = t.write(ctx, func(tx *Tx) error {
		if err := t.requireProject(tx.conn, project); err != nil {
			return err
		}
		if err := tx.below("hooks", tracking.MaxHooks, countProjectHooks, t.scope.Tenant(), project); err != nil {
			return err
		}
		h = tracking.Hook{ID: id, TenantID: t.scope.Tenant(), ProjectID: project, Name: fields.Name, Provider: fields.Provider,
			DeploymentWorkflow: fields.DeploymentWorkflow, CreatedBy: new(t.scope.Actor().ID), CreatedAt: tx.Now}
		_, err = tx.exec(insertHook, h.TenantID, h.ID, h.ProjectID, h.Name, h.Provider, h.DeploymentWorkflow, sealed, h.CreatedBy, h.CreatedAt)
		if err != nil {
			return err
		}
		return t.record(tx, audit.HookCreate, h.ID, hookChanges(nil, &h))
	})
	return h, err
}

// DeleteHook removes a hook: its deliveries are refused from now on.
func (t *Tenant) DeleteHook(ctx context.Context, project, id tenancy.ID) error {
	return t.write(ctx, func(tx *Tx) error {
		var h tracking.Hook
		err := tx.queryRow(deleteHook, []any{t.scope.Tenant(), id, project}, func(r row) { h = readHook(r) })
		if err != nil {
			return notFound(err, "hook in this project")
		}
		return t.record(tx, audit.HookDelete, id, hookChanges(&h, nil))
	})
}

// Delivery is what came to a hook and was found to be signed with its secret.
type Delivery struct {
	Hook, Project tenancy.ID
	Marks         [][32]byte // what it is remembered by: any of them seen before makes it a repetition
	Run           *tracking.RunFields
	Commits       []tracking.CommitTime
	At            tenancy.Time // when it was signed, or else the latest time in what it says of the run; 0 for none
}

// Outcome says what became of a delivery.
type Outcome string

// What can become of a delivery.
const (
	Recorded Outcome = "recorded" // it changed something, or could have
	Repeated Outcome = "repeated" // it came before, and had no effect now
	Stale    Outcome = "stale"    // it is older than what is remembered or than a restore, and had no effect
	Ignored  Outcome = "ignored"  // its event reports neither a run nor commits
)

// Bounds of what is remembered of deliveries.
const (
	// deliveryLife is how old the run of a delivery may be. What came is remembered
	// for longer, so a delivery is either remembered or too old: a replay has no
	// effect however late it comes. One without any time says of a run no more than
	// that it waits, which is nothing new the second time.
	deliveryLife = 7 * 24 * time.Hour
	deliveryKept = deliveryLife + 24*time.Hour

	// maxRemembered bounds what is remembered of one hook: some 10 MB.
	maxRemembered = 100_000

	// commitTimeKept is how long the time of a commit is remembered.
	commitTimeKept = 90 * 24 * time.Hour
)

// Deliver records what a delivery says, once: everything in one transaction, with
// what it is remembered by. It fails with NotFound when the hook is gone.
func (t *Tenant) Deliver(ctx context.Context, d Delivery) (outcome Outcome, err error) {
	err = t.write(ctx, func(tx *Tx) error {
		remembered := 0
		err := tx.queryRow(selectRemembered, []any{t.scope.Tenant(), d.Hook, d.Project}, func(r row) { remembered = int(r.int(0)) })
		if err != nil {
			return notFound(err, "hook")
		}
		for _, mark := range d.Marks {
			seen, err := tx.exists(selectDelivery, t.scope.Tenant(), d.Hook, mark[:])
			if err != nil || seen {
				outcome = Repeated
				return err
			}
		}
		if d.Run != nil && d.At != 0 && d.At < tx.Now-tenancy.Time(deliveryLife/time.Microsecond) {
			outcome = Stale
			return nil
		}
		restored, err := t.restoredAt(tx, d.Hook)
		if err != nil {
			return err
		}
		if d.At != 0 && d.At < restored {
			outcome = Stale
			return nil
		}
		if remembered+len(d.Marks) > maxRemembered {
			return &problem.Error{Code: problem.TooManyRequests, Detail: "Too many deliveries came within a week.", RetryAfter: time.Hour}
		}
		outcome, err = t.applyDelivery(tx, d)
		return err
	})
	return outcome, err
}

// restoredMark is what a hook that was kept in a restore remembers that by, among
// its deliveries: it is no digest, which has 32 bytes. What was delivered since the
// backup is forgotten, so nothing from before the restore can be told from a
// replay. The row is forgotten like a delivery, when all of that is stale anyway.
var restoredMark = []byte("restored")

// restoredAt returns when the hook was restored, or 0.
func (t *Tenant) restoredAt(tx *Tx, hook tenancy.ID) (at tenancy.Time, err error) {
	err = tx.queryRow(selectRestored, []any{t.scope.Tenant(), hook, restoredMark}, func(r row) { at = r.time(0) })
	if errors.Is(err, errNoRow) {
		return 0, nil
	}
	return at, err
}

// applyDelivery records what a delivery says, that it came, and what became of it.
func (t *Tenant) applyDelivery(tx *Tx, d Delivery) (outcome Outcome, err error) {
	outcome = Ignored
	if d.Run != nil || len(d.Commits) > 0 {
		outcome = Recorded
		if err := t.belongingsChange(tx, d.Project); err != nil {
			return "", err
		}
	}
	if err := t.noteCommits(tx, d.Project, d.Commits); err != nil {
		return "", err
	}
	changes := audit.Created().Note("outcome", string(outcome)).Count("commits", int64(len(d.Commits)))
	if d.Run != nil {
		run, _, err := t.recordRun(tx, d.Project, *d.Run)
		if err != nil {
			return "", err
		}
		changes.Note("pipeline_run_id", run.ID.String()).Note("status", string(run.Status))
	}
	for _, mark := range d.Marks {
		if _, err := tx.exec(insertDelivery, t.scope.Tenant(), d.Hook, mark[:], tx.Now); err != nil {
			return "", err
		}
	}
	if _, err := tx.exec(countDelivery, t.scope.Tenant(), d.Hook, tx.Now, len(d.Marks)); err != nil {
		return "", err
	}
	return outcome, t.record(tx, audit.HookDeliver, d.Hook, changes)
}

const (
	selectForgottenDelivery = `SELECT 1 FROM hook_deliveries WHERE tenant_id = $1 AND received_at < $2 LIMIT 1`
	deleteDeliveries        = `DELETE FROM hook_deliveries WHERE tenant_id = $1 AND (hook_id, digest) IN
		(SELECT hook_id, digest FROM hook_deliveries WHERE tenant_id = $1 AND received_at < $3 LIMIT $2) RETURNING hook_id`

	selectForgottenCommit = `SELECT 1 FROM commit_times WHERE tenant_id = $1 AND created_at < $2 LIMIT 1`
	deleteCommitTimes     = `DELETE FROM commit_times WHERE tenant_id = $1 AND (project_id, commit_sha) IN
		(SELECT project_id, commit_sha FROM commit_times WHERE tenant_id = $1 AND created_at < $3 LIMIT $2)`
)

// forgetDeliveries removes what is past its time of deliveries and commits.
func (s *Store) forgetDeliveries(ctx context.Context) error {
	return errors.Join(
		s.forget(ctx, selectForgottenDelivery, deliveryKept, func(tx *Tx, tenant tenancy.ID, before tenancy.Time) error {
			var hooks []tenancy.ID
			err := tx.query(context.Background(), deleteDeliveries, []any{tenant, removalSlice, before}, func(r row) error {
				hooks = append(hooks, r.id(0))
				return nil
			})
			for _, hook := range hooks {
				if err == nil {
					_, err = tx.exec(forgetRemembered, tenant, hook)
				}
			}
			return err
		}),
		s.forget(ctx, selectForgottenCommit, commitTimeKept, func(tx *Tx, tenant tenancy.ID, before tenancy.Time) error {
			_, err := tx.exec(deleteCommitTimes, tenant, removalSlice, before)
			return err
		}),
	)
}

func readHook(r row) tracking.Hook {
	return tracking.Hook{ID: r.id(0), TenantID: r.id(1), ProjectID: r.id(2), Name: r.text(3), Provider: r.text(4), DeploymentWorkflow: r.text(5),
		CreatedBy: r.nullID(6), CreatedAt: r.time(7), LastDeliveryAt: r.nullTime(8), Deliveries: r.int(9)}
}
