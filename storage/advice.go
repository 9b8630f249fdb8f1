package storage

import (
	"context"
	"errors"
	"strings"

	"maestro/insight"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	selectAdvisedArtifact = `SELECT name, description, tags, is_active FROM artifacts WHERE tenant_id = $1 AND id = $2`

	selectEndedProject = `SELECT name, status, problem_class, success_score, start_date, completion_date, compute_cost FROM projects WHERE tenant_id = $1 AND id = $2`
)

// longestMatched is how much of an artifact's words is compared, in bytes.
const longestMatched = 2000

// mostSimilar is how many similar projects a prediction names.
const mostSimilar = 5

// advise gives at most so many recommendations of each kind.
func (t *Tenant) advise(ctx context.Context, c *conn, m *model, p *plan, f insight.Forecast, limit int) ([]insight.Recommendation, error) {
	reuse, err := t.artifactRecords(c, m, p)
	if err != nil {
		return nil, err
	}
	asked := p.learnable()
	all := insight.ReuseAdvice(reuse, limit)
	team := insight.TeamProject{Class: asked.Class, Members: asked.Team}
	if size := p.fields.TeamSize; size != nil {
		team.Size = int(*size)
	}
	all = append(all, insight.TeamAdvice(m.TeamShape(asked.Class), team, limit)...)
	success, ok := f[insight.SuccessScore]
	if !ok {
		return all, nil
	}
	ended, err := m.SimilarEnded(asked, mostSimilar+1)
	if err != nil {
		return nil, p.refused(err)
	}
	var outcomes []insight.SimilarOutcome
	for _, n := range ended {
		found, there, err := t.similarOutcome(c, m.projects[n.Row].id, n.Similarity)
		if err != nil {
			return nil, err
		}
		if there && len(outcomes) < mostSimilar && (p.project == nil || found.ProjectID != p.project.ID) {
			outcomes = append(outcomes, insight.SimilarOutcome{Name: found.Name, Abandoned: found.Status == tracking.Abandoned})
		}
	}
	return append(all, insight.RiskAdvice(success, outcomes, limit)...), ctx.Err()
}

// artifactRecords are the active artifacts that the history says something of,
// with how they fit the plan: by the share of their projects that were of its
// problem class, and by their words where it has any. What the plan uses already
// is left out.
func (t *Tenant) artifactRecords(c *conn, m *model, p *plan) ([]insight.ArtifactRecord, error) {
	used := make(map[tenancy.ID]bool, len(p.fields.ArtifactIDs))
	for _, id := range p.fields.ArtifactIDs {
		used[id] = true
	}
	var records []insight.ArtifactRecord
	var texts []string
	for i := range m.artifacts {
		e := &m.artifacts[i]
		if used[e.id] {
			continue
		}
		r := insight.ArtifactRecord{ID: e.id.String(), With: e.uplift.Used, Without: e.uplift.Unused,
			Uplift: e.uplift.Uplift, Low: e.uplift.Low, High: e.uplift.High, Level: e.uplift.Level, Fit: 1}
		active, text := false, ""
		err := c.queryRow(selectAdvisedArtifact, []any{t.scope.Tenant(), e.id}, func(row row) {
			r.Name, active = row.text(0), row.bool(3)
			text = r.Name + "\n" + strings.Join(decodeTags(row.text(2)), " ") + "\n" + row.text(1)
		})
		if err != nil && !errors.Is(err, errNoRow) {
			return nil, err
		}
		if class := p.fields.ProblemClass; class != nil {
			r.Fit = float64(e.classes[*class]) / float64(e.uplift.Used)
		}
		if err == nil && active {
			records = append(records, r)
			texts = append(texts, strings.ToValidUTF8(text[:min(len(text), longestMatched)], ""))
		}
	}
	if strings.TrimSpace(p.text) == "" {
		return records, nil
	}
	corpus := insight.NewCorpus(texts)
	for i := range records {
		alike := corpus.Similarity(p.text, texts[i])
		if p.fields.ProblemClass == nil {
			records[i].Fit = alike
		} else {
			records[i].Fit = (records[i].Fit + alike) / 2
		}
	}
	return records, nil
}

// similarOutcome reads how a project went; false when it is gone.
func (t *Tenant) similarOutcome(c *conn, id tenancy.ID, similarity float64) (s tracking.SimilarOutcome, there bool, err error) {
	err = c.queryRow(selectEndedProject, []any{t.scope.Tenant(), id}, func(r row) {
		f := tracking.ProjectFields{StartDate: r.nullTime(4), CompletionDate: r.nullTime(5)}
		s = tracking.SimilarOutcome{ProjectID: id, Name: r.text(0), Status: tracking.Status(r.text(1)), ProblemClass: r.nullText(2), Similarity: similarity,
			SuccessScore: r.nullFloat(3), DurationDays: f.DurationDays(), Cost: r.nullFloat(6)}
	})
	if errors.Is(err, errNoRow) {
		return s, false, nil
	}
	return s, err == nil, err
}

func recommendationsOf(all []insight.Recommendation) []tracking.Recommendation {
	out := make([]tracking.Recommendation, 0, len(all))
	for _, r := range all {
		n := tracking.Recommendation{Kind: string(r.Kind), Subject: r.Subject, Text: r.Text, Evidence: []tracking.Evidence{}}
		for _, e := range r.Evidence {
			n.Evidence = append(n.Evidence, tracking.Evidence{Name: e.Name, Value: e.Value})
		}
		out = append(out, n)
	}
	return out
}

// Advise returns what the history advises for a project or a plan, and what it
// advises it by.
func (t *Tenant) Advise(ctx context.Context, asked tracking.AdviceRequest) (a tracking.Advice, err error) {
	if err := asked.Validate(); err != nil {
		return a, err
	}
	var about plan
	err = t.snapshot(ctx, func(c *conn) (err error) {
		about, err = t.plan(ctx, c, &asked.PlanRequest)
		return err
	})
	if err != nil {
		return a, err
	}
	if about.project == nil {
		about.text = asked.Description
	}
	m, err := t.model(ctx)
	if err != nil {
		return a, err
	}
	f, err := m.Predict(about.learnable(), tracking.DefaultLevel)
	if err != nil {
		return a, about.refused(err)
	}
	basis := int64(m.Basis(insight.SuccessScore))
	a = tracking.Advice{Artifacts: []tracking.ArtifactEvidence{}, TeamShape: []tracking.TeamGroup{}, Basis: basis, ModelVersion: m.Version(),
		Note: tracking.NoteOf(basis, insight.LeastHistory)}
	for _, g := range m.TeamShape(about.learnable().Class) {
		a.TeamShape = append(a.TeamShape, teamGroupOf(&g))
	}
	err = t.snapshot(ctx, func(c *conn) error {
		records, err := t.artifactRecords(c, m, &about)
		if err != nil {
			return err
		}
		for _, r := range records {
			id, err := tenancy.ParseID(r.ID)
			if err != nil {
				return err
			}
			a.Artifacts = append(a.Artifacts, tracking.ArtifactEvidence{ArtifactID: id, Name: r.Name, Used: r.With, Unused: r.Without,
				Uplift: r.Uplift, Low: r.Low, High: r.High, Level: r.Level, Fit: r.Fit})
		}
		advice, err := t.advise(ctx, c, m, &about, f, asked.Limit)
		a.Recommendations = recommendationsOf(advice)
		return err
	})
	return a, err
}

func teamGroupOf(g *insight.TeamGroup) tracking.TeamGroup {
	out := tracking.TeamGroup{Dimension: string(g.Dimension), Value: g.Value, Text: g.Describe(), Count: g.Count, Others: g.Others}
	if g.Known {
		out.Success = &tracking.GroupMean{Mean: g.Mean, Low: g.Low, High: g.High, Level: insight.GroupLevel}
	}
	if g.Compared {
		out.Uplift = &tracking.GroupShift{Uplift: g.Uplift, Low: g.LiftLow, High: g.LiftHigh, Level: g.LiftLevel}
	}
	return out
}
