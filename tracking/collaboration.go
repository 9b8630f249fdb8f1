package tracking

// CollaborationFormula names the formula of the collaboration score, with its
// version.
const CollaborationFormula = "collaboration/1"

// The metric types that the collaboration score reads. Contributors and commits
// are counted over the same period, whichever the collector chooses.
const (
	Contributors   = "contributors"    // people who committed
	Commits        = "commits"         // commits of all of them
	ActiveBranches = "active_branches" // branches with a commit in the period
)

// CollaborationMetrics lists the metric types whose latest values Collaboration
// reads.
var CollaborationMetrics = [...]string{Contributors, Commits, ActiveBranches}

// Full marks of the collaboration score's parts; more does not count.
const (
	fullContributors          = 10
	fullCommitsPerContributor = 20
	fullActiveBranches        = 10
)

// Collaboration derives how much people work together in a project:
//
//	40 × min(contributors / 10, 1)
//	+ 40 × min(commits per contributor / 20, 1)
//	+ 20 × min(active branches / 10, 1)
//
// A negative number counts as 0. The score is nil when none of the metrics was
// recorded.
func Collaboration(latest Latest) Score {
	parts := []ScorePart{
		latest.shareOf(Contributors, Contributors, 0.40, fullContributors),
		latest.perContributor(0.40),
		latest.shareOf(ActiveBranches, ActiveBranches, 0.20, fullActiveBranches),
	}
	known := false
	for _, metricType := range CollaborationMetrics {
		_, recorded := latest[metricType]
		known = known || recorded
	}
	return sum(CollaborationFormula, known, parts...)
}

func (l Latest) perContributor(weight float64) ScorePart {
	const name = "commits_per_contributor"
	commits, counted := l[Commits]
	contributors := l[Contributors]
	switch {
	case !counted:
		return absent(name, weight, "no metric of type "+Commits+" has been recorded")
	case contributors <= 0:
		return absent(name, weight, "no contributor has been recorded")
	}
	return share(name, weight, commits/contributors, fullCommitsPerContributor)
}
