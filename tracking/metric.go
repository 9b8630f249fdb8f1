package tracking

import (
	"math"

	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of process metrics.
const (
	MaxMetricTypeRunes = 100
	MaxBatchPoints     = 10_000
)

// Point is one measurement of a project's process.
type Point struct {
	ProjectID   tenancy.ID     `json:"project_id"`
	MetricType  string         `json:"metric_type" minLength:"1" maxLength:"100" doc:"What was measured, such as commits_per_week"`
	MetricValue float64        `json:"metric_value" doc:"A finite number; every rate is 0 to 1"`
	Timestamp   *tenancy.Time  `json:"timestamp" nullable:"true" required:"false" doc:"When; the time of arrival unless given"`
	Metadata    tenancy.Object `json:"metadata" required:"false" doc:"Free JSON object of at most 16 KiB"`
}

// Check records every value of the point that is not allowed, at location.
func (p *Point) Check(c *problem.Checks, location string) {
	c.Require(!p.ProjectID.IsZero(), location+".project_id", "is required")
	tenancy.CheckLabel(c, location+".metric_type", p.MetricType, MaxMetricTypeRunes)
	c.Require(!math.IsNaN(p.MetricValue) && !math.IsInf(p.MetricValue, 0), location+".metric_value", "must be a finite number")
	checkTime(c, location+".timestamp", p.Timestamp)
	p.Metadata.Check(c, location+".metadata")
}
