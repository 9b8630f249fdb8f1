package storage

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRetention(t *testing.T) {
	parse := func(text string) time.Time {
		at, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	// Oldest first; the weeks begin on Monday, 9, 16 and 23 November.
	times := []string{"2026-11-08 23:00", "2026-11-09 01:00", "2026-11-15 12:00", "2026-11-21 10:00", "2026-11-22 09:00", "2026-11-22 23:30",
		"2026-11-23 10:00", "2026-11-23 10:59", "2026-11-23 11:00", "2026-11-23 12:10"}
	for _, test := range []struct {
		keep Retention
		want []int
	}{
		{Retention{}, []int{9}},
		{Retention{Hourly: 2}, []int{8, 9}},
		{Retention{Hourly: 3}, []int{7, 8, 9}},
		{Retention{Daily: 3}, []int{3, 5, 9}},
		{Retention{Weekly: 3}, []int{2, 5, 9}},
		{Retention{Weekly: 9}, []int{0, 2, 5, 9}},
		{Retention{Hourly: 3, Daily: 2, Weekly: 3}, []int{2, 5, 7, 8, 9}},
	} {
		var all []time.Time
		for _, text := range times {
			all = append(all, parse(text))
		}
		var got []int
		for i, kept := range test.keep.keep(all) {
			if kept {
				got = append(got, i)
			}
		}
		if diff := gocmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: %s", test.keep, diff)
		}
	}
}

// TestRetentionIsBoundedAndKeepsTheNewest holds for any times in any order.
func TestRetentionIsBoundedAndKeepsTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(0, 30)
		r := Retention{Hourly: number.Draw(t, "hourly"), Daily: number.Draw(t, "daily"), Weekly: number.Draw(t, "weekly")}
		seconds := rapid.SliceOfN(rapid.Int64Range(0, 400*24*3600), 1, 60).Draw(t, "seconds")
		var times []time.Time
		newest := 0
		for i, s := range seconds {
			times = append(times, time.Unix(s, 0))
			if s > seconds[newest] {
				newest = i
			}
		}
		kept := r.keep(times)
		n := 0
		for i := range kept {
			if kept[i] {
				n++
			}
			if kept[i] && times[i].Equal(times[newest]) {
				newest = i // of two at the same time either will do
			}
		}
		if !kept[newest] {
			t.Error("the newest goes")
		}
		if most := max(1, r.Hourly+r.Daily+r.Weekly); n > most {
			t.Errorf("%d are kept, want %d at most", n, most)
		}
	})
}
