package registry

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/tenancy"
)

func TestAnalyticsImpacts(t *testing.T) {
	a := Analytics{UsageCount: 9}
	a.SetImpacts(Impact{240, 3}, Impact{50, 1}, Impact{600, 10})
	want := Analytics{
		UsageCount: 9, AvgImpactScore: new(72.5), Reported: ImpactSummary{3, new(80.0)}, Derived: ImpactSummary{1, new(50.0)},
		RankingEstimate: new((290 + 5*60.0) / 9),
	}
	if diff := cmp.Diff(want, a, near); diff != "" {
		t.Error(diff)
	}
	a.SetImpacts(Impact{}, Impact{}, Impact{})
	if diff := cmp.Diff(Analytics{UsageCount: 9}, a); diff != "" {
		t.Error("without scores:", diff)
	}
}

func TestMonth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := anyTime.Draw(t, "time")
		m := MonthOf(instant)
		if instant < m.Begin() || instant >= (m+1).Begin() {
			t.Fatalf("%v is not within %v to %v", instant, m.Begin(), (m + 1).Begin())
		}
		if got, want := m.String(), instant.String()[:7]; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		var read Month
		if err := read.UnmarshalText([]byte(m.String())); err != nil || read != m {
			t.Fatalf("%s: got %v, %v", m, read, err)
		}
	})
	for _, text := range []string{"", "2026", "2026-13", "2026-1", "01-2026", "2026-01-01"} {
		m := Month(7)
		if err := m.UnmarshalText([]byte(text)); err == nil || m != 7 {
			t.Errorf("%q was read as %v", text, m)
		}
	}
	if text, err := json.Marshal(MonthUsage{Month: MonthOf(0), Count: 3}); err != nil || string(text) != `{"month":"1970-01","count":3}` {
		t.Errorf("got %s, %v", text, err)
	}
	if got := tenancy.Time(0); MonthOf(got).Begin() != got {
		t.Errorf("1970 begins at %v", MonthOf(got).Begin())
	}
}
