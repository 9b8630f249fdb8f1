package storage

import (
	"context"

	"maestro/tenancy"
	"maestro/tracking"
)

const selectSamples = `SELECT time, seq, value FROM points
	WHERE series = $1 AND (time, seq) > ($2, $3) AND time < $4 ORDER BY time, seq LIMIT $5`

const (
	// heldSamples is how many samples one request holds in memory: 3 MiB. A larger
	// series is reduced while it is read, to what a chart of heldSamples/4 columns
	// would show.
	heldSamples = 200_000

	// samplesAtOnce is how many points are read before others have their turn of
	// the reader: some milliseconds of work.
	samplesAtOnce = 10_000
)

// Samples returns at most points samples of one metric type, in the order of
// time, chosen so that a line through them looks like a line through all that
// the range holds. The time it takes grows with the number of points in the
// range, its memory does not.
func (t *Tenant) Samples(ctx context.Context, r PointRange, points int) ([]tracking.Sample, error) {
	var s seriesRow
	err := t.read(ctx, func(c *conn) error {
		return t.eachSeries(ctx, c, r, "", func(found seriesRow) error {
			s = found
			return nil
		})
	})
	if err != nil || s.points == 0 {
		return nil, err
	}
	samples, err := t.samples(ctx, &s, r)
	return tracking.Downsample(samples, points), err
}

// samples returns the samples of a series within the range, reduced when the
// series is larger than may be held.
func (t *Tenant) samples(ctx context.Context, s *seriesRow, r PointRange) (samples []tracking.Sample, err error) {
	from, until := max(r.from(), s.firstTime), min(r.until(), s.lastTime+1)
	if s.points <= heldSamples {
		err = t.eachSample(ctx, s, from, until, func(sample tracking.Sample) { samples = append(samples, sample) })
		return samples, err
	}
	reducer := tracking.NewReducer(from, max(from, until-1), heldSamples/4)
	err = t.eachSample(ctx, s, from, until, reducer.Add)
	return reducer.Samples(), err
}

// eachSample calls each for every point of a series from a time until before
// another, in the order of time.
func (t *Tenant) eachSample(ctx context.Context, s *seriesRow, from, until tenancy.Time, each func(tracking.Sample)) error {
	at := pointPosition{time: from}
	for n := samplesAtOnce; n == samplesAtOnce; {
		n = 0
		err := t.read(ctx, func(c *conn) error {
			return c.query(context.Background(), selectSamples, []any{s.id, at.time, at.seq, until, samplesAtOnce}, func(row row) error {
				n++
				at.time, at.seq = row.time(0), row.int(1)
				each(tracking.Sample{Time: at.time, Value: row.float(2)})
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
