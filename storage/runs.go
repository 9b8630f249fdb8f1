package storage

import (
	"context"
	"errors"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const runColumns = `id, tenant_id, project_id, provider, run_id, name, status, branch, commit_sha, committed_at, started_at, finished_at,
	succeeded_at, seconds, deployment, environment, production, week, created_at, updated_at`

const (
	selectRun = `SELECT ` + runColumns + ` FROM pipeline_runs WHERE tenant_id = $1 AND project_id = $2 AND provider = $3 AND run_id = $4`

	insertRun = `INSERT INTO pipeline_runs (id, tenant_id, project_id, provider, run_id, name, status, branch, commit_sha, committed_at, started_at,
		finished_at, succeeded_at, seconds, deployment, environment, production, week, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)`

	updateRun = `UPDATE pipeline_runs SET name = $3, status = $4, branch = $5, commit_sha = $6, committed_at = $7, started_at = $8, finished_at = $9,
		succeeded_at = $10, seconds = $11, week = $12, updated_at = $13 WHERE tenant_id = $1 AND id = $2`

	selectCommitTime = `SELECT committed_at FROM commit_times WHERE tenant_id = $1 AND project_id = $2 AND commit_sha = $3`

	insertCommitTime = `INSERT INTO commit_times (tenant_id, project_id, commit_sha, committed_at, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, project_id, commit_sha) DO NOTHING`

	// selectManyCommits finds a row when the project has more than $3.
	selectManyCommits = `SELECT 1 FROM commit_times WHERE tenant_id = $1 AND project_id = $2 LIMIT 1 OFFSET $3`

	dateRuns = `UPDATE pipeline_runs SET committed_at = $4 WHERE tenant_id = $1 AND project_id = $2 AND commit_sha = $3 AND committed_at IS NULL
		RETURNING week`
)

// maxCommitTimes bounds the commits of a project whose time is remembered. When
// there are as many, new ones wait until old ones are forgotten.
const maxCommitTimes = 20_000

var runList = listing{
	name:    "pipeline_runs",
	columns: runColumns,
	from:    "pipeline_runs",
	within:  "project_id",
	owned:   true,
	order:   "-created_at",
	sorts:   map[string]sortKey{"created_at": {expression: "created_at", kind: sortTime}},
}

// Runs returns one page of a project's runs, the latest reported first unless
// sorted.
func (t *Tenant) Runs(ctx context.Context, project tenancy.ID, page Page) (list List[tracking.PipelineRun], err error) {
	if err := t.read(ctx, func(c *conn) error { return t.requireProject(c, project) }); err != nil {
		return list, err
	}
	list.Items = make([]tracking.PipelineRun, 0, min(max(page.Limit, 0), DefaultLimit))
	list.Next, err = runList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: []filter{runList.of(project)}}, func(r row) {
		list.Items = append(list.Items, readRun(r))
	})
	return list, err
}

// RecordRun records what is reported of a run: a new one, or more of one that is
// known by its provider and run. The metrics of its week are right when it
// returns. created is whether it is new.
func (t *Tenant) RecordRun(ctx context.Context, project tenancy.ID, fields tracking.RunFields) (run tracking.PipelineRun, created bool, err error) {
	if err := fields.Validate(); err != nil {
		return run, false, err
	}
	err = t.write(ctx, func(tx *Tx) error {
		if err := t.belongingsChange(tx, project); err != nil {
			return err
		}
		var before *tracking.PipelineRun
		if run, before, err = t.recordRun(tx, project, fields); err != nil {
			return err
		}
		created = before == nil
		switch {
		case created:
			return t.record(tx, audit.PipelineRunCreate, run.ID, runChanges(nil, &run))
		case *before != run:
			return t.record(tx, audit.PipelineRunUpdate, run.ID, runChanges(before, &run))
		}
		return nil
	})
	return run, created, err
}

// recordRun records what is reported of a run of a project that is there, and
// returns the run and what it was before; nil for a new one.
func (t *Tenant) recordRun(tx *Tx, project tenancy.ID, fields tracking.RunFields) (run tracking.PipelineRun, before *tracking.PipelineRun, err error) {
	if err := checkNotAhead(&fields, tx.Now); err != nil {
		return run, nil, err
	}
	fields.Complete()
	if err := t.exchangeCommitTime(tx, project, &fields); err != nil {
		return run, nil, err
	}
	err = tx.queryRow(selectRun, []any{t.scope.Tenant(), project, fields.Provider, fields.RunID}, func(r row) { run = readRun(r) })
	switch {
	case errors.Is(err, errNoRow):
		run = tracking.NewRun(tenancy.NewID(), t.scope.Tenant(), project, fields, tx.Now)
		err = t.insertRun(tx, &run)
	case err == nil:
		before = new(run)
		if !run.Absorb(fields) {
			return run, before, nil
		}
		run.UpdatedAt = tx.Now
		_, err = tx.exec(updateRun, run.TenantID, run.ID, run.Name, string(run.Status), run.Branch, run.CommitSHA, run.CommittedAt, run.StartedAt,
			run.FinishedAt, run.SucceededAt, run.DurationSeconds, run.Week, run.UpdatedAt)
	}
	if err == nil && run.Week != nil {
		err = t.deriveWeek(tx, project, *run.Week)
	}
	return run, before, err
}

// checkNotAhead refuses times that have not come yet.
func checkNotAhead(f *tracking.RunFields, now tenancy.Time) error {
	var c problem.Checks
	for _, t := range []struct {
		location string
		time     *tenancy.Time
	}{{"body.committed_at", f.CommittedAt}, {"body.started_at", f.StartedAt}, {"body.finished_at", f.FinishedAt}} {
		c.Require(t.time == nil || *t.time <= now+tracking.MaxClockSkew, t.location, "must not be more than an hour ahead of this server's clock")
	}
	return c.Err()
}

func (t *Tenant) insertRun(tx *Tx, run *tracking.PipelineRun) error {
	if err := tx.requireRoom(t.scope.Tenant()); err != nil {
		return err
	}
	_, err := tx.exec(insertRun, run.ID, run.TenantID, run.ProjectID, run.Provider, run.RunID, run.Name, string(run.Status), run.Branch, run.CommitSHA,
		run.CommittedAt, run.StartedAt, run.FinishedAt, run.SucceededAt, run.DurationSeconds, run.Deployment, run.Environment, run.Production != nil && *run.Production,
		run.Week, run.CreatedAt)
	return err
}

// exchangeCommitTime remembers when a run's commit was made, for a deployment that
// names the commit alone, or looks it up.
func (t *Tenant) exchangeCommitTime(tx *Tx, project tenancy.ID, f *tracking.RunFields) error {
	if f.CommitSHA == nil {
		return nil
	}
	if f.CommittedAt != nil {
		return t.noteCommits(tx, project, []tracking.CommitTime{{SHA: *f.CommitSHA, At: *f.CommittedAt}})
	}
	err := tx.queryRow(selectCommitTime, []any{t.scope.Tenant(), project, *f.CommitSHA}, func(r row) { f.CommittedAt = r.nullTime(0) })
	if errors.Is(err, errNoRow) {
		return nil
	}
	return err
}

// noteCommits remembers when commits were made, gives the time to the runs that
// lack it, and brings the metrics of their weeks up to date.
func (t *Tenant) noteCommits(tx *Tx, project tenancy.ID, commits []tracking.CommitTime) error {
	weeks := make(map[tenancy.Time]bool)
	for _, commit := range commits {
		if commit.At < tenancy.MinTime || commit.At > tx.Now+tracking.MaxClockSkew {
			continue // a clock that is wrong says nothing of the lead time
		}
		full, err := tx.exists(selectManyCommits, t.scope.Tenant(), project, maxCommitTimes)
		if err != nil {
			return err
		}
		if !full {
			if _, err := tx.exec(insertCommitTime, t.scope.Tenant(), project, commit.SHA, commit.At, tx.Now); err != nil {
				return err
			}
		}
		err = tx.query(context.Background(), dateRuns, []any{t.scope.Tenant(), project, commit.SHA, commit.At}, func(r row) error {
			if week := r.nullTime(0); week != nil {
				weeks[*week] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for week := range weeks {
		if err := t.deriveWeek(tx, project, week); err != nil {
			return err
		}
	}
	return nil
}

func readRun(r row) tracking.PipelineRun {
	run := tracking.PipelineRun{
		ID: r.id(0), TenantID: r.id(1), ProjectID: r.id(2),
		RunFields: tracking.RunFields{
			Provider: r.text(3), RunID: r.text(4), Name: r.text(5), Status: tracking.RunStatus(r.text(6)), Branch: r.text(7), CommitSHA: r.nullText(8),
			CommittedAt: r.nullTime(9), StartedAt: r.nullTime(10), FinishedAt: r.nullTime(11), DurationSeconds: r.nullFloat(13),
			Deployment: r.bool(14), Environment: r.text(15),
		},
		SucceededAt: r.nullTime(12), Week: r.nullTime(17), CreatedAt: r.time(18), UpdatedAt: r.time(19),
	}
	if run.Deployment {
		run.Production = new(r.bool(16))
	}
	return run
}
