package registry

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var near = cmpopts.EquateApprox(0, 1e-6)

func TestImpactMean(t *testing.T) {
	for _, test := range []struct {
		name   string
		impact Impact
		want   *float64
	}{
		{"no scores", Impact{}, nil},
		{"one", Impact{70, 1}, new(70.0)},
		{"several", Impact{140, 2}, new(70.0)},
		{"a sum of zero", Impact{0, 2}, new(0.0)},
		{"rounding does not lead out of the scale", Impact{300.0000001, 3}, new(100.0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.impact.Mean()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestImpactAnd(t *testing.T) {
	if got, want := (Impact{10, 1}).And(Impact{50, 2}), (Impact{60, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRanking(t *testing.T) {
	tenant := Impact{Sum: 6000, Count: 100} // mean 60
	for _, test := range []struct {
		name             string
		artifact, tenant Impact
		want             *float64
	}{
		{"a tenant without scores", Impact{}, Impact{}, nil},
		{"an artifact without scores stands at the mean", Impact{}, tenant, new(60.0)},
		{"one perfect play moves it little", Impact{100, 1}, tenant, new((100 + 5*60.0) / 6)},
		{"many plays move it to its own mean", Impact{90_000, 1000}, tenant, new((90_000 + 5*60.0) / 1005)},
		{"five plays weigh as much as the tenant", Impact{400, 5}, tenant, new(70.0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Ranking(test.artifact, test.tenant), near); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("many good plays beat one perfect play", func(t *testing.T) {
		if one, many := Ranking(Impact{100, 1}, tenant), Ranking(Impact{2550, 30}, tenant); *one >= *many {
			t.Errorf("one play of 100 ranks at %v, thirty of 85 at %v", *one, *many)
		}
	})
}

// The estimate lies between the artifact's mean and the tenant's.
func TestRankingIsBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		score := rapid.Float64Range(0, 100)
		var artifact, tenant Impact
		for _, s := range rapid.SliceOfN(score, 1, 30).Draw(t, "own") {
			artifact, tenant = artifact.And(Impact{s, 1}), tenant.And(Impact{s, 1})
		}
		for _, s := range rapid.SliceOf(score).Draw(t, "others'") {
			tenant = tenant.And(Impact{s, 1})
		}
		own, mean, got := *artifact.Mean(), *tenant.Mean(), *Ranking(artifact, tenant)
		if got < math.Min(own, mean)-1e-9 || got > math.Max(own, mean)+1e-9 {
			t.Fatalf("%v is not between %v and %v", got, own, mean)
		}
	})
}

func TestImpactScore(t *testing.T) {
	for _, test := range []struct {
		name              string
		reported, success *float64
		completed         bool
		score             *float64
		source            *ImpactSource
	}{
		{"reported", new(80.0), nil, false, new(80.0), new(Reported)},
		{"what was reported stays at completion", new(80.0), new(30.0), true, new(80.0), new(Reported)},
		{"a reported zero stays", new(0.0), new(30.0), true, new(0.0), new(Reported)},
		{"before completion", nil, new(30.0), false, nil, nil},
		{"at completion", nil, new(30.0), true, new(30.0), new(Derived)},
		{"completed without a score", nil, nil, true, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			score, source := ImpactScore(test.reported, test.success, test.completed)
			if diff := cmp.Diff(test.score, score); diff != "" {
				t.Error("score:", diff)
			}
			if diff := cmp.Diff(test.source, source); diff != "" {
				t.Error("source:", diff)
			}
		})
	}
}
