package storage

import (
	"context"
	"errors"
	"time"

	"maestro/tenancy"
)

// A dropped series has no owner any more: its row, which named the tenant, is
// gone. Only its points are left, and nothing but the sweep can reach them.
const (
	selectDropped = `SELECT series FROM dropped_series ORDER BY series LIMIT 1`

	// selectSliceEnd finds the first point that the next slice leaves.
	selectSliceEnd = `SELECT time, seq FROM points WHERE series = $1 ORDER BY time, seq LIMIT 1 OFFSET $2`

	deleteSlice = `DELETE FROM points WHERE series = $1 AND (time, seq) < ($2, $3)`

	deletePoints = `DELETE FROM points WHERE series = $1`

	deleteDropped = `DELETE FROM dropped_series WHERE series = $1`
)

// sweepSlice is how many points one write of the sweep removes at most, and
// sweepSeries how many series: a millisecond or two, for which others wait.
const (
	sweepSlice  = 2000
	sweepSeries = 50
)

// sweepBudget is how long one pass of maintenance sweeps before other work has
// its turn.
const sweepBudget = 10 * time.Second

func (s *Store) removeDroppedPoints(ctx context.Context) error {
	more, err := s.SweepPoints(ctx, sweepBudget)
	if more && err == nil {
		s.Wake()
	}
	return err
}

// SweepPoints removes points of series that were dropped with their project or
// tenant, for about the time of budget, and at least one slice. It reports
// whether any are left. Each slice is a write of its own, so that other writes
// wait for one at most, and what was removed stays removed after a crash.
func (s *Store) SweepPoints(ctx context.Context, budget time.Duration) (more bool, err error) {
	end := s.now().Add(budget)
	// Most passes find nothing, and a look costs no commit.
	err = s.read(ctx, func(c *conn) error {
		_, more, err = nextDropped(c)
		return err
	})
	for more && err == nil {
		err = s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) (err error) {
			more, err = sweepOnce(tx)
			return err
		})
		if !s.now().Before(end) {
			break
		}
	}
	return more, err
}

// sweepOnce removes one slice, of many small series or a part of a large one,
// and reports whether any points are left.
func sweepOnce(tx *Tx) (more bool, err error) {
	left := int64(sweepSlice)
	for range sweepSeries {
		series, found, err := nextDropped(tx.conn)
		if err != nil || !found || left <= 0 {
			return found, err
		}
		removed, err := sweepSeriesPoints(tx, series, left)
		if err != nil {
			return true, err
		}
		left -= removed
	}
	_, more, err = nextDropped(tx.conn)
	return more, err
}

func nextDropped(c *conn) (series int64, found bool, err error) {
	err = c.queryRow(selectDropped, nil, func(r row) { series, found = r.int(0), true })
	if errors.Is(err, errNoRow) {
		err = nil
	}
	return series, found, err
}

// sweepSeriesPoints removes at most limit points of a series, and forgets it
// with the last.
func sweepSeriesPoints(tx *Tx, series, limit int64) (removed int64, err error) {
	var at tenancy.Time
	var seq int64
	err = tx.queryRow(selectSliceEnd, []any{series, limit}, func(r row) { at, seq = r.time(0), r.int(1) })
	if err == nil {
		return tx.exec(deleteSlice, series, at, seq)
	}
	if !errors.Is(err, errNoRow) {
		return 0, err
	}
	if removed, err = tx.exec(deletePoints, series); err != nil {
		return 0, err
	}
	_, err = tx.exec(deleteDropped, series)
	return removed, err
}
