package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A quantile is never below the exact one and at most 1 % above it.
func TestQuantileIsWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Minute)), 1, 200).Draw(t, "values")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var h Histogram
		for _, v := range values {
			h.Record(time.Duration(v))
		}
		slices.Sort(values)
		rank := max(int(math.Ceil(q*float64(len(values)))), 1)
		exact := values[rank-1]
		got := int64(h.Quantile(q))
		if got < exact || float64(got) > float64(exact)*1.01+1 {
			t.Fatalf("Quantile(%v) = %d, exact %d", q, got, exact)
		}
		if want := time.Duration(values[len(values)-1]); h.Max() != want {
			t.Fatalf("Max = %v, want %v", h.Max(), want)
		}
	})
}

// Buckets follow each other without a gap: the upper edge of each belongs to it,
// and the next nanosecond to the next.
func TestBucketsTile(t *testing.T) {
	for bucket := range buckets - 1 {
		edge := uint64(upperEdge(bucket))
		if got := bucketOf(edge); got != bucket {
			t.Fatalf("bucketOf(%d) = %d, want %d", edge, got, bucket)
		}
		if got := bucketOf(edge + 1); got != bucket+1 {
			t.Fatalf("bucketOf(%d) = %d, want %d", edge+1, got, bucket+1)
		}
	}
}

func TestMergeAddsUp(t *testing.T) {
	var a, b, both Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		if i%3 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
		both.Record(d)
	}
	a.Merge(&b)
	if a != both {
		t.Error("the merged histogram differs from one that recorded everything")
	}
}

func TestExtremes(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.99); got != 0 {
		t.Errorf("Quantile of nothing = %v, want 0", got)
	}
	h.Record(-time.Second)
	h.Record(10 * time.Hour)
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("Quantile(0.5) = %v, want 0: a negative duration counts as zero", got)
	}
	if got := h.Quantile(1); got != 10*time.Hour {
		t.Errorf("Quantile(1) = %v, want 10h", got)
	}
}
