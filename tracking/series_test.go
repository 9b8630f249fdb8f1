package tracking

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/tenancy"
)

var anySamples = rapid.Custom(func(t *rapid.T) []Sample {
	values := rapid.OneOf(anyFinite, rapid.Float64Range(-2, 2), rapid.SampledFrom([]float64{0, 1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64}))
	samples := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Sample {
		return Sample{Time: rapid.OneOf(anyTime, rapid.Just(tenancy.Time(7))).Draw(t, "time"), Value: values.Draw(t, "value")}
	}), 0, 200).Draw(t, "samples")
	slices.SortStableFunc(samples, func(a, b Sample) int { return int(max(-1, min(1, a.Time-b.Time))) })
	return samples
})

func TestDownsampleLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := anySamples.Draw(t, "samples")
		points := rapid.IntRange(-1, 250).Draw(t, "points")
		given := slices.Clone(samples)
		got := Downsample(samples, points)

		if !slices.Equal(samples, given) {
			t.Fatal("the samples were changed")
		}
		if again := Downsample(samples, points); !slices.Equal(got, again) {
			t.Fatal("the same samples gave other points")
		}
		if limit := max(points, 2); len(got) > limit {
			t.Fatalf("%d points, want at most %d", len(got), limit)
		}
		if len(samples) <= points && !slices.Equal(got, samples) {
			t.Fatal("samples that are few enough were not returned as they are")
		}
		// In order, and nothing that is not a sample.
		next := 0
		for _, point := range got {
			for next < len(samples) && samples[next] != point {
				next++
			}
			if next == len(samples) {
				t.Fatalf("%v is not a sample, or out of order", point)
			}
			next++
		}
		if len(samples) == 0 {
			return
		}
		if got[0] != samples[0] || got[len(got)-1] != samples[len(samples)-1] {
			t.Fatal("an end is missing")
		}
		if points >= 4 {
			if slices.Min(valuesOf(got)) != slices.Min(valuesOf(samples)) {
				t.Fatal("the smallest value is missing")
			}
			if slices.Max(valuesOf(got)) != slices.Max(valuesOf(samples)) {
				t.Fatal("the greatest value is missing")
			}
		}
	})
}

func valuesOf(samples []Sample) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = s.Value
	}
	return values
}

func TestDownsampleKeepsTheShape(t *testing.T) {
	// A flat line with one spike: the spike and its feet are what is seen.
	var spike []Sample
	for i := range 1000 {
		spike = append(spike, Sample{Time: tenancy.Time(i), Value: 1})
	}
	spike[500].Value = 100
	got := Downsample(spike, 20)
	if !slices.Contains(got, spike[500]) {
		t.Error("the spike is missing")
	}
	// Largest triangles choose the corners of a zigzag.
	zigzag := []Sample{{0, 0}, {1, 1}, {2, 2}, {3, 1}, {4, 0}, {5, -1}, {6, -2}, {7, -1}, {8, 0}}
	if diff := cmp.Diff([]Sample{{0, 0}, {2, 2}, {6, -2}, {8, 0}}, Downsample(zigzag, 4)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Sample{{0, 0}, {2, 2}, {8, 0}}, Downsample(zigzag, 3)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Sample{{0, 0}, {8, 0}}, Downsample(zigzag, 1)); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkDownsample(b *testing.B) {
	samples := make([]Sample, 100_000)
	for i := range samples {
		samples[i] = Sample{Time: tenancy.Time(i), Value: math.Sin(float64(i)/1000) + float64(i*7919%101)/500}
	}
	b.ReportAllocs()
	for b.Loop() {
		Downsample(samples, 500)
	}
}
