package registry

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func project(class string, used bool, success ...float64) []FinishedProject {
	var projects []FinishedProject
	for _, s := range success {
		projects = append(projects, FinishedProject{ProblemClass: class, Success: s, Used: used})
	}
	return projects
}

func TestUplift(t *testing.T) {
	type numbers struct {
		Uplift, MeanUsed, MeanUnused float64
		Used, Unused                 int
	}
	for _, test := range []struct {
		name     string
		projects []FinishedProject
		want     *numbers
	}{
		{"nothing", nil, nil},
		{"two that used it", slices.Concat(project("nlp", true, 80, 90), project("nlp", false, 50, 60, 70)), nil},
		{"two that did not", slices.Concat(project("nlp", true, 80, 90, 70), project("nlp", false, 50, 60)), nil},
		{"three of each", slices.Concat(project("nlp", true, 80, 90, 70), project("nlp", false, 50, 60, 70)), &numbers{20, 80, 60, 3, 3}},
		{
			"other classes do not compare",
			slices.Concat(project("nlp", true, 80, 90, 70), project("nlp", false, 50, 60), project("vision", false, 0, 0, 0, 0)), nil,
		},
		{
			"every class of those that used it compares",
			slices.Concat(project("nlp", true, 80, 90), project("vision", true, 70), project("nlp", false, 50), project("vision", false, 60, 70), project("clustering", false, 0)),
			&numbers{20, 80, 60, 3, 3},
		},
		{
			"the unclassified are a class of their own",
			slices.Concat(project("", true, 80, 90, 70), project("", false, 50, 60, 70), project("nlp", false, 0)), &numbers{20, 80, 60, 3, 3},
		},
		{"it can harm", slices.Concat(project("nlp", true, 10, 20, 30), project("nlp", false, 50, 60, 70)), &numbers{-40, 20, 60, 3, 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := UpliftOf(test.projects, seeded(1))
			var of *numbers
			if got != nil {
				of = &numbers{got.Uplift, got.MeanUsed, got.MeanUnused, got.Used, got.Unused}
				if got.Level != 0.90 || !(got.Low <= got.Uplift && got.Uplift <= got.High) {
					t.Errorf("interval %v to %v of level %v around %v", got.Low, got.High, got.Level, got.Uplift)
				}
			}
			if diff := cmp.Diff(test.want, of, near); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUpliftLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		projects := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) FinishedProject {
			return FinishedProject{
				ProblemClass: rapid.SampledFrom([]string{"", "nlp", "vision"}).Draw(t, "class"),
				Success:      rapid.Float64Range(0, 100).Draw(t, "success"), Used: rapid.Bool().Draw(t, "used"),
			}
		}), 0, 40).Draw(t, "projects")
		seed := rapid.Uint64().Draw(t, "seed")
		given := slices.Clone(projects)
		got := UpliftOf(projects, seeded(seed))
		if !slices.Equal(projects, given) {
			t.Fatal("the projects were changed")
		}
		shuffled := rapid.Permutation(projects).Draw(t, "shuffled")
		if diff := cmp.Diff(got, UpliftOf(shuffled, seeded(seed))); diff != "" {
			t.Fatal("the order of the projects matters:", diff)
		}
		if got == nil {
			return
		}
		if got.Used < MinUpliftProjects || got.Unused < MinUpliftProjects || got.Low > got.High {
			t.Fatalf("got %+v", got)
		}
		for _, x := range []float64{got.Uplift, got.Low, got.High} {
			if !(x >= -100 && x <= 100) {
				t.Fatalf("got %+v", got)
			}
		}
	})
}

// Of many samples from projects whose true uplift is known, the interval holds
// it about nine times in ten.
func TestUpliftIntervalHolds(t *testing.T) {
	const samples, truth = 400, 10.0
	rng := seeded(7)
	held := 0
	for range samples {
		var projects []FinishedProject
		for range 25 {
			projects = append(projects,
				FinishedProject{Used: true, Success: 60 + truth + 8*rng.NormFloat64()},
				FinishedProject{Used: false, Success: 60 + 8*rng.NormFloat64()})
		}
		if u := UpliftOf(projects, rng); u.Low <= truth && truth <= u.High {
			held++
		}
	}
	if share := float64(held) / samples; share < 0.84 || share > 0.95 {
		t.Errorf("the interval held the truth in %v of the samples, want about 0.9", share)
	}
}

// Beyond maxResampled the interval is drawn from the limit; the two agree.
func TestUpliftOfManyProjects(t *testing.T) {
	width := func(n int) float64 {
		rng := seeded(3)
		var projects []FinishedProject
		for range n {
			projects = append(projects, FinishedProject{Used: true, Success: 100 * rng.Float64()}, FinishedProject{Success: 100 * rng.Float64()})
		}
		u := UpliftOf(projects, rng)
		return (u.High - u.Low) * math.Sqrt(float64(n))
	}
	if resampled, limit := width(maxResampled), width(maxResampled+1); math.Abs(resampled/limit-1) > 0.1 {
		t.Errorf("scaled widths %v and %v", resampled, limit)
	}
}

func BenchmarkUplift(b *testing.B) {
	rng := seeded(5)
	var projects []FinishedProject
	for i := range 200 {
		projects = append(projects, FinishedProject{Success: 100 * rng.Float64(), Used: i%4 == 0})
	}
	for b.Loop() {
		UpliftOf(projects, rng)
	}
}
