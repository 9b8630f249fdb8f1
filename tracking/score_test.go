package tracking

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestVelocity(t *testing.T) {
	for _, test := range []struct {
		name      string
		latest    Latest
		artifacts int64
		score     *float64
		values    [3]*float64 // commits per week, pipeline success rate, artifacts used
	}{
		{"everything", Latest{"commits_per_week": 14, "pipeline_success_rate": 0.8}, 4, new(30*14.0/20 + 30*0.8 + 40*4.0/10), [3]*float64{new(70.0), new(80.0), new(40.0)}},
		{"full marks", Latest{"commits_per_week": 20, "pipeline_success_rate": 1}, 10, new(100.0), [3]*float64{new(100.0), new(100.0), new(100.0)}},
		{"more than full marks", Latest{"commits_per_week": 1e300, "pipeline_success_rate": 98}, 500, new(100.0), [3]*float64{new(100.0), new(100.0), new(100.0)}},
		{"negative numbers", Latest{"commits_per_week": -5, "pipeline_success_rate": -0.5}, -1, new(0.0), [3]*float64{new(0.0), new(0.0), new(0.0)}},
		{"nothing at all", nil, 0, nil, [3]*float64{nil, nil, new(0.0)}},
		{"metrics that do not count", Latest{"commits": 100}, 0, nil, [3]*float64{nil, nil, new(0.0)}},
		{"artifacts only", nil, 5, new(20.0), [3]*float64{nil, nil, new(50.0)}},
		{"an absent metric adds nothing", Latest{"commits_per_week": 10}, 0, new(15.0), [3]*float64{new(50.0), nil, new(0.0)}},
		{"a rate of zero is known", Latest{"pipeline_success_rate": 0}, 0, new(0.0), [3]*float64{nil, new(0.0), new(0.0)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Velocity(test.latest, test.artifacts)
			checkScore(t, got, "velocity/1", test.score, []string{"commits_per_week", "pipeline_success_rate", "artifacts_used"}, []float64{0.30, 0.30, 0.40}, test.values[:])
		})
	}
}

func TestCollaboration(t *testing.T) {
	for _, test := range []struct {
		name   string
		latest Latest
		score  *float64
		values [3]*float64 // contributors, commits per contributor, active branches
	}{
		{"everything", Latest{"contributors": 4, "commits": 40, "active_branches": 3}, new(40*0.4 + 40*0.5 + 20*0.3), [3]*float64{new(40.0), new(50.0), new(30.0)}},
		{"full marks", Latest{"contributors": 10, "commits": 200, "active_branches": 10}, new(100.0), [3]*float64{new(100.0), new(100.0), new(100.0)}},
		{"more than full marks", Latest{"contributors": 1e9, "commits": 1e300, "active_branches": 11}, new(100.0), [3]*float64{new(100.0), new(100.0), new(100.0)}},
		{"negative numbers", Latest{"contributors": -1, "commits": -1, "active_branches": -1}, new(0.0), [3]*float64{new(0.0), nil, new(0.0)}},
		{"negative commits", Latest{"contributors": 5, "commits": -1}, new(20.0), [3]*float64{new(50.0), new(0.0), nil}},
		{"nothing at all", Latest{}, nil, [3]*float64{}},
		{"metrics that do not count", Latest{"commits_per_week": 100}, nil, [3]*float64{}},
		{"commits of nobody", Latest{"contributors": 0, "commits": 10}, new(0.0), [3]*float64{new(0.0), nil, nil}},
		{"commits alone", Latest{"commits": 10}, new(0.0), [3]*float64{}},
		{"branches alone", Latest{"active_branches": 5}, new(10.0), [3]*float64{nil, nil, new(50.0)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Collaboration(test.latest)
			checkScore(t, got, "collaboration/1", test.score, []string{"contributors", "commits_per_contributor", "active_branches"}, []float64{0.40, 0.40, 0.20}, test.values[:])
		})
	}
}

func checkScore(t *testing.T, got Score, formula string, score *float64, names []string, weights []float64, values []*float64) {
	t.Helper()
	if got.Formula != formula {
		t.Errorf("got formula %s, want %s", got.Formula, formula)
	}
	if diff := cmp.Diff(score, got.Score, near); diff != "" {
		t.Error("score:", diff)
	}
	if len(got.Parts) != len(names) {
		t.Fatalf("got %d parts, want %d", len(got.Parts), len(names))
	}
	for i, part := range got.Parts {
		if part.Name != names[i] || part.Weight != weights[i] {
			t.Errorf("part %d is %s of weight %v, want %s of weight %v", i, part.Name, part.Weight, names[i], weights[i])
		}
		if diff := cmp.Diff(values[i], part.Value, near); diff != "" {
			t.Error(part.Name, diff)
		}
		if (part.Value == nil) != (part.Absent != "") || (part.Value == nil) != (part.Input == nil) {
			t.Errorf("%s is either there with its input or absent with a reason: %+v", part.Name, part)
		}
	}
}

// Any numbers at all give a score of 0 to 100.
func TestScoresStayInBounds(t *testing.T) {
	names := append(append([]string{"loss"}, VelocityMetrics[:]...), CollaborationMetrics[:]...)
	rapid.Check(t, func(t *rapid.T) {
		latest := Latest(rapid.MapOf(rapid.SampledFrom(names), anyFinite).Draw(t, "latest"))
		for _, s := range []Score{Velocity(latest, rapid.Int64().Draw(t, "artifacts")), Collaboration(latest)} {
			if s.Score != nil && !(*s.Score >= 0 && *s.Score <= 100) {
				t.Fatalf("%s is %v", s.Formula, *s.Score)
			}
		}
	})
}
