package tracking

import (
	"fmt"
	"slices"
	"sort"

	"maestro/tenancy"
)

// SuccessFormula names the formula of the success score, with its version.
const SuccessFormula = "success/1"

// MinRanked is how many finished projects must have a value before a
// percentile rank among them counts.
const MinRanked = 5

// Outcome is what a project's success score is derived from.
type Outcome struct {
	Finished         bool     // completed; only then do the percentile parts count
	ModelPerformance *float64 // 0 to 1
	BusinessImpact   *float64
	ComputeCost      *float64
	StartDate        *tenancy.Time
	CompletionDate   *tenancy.Time
}

// Outcome returns what the project's success score is derived from.
func (f *ProjectFields) Outcome() Outcome {
	return Outcome{
		Finished:         f.Status == Completed,
		ModelPerformance: f.ModelPerformance, BusinessImpact: f.BusinessImpact, ComputeCost: f.ComputeCost,
		StartDate: f.StartDate, CompletionDate: f.CompletionDate,
	}
}

// DeliveryTime returns the microseconds from start to completion, and whether
// both are known and in that order. A float64 holds every such number exactly.
func (o *Outcome) DeliveryTime() (micros float64, ok bool) {
	if o.StartDate == nil || o.CompletionDate == nil || *o.CompletionDate < *o.StartDate {
		return 0, false
	}
	return float64(*o.CompletionDate - *o.StartDate), true
}

// Rank says where a value stands among the tenant's finished projects that have
// such a value, the project itself included: Equal is at least 1.
type Rank struct {
	Below int64 // how many have less
	Equal int64 // how many have the same
	N     int64 // how many have any
}

// RankOf returns the rank of a value within sorted values, of which it is one.
func RankOf(sorted []float64, value float64) Rank {
	below := sort.SearchFloat64s(sorted, value)
	above, _ := slices.BinarySearchFunc(sorted, value, func(x, value float64) int {
		if x <= value {
			return -1
		}
		return 1
	})
	return Rank{Below: int64(below), Equal: int64(above - below), N: int64(len(sorted))}
}

// Percentile returns the mid-rank percentile, above 0 and below 100:
// (Below + Equal/2) / N × 100 (Roscoe, Fundamental Research Statistics for the
// Behavioral Sciences, 2nd ed., 1975).
//
// The project itself counts in N and Equal. So equal values stand at 50, the
// mean over all projects is always 50, and 100 − the percentile of a value is
// the percentile of its negative: cost and benefit are treated alike, and no
// part drifts as a tenant grows.
func (r Rank) Percentile() float64 {
	return 100 * (float64(r.Below) + float64(r.Equal)/2) / float64(r.N)
}

// Ranks holds where a project's values stand. The rank of a value that the
// project does not have is not looked at.
type Ranks struct {
	BusinessImpact Rank
	ComputeCost    Rank
	DeliveryTime   Rank // of CompletionDate − StartDate
}

// Success derives the success score: the weighted mean of the parts that exist,
// weights renormalised over them.
//
//	model_performance  100 × model performance
//	business_impact    percentile of business impact
//	cost_efficiency    100 − percentile of compute cost
//	delivery_speed     100 − percentile of the time from start to completion
//
// The percentile parts exist once the project is completed and at least
// MinRanked completed projects have the value. The score is nil when no part
// exists, or none of those that do has a weight.
func Success(o Outcome, r Ranks, w tenancy.SuccessWeights) Score {
	score, parts := success(o, r, w)
	return Score{Score: score, Formula: SuccessFormula, Parts: parts[:]}
}

func success(o Outcome, r Ranks, w tenancy.SuccessWeights) (*float64, [4]ScorePart) {
	parts := [...]ScorePart{
		o.modelPart(w.ModelPerformance),
		o.impactPart(w.BusinessImpact, r.BusinessImpact),
		o.costPart(w.CostEfficiency, r.ComputeCost),
		o.deliveryPart(w.DeliverySpeed, r.DeliveryTime),
	}
	var total, weight float64
	for i, part := range parts {
		if part.Value == nil {
			parts[i].Weight = 0
			continue
		}
		total += part.Weight * *part.Value
		weight += part.Weight
	}
	if weight == 0 {
		return nil, parts
	}
	for i := range parts {
		parts[i].Weight /= weight
	}
	total = clamp(total/weight, 0, 100)
	return &total, parts
}

func (o *Outcome) modelPart(weight float64) ScorePart {
	const name = "model_performance"
	if o.ModelPerformance == nil {
		return absent(name, weight, "model_performance is not set")
	}
	return share(name, weight, *o.ModelPerformance, 1)
}

func (o *Outcome) impactPart(weight float64, rank Rank) ScorePart {
	const name = "business_impact"
	if o.BusinessImpact == nil {
		return absent(name, weight, "business_impact is not set")
	}
	return o.rankedPart(name, weight, *o.BusinessImpact, rank, rank.Percentile())
}

func (o *Outcome) costPart(weight float64, rank Rank) ScorePart {
	const name = "cost_efficiency"
	if o.ComputeCost == nil {
		return absent(name, weight, "compute_cost is not set")
	}
	return o.rankedPart(name, weight, *o.ComputeCost, rank, 100-rank.Percentile())
}

func (o *Outcome) deliveryPart(weight float64, rank Rank) ScorePart {
	const name = "delivery_speed"
	if _, ok := o.DeliveryTime(); !ok {
		return absent(name, weight, "start_date and completion_date are not both set, or not in that order")
	}
	return o.rankedPart(name, weight, o.StartDate.Days(*o.CompletionDate), rank, 100-rank.Percentile())
}

// rankedPart returns a part made of the rank of input, or says why it does not
// count.
func (o *Outcome) rankedPart(name string, weight, input float64, rank Rank, value float64) ScorePart {
	switch {
	case !o.Finished:
		return absent(name, weight, "the project is not completed")
	case rank.N < MinRanked:
		return absent(name, weight, fmt.Sprintf("%d completed projects have such a value, and it takes %d to compare", rank.N, MinRanked))
	}
	return ScorePart{Name: name, Weight: weight, Value: &value, Input: &input}
}

// SuccessScores derives the success scores of a tenant's projects at once, in
// the order given, in O(n log n): ranks are taken among those that are finished.
// It equals Success of each.
func SuccessScores(outcomes []Outcome, w tenancy.SuccessWeights) []*float64 {
	var impacts, costs, times []float64
	for i := range outcomes {
		o := &outcomes[i]
		if !o.Finished {
			continue
		}
		if o.BusinessImpact != nil {
			impacts = append(impacts, *o.BusinessImpact)
		}
		if o.ComputeCost != nil {
			costs = append(costs, *o.ComputeCost)
		}
		if micros, ok := o.DeliveryTime(); ok {
			times = append(times, micros)
		}
	}
	slices.Sort(impacts)
	slices.Sort(costs)
	slices.Sort(times)

	scores := make([]*float64, len(outcomes))
	for i, o := range outcomes {
		var r Ranks
		if o.Finished {
			if o.BusinessImpact != nil {
				r.BusinessImpact = RankOf(impacts, *o.BusinessImpact)
			}
			if o.ComputeCost != nil {
				r.ComputeCost = RankOf(costs, *o.ComputeCost)
			}
			if micros, ok := o.DeliveryTime(); ok {
				r.DeliveryTime = RankOf(times, micros)
			}
		}
		scores[i], _ = success(o, r, w)
	}
	return scores
}
