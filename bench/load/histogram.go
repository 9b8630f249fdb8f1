package load

import (
	"math/bits"
	"time"
)

const (
	subBits = 7            // a bucket is at most 1/128 of its value wide: under 1 %
	steps   = 1 << subBits // buckets an octave
	octaves = 34           // the last bucket holds everything from 2^41 ns (36 minutes)
	buckets = octaves * steps
)

// Histogram counts durations in logarithmic buckets, each less than 1 % wide.
// The zero value is empty and ready. It is not safe for concurrent use: every
// client has its own, and Merge adds them up.
type Histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

// Record counts one duration; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds what other counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return int64(h.total) }

// Max returns the longest duration recorded, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that the share q, 0..1, of the recorded ones does
// not exceed. It never understates: it is the upper edge of the bucket, or the
// maximum if that is less. It is 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) {
		rank++ // nearest-rank: the smallest value with at least that share at or below
	}
	rank = min(max(rank, 1), h.total)
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if seen >= rank {
			return min(upperEdge(i), h.max)
		}
	}
	return h.max
}

// bucketOf returns the bucket of a number of nanoseconds. The first two octaves'
// worth of buckets are one nanosecond wide; from there each octave doubles.
func bucketOf(ns uint64) int {
	if ns < steps {
		return int(ns)
	}
	shift := bits.Len64(ns) - subBits - 1
	return min(shift*steps+int(ns>>shift), buckets-1)
}

// upperEdge returns the largest duration of a bucket.
func upperEdge(bucket int) time.Duration {
	if bucket < 2*steps {
		return time.Duration(bucket)
	}
	if bucket == buckets-1 {
		return 1<<63 - 1
	}
	shift := bucket/steps - 1
	return time.Duration((uint64(bucket-shift*steps)+1)<<shift - 1)
}
