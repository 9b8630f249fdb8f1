package storage

import (
	"context"
	"math"

	"maestro/insight"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// What is learned from is read in one state of the database, the latest projects
// first, each statement up to a bound.
const (
	selectEnded = `SELECT id, problem_class, status, complexity_score, team_size, start_date, completion_date, compute_cost, success_score,
			attributes, created_at, updated_at
		FROM projects WHERE tenant_id = $1 AND status IN ('completed', 'abandoned') ORDER BY id DESC LIMIT $2`

	selectTeams = `SELECT project_id, role, experience_level, contribution_hours FROM team_members WHERE tenant_id = $1
		ORDER BY project_id DESC, created_at DESC, id DESC LIMIT $2`

	selectUses = `SELECT project_id, artifact_id, impact_score FROM artifact_usage WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2`

	selectMeans = `SELECT project_id, metric_type, value_sum, points FROM series WHERE tenant_id = $1 AND points > 0
		ORDER BY project_id DESC, metric_type DESC LIMIT $2`

	selectHistoryChanges = `SELECT history_changes FROM tenant_use WHERE tenant_id = $1`

	// Both counters, when a project changed; $2 is 1 when it had ended or has.
	countProjectChange = `UPDATE tenant_use SET project_changes = project_changes + 1, history_changes = history_changes + $2 WHERE tenant_id = $1`

	countHistoryChange = `UPDATE tenant_use SET history_changes = history_changes + 1 WHERE tenant_id = $1`
)

// mostDetails is how many members, usages and series of a tenant are read.
const mostDetails = 1_000_000

// history is what a tenant's ended projects say, as they were read.
type history struct {
	changes  int64
	gathered insight.History
	projects []endedProject // by row
	uses     map[tenancy.ID][]insight.Use
	keys     map[tenancy.ID]string // of the artifacts in uses
}

// endedProject is what is kept of a row beside what is learned.
type endedProject struct {
	id       tenancy.ID
	finished registry.FinishedProject // Used is not set
	scored   bool                     // finished has a success
	gone     bool                     // abandoned
}

func ended(s tracking.Status) bool { return s == tracking.Completed || s == tracking.Abandoned }

// projectChanged counts a change of a project for what is learned from projects.
// It belongs into every transaction that changes one or removes it (after is nil);
// takeProject counts a new one.
func (t *Tenant) projectChanged(tx *Tx, before, after *tracking.Project) error {
	_, err := tx.exec(countProjectChange, t.scope.Tenant(), ended(before.Status) || after != nil && ended(after.Status))
	return err
}

// historyChanged counts a change of what belongs to a project: its team, usages
// and metrics. It belongs into every transaction that changes those.
func (t *Tenant) historyChanged(tx *Tx, of tracking.Status) error {
	if !ended(of) {
		return nil
	}
	_, err := tx.exec(countHistoryChange, t.scope.Tenant())
	return err
}

func (t *Tenant) historyChanges(c *conn) (changes int64, err error) {
	err = c.queryRow(selectHistoryChanges, []any{t.scope.Tenant()}, func(r row) { changes = r.int(0) })
	return changes, notFound(err, "tenant")
}

// readHistory reads the ended projects of the tenant.
func (t *Tenant) readHistory(ctx context.Context, c *conn) (*history, error) {
	h := &history{uses: make(map[tenancy.ID][]insight.Use), keys: make(map[tenancy.ID]string)}
	var err error
	if h.changes, err = t.historyChanges(c); err != nil {
		return nil, err
	}
	teams, err := t.readTeams(ctx, c)
	if err != nil {
		return nil, err
	}
	metrics, err := t.readMeans(ctx, c)
	if err != nil {
		return nil, err
	}
	err = c.query(ctx, selectUses, []any{t.scope.Tenant(), mostDetails}, func(r row) error {
		project, artifact := r.id(0), r.id(1)
		key, ok := h.keys[artifact]
		if !ok {
			key = artifact.String()
			h.keys[artifact] = key
		}
		h.uses[project] = append(h.uses[project], insight.Use{Artifact: key, Impact: orNaN(r.nullFloat(2))})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.query(ctx, selectEnded, []any{t.scope.Tenant(), insight.MostRecords}, func(r row) error {
		id := r.id(0)
		h.add(r, teams[id], metrics[id])
		return nil
	})
	return h, err
}

func (h *history) add(r row, team []insight.Member, metrics map[string]float64) {
	id := r.id(0)
	record := insight.Record{
		Plan: insight.Plan{Complexity: orNaN(r.nullFloat(3)), TeamSize: orNaN(floatOf(r.nullInt(4))), Team: team, Metrics: metrics, Attributes: decodeAttributes(r.text(9))},
		Uses: h.uses[id], Ended: int64(r.time(11)),
		Success: math.NaN(), Days: math.NaN(), Cost: math.NaN(),
	}
	p := endedProject{id: id, gone: tracking.Status(r.text(2)) == tracking.Abandoned}
	if class := r.nullText(1); class != nil {
		record.Class = *class
	}
	start, completion := r.nullTime(5), r.nullTime(6)
	if completion != nil {
		record.Ended = int64(*completion)
	}
	record.Began = int64(r.time(10))
	if start != nil {
		record.Began = int64(*start)
	}
	if !p.gone {
		record.Success, record.Cost = orNaN(r.nullFloat(8)), orNaN(r.nullFloat(7))
		f := tracking.ProjectFields{StartDate: start, CompletionDate: completion}
		record.Days = orNaN(f.DurationDays())
		p.scored = !math.IsNaN(record.Success)
		p.finished = registry.FinishedProject{ProblemClass: record.Class, Success: record.Success}
	}
	if h.gathered.Add(record) {
		h.projects = append(h.projects, p)
	}
}

func (t *Tenant) readTeams(ctx context.Context, c *conn) (map[tenancy.ID][]insight.Member, error) {
	teams := make(map[tenancy.ID][]insight.Member)
	err := c.query(ctx, selectTeams, []any{t.scope.Tenant(), mostDetails}, func(r row) error {
		project := r.id(0)
		teams[project] = append(teams[project], insight.Member{Role: r.text(1), Experience: r.text(2), Hours: r.float(3)})
		return nil
	})
	return teams, err
}

// readMeans reads the mean of every series. A sum that was cut off at the largest
// number has none.
func (t *Tenant) readMeans(ctx context.Context, c *conn) (map[tenancy.ID]map[string]float64, error) {
	metrics := make(map[tenancy.ID]map[string]float64)
	err := c.query(ctx, selectMeans, []any{t.scope.Tenant(), mostDetails}, func(r row) error {
		project, sum := r.id(0), r.float(2)
		if math.Abs(sum) == math.MaxFloat64 {
			return nil
		}
		if metrics[project] == nil {
			metrics[project] = make(map[string]float64)
		}
		metrics[project][r.text(1)] = sum / r.float(3)
		return nil
	})
	return metrics, err
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func floatOf(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}
