package storage

import (
	"context"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"maestro/insight"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	selectTexts = `SELECT id, name, description, problem_class, complexity_score, team_size, attributes FROM projects WHERE tenant_id = $1
		ORDER BY id DESC LIMIT $2`

	selectProjectChanges = `SELECT project_changes FROM tenant_use WHERE tenant_id = $1`

	// The requirement documents of a project: Markdown that it uses and that is held here.
	selectDocuments = `SELECT DISTINCT a.id FROM artifact_usage u JOIN artifacts a ON a.tenant_id = u.tenant_id AND a.id = u.artifact_id
		WHERE u.tenant_id = $1 AND u.project_id = $2 AND a.has_content = 1 AND a.media_type LIKE 'text/markdown%' AND a.size_bytes <= $3
		ORDER BY a.id LIMIT $4`
)

// Bounds of the comparison of projects.
const (
	mostTexts     = 10_000    // projects that are compared: those recorded last
	mostTextBytes = 32 << 20  // of their words; what comes after is left out
	mostTextKept  = 128 << 20 // bytes of words that the comparisons in memory were made from
	mostDocuments = 5         // requirement documents that are read of a project
	mostPairs     = 1_000_000 // of items that are compared for one answer: about a second
)

// texts compares the tenant's projects, finished or not.
type texts struct {
	*insight.Comparison
	ids   []tenancy.ID // by row
	bytes int
}

func (x *texts) weigh() int { return x.bytes + 500*len(x.ids) + 1000 }

func (t *Tenant) compareTexts(ctx context.Context) (*texts, error) {
	changes, err := t.projectChanges(ctx)
	if err != nil {
		return nil, err
	}
	return t.texts.of(ctx, t.scope.Tenant(), changes, func(ctx context.Context) (x *texts, changes int64, err error) {
		var gathered insight.History
		var words []insight.Words
		x = new(texts)
		err = t.snapshot(ctx, func(c *conn) error {
			if err := c.queryRow(selectProjectChanges, []any{t.scope.Tenant()}, func(r row) { changes = r.int(0) }); err != nil {
				return notFound(err, "tenant")
			}
			return c.query(ctx, selectTexts, []any{t.scope.Tenant(), mostTexts}, func(r row) error {
				w := insight.Words{Title: r.text(1), Body: r.text(2)}
				if x.bytes += len(w.Title) + len(w.Body); x.bytes > mostTextBytes {
					return nil
				}
				p := plan{fields: tracking.PlanFields{ProblemClass: r.nullText(3), ComplexityScore: r.nullFloat(4), TeamSize: r.nullInt(5), Attributes: decodeAttributes(r.text(6))}}
				gathered.Add(insight.Record{Plan: p.learnable(), Success: math.NaN(), Days: math.NaN(), Cost: math.NaN()})
				words, x.ids = append(words, w), append(x.ids, r.id(0))
				return nil
			})
		})
		if err == nil {
			x.Comparison, err = gathered.Compare(words)
		}
		return x, changes, err
	})
}

func (t *Tenant) projectChanges(ctx context.Context) (changes int64, err error) {
	err = t.read(ctx, func(c *conn) error {
		return c.queryRow(selectProjectChanges, []any{t.scope.Tenant()}, func(r row) { changes = r.int(0) })
	})
	return changes, notFound(err, "tenant")
}

// SimilarProjects returns the projects that are like the one asked about. With
// documents, the Markdown that projects use is read as their requirements, beside
// their descriptions. It fails with Unavailable when there is too much to do.
func (t *Tenant) SimilarProjects(ctx context.Context, asked tracking.SimilarRequest, documents bool) (tracking.SimilarProjects, error) {
	answer := tracking.SimilarProjects{Items: []tracking.SimilarProject{},
		Thresholds: tracking.ReuseThresholds{Covered: insight.CoveredFrom, Clone: insight.CloneFrom, Hybrid: insight.HybridFrom}}
	if err := asked.Validate(); err != nil {
		return answer, err
	}
	about := plan{fields: asked.Plan()}
	words := insight.Words{Title: asked.Name, Body: asked.Description}
	requirements := []string{asked.Description}
	if asked.ProjectID != nil {
		p, err := t.Project(ctx, *asked.ProjectID)
		if err != nil {
			return answer, err
		}
		about.project = &p
		about.fields = tracking.PlanFields{ProblemClass: p.ProblemClass, ComplexityScore: p.ComplexityScore, TeamSize: p.TeamSize, Attributes: p.Attributes}
		words = insight.Words{Title: p.Name, Body: p.Description}
		if requirements, err = t.requirements(ctx, &p, documents); err != nil {
			return answer, err
		}
	}
	for _, d := range asked.Documents {
		requirements = append(requirements, d.Text)
		words.Body = strings.TrimSpace(words.Body + "\n" + d.Text)
	}
	x, err := t.compareTexts(ctx)
	if err != nil {
		return answer, err
	}
	leave, err := t.turns.enter(ctx, t.scope.Tenant())
	if err != nil {
		return answer, err
	}
	defer leave()
	found, err := x.MostAlike(about.learnable(), words, asked.Limit+1)
	if err != nil {
		return answer, about.refused(err)
	}
	needed := itemsOf(requirements)
	answer.Needed = len(needed)
	pairs := 0
	for _, l := range found {
		id := x.ids[l.Row]
		if l.Similarity <= 0 || about.project != nil && id == about.project.ID || len(answer.Items) == asked.Limit {
			continue
		}
		item, there, err := t.similarProject(ctx, id, &l, words)
		if err != nil {
			return answer, err
		}
		if !there {
			continue
		}
		if err := t.overlap(ctx, x, &item, needed, documents, &pairs); err != nil {
			return answer, err
		}
		answer.Items = append(answer.Items, item)
	}
	return answer, nil
}

func (t *Tenant) similarProject(ctx context.Context, id tenancy.ID, l *insight.Likeness, words insight.Words) (item tracking.SimilarProject, there bool, err error) {
	err = t.read(ctx, func(c *conn) error {
		item.SimilarOutcome, there, err = t.similarOutcome(c, id, l.Similarity)
		return err
	})
	if strings.TrimSpace(words.Title+words.Body) != "" {
		item.TextSimilarity = &l.Text
	}
	if l.Known {
		item.InputSimilarity = &l.Structure
	}
	return item, there, err
}

// overlap fills in what the project already has of what is needed, while that does
// not take too long.
func (t *Tenant) overlap(ctx context.Context, x *texts, item *tracking.SimilarProject, needed []insight.Item, documents bool, pairs *int) error {
	if len(needed) == 0 {
		return nil
	}
	p, err := t.Project(ctx, item.ProjectID)
	if problem.CodeOf(err) == problem.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	requirements, err := t.requirements(ctx, &p, documents)
	if err != nil {
		return err
	}
	existing := itemsOf(requirements)
	if *pairs += len(needed) * len(existing); *pairs > mostPairs {
		return ctx.Err()
	}
	o, ok := x.Corpus().Compare(needed, existing)
	if !ok {
		return ctx.Err()
	}
	item.Overlap = overlapOf(&o)
	if item.Status == tracking.Completed {
		item.Effort = new(tracking.Effort)
		for _, e := range []struct {
			finished *float64
			to       **float64
		}{{item.DurationDays, &item.Effort.DurationDays}, {item.Cost, &item.Effort.Cost}} {
			if effort, ok := o.Effort(orNaN(e.finished), len(existing)); ok && effort <= math.MaxFloat64 {
				*e.to = &effort
			}
		}
	}
	return ctx.Err()
}

func overlapOf(o *insight.Overlap) *tracking.Overlap {
	out := &tracking.Overlap{Strategy: string(o.Strategy), Covered: o.Covered, Work: o.Work, Kinds: []tracking.KindOverlap{}, Items: []tracking.Coverage{}}
	for _, k := range o.Kinds {
		out.Kinds = append(out.Kinds, tracking.KindOverlap{Kind: string(k.Kind), Needed: k.Needed, Covered: k.Covered})
	}
	for _, i := range o.Items[:min(len(o.Items), tracking.MaxCoveragesShown)] {
		out.Items = append(out.Items, tracking.Coverage{Kind: string(i.Item.Kind), Text: i.Item.Text, Closest: i.Closest, Similarity: i.Similarity, Covered: i.Covered()})
	}
	return out
}

func itemsOf(requirements []string) (items []insight.Item) {
	for _, text := range requirements {
		items = append(items, insight.Items(text)...)
	}
	return items[:min(len(items), insight.MostItems)]
}

// requirements are a project's description and, with documents, the Markdown that
// it uses.
func (t *Tenant) requirements(ctx context.Context, p *tracking.Project, documents bool) ([]string, error) {
	found := []string{p.Description}
	if !documents {
		return found, nil
	}
	var ids []tenancy.ID
	err := t.read(ctx, func(c *conn) error {
		return c.query(ctx, selectDocuments, []any{t.scope.Tenant(), p.ID, tracking.MaxDocumentRunes, mostDocuments}, func(r row) error {
			ids = append(ids, r.id(0))
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		text, err := t.readText(ctx, id)
		if err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, nil
}

// readText reads the content of an artifact; nothing of one that is gone, or no
// text.
func (t *Tenant) readText(ctx context.Context, id tenancy.ID) (string, error) {
	content, err := t.OpenContent(ctx, id)
	if problem.CodeOf(err) == problem.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = content.File.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(content.File, tracking.MaxDocumentRunes))
	if err != nil || !utf8.Valid(text) {
		return "", diskError(err)
	}
	return string(text), nil
}
