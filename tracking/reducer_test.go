package tracking

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/tenancy"
)

func TestReducerKeepsWhatAChartShows(t *testing.T) {
	// Ten seconds in two slots of five.
	samples := func(values ...float64) []Sample {
		s := make([]Sample, len(values))
		for i, value := range values {
			s[i] = Sample{tenancy.Time(i), value}
		}
		return s
	}
	for _, test := range []struct {
		name string
		give []Sample
		want []Sample
	}{
		{"nothing", nil, nil},
		{"one sample", samples(3), samples(3)},
		{"first, smallest, greatest and last of each slot", samples(5, 1, 3, 9, 5, 6, 7, 5, 6, 4),
			[]Sample{{0, 5}, {1, 1}, {3, 9}, {4, 5}, {5, 6}, {6, 7}, {9, 4}}},
		{"the greatest before the smallest", samples(5, 9, 3, 1, 5), []Sample{{0, 5}, {1, 9}, {3, 1}, {4, 5}}},
		{"all the same", samples(2, 2, 2, 2), []Sample{{0, 2}, {3, 2}}},
		{"several at one time", []Sample{{9, 1}, {9, 0}, {9, 2}, {9, 1}, {9, 1}}, []Sample{{9, 1}, {9, 0}, {9, 2}, {9, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReducer(0, 9, 2)
			for _, s := range test.give {
				r.Add(s)
			}
			if diff := cmp.Diff(test.want, r.Samples()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReducerLaws compares every slot of random streams with its definition.
func TestReducerLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := tenancy.Time(rapid.Int64Range(0, int64(tenancy.EndTime)-1_000).Draw(t, "begin"))
		span := rapid.Int64Range(0, 999).Draw(t, "span")
		slots := rapid.IntRange(1, 50).Draw(t, "slots")
		samples := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Sample {
			return Sample{begin + tenancy.Time(rapid.Int64Range(0, span).Draw(t, "time")),
				rapid.SampledFrom([]float64{-math.MaxFloat64, -1, 0, 1, 2, math.MaxFloat64}).Draw(t, "value")}
		}), 0, 300).Draw(t, "samples")
		slices.SortStableFunc(samples, func(a, b Sample) int { return int(a.Time - b.Time) })

		r := NewReducer(begin, begin+tenancy.Time(span), slots)
		for _, s := range samples {
			r.Add(s)
		}
		kept := r.Samples()
		if len(kept) > 4*slots {
			t.Fatalf("kept %d samples of %d slots", len(kept), slots)
		}
		rest := samples
		for _, s := range kept { // a subsequence
			at := slices.Index(rest, s)
			if at < 0 {
				t.Fatalf("kept %v, which is not there or not in its place", s)
			}
			rest = rest[at+1:]
		}
		shown, all := extents(kept, begin, r.width), extents(samples, begin, r.width)
		if diff := cmp.Diff(all, shown); diff != "" {
			t.Fatalf("the slots look different (-all +kept):\n%s", diff)
		}
		if len(all) > slots {
			t.Fatalf("%d slots, want at most %d", len(all), slots)
		}
	})
}

// extents returns first, smallest, greatest and last value of each slot.
func extents(samples []Sample, begin, width tenancy.Time) map[tenancy.Time][4]float64 {
	m := map[tenancy.Time][4]float64{}
	for _, s := range samples {
		slot := (s.Time - begin) / width
		e, there := m[slot]
		if !there {
			e = [4]float64{s.Value, s.Value, s.Value, s.Value}
		}
		m[slot] = [4]float64{e[0], min(e[1], s.Value), max(e[2], s.Value), s.Value}
	}
	return m
}
