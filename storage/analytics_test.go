package storage

import (
	"fmt"
	"math"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/registry"
)

func TestWhatTheLibraryLearntAboutAnArtifact(t *testing.T) {
	now := time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC)
	s, err := Open(background, Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	a := newArtifact(t, tenant, "a")
	learnt := func() registry.Analytics {
		t.Helper()
		analytics, err := tenant.ArtifactAnalytics(background, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return analytics
	}
	if diff := gocmp.Diff(registry.Analytics{ArtifactID: a.ID, UsagePerMonth: []registry.MonthUsage{}}, learnt()); diff != "" {
		t.Errorf("before the first use (-want +got):\n%s", diff)
	}

	// Five projects of a class use it and do well, five do not and do less well;
	// another class, another tenant and an unfinished project say nothing.
	for i := range 5 {
		with, without := classProject(t, tenant, fmt.Sprint("with ", i), "nlp"), classProject(t, tenant, fmt.Sprint("without ", i), "nlp")
		elsewhere := classProject(t, tenant, fmt.Sprint("elsewhere ", i), "vision")
		foreign := classProject(t, other, fmt.Sprint("foreign ", i), "nlp")
		play(t, tenant, a.ID, with.ID, nil)
		complete(t, tenant, with.ID, 0.8+float64(i)/100)
		complete(t, tenant, without.ID, 0.6+float64(i)/100)
		complete(t, tenant, elsewhere.ID, 0.1)
		complete(t, other, foreign.ID, 0)
	}
	open := classProject(t, tenant, "open", "nlp")
	play(t, tenant, a.ID, open.ID, ptr(10.0))
	now = now.AddDate(0, 2, 0)
	play(t, tenant, a.ID, open.ID, ptr(20.0))
	play(t, tenant, a.ID, open.ID, nil)

	got := learnt()
	if got.UsageCount != 8 || got.ProjectCount != 6 {
		t.Errorf("%d uses in %d projects, want 8 in 6", got.UsageCount, got.ProjectCount)
	}
	close := func(name string, got *float64, want float64) {
		t.Helper()
		if got == nil || math.Abs(*got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	close("the mean", got.AvgImpactScore, (10+20+80+81+82+83+84)/7.0)
	close("the reported mean", got.Reported.Mean, 15)
	close("the derived mean", got.Derived.Mean, 82)
	close("the ranking", got.RankingEstimate, (10+20+80+81+82+83+84)/7.0) // it is the only one that has scores
	if got.Reported.Count != 2 || got.Derived.Count != 5 {
		t.Errorf("%d reported and %d derived, want 2 and 5", got.Reported.Count, got.Derived.Count)
	}
	months := []registry.MonthUsage{{Month: 12 * 2026, Count: 6}, {Month: 12*2026 + 1}, {Month: 12*2026 + 2, Count: 2}}
	if diff := gocmp.Diff(months, got.UsagePerMonth); diff != "" {
		t.Errorf("months (-want +got):\n%s", diff)
	}
	if u := got.Uplift; u == nil || math.Abs(u.Uplift-20) > 1e-9 || u.Used != 5 || u.Unused != 5 || u.Low > 20 || u.High < 20 || u.Level != 0.9 {
		t.Errorf("the uplift is %+v, want 20 of 5 and 5", u)
	}
	if diff := gocmp.Diff(got, learnt()); diff != "" {
		t.Errorf("asked again it answers something else:\n%s", diff)
	}
}
