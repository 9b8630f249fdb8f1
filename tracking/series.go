package tracking

import (
	"math"
	"slices"

	"maestro/tenancy"
)

// Sample is one value of a metric in time.
type Sample struct {
	Time  tenancy.Time `json:"time"`
	Value float64      `json:"value"`
}

// MetricSummary says what was recorded of one metric type of a project.
type MetricSummary struct {
	MetricType string       `json:"metric_type"`
	Count      int64        `json:"count"`
	Min        float64      `json:"min"`
	Max        float64      `json:"max"`
	Mean       float64      `json:"mean"`
	Latest     float64      `json:"latest" doc:"The value with the newest timestamp; of several, the one recorded last"`
	FirstTime  tenancy.Time `json:"first_time"`
	LastTime   tenancy.Time `json:"last_time"`
}

// Downsample returns at most points of the samples, which are in the order of
// time, chosen so that a line through them looks like a line through all: by
// Largest-Triangle-Three-Buckets (Steinarsson, Downsampling Time Series for
// Visual Representation, University of Iceland, 2013).
//
// The first and last sample are always kept, and the smallest and greatest value
// where points is 4 or more: an outlier is what people look for in a chart.
// Fewer than 2 points count as 2. Samples that are few enough are returned as
// they are. The same samples always give the same points.
func Downsample(samples []Sample, points int) []Sample {
	points = max(points, 2)
	switch {
	case len(samples) <= points:
		return samples
	case points < 4:
		return pick(samples, largestTriangles(samples, points))
	}
	lowest, highest := extremes(samples)
	chosen := largestTriangles(samples, points-2)
	chosen = insert(chosen, lowest)
	chosen = insert(chosen, highest)
	return pick(samples, chosen)
}

// extremes returns the index of the first smallest and first greatest value.
func extremes(samples []Sample) (lowest, highest int) {
	for i, s := range samples {
		if s.Value < samples[lowest].Value {
			lowest = i
		}
		if s.Value > samples[highest].Value {
			highest = i
		}
	}
	return lowest, highest
}

// largestTriangles returns the indexes of points samples, rising: the first, the
// last, and of each of the equal buckets between them the sample that spans the
// largest triangle with the one chosen before and the mean of the next bucket.
func largestTriangles(samples []Sample, points int) []int {
	last := len(samples) - 1
	chosen := make([]int, 1, points+2)
	buckets := points - 2
	bound := func(bucket int) int { return 1 + bucket*(last-1)/max(buckets, 1) }

	// In units of the whole chart, no area overflows.
	begin := samples[0].Time
	width := max(float64(samples[last].Time-begin), 1)
	height := 0.0
	for _, s := range samples {
		height = max(height, math.Abs(s.Value))
	}
	height = max(height, math.SmallestNonzeroFloat64)
	at := func(i int) (x, y float64) {
		return float64(samples[i].Time-begin) / width, samples[i].Value / height
	}

	for bucket := range buckets {
		from, to := bound(bucket), bound(bucket+1)
		nextFrom, nextTo := to, last+1
		if bucket+1 < buckets {
			nextTo = bound(bucket + 2)
		}
		var meanX, meanY float64
		for i := nextFrom; i < nextTo; i++ {
			x, y := at(i)
			meanX, meanY = meanX+x, meanY+y
		}
		meanX, meanY = meanX/float64(nextTo-nextFrom), meanY/float64(nextTo-nextFrom)

		beforeX, beforeY := at(chosen[len(chosen)-1])
		best, largest := from, -1.0
		for i := from; i < to; i++ {
			x, y := at(i)
			if area := math.Abs((beforeX-meanX)*(y-beforeY) - (beforeX-x)*(meanY-beforeY)); area > largest {
				best, largest = i, area
			}
		}
		chosen = append(chosen, best)
	}
	return append(chosen, last)
}

// insert adds an index to rising indexes unless it is there.
func insert(chosen []int, index int) []int {
	at, there := slices.BinarySearch(chosen, index)
	if there {
		return chosen
	}
	return slices.Insert(chosen, at, index)
}

func pick(samples []Sample, chosen []int) []Sample {
	picked := make([]Sample, len(chosen))
	for i, index := range chosen {
		picked[i] = samples[index]
	}
	return picked
}
