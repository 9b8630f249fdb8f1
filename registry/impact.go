package registry

// PriorPlays is k of the ranking: how many plays at the tenant's mean every
// artifact is thought to have had before its own.
const PriorPlays = 5

// Impact is a sum of impact scores. The zero value is of no scores.
type Impact struct {
	Sum   float64
	Count int64 // usages that have a score
}

// And returns the impact of both.
func (i Impact) And(other Impact) Impact {
	return Impact{Sum: i.Sum + other.Sum, Count: i.Count + other.Count}
}

// Mean returns the mean score, 0 to 100; nil of no scores.
func (i Impact) Mean() *float64 {
	if i.Count == 0 {
		return nil
	}
	mean := bound(i.Sum / float64(i.Count))
	return &mean
}

// Ranking returns the estimate that artifacts are ranked by:
//
//	(Σ scores + k × tenant mean) / (n + k), k = PriorPlays
//
// n counts the artifact's usages with a score. The tenant's mean is over all
// its usages with a score, each counted once, so that a much-used artifact
// weighs by its plays. A few brilliant plays move an artifact little, many move
// it to its own mean: the estimate is a mean under a prior worth k plays. An
// artifact without scores stands at the tenant's mean. The estimate is nil when
// the tenant has no scores at all.
func Ranking(artifact, tenant Impact) *float64 {
	mean := tenant.Mean()
	if mean == nil {
		return nil
	}
	estimate := bound((artifact.Sum + PriorPlays**mean) / (float64(artifact.Count) + PriorPlays))
	return &estimate
}

// ImpactScore decides a usage's impact score and its source: what was reported, or
// else the success score of its project once that is completed; nil until then.
func ImpactScore(reported, success *float64, completed bool) (score *float64, source *ImpactSource) {
	switch {
	case reported != nil:
		return reported, new(Reported)
	case completed && success != nil:
		return success, new(Derived)
	default:
		return nil, nil
	}
}

// bound keeps a mean of scores within 0 to 100, past which rounding can lead.
func bound(score float64) float64 { return min(max(score, 0), 100) }
