package registry

// PriorPlays is k of the ranking: how many plays at the tenant's mean every
// artifact is thought to have had before its own.
const PriorPlays = 5

// Impact is the running sum of impact scores, so that a mean changes in the
// transaction that records a usage. The zero value is of no scores.
type Impact struct {
	Sum   float64
	Count int64 // usages that have a score
}

// Add counts a score. Nil, a usage without one, changes nothing.
func (i Impact) Add(score *float64) Impact {
	if score == nil {
		return i
	}
	return Impact{Sum: i.Sum + *score, Count: i.Count + 1}
}

// Remove takes back a score that was added. Without any score left the sum is
// exactly zero, whatever rounding left behind.
func (i Impact) Remove(score *float64) Impact {
	switch {
	case score == nil:
		return i
	case i.Count <= 1:
		return Impact{}
	}
	return Impact{Sum: i.Sum - *score, Count: i.Count - 1}
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
