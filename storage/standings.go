package storage

import (
	"context"
	"slices"

	"maestro/tenancy"
	"maestro/tracking"
)

// Bounds of the standings that are kept in memory.
const (
	// maxStanding is the number of finished projects up to which a write ranks its
	// own project at once. A larger tenant's scores follow in the background.
	maxStanding = 5000
	// maxStandings is how many tenants are kept.
	maxStandings = 256
)

// standing holds the sorted outcomes of a tenant's finished projects, to rank one
// among them without counting in the database.
type standing struct {
	impacts, costs, times []float64
}

// standings are the tenants' standings. Each is that of the transaction under way:
// one that is loaded in the middle of a group has what the group wrote before it,
// so a change goes in when it is written, and out again when it is undone. Only
// the writer's goroutine uses them.
type standings map[tenancy.ID]*standing

const (
	selectImpacts = `SELECT business_impact FROM projects WHERE tenant_id = $1 AND status = 'completed' AND business_impact IS NOT NULL
		ORDER BY business_impact LIMIT $2`
	selectCosts = `SELECT compute_cost FROM projects WHERE tenant_id = $1 AND status = 'completed' AND compute_cost IS NOT NULL
		ORDER BY compute_cost LIMIT $2`
	selectTimes = `SELECT completion_date - start_date FROM projects WHERE tenant_id = $1 AND status = 'completed'
		AND completion_date IS NOT NULL AND start_date IS NOT NULL ORDER BY completion_date - start_date LIMIT $2`
)

// of returns a tenant's standing, or nil when it has more finished projects than
// a write should wait for.
func (all standings) of(tx *Tx, tenant tenancy.ID) (*standing, error) {
	if kept, ok := all[tenant]; ok {
		return kept, nil
	}
	var fresh standing
	for _, part := range []struct {
		statement string
		values    *[]float64
	}{{selectImpacts, &fresh.impacts}, {selectCosts, &fresh.costs}, {selectTimes, &fresh.times}} {
		err := tx.query(context.Background(), part.statement, []any{tenant, maxStanding + 1}, func(r row) error {
			*part.values = append(*part.values, r.float(0))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	result := &fresh
	if max(len(fresh.impacts), len(fresh.costs), len(fresh.times)) > maxStanding {
		result = nil
	}
	if len(all) >= maxStandings {
		clear(all)
	}
	all[tenant] = result
	return result, nil
}

// ranks says where an outcome would stand among the others and itself. before is
// the project's own earlier outcome, which stands among them, or nil.
func (s *standing) ranks(before, after *tracking.Outcome) tracking.Ranks {
	var own tracking.Outcome
	if before != nil && before.Finished {
		own = *before
	}
	var ranks tracking.Ranks
	if after.BusinessImpact != nil {
		ranks.BusinessImpact = rankAmong(s.impacts, own.BusinessImpact, *after.BusinessImpact)
	}
	if after.ComputeCost != nil {
		ranks.ComputeCost = rankAmong(s.costs, own.ComputeCost, *after.ComputeCost)
	}
	if micros, ok := after.DeliveryTime(); ok {
		ranks.DeliveryTime = rankAmong(s.times, deliveryTime(&own), micros)
	}
	return ranks
}

// rankAmong ranks value among sorted, with own taken out and value put in.
func rankAmong(sorted []float64, own *float64, value float64) tracking.Rank {
	rank := tracking.RankOf(sorted, value)
	rank.Equal++
	rank.N++
	if own != nil {
		rank.N--
		switch {
		case *own < value:
			rank.Below--
		case *own == value:
			rank.Equal--
		}
	}
	return rank
}

// replace brings the tenant's standing, if it is kept, up to a project's change.
func (all standings) replace(tenant tenancy.ID, before, after *tracking.Outcome) {
	if kept := all[tenant]; kept != nil {
		kept.replace(before, after)
	}
}

// replace takes a project's earlier outcome out and puts its new one in. Either
// is nil when there is none.
func (s *standing) replace(before, after *tracking.Outcome) {
	if before != nil && before.Finished {
		s.impacts = without(s.impacts, before.BusinessImpact)
		s.costs = without(s.costs, before.ComputeCost)
		s.times = without(s.times, deliveryTime(before))
	}
	if after != nil && after.Finished {
		s.impacts = with(s.impacts, after.BusinessImpact)
		s.costs = with(s.costs, after.ComputeCost)
		s.times = with(s.times, deliveryTime(after))
	}
}

// append adds a finished outcome at the end, to be sorted once all are there.
func (s *standing) append(o *tracking.Outcome) {
	if !o.Finished {
		return
	}
	if o.BusinessImpact != nil {
		s.impacts = append(s.impacts, *o.BusinessImpact)
	}
	if o.ComputeCost != nil {
		s.costs = append(s.costs, *o.ComputeCost)
	}
	if micros, ok := o.DeliveryTime(); ok {
		s.times = append(s.times, micros)
	}
}

func (s *standing) sort() {
	slices.Sort(s.impacts)
	slices.Sort(s.costs)
	slices.Sort(s.times)
}

func deliveryTime(o *tracking.Outcome) *float64 {
	micros, ok := o.DeliveryTime()
	if !ok {
		return nil
	}
	return &micros
}

func with(sorted []float64, value *float64) []float64 {
	if value == nil {
		return sorted
	}
	i, _ := slices.BinarySearch(sorted, *value)
	return slices.Insert(sorted, i, *value)
}

func without(sorted []float64, value *float64) []float64 {
	if value == nil {
		return sorted
	}
	i, found := slices.BinarySearch(sorted, *value)
	if !found {
		return sorted
	}
	return slices.Delete(sorted, i, i+1)
}
