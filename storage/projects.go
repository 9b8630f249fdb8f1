package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const projectColumns = `id, tenant_id, name, description, problem_class, status, complexity_score, team_size,
	start_date, completion_date, model_performance, compute_cost, business_impact, attributes, metadata,
	success_score, created_by, created_at, updated_at, version`

const (
	selectProject = `SELECT ` + projectColumns + ` FROM projects WHERE tenant_id = $1 AND id = $2`

	insertProject = `INSERT INTO projects (id, tenant_id, name, description, problem_class, status, complexity_score, team_size,
		start_date, completion_date, model_performance, compute_cost, business_impact, attributes, metadata,
		success_score, created_by, created_at, updated_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, 1)`

	updateProject = `UPDATE projects SET name = $3, description = $4, problem_class = $5, status = $6, complexity_score = $7,
		team_size = $8, start_date = $9, completion_date = $10, model_performance = $11, compute_cost = $12,
		business_impact = $13, attributes = $14, metadata = $15, success_score = $16, updated_at = $17, version = version + 1
		WHERE tenant_id = $1 AND id = $2`

	deleteProject = `DELETE FROM projects WHERE tenant_id = $1 AND id = $2`
)

var projectList = listing{
	name:    "projects",
	columns: projectColumns,
	from:    "projects",
	owned:   true,
	first:   firstLook,
	order:   "-created_at",
	sorts: map[string]sortKey{
		"created_at":    {expression: "created_at", kind: sortTime},
		"name":          {expression: "name", kind: sortText, plain: true},
		"updated_at":    {expression: "updated_at", kind: sortTime, gathered: true},
		"success_score": {expression: "coalesce(success_score, -1)", kind: sortNumber, gathered: true},
	},
}

// ProjectFilter narrows a list of projects. Zero fields do not narrow.
type ProjectFilter struct {
	Status       tracking.Status
	ProblemClass string
	MinSuccess   *float64 // success_score at least this
	CreatedFrom  *tenancy.Time
	CreatedUntil *tenancy.Time // exclusive

	CompletedFrom  *tenancy.Time
	CompletedUntil *tenancy.Time // exclusive

	Text string // words that name or description contain, each; case matters beyond a to z
}

// mostWords is how many words of a text are looked for; the rest is not.
const mostWords = 8

// containing is a LIKE pattern of what contains a word.
func containing(word string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(word) + "%"
}

// asciiLower is what SQL's lower makes of a text: other letters stay.
func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, text)
}

func (f *ProjectFilter) conditions() []filter {
	var filters []filter
	if f.Status != "" {
		filters = append(filters, filter{"status = %s", string(f.Status)})
	}
	if f.ProblemClass != "" {
		filters = append(filters, filter{"problem_class = %s", f.ProblemClass})
	}
	if f.MinSuccess != nil {
		filters = append(filters, filter{"coalesce(success_score, -1) >= %s", *f.MinSuccess})
	}
	if f.CreatedFrom != nil {
		filters = append(filters, filter{"created_at >= %s", *f.CreatedFrom})
	}
	if f.CreatedUntil != nil {
		filters = append(filters, filter{"created_at < %s", *f.CreatedUntil})
	}
	if f.CompletedFrom != nil {
		filters = append(filters, filter{"completion_date >= %s", *f.CompletedFrom})
	}
	if f.CompletedUntil != nil {
		filters = append(filters, filter{"completion_date < %s", *f.CompletedUntil})
	}
	words := strings.Fields(asciiLower(f.Text))
	words = words[:min(len(words), mostWords)]
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the long ones are rare
	for _, word := range words {
		filters = append(filters, filter{"lower(name || ' ' || description) LIKE %s ESCAPE '\\'", containing(word)})
	}
	return filters
}

// wide reports whether the filter asks for what the list's indexes do not hold.
func (f *ProjectFilter) wide() bool {
	return f.CompletedFrom != nil || f.CompletedUntil != nil || f.Text != ""
}

// CreateProject records a project. A name that is taken is a conflict. With a
// repeated idempotency key it returns what the first request made, and true.
func (t *Tenant) CreateProject(ctx context.Context, fields tracking.ProjectFields, request Idempotency) (p tracking.Project, replayed bool, err error) {
	if err := fields.Validate(); err != nil {
		return p, false, err
	}
	id, attributes := tenancy.NewID(), encodeAttributes(fields.Attributes) // here, and not while others wait
	err = t.writeAgainAs(ctx, t.scope, func(tx *Tx) error {
		if request.Key != "" { // else take finds out whether the tenant is there
			if err := t.requireThere(tx); err != nil {
				return err
			}
			made, found, err := t.replayed(tx, request)
			if err != nil {
				return err
			}
			if replayed = found; found {
				p, err = t.project(tx.conn, made)
				return err
			}
		}
		p = tracking.Project{ID: id, TenantID: t.scope.Tenant(), ProjectFields: fields, CreatedBy: t.author(), CreatedAt: tx.Now, UpdatedAt: tx.Now, Version: 1}
		if err := tx.take(t.scope.Tenant(), projects, takeProject, ended(p.Status)); err != nil {
			return err
		}
		if err := t.score(tx, nil, &p); err != nil {
			return err
		}
		_, err := tx.exec(insertProject, p.ID, p.TenantID, p.Name, p.Description, p.ProblemClass, string(p.Status), p.ComplexityScore, p.TeamSize,
			p.StartDate, p.CompletionDate, p.ModelPerformance, p.ComputeCost, p.BusinessImpact, attributes, encodeObject(p.Metadata),
			p.SuccessScore, p.CreatedBy, p.CreatedAt)
		if violates(err, uniqueViolation) {
			return problem.Wrap(err, problem.Conflict, "A project of that name exists.")
		}
		if err != nil {
			return err
		}
		if err := t.record(tx, audit.ProjectCreate, p.ID, createdProject(&p, attributes)); err != nil {
			return err
		}
		return t.remember(tx, request, p.ID)
	})
	return p, replayed, err
}

// Project returns a project of the tenant.
func (t *Tenant) Project(ctx context.Context, id tenancy.ID) (p tracking.Project, err error) {
	err = t.read(ctx, func(c *conn) error {
		p, err = t.project(c, id)
		return err
	})
	return p, err
}

func (t *Tenant) project(c *conn, id tenancy.ID) (p tracking.Project, err error) {
	err = c.queryRow(selectProject, []any{t.scope.Tenant(), id}, func(r row) { p = readProject(r, &keptTexts, new(projectRoom)) })
	return p, notFound(err, "project")
}

// EachProject calls each with the projects of one page, one after the other, and
// returns the cursor of the next page, or "" at the end. When it fails, each may have
// been called for some of them.
//
// A project and all that it leads to is valid during its call only, so that none costs
// an allocation but for its attributes. A reading connection is taken meanwhile: each
// must be quick, and must not use the store.
func (t *Tenant) EachProject(ctx context.Context, page Page, f ProjectFilter, each func(*tracking.Project)) (next string, err error) {
	var p tracking.Project
	var room projectRoom
	return projectList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: f.conditions(), wide: f.wide()}, func(r row) {
		p = readProject(r, &lentTexts, &room)
		each(&p)
	})
}

// UpdateProject applies change to the project's fields, in the transaction, so
// that it sees what it changes. Its success score follows.
func (t *Tenant) UpdateProject(ctx context.Context, id tenancy.ID, match Match, change func(*tracking.ProjectFields) error) (p tracking.Project, err error) {
	err = t.write(ctx, func(tx *Tx) error {
		before, err := t.project(tx.conn, id)
		if err != nil {
			return err
		}
		if err := match.check(before.Version); err != nil {
			return err
		}
		p = before
		p.ProjectFields = before.ProjectFields.Clone() // decoders write through the pointers they find
		if err := change(&p.ProjectFields); err != nil {
			return err
		}
		if err := p.ProjectFields.Validate(); err != nil {
			return err
		}
		if err := t.saveProject(tx, &before, &p); err != nil {
			return err
		}
		return t.record(tx, audit.ProjectUpdate, id, projectChanges(&before, &p))
	})
	return p, err
}

// saveProject writes a changed project and what follows from the change.
func (t *Tenant) saveProject(tx *Tx, before, p *tracking.Project) error {
	if err := t.score(tx, before, p); err != nil {
		return err
	}
	p.UpdatedAt = tx.Now
	p.Version = before.Version + 1
	_, err := tx.exec(updateProject, t.scope.Tenant(), p.ID, p.Name, p.Description, p.ProblemClass, string(p.Status), p.ComplexityScore,
		p.TeamSize, p.StartDate, p.CompletionDate, p.ModelPerformance, p.ComputeCost, p.BusinessImpact, encodeAttributes(p.Attributes),
		encodeObject(p.Metadata), p.SuccessScore, p.UpdatedAt)
	if violates(err, uniqueViolation) {
		return problem.Wrap(err, problem.Conflict, "A project of that name exists.")
	}
	if err != nil {
		return err
	}
	if err := t.deriveImpacts(tx, p.ID, p.Status == tracking.Completed, p.SuccessScore); err != nil {
		return err
	}
	if err := t.comparePredictions(tx, before, p); err != nil {
		return err
	}
	return t.projectChanged(tx, before, p)
}

// DeleteProject removes a project with its members, usages, metrics and
// predictions. The points of its series are removed in the background.
func (t *Tenant) DeleteProject(ctx context.Context, id tenancy.ID, match Match) error {
	err := t.write(ctx, func(tx *Tx) error {
		p, err := t.project(tx.conn, id)
		if err != nil {
			return err
		}
		if err := match.check(p.Version); err != nil {
			return err
		}
		if err := t.score(tx, &p, nil); err != nil {
			return err
		}
		if err := t.forgetUses(tx, id); err != nil {
			return err
		}
		if err := t.projectChanged(tx, &p, nil); err != nil {
			return err
		}
		if _, err := tx.exec(deleteProject, t.scope.Tenant(), id); err != nil {
			return err
		}
		if _, err := tx.exec(giveProjects, t.scope.Tenant(), 1); err != nil {
			return err
		}
		return t.record(tx, audit.ProjectDelete, id, projectChanges(&p, nil))
	})
	if err == nil {
		t.Wake() // its points are left
	}
	return err
}

// projectRoom is room for what a project may lack.
type projectRoom struct {
	class                                          string
	complexity, performance, cost, impact, success float64
	size                                           int64
	start, completion                              tenancy.Time
	author                                         tenancy.ID
}

// projectTexts is how a project's texts are read.
type projectTexts struct {
	text   func(row, int) string
	object func(row, int) tenancy.Object
}

var (
	keptTexts = projectTexts{row.text, row.object}
	lentTexts = projectTexts{row.lentText, row.lentObject} // valid until the next step
)

// readProject reads a project whose optional values lie in room.
func readProject(r row, as *projectTexts, room *projectRoom) tracking.Project {
	return tracking.Project{
		ID: r.id(0), TenantID: r.id(1),
		ProjectFields: tracking.ProjectFields{
			Name: as.text(r, 2), Description: as.text(r, 3), ProblemClass: optional(r, 4, as.text, &room.class), Status: tracking.Status(as.text(r, 5)),
			ComplexityScore: optional(r, 6, row.float, &room.complexity), TeamSize: optional(r, 7, row.int, &room.size),
			StartDate: optional(r, 8, row.time, &room.start), CompletionDate: optional(r, 9, row.time, &room.completion),
			ModelPerformance: optional(r, 10, row.float, &room.performance), ComputeCost: optional(r, 11, row.float, &room.cost),
			BusinessImpact: optional(r, 12, row.float, &room.impact), Attributes: decodeAttributes(r.lentText(13)), Metadata: as.object(r, 14),
		},
		SuccessScore: optional(r, 15, row.float, &room.success), CreatedBy: optional(r, 16, row.id, &room.author),
		CreatedAt: r.time(17), UpdatedAt: r.time(18), Version: r.int(19),
	}
}

func encodeAttributes(a tracking.Attributes) string {
	if len(a) == 0 {
		return "{}"
	}
	text, err := json.Marshal(map[string]any(a))
	if err != nil {
		panic("storage: " + err.Error()) // Validate admits finite numbers, strings and bools
	}
	return string(text)
}

func decodeAttributes(text string) (a tracking.Attributes) {
	if text == "{}" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		panic("storage: attributes of a project are damaged: " + err.Error())
	}
	return a
}

func encodeObject(o tenancy.Object) string {
	if len(o) == 0 {
		return "{}"
	}
	return string(o)
}

// author is who is recorded as having made something: the acting user.
func (t *Tenant) author() *tenancy.ID { return t.scope.Actor().ID.OrNil() }
