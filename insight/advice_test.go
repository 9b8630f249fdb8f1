package insight

import (
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestReuseAdviceNeedsProof(t *testing.T) {
	proven := ArtifactRecord{ID: "a", Name: "Feature pipeline", With: 12, Without: 20, Uplift: 14, Low: 8, High: 20, Level: 0.9, Fit: 0.5}
	with := func(change func(*ArtifactRecord)) []ArtifactRecord {
		a := proven
		change(&a)
		return []ArtifactRecord{a}
	}
	chance := with(func(a *ArtifactRecord) { a.Low, a.High = 0.5, 27.5 })
	for range 30 {
		chance = append(chance, ArtifactRecord{ID: "other", With: 5, Without: 5, Low: -10, High: 10, Level: 0.9, Fit: 1})
	}
	tests := []struct {
		name      string
		artifacts []ArtifactRecord
		want      int
	}{
		{"proven", []ArtifactRecord{proven}, 1},
		{"nothing known", nil, 0},
		{"interval holds 0", with(func(a *ArtifactRecord) { a.Low = -1 }), 0},
		{"two uses", with(func(a *ArtifactRecord) { a.With = 2 }), 0},
		{"two without", with(func(a *ArtifactRecord) { a.Without = 2 }), 0},
		{"does not fit", with(func(a *ArtifactRecord) { a.Fit = 0 }), 0},
		{"the best of thirty by chance", chance, 0},
		{"no interval", with(func(a *ArtifactRecord) { a.Low, a.High = math.NaN(), math.NaN() }), 0},
	}
	for _, tt := range tests {
		got := ReuseAdvice(tt.artifacts, 5)
		if len(got) != tt.want {
			t.Errorf("%s: got %d recommendations, want %d", tt.name, len(got), tt.want)
		}
		for _, r := range got {
			checkTraceable(t, r)
		}
	}
	better := proven
	better.ID, better.Fit = "b", 0.9
	if got := ReuseAdvice([]ArtifactRecord{proven, better}, 1); len(got) != 1 || got[0].Subject != "b" {
		t.Errorf("got %+v, want the better fitting one alone", got)
	}
}

var number = regexp.MustCompile(`\d+(?:\.\d+)?`)

// checkTraceable fails when a sentence has a number that its evidence has not.
func checkTraceable(t *testing.T, r Recommendation) {
	t.Helper()
	text := strings.ReplaceAll(r.Text, r.Subject, "")
	for _, found := range number.FindAllString(text, -1) {
		value, _ := strconv.ParseFloat(found, 64)
		stands := slices.ContainsFunc(r.Evidence, func(e Evidence) bool {
			return math.Abs(math.Abs(e.Value)-value) <= 0.5 || math.Abs(100*e.Value-value) <= 0.5
		})
		if !stands {
			t.Errorf("%q says %s, which is not in its evidence %v", r.Text, found, r.Evidence)
		}
	}
}

// teams is a history where a team with a devops engineer scores 20 points more,
// and nothing else matters.
func teams(rng *rand.Rand, count int, effect float64) []TeamProject {
	var out []TeamProject
	for range count {
		p := TeamProject{Class: "nlp", Success: 50 + 8*rng.NormFloat64()}
		for range 2 + rng.IntN(6) {
			role := []string{"ml_engineer", "data_engineer", "analyst"}[rng.IntN(3)]
			p.Members = append(p.Members, Member{Role: role, Experience: []string{"junior", "senior"}[rng.IntN(2)]})
		}
		if rng.IntN(2) == 0 {
			p.Members[0].Role = "devops"
			p.Success += effect
		}
		out = append(out, p)
	}
	return out
}

func TestTeamShapeFindsWhatMatters(t *testing.T) {
	groups := TeamShape(teams(rand.New(rand.NewPCG(1, 1)), 80, 20), "nlp")
	got := TeamAdvice(groups, TeamProject{Members: []Member{{Role: "analyst", Experience: "mid"}}}, 5)
	if len(got) == 0 || got[0].Subject != "devops" || got[0].Kind != AdviceTeam {
		t.Fatalf("got %+v, want devops first", got)
	}
	for _, r := range got {
		checkTraceable(t, r)
	}
	at := slices.IndexFunc(groups, func(g TeamGroup) bool { return g.Value == "devops" })
	if g := groups[at]; g.Count+g.Others != 80 || g.LiftLow > 20 || g.LiftHigh < 20 {
		t.Errorf("got %+v, want an uplift of 20 within the interval over 80 projects", g)
	}
	if got := TeamShape(teams(rand.New(rand.NewPCG(1, 1)), 80, 20), "vision"); len(got) != 0 {
		t.Errorf("a class without projects: got %+v, want no groups", got)
	}
}

// TestTeamAdviceIsSilentWithoutCause draws histories in which nothing matters: in
// at most a tenth of them something may be said, within the binomial's bounds.
func TestTeamAdviceIsSilentWithoutCause(t *testing.T) {
	const trials = 300
	spoke := 0
	for k := range trials {
		groups := TeamShape(teams(rand.New(rand.NewPCG(uint64(k), 2)), 40, 0), "")
		if len(TeamAdvice(groups, TeamProject{Size: 3}, 5)) > 0 {
			spoke++
		}
	}
	if limit := trials*0.1 + 3*math.Sqrt(trials*0.1*0.9); float64(spoke) > limit {
		t.Errorf("said something in %d of %d histories without cause, want at most %.0f", spoke, trials, limit)
	}
}

func TestTeamAdviceWarnsOfThePlan(t *testing.T) {
	groups := TeamShape(teams(rand.New(rand.NewPCG(1, 1)), 80, -20), "")
	plan := TeamProject{Members: []Member{{Role: "devops"}}}
	got := TeamAdvice(groups, plan, 1)
	if len(got) != 1 || got[0].Kind != AdviceRisk || got[0].Subject != "devops" {
		t.Errorf("got %+v, want the risk of the plan's devops", got)
	}
	if got := TeamAdvice(TeamShape(teams(rand.New(rand.NewPCG(1, 1)), 2, -20), ""), plan, 5); len(got) != 0 {
		t.Errorf("two projects: got %+v, want nothing", got)
	}
}

func TestRiskAdvice(t *testing.T) {
	low, high := 0.0, 100.0
	rng := rand.New(rand.NewPCG(3, 3))
	size, success := make([]float64, 60), make([]float64, 60)
	for i := range size {
		size[i] = float64(1 + rng.IntN(12))
		success[i] = min(max(95-6*size[i]+3*rng.NormFloat64(), 0), 100)
	}
	p := mustTrain(t, mustDataset(t, Column{Name: "team_size", Numbers: size}), Target{Name: "success", Values: success, Lower: &low, Upper: &high})
	plan := func(size float64) Prediction {
		return mustPredict(t, p, Inputs{Numbers: map[string]float64{"team_size": size}}, 0.8)
	}
	fine := []SimilarOutcome{{Name: "A"}, {Name: "B"}, {Name: "C"}}
	bad := []SimilarOutcome{{Name: "A", Abandoned: true}, {Name: "B", Abandoned: true}, {Name: "C"}}
	tests := []struct {
		name       string
		prediction Prediction
		similar    []SimilarOutcome
		want       []string
	}{
		{"a small team", plan(2), fine, nil},
		{"a big team", plan(12), fine, []string{"success", "team_size"}},
		{"a small team like those that gave up", plan(2), bad, []string{"abandoned"}},
		{"a base rate", Prediction{Note: TooLittleHistory, Basis: 4, Value: 10, High: 20, Base: 50}, nil, nil},
	}
	for _, tt := range tests {
		got := RiskAdvice(tt.prediction, tt.similar, 5)
		var subjects []string
		for _, r := range got {
			subjects = append(subjects, r.Subject)
			checkTraceable(t, Recommendation{Subject: " = 12", Text: r.Text, Evidence: r.Evidence})
		}
		if !slices.Equal(subjects, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, subjects, tt.want)
		}
	}
}
