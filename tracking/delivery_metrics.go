package tracking

import (
	"slices"

	"maestro/tenancy"
)

// The metric types that are derived from runs, week by week. The velocity score
// reads PipelineSuccessRate (velocity.go).
//
// The last three are three of the four keys of DORA (dora.dev/guides/dora-metrics;
// Forsgren, Humble and Kim, Accelerate, 2018), as far as deployments show them.
const (
	PipelineDuration   = "pipeline_duration"     // median seconds of the pipelines that succeeded or failed
	DeploymentsPerWeek = "deployment_frequency"  // deployments to production in the week that succeeded
	LeadTimeForChanges = "lead_time_for_changes" // median hours from a commit to its deployment to production
	ChangeFailureRate  = "change_failure_rate"   // share of the deployments to production that failed, 0 to 1
)

// RunOutcome is what the metrics need of a run that succeeded or failed.
type RunOutcome struct {
	Deployment, Production bool
	Success                bool // as it stands; otherwise it failed
	Seconds                *float64
	CommittedAt            *tenancy.Time
	SucceededAt            *tenancy.Time // first, even where it failed afterwards
}

// Measure is a value that was derived from runs.
type Measure struct {
	MetricType string
	Value      float64
	Runs       int // how many runs it is made of
}

// MeasureWeek derives the metrics of one week from its runs, leaving out those
// that it has no run for:
//
//   - pipeline_success_rate and pipeline_duration from the runs that are no
//     deployments;
//   - deployment_frequency and change_failure_rate from the deployments to
//     production, lead_time_for_changes from those of them that succeeded and whose
//     commit's time is known and not later. One that succeeded and was then found
//     to have failed was deployed, and is a failure.
func MeasureWeek(outcomes []RunOutcome) []Measure {
	var pipelines, passed, deployments, deployed, failed int
	var seconds, hours []float64
	for _, o := range outcomes {
		switch {
		case !o.Deployment:
			pipelines++
			if o.Success {
				passed++
			}
			if o.Seconds != nil {
				seconds = append(seconds, *o.Seconds)
			}
		case o.Production:
			deployments++
			if !o.Success {
				failed++
			}
			if o.SucceededAt != nil {
				deployed++
				if o.CommittedAt != nil && *o.CommittedAt <= *o.SucceededAt {
					hours = append(hours, float64(*o.SucceededAt-*o.CommittedAt)/float64(hour))
				}
			}
		}
	}
	var measures []Measure
	if pipelines > 0 {
		measures = append(measures, Measure{PipelineSuccessRate, float64(passed) / float64(pipelines), pipelines})
	}
	if len(seconds) > 0 {
		measures = append(measures, Measure{PipelineDuration, median(seconds), len(seconds)})
	}
	if deployments > 0 {
		measures = append(measures, Measure{DeploymentsPerWeek, float64(deployed), deployments},
			Measure{ChangeFailureRate, float64(failed) / float64(deployments), deployments})
	}
	if len(hours) > 0 {
		measures = append(measures, Measure{LeadTimeForChanges, median(hours), len(hours)})
	}
	return measures
}

// median sorts values, of which there is one at least, and returns their middle.
func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return values[middle-1] + (values[middle]-values[middle-1])/2
}
