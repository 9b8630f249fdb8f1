package storage

import (
	"slices"
	"time"
)

// Retention is how many backups are kept: the newest of each of so many hours,
// days and weeks (ISO, UTC) that have one.
type Retention struct{ Hourly, Daily, Weekly int }

// keep reports for each time, in order, whether its backup is kept. The newest of
// all always is.
func (r Retention) keep(times []time.Time) []bool {
	order := make([]int, len(times))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return times[b].Compare(times[a]) })
	kept := make([]bool, len(times))
	for _, span := range []struct {
		count  int
		period func(time.Time) [2]int
	}{
		{1, func(time.Time) [2]int { return [2]int{} }},
		{r.Hourly, func(t time.Time) [2]int { return [2]int{t.Year(), t.YearDay()*24 + t.Hour()} }},
		{r.Daily, func(t time.Time) [2]int { return [2]int{t.Year(), t.YearDay()} }},
		{r.Weekly, func(t time.Time) [2]int { year, week := t.ISOWeek(); return [2]int{year, week} }},
	} {
		left, last := span.count, [2]int{-1, -1}
		for _, i := range order {
			if left == 0 {
				break
			}
			if p := span.period(times[i].UTC()); p != last {
				kept[i], last = true, p
				left--
			}
		}
	}
	return kept
}
