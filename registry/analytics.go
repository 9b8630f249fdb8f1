package registry

import (
	"fmt"
	"time"

	"maestro/tenancy"
)

// Analytics is what the library has learnt about one artifact.
type Analytics struct {
	ArtifactID      tenancy.ID    `json:"artifact_id"`
	UsageCount      int64         `json:"usage_count"`
	ProjectCount    int64         `json:"project_count" doc:"Distinct projects that used it"`
	AvgImpactScore  *float64      `json:"avg_impact_score" doc:"Mean of the usages' impact scores; null while no usage has one"`
	Reported        ImpactSummary `json:"reported" doc:"Of the scores that somebody gave"`
	Derived         ImpactSummary `json:"derived" doc:"Of the scores taken from completed projects"`
	RankingEstimate *float64      `json:"ranking_estimate" doc:"What /artifacts/top ranks by: (sum of scores + 5 × tenant mean) / (scores + 5); null while the tenant has no scores"`
	Uplift          *Uplift       `json:"uplift" null:"true" doc:"Null while fewer than 3 finished projects used it, or did not"`
	UsagePerMonth   []MonthUsage  `json:"usage_per_month" doc:"From the first month with a usage to the last, months without included"`
}

// ImpactSummary is the mean of some impact scores and how many they are.
type ImpactSummary struct {
	Count int64    `json:"count"`
	Mean  *float64 `json:"mean" doc:"Null of no scores"`
}

// MonthUsage is how often an artifact was used in one month.
type MonthUsage struct {
	Month Month `json:"month" example:"2026-01"`
	Count int64 `json:"count"`
}

// SetImpacts sets the numbers that follow from the artifact's impact scores and
// those of all the tenant's artifacts.
func (a *Analytics) SetImpacts(reported, derived, tenant Impact) {
	all := reported.And(derived)
	a.AvgImpactScore = all.Mean()
	a.Reported = ImpactSummary{Count: reported.Count, Mean: reported.Mean()}
	a.Derived = ImpactSummary{Count: derived.Count, Mean: derived.Mean()}
	a.RankingEstimate = Ranking(all, tenant)
}

// Month is a month of a year, counted from January of the year 0, in UTC.
type Month int

// MonthOf returns the month in which t lies.
func MonthOf(t tenancy.Time) Month {
	year, month, _ := t.Std().Date()
	return Month(12*year + int(month) - 1)
}

// Begin returns the month's first instant.
func (m Month) Begin() tenancy.Time {
	return tenancy.TimeOf(time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC))
}

func (m Month) String() string { return fmt.Sprintf("%04d-%02d", int(m)/12, int(m)%12+1) }

// MarshalText implements encoding.TextMarshaler: 2026-01.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (m *Month) UnmarshalText(text []byte) error {
	t, err := time.Parse("2006-01", string(text))
	if err != nil {
		return fmt.Errorf("must be a year and a month, such as 2026-01")
	}
	*m = Month(12*t.Year() + int(t.Month()) - 1)
	return nil
}
