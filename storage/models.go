package storage

import (
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"maestro/insight"
	"maestro/registry"
	"maestro/tenancy"
)

// Bounds of what is learned.
const (
	// lessonsAtOnce is how many tenants are learned from at once: a lesson takes a
	// core or more, and requests want the rest.
	lessonsAtOnce = 2
	// mostCellsKept is how many inputs of finished projects the models in memory were
	// made from together: some 16 bytes each.
	mostCellsKept = 30_000_000
	// mostEvidence is how many artifacts are looked at for advice: those that the most
	// finished projects used.
	mostEvidence = 50
)

// model is what was learned of a tenant.
type model struct {
	*insight.Model
	projects  []endedProject // by row
	artifacts []artifactEvidence
	judging   sync.Mutex // of judged
	judged    map[judgement]judged
}

// artifactEvidence is what the finished projects say of an artifact.
type artifactEvidence struct {
	id      tenancy.ID
	uplift  registry.Uplift
	classes map[string]int // finished projects that used it, by problem class
}

// weigh is what a model costs to keep.
func (m *model) weigh() int { return m.Cells() + 16*len(m.projects) + 1000 }

// model returns what was learned of the tenant as it is now.
func (t *Tenant) model(ctx context.Context) (*model, error) {
	var changes int64
	err := t.read(ctx, func(c *conn) (err error) {
		changes, err = t.historyChanges(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t.models.of(ctx, t.scope.Tenant(), changes, func(ctx context.Context) (*model, int64, error) {
		var h *history
		err := t.snapshot(ctx, func(c *conn) (err error) {
			h, err = t.readHistory(ctx, c)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		m, err := h.learn()
		return m, h.changes, err
	})
}

func (h *history) learn() (*model, error) {
	learned, err := h.gathered.Learn()
	if err != nil {
		return nil, err
	}
	return &model{Model: learned, projects: h.projects, artifacts: h.evidence(), judged: make(map[judgement]judged)}, nil
}

// evidence finds the artifacts whose uplift can be told, most used first.
func (h *history) evidence() []artifactEvidence {
	ids := make(map[string]tenancy.ID, len(h.keys))
	for id, key := range h.keys {
		ids[key] = id
	}
	users := make(map[string]map[int]bool)
	for row, p := range h.projects {
		if !p.scored {
			continue
		}
		for _, use := range h.uses[p.id] {
			if users[use.Artifact] == nil {
				users[use.Artifact] = make(map[int]bool)
			}
			users[use.Artifact][row] = true
		}
	}
	keys := slices.SortedFunc(maps.Keys(users), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(users[b]), len(users[a])), cmp.Compare(a, b))
	})
	var found []artifactEvidence
	for _, key := range keys[:min(len(keys), mostEvidence)] {
		if len(users[key]) < registry.MinUpliftProjects {
			break
		}
		var finished []registry.FinishedProject
		e := artifactEvidence{id: ids[key], classes: make(map[string]int)}
		for row, p := range h.projects {
			if p.scored {
				p.finished.Used = users[key][row]
				finished = append(finished, p.finished)
			}
			if users[key][row] {
				e.classes[p.finished.ProblemClass]++
			}
		}
		if uplift := upliftOf(e.id, finished); uplift != nil {
			e.uplift = *uplift
			found = append(found, e)
		}
	}
	return found
}

// upliftOf draws its resamples by the artifact's id: the same evidence about the
// same artifact gives the same interval.
func upliftOf(id tenancy.ID, finished []registry.FinishedProject) *registry.Uplift {
	seed := rand.NewPCG(binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:]))
	return registry.UpliftOf(finished, rand.New(seed))
}
