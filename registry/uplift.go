package registry

import (
	"math"
	"math/rand/v2"
	"slices"

	"maestro/tenancy"
)

// The uplift's bounds and its interval.
const (
	MinUpliftProjects = 3    // on either side; fewer say nothing
	UpliftLevel       = 0.90 // of the interval
	upliftResamples   = 2000

	// Above so many projects on a side, the mean of a resample is drawn from the
	// normal distribution that it has by then come to (central limit theorem):
	// the cost of the interval stays bounded.
	maxResampled = 200
)

// FinishedProject is a completed project with a success score, as evidence
// about one artifact.
type FinishedProject struct {
	ProblemClass string // empty: unclassified, a class of its own
	Success      float64
	Used         bool // it used the artifact
}

// Uplift compares the projects that used an artifact with those that did not.
// It is an association: who chose the artifact may differ in other ways.
type Uplift struct {
	Uplift     float64 `json:"uplift" doc:"Mean success of projects that used the artifact, minus that of the others; -100 to 100"`
	Low        float64 `json:"low" doc:"Lower end of the interval"`
	High       float64 `json:"high" doc:"Upper end of the interval"`
	Level      float64 `json:"level" doc:"How often such an interval holds the truth"`
	MeanUsed   float64 `json:"mean_used"`
	MeanUnused float64 `json:"mean_unused"`
	Used       int     `json:"used" doc:"Finished projects that used the artifact"`
	Unused     int     `json:"unused" doc:"Finished projects of the same problem classes that did not"`
}

// UpliftOf returns the uplift: the mean success of the projects that used the
// artifact, minus the mean of those of the same problem classes that did not,
// with a percentile bootstrap interval (Efron, Bootstrap Methods: Another Look
// at the Jackknife, Annals of Statistics 7, 1979) of upliftResamples resamples,
// each side resampled by itself. It is nil when either side has fewer than
// MinUpliftProjects.
//
// The same projects, in any order, and the same state of rng give the same
// answer.
func UpliftOf(projects []FinishedProject, rng *rand.Rand) *Uplift {
	classes := map[string]bool{}
	for _, p := range projects {
		if p.Used {
			classes[p.ProblemClass] = true
		}
	}
	var used, unused []float64
	for _, p := range projects {
		switch {
		case p.Used:
			used = append(used, p.Success)
		case classes[p.ProblemClass]:
			unused = append(unused, p.Success)
		}
	}
	if len(used) < MinUpliftProjects || len(unused) < MinUpliftProjects {
		return nil
	}
	with, without := sideOf(used), sideOf(unused)
	differences := make([]float64, upliftResamples)
	for i := range differences {
		differences[i] = with.resample(rng) - without.resample(rng)
	}
	slices.Sort(differences)
	outside := int(math.Round(upliftResamples * (1 - UpliftLevel) / 2)) // at either end
	return &Uplift{
		Uplift: with.mean - without.mean,
		Low:    differences[outside-1], High: differences[upliftResamples-outside],
		Level: UpliftLevel, MeanUsed: with.mean, MeanUnused: without.mean,
		Used: len(used), Unused: len(unused),
	}
}

// side is the success of the projects on one side of the comparison.
type side struct {
	values []float64 // sorted, so that the order of the input does not matter
	mean   float64
	spread float64 // standard error of the mean
}

func sideOf(values []float64) side {
	slices.Sort(values)
	s := side{values: values}
	n := float64(len(values))
	for _, v := range values {
		s.mean += v / n
	}
	variance := 0.0
	for _, v := range values {
		variance += (v - s.mean) * (v - s.mean) / n
	}
	s.spread = math.Sqrt(variance / n)
	return s
}

// resample returns the mean of as many values drawn with replacement.
func (s *side) resample(rng *rand.Rand) float64 {
	if len(s.values) > maxResampled {
		return s.mean + s.spread*rng.NormFloat64()
	}
	sum := 0.0
	for range s.values {
		sum += s.values[rng.IntN(len(s.values))]
	}
	return sum / float64(len(s.values))
}

// AppendJSON appends the uplift as encoding/json writes it.
func (u *Uplift) AppendJSON(b []byte) []byte {
	for _, member := range []struct {
		name  string
		value float64
	}{
		{`{"uplift":`, u.Uplift}, {`,"low":`, u.Low}, {`,"high":`, u.High}, {`,"level":`, u.Level}, {`,"mean_used":`, u.MeanUsed}, {`,"mean_unused":`, u.MeanUnused},
		{`,"used":`, float64(u.Used)}, {`,"unused":`, float64(u.Unused)},
	} {
		b = tenancy.AppendJSONFloat(append(b, member.name...), member.value)
	}
	return append(b, '}')
}
