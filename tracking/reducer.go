package tracking

import "maestro/tenancy"

// Reducer keeps, of a stream of samples in the order of time, what a line chart
// of it would show: the time between two instants is cut into equal slots, and of
// each slot the first, the smallest, the greatest and the last sample are kept.
// A chart of no more columns than there are slots is drawn the same from what is
// kept as from everything (M4: Jugel, Jerzak, Hackenbroich and Markl, A
// Visualization-Oriented Time Series Data Aggregation, VLDB 2014).
//
// It holds at most four samples a slot, however many it is given.
type Reducer struct {
	begin tenancy.Time
	width tenancy.Time // of a slot
	kept  []Sample
	slot  extent
}

// extent is the slot that is being filled.
type extent struct {
	number                       tenancy.Time
	count                        int // of samples so far
	first, lowest, highest, last numbered
}

// numbered is a sample with its place among those of its slot.
type numbered struct {
	Sample
	at int
}

// NewReducer returns a Reducer of slots between the times of the first and the
// last sample that will be added.
func NewReducer(first, last tenancy.Time, slots int) *Reducer {
	return &Reducer{begin: first, width: (last-first)/tenancy.Time(slots) + 1}
}

// Add takes the next sample.
func (r *Reducer) Add(s Sample) {
	number := (s.Time - r.begin) / r.width
	if r.slot.count > 0 && number != r.slot.number {
		r.close()
	}
	e := &r.slot
	this := numbered{s, e.count}
	if e.count == 0 {
		e.number, e.first, e.lowest, e.highest = number, this, this, this
	}
	if s.Value < e.lowest.Value {
		e.lowest = this
	}
	if s.Value > e.highest.Value {
		e.highest = this
	}
	e.last = this
	e.count++
}

// close keeps what the slot shows, in the order of time, each sample once.
func (r *Reducer) close() {
	e := &r.slot
	inner, outer := e.lowest, e.highest
	if inner.at > outer.at {
		inner, outer = outer, inner
	}
	previous := -1
	for _, s := range [...]numbered{e.first, inner, outer, e.last} {
		if s.at != previous {
			r.kept = append(r.kept, s.Sample)
			previous = s.at
		}
	}
	*e = extent{}
}

// Samples returns what is kept, in the order of time. Nothing is added after.
func (r *Reducer) Samples() []Sample {
	if r.slot.count > 0 {
		r.close()
	}
	return r.kept
}
