package storage

import (
	"context"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const memberColumns = `id, tenant_id, project_id, user_id, name, role, experience_level, contribution_hours, performance_score,
	created_at, updated_at, revision`

const (
	selectMember = `SELECT ` + memberColumns + ` FROM team_members WHERE tenant_id = $1 AND id = $2 AND project_id = $3`

	insertMember = `INSERT INTO team_members (id, tenant_id, project_id, user_id, name, role, experience_level, contribution_hours,
		performance_score, created_at, updated_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 1)`

	updateMember = `UPDATE team_members SET user_id = $3, name = $4, role = $5, experience_level = $6, contribution_hours = $7,
		performance_score = $8, updated_at = $9, revision = revision + 1 WHERE tenant_id = $1 AND id = $2`

	selectUserID = `SELECT 1 FROM users WHERE tenant_id = $1 AND id = $2`

	countMembers = `SELECT count(*) FROM team_members WHERE tenant_id = $1 AND project_id = $2`

	deleteMember = `DELETE FROM team_members WHERE tenant_id = $1 AND id = $2`
)

var memberList = listing{
	name:    "members",
	columns: memberColumns,
	from:    "team_members",
	within:  "project_id",
	owned:   true,
	order:   "created_at",
	sorts:   map[string]sortKey{"created_at": {expression: "created_at", kind: sortTime}},
}

// CreateMember adds a person to a project's team. With a repeated idempotency
// key it returns whom the first request added, and true. It fails with LimitReached above
// tracking.MaxMembers for the project, and when the tenant's storage is full.
func (t *Tenant) CreateMember(ctx context.Context, project tenancy.ID, fields tracking.MemberFields, request Idempotency) (m tracking.Member, replayed bool, err error) {
	if err := fields.Validate(); err != nil {
		return m, false, err
	}
	id := tenancy.NewID()
	err = t.write(ctx, func(tx *Tx) error {
		made, found, err := t.replayed(tx, request)
		if err != nil {
			return err
		}
		if found {
			replayed = true
			m, err = t.member(tx.conn, project, made)
			return err
		}
		if err := t.belongingsChange(tx, project); err != nil {
			return err
		}
		if err := t.checkUser(tx, fields.UserID); err != nil {
			return err
		}
		if err := tx.below("members", tracking.MaxMembers, countMembers, t.scope.Tenant(), project); err != nil {
			return err
		}
		if err := tx.requireRoom(t.scope.Tenant()); err != nil {
			return err
		}
		m = tracking.Member{ID: id, TenantID: t.scope.Tenant(), ProjectID: project, MemberFields: fields, CreatedAt: tx.Now, UpdatedAt: tx.Now, Revision: 1}
		_, err = tx.exec(insertMember, m.ID, m.TenantID, m.ProjectID, m.UserID, m.Name, m.Role, m.ExperienceLevel, m.ContributionHours,
			m.PerformanceScore, m.CreatedAt)
		if err != nil {
			return err
		}
		if err := t.record(tx, audit.MemberCreate, m.ID, memberChanges(nil, &m)); err != nil {
			return err
		}
		return t.remember(tx, request, m.ID)
	})
	return m, replayed, err
}

// belongingsChange requires that a project whose team, runs or the like change is
// the tenant's, and notes the change when it is of the history.
func (t *Tenant) belongingsChange(tx *Tx, project tenancy.ID) error {
	status, err := t.projectStatus(tx.conn, project)
	if err != nil {
		return err
	}
	if status == "" {
		return notFound(errNoRow, "project")
	}
	return t.historyChanged(tx, status)
}

// checkUser requires that the user of a member, where one is named, is of the
// tenant.
func (t *Tenant) checkUser(tx *Tx, user *tenancy.ID) error {
	if user == nil {
		return nil
	}
	known, err := tx.exists(selectUserID, t.scope.Tenant(), *user)
	if err != nil {
		return err
	}
	var c problem.Checks
	c.Require(known, "body.user_id", "must be a user of the tenant")
	return c.Err()
}

// Members returns one page of a project's team, in the order they joined it
// unless sorted.
func (t *Tenant) Members(ctx context.Context, project tenancy.ID, page Page) (list List[tracking.Member], err error) {
	if err := t.read(ctx, func(c *conn) error { return t.requireProject(c, project) }); err != nil {
		return list, err
	}
	list.Items = make([]tracking.Member, 0, min(max(page.Limit, 0), DefaultLimit))
	list.Next, err = memberList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: []filter{memberList.of(project)}}, func(r row) {
		list.Items = append(list.Items, readMember(r))
	})
	return list, err
}

func (t *Tenant) member(c *conn, project, id tenancy.ID) (m tracking.Member, err error) {
	err = c.queryRow(selectMember, []any{t.scope.Tenant(), id, project}, func(r row) { m = readMember(r) })
	return m, notFound(err, "team member in this project")
}

// UpdateMember applies change to the member's fields, in the transaction, so
// that it sees what it changes.
func (t *Tenant) UpdateMember(ctx context.Context, project, id tenancy.ID, match Match, change func(*tracking.MemberFields) error) (m tracking.Member, err error) {
	err = t.write(ctx, func(tx *Tx) error {
		if m, err = t.member(tx.conn, project, id); err != nil {
			return err
		}
		if err := match.check(m.Revision); err != nil {
			return err
		}
		if err := t.belongingsChange(tx, project); err != nil {
			return err
		}
		before := m
		before.MemberFields = m.MemberFields.Clone() // decoders write through the pointers they find
		if err := change(&m.MemberFields); err != nil {
			return err
		}
		if err := m.MemberFields.Validate(); err != nil {
			return err
		}
		if err := t.checkUser(tx, m.UserID); err != nil {
			return err
		}
		m.UpdatedAt, m.Revision = tx.Now, m.Revision+1
		_, err = tx.exec(updateMember, m.TenantID, m.ID, m.UserID, m.Name, m.Role, m.ExperienceLevel, m.ContributionHours, m.PerformanceScore, m.UpdatedAt)
		if err != nil {
			return err
		}
		return t.record(tx, audit.MemberUpdate, id, memberChanges(&before, &m))
	})
	return m, err
}

// DeleteMember removes a person from a project's team.
func (t *Tenant) DeleteMember(ctx context.Context, project, id tenancy.ID, match Match) error {
	return t.write(ctx, func(tx *Tx) error {
		m, err := t.member(tx.conn, project, id)
		if err != nil {
			return err
		}
		if err := match.check(m.Revision); err != nil {
			return err
		}
		if err := t.belongingsChange(tx, project); err != nil {
			return err
		}
		if _, err := tx.exec(deleteMember, t.scope.Tenant(), id); err != nil {
			return err
		}
		return t.record(tx, audit.MemberDelete, id, memberChanges(&m, nil))
	})
}

func readMember(r row) tracking.Member {
	return tracking.Member{
		ID: r.id(0), TenantID: r.id(1), ProjectID: r.id(2),
		MemberFields: tracking.MemberFields{
			UserID: r.nullID(3), Name: r.text(4), Role: r.text(5), ExperienceLevel: r.text(6),
			ContributionHours: r.float(7), PerformanceScore: r.nullFloat(8),
		},
		CreatedAt: r.time(9), UpdatedAt: r.time(10), Revision: r.int(11),
	}
}
