package storage

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

const (
	markScoresStale = `UPDATE tenant_use SET outcome_changes = outcome_changes + 1, scores_stale_since = coalesce(scores_stale_since, $2) WHERE tenant_id = $1`

	selectWeights = `SELECT success_weights FROM tenants WHERE id = $1`

	selectStaleTenants = `SELECT u.tenant_id, u.outcome_changes FROM tenant_use u JOIN tenants t ON t.id = u.tenant_id
		WHERE u.scores_stale_since IS NOT NULL AND t.deleted_at IS NULL ORDER BY u.scores_stale_since LIMIT 100`

	selectOutcomes = `SELECT id, version, status, model_performance, business_impact, compute_cost, start_date, completion_date, success_score
		FROM projects WHERE tenant_id = $1`

	updateScore = `UPDATE projects SET success_score = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $4`

	markScoresFresh = `UPDATE tenant_use SET scores_stale_since = NULL WHERE tenant_id = $1 AND outcome_changes = $2`
)

// scoreTolerance is how far a stored score may be from its formula before the
// background rewrites it: with many finished projects each one moves all the
// others a very little.
const scoreTolerance = 0.005

// score derives the success score of a project that is about to be written, and
// notes when the change moves the ranks of others. before is nil for a new
// project, after for one that is deleted.
func (t *Tenant) score(tx *Tx, before, after *tracking.Project) error {
	was, is := outcomeOf(before), outcomeOf(after)
	ranked := was != nil && was.Finished || is != nil && is.Finished
	if after != nil {
		after.SuccessScore = nil
		if !ranked && is.ModelPerformance == nil {
			return nil
		}
		if err := t.deriveScore(tx, was, is, before, after); err != nil {
			return err
		}
	}
	if !ranked || was != nil && is != nil && sameOutcome(was, is) {
		return nil
	}
	t.standings.replace(t.scope.Tenant(), was, is)
	tx.OnUndo(func() { t.standings.replace(t.scope.Tenant(), is, was) })
	_, err := tx.exec(markScoresStale, t.scope.Tenant(), tx.Now)
	return err
}

func (t *Tenant) deriveScore(tx *Tx, was, is *tracking.Outcome, before, after *tracking.Project) error {
	weights, err := readWeights(tx.conn, t.scope.Tenant())
	if err != nil {
		return err
	}
	var ranks tracking.Ranks
	if is.Finished {
		others, err := t.standings.of(tx, t.scope.Tenant())
		if err != nil {
			return err
		}
		if others == nil {
			// Too many to rank here: it keeps the score it had until the background does.
			if before != nil {
				after.SuccessScore = before.SuccessScore
			}
			return nil
		}
		ranks = others.ranks(was, is)
	}
	after.SuccessScore = tracking.Success(*is, ranks, weights).Score
	return nil
}

// SuccessParts returns a project's success score with what it is made of, derived
// from the outcomes as they are now.
func (t *Tenant) SuccessParts(ctx context.Context, id tenancy.ID) (score tracking.Score, err error) {
	err = t.snapshot(ctx, func(c *conn) error {
		p, err := t.project(c, id)
		if err != nil {
			return err
		}
		weights, err := readWeights(c, t.scope.Tenant())
		if err != nil {
			return err
		}
		outcome := p.Outcome()
		var ranks tracking.Ranks
		if outcome.Finished {
			var all standing
			if err := t.eachOutcome(ctx, c, func(s scored) { all.append(&s.outcome) }); err != nil {
				return err
			}
			all.sort()
			ranks = all.ranks(&outcome, &outcome)
		}
		score = tracking.Success(outcome, ranks, weights)
		return nil
	})
	return score, err
}

// scored is what a rescoring reads of a project.
type scored struct {
	id      tenancy.ID
	version int64
	outcome tracking.Outcome
	score   *float64
}

func (t *Tenant) eachOutcome(ctx context.Context, c *conn, each func(scored)) error {
	return c.query(ctx, selectOutcomes, []any{t.scope.Tenant()}, func(r row) error {
		each(scored{id: r.id(0), version: r.int(1), score: r.nullFloat(8), outcome: tracking.Outcome{
			Finished: tracking.Status(r.text(2)) == tracking.Completed, ModelPerformance: r.nullFloat(3), BusinessImpact: r.nullFloat(4),
			ComputeCost: r.nullFloat(5), StartDate: r.nullTime(6), CompletionDate: r.nullTime(7)}})
		return nil
	})
}

// Rescore derives anew the success scores of every tenant whose outcomes have
// changed. A tenant that takes long is left alone for ten times as long.
func (s *Store) Rescore(ctx context.Context) error {
	type stale struct {
		tenant  tenancy.ID
		changes int64
	}
	var tenants []stale
	err := s.read(ctx, func(c *conn) error {
		return c.query(ctx, selectStaleTenants, nil, func(r row) error {
			tenants = append(tenants, stale{r.id(0), r.int(1)})
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, next := range tenants {
		if s.now().Before(s.rescoreAfter[next.tenant]) {
			continue
		}
		start := s.now()
		system := s.Tenant(tenancy.Issue(next.tenant, tenancy.Actor{Kind: tenancy.ActorSystem}))
		if err := system.rescore(ctx, next.changes); problem.CodeOf(err) == problem.NotFound {
			continue // deleted meanwhile
		} else if err != nil {
			return err
		}
		s.rescoreAfter[next.tenant] = start.Add(time.Second + 10*s.now().Sub(start))
	}
	return nil
}

// rescoreSlice is how many scores one write changes.
const rescoreSlice = 100

func (t *Tenant) rescore(ctx context.Context, changes int64) error {
	var projects []scored
	var weights tenancy.SuccessWeights
	err := t.snapshot(ctx, func(c *conn) (err error) {
		if weights, err = readWeights(c, t.scope.Tenant()); err != nil {
			return err
		}
		return t.eachOutcome(ctx, c, func(p scored) { projects = append(projects, p) })
	})
	if err != nil {
		return err
	}
	outcomes := make([]tracking.Outcome, len(projects))
	for i := range projects {
		outcomes[i] = projects[i].outcome
	}
	var moved []scored
	for i, score := range tracking.SuccessScores(outcomes, weights) {
		if scoreMoved(projects[i].score, score) {
			projects[i].score = score
			moved = append(moved, projects[i])
		}
	}
	for len(moved) > 0 {
		slice := moved[:min(rescoreSlice, len(moved))]
		moved = moved[len(slice):]
		err := t.write(ctx, func(tx *Tx) error {
			for _, p := range slice {
				// A project that was changed meanwhile is scored by that change.
				changed, err := tx.exec(updateScore, t.scope.Tenant(), p.id, p.score, p.version)
				if err != nil {
					return err
				}
				if changed == 0 {
					continue
				}
				if err := t.deriveImpacts(tx, p.id, p.outcome.Finished, p.score); err != nil {
					return err
				}
				if !p.outcome.Finished {
					continue
				}
				if _, err := tx.exec(compareSuccess, t.scope.Tenant(), p.id, p.score); err != nil {
					return err
				}
			}
			_, err := tx.exec(countHistoryChange, t.scope.Tenant())
			return err
		})
		if err != nil {
			return err
		}
	}
	return t.write(ctx, func(tx *Tx) error {
		_, err := tx.exec(markScoresFresh, t.scope.Tenant(), changes)
		return err
	})
}

func scoreMoved(from, to *float64) bool {
	if from == nil || to == nil {
		return from != to
	}
	return math.Abs(*from-*to) > scoreTolerance
}

func outcomeOf(p *tracking.Project) *tracking.Outcome {
	if p == nil {
		return nil
	}
	o := p.Outcome()
	return &o
}

// sameOutcome reports whether a change left what others are ranked against.
func sameOutcome(a, b *tracking.Outcome) bool {
	return a.Finished == b.Finished && same(a.BusinessImpact, b.BusinessImpact) && same(a.ComputeCost, b.ComputeCost) &&
		same(a.StartDate, b.StartDate) && same(a.CompletionDate, b.CompletionDate)
}

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func readWeights(c *conn, tenant tenancy.ID) (w tenancy.SuccessWeights, err error) {
	err = c.queryRow(selectWeights, []any{tenant}, func(r row) { w = decodeWeights(r.text(0)) })
	return w, notFound(err, "tenant")
}

func decodeWeights(text string) (w tenancy.SuccessWeights) {
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		panic("storage: the weights of a tenant are damaged: " + err.Error())
	}
	return w
}
