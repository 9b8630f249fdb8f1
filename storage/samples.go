package storage

import (
	"context"

	"maestro/tracking"
)

const selectSamples = `SELECT time, value FROM points WHERE series = $1 AND time >= $2 AND time < $3 ORDER BY time, seq`

// heldSamples is how many samples one request holds in memory: 3 MiB. A larger
// series is reduced while it is read, to what a chart of heldSamples/4 columns
// would show.
const heldSamples = 200_000

// Samples returns at most points samples of one metric type, in the order of
// time, chosen so that a line through them looks like a line through all that
// the range holds. The time it takes grows with the number of points in the
// range, its memory does not.
func (t *Tenant) Samples(ctx context.Context, r PointRange, points int) (samples []tracking.Sample, err error) {
	err = t.read(ctx, func(c *conn) error {
		return t.eachSeries(ctx, c, r, "", func(s seriesRow) error {
			samples, err = s.samples(ctx, c, r)
			return err
		})
	})
	return tracking.Downsample(samples, points), err
}

// samples returns the samples of the series within the range, reduced when the
// series is larger than may be held.
func (s *seriesRow) samples(ctx context.Context, c *conn, r PointRange) (samples []tracking.Sample, err error) {
	from, until := max(r.from(), s.firstTime), min(r.until(), s.lastTime+1)
	args := []any{s.id, from, until}
	read := func(row row) tracking.Sample { return tracking.Sample{Time: row.time(0), Value: row.float(1)} }
	if s.points <= heldSamples {
		err = c.query(ctx, selectSamples, args, func(row row) error {
			samples = append(samples, read(row))
			return nil
		})
		return samples, err
	}
	reducer := tracking.NewReducer(from, max(from, until-1), heldSamples/4)
	err = c.query(ctx, selectSamples, args, func(row row) error {
		reducer.Add(read(row))
		return nil
	})
	return reducer.Samples(), err
}
