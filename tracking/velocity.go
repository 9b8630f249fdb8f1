package tracking

// VelocityFormula names the formula of the velocity score, with its version.
const VelocityFormula = "velocity/1"

// The metric types that the velocity score reads.
const (
	CommitsPerWeek      = "commits_per_week"      // commits to the project's repositories in a week
	PipelineSuccessRate = "pipeline_success_rate" // share of pipeline runs that succeed, 0 to 1
)

// VelocityMetrics lists the metric types whose latest values Velocity reads.
var VelocityMetrics = [...]string{CommitsPerWeek, PipelineSuccessRate}

// Full marks of the velocity score's parts; more does not count.
const (
	fullCommitsPerWeek = 20
	fullArtifactsUsed  = 10
)

// Velocity derives how fast a project moves:
//
//	30 × min(commits_per_week / 20, 1)
//	+ 30 × pipeline_success_rate
//	+ 40 × min(distinct artifacts used / 10, 1)
//
// A rate outside 0 to 1 counts as the nearest of the two, and so does a
// negative number. The score is nil when neither metric was recorded and no
// artifact used.
func Velocity(latest Latest, artifactsUsed int64) Score {
	parts := []ScorePart{
		latest.shareOf(CommitsPerWeek, CommitsPerWeek, 0.30, fullCommitsPerWeek),
		latest.shareOf(PipelineSuccessRate, PipelineSuccessRate, 0.30, 1),
		share("artifacts_used", 0.40, float64(artifactsUsed), fullArtifactsUsed),
	}
	known := parts[0].Value != nil || parts[1].Value != nil || artifactsUsed > 0
	return sum(VelocityFormula, known, parts...)
}
