package insight

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// anyHistory is made of finished projects whose success rises with what their
// artifacts are worth, and whose cost with their size.
func anyHistory(n int, rng *rand.Rand) *History {
	h := new(History)
	for i := range n {
		h.Add(anyRecord(i, rng))
	}
	return h
}

func anyRecord(i int, rng *rand.Rand) Record {
	size := math.Exp(rng.NormFloat64())
	good := rng.IntN(2)
	success := 40 + 20*float64(good) + 5*rng.NormFloat64()
	return Record{
		Plan: Plan{Class: []string{"nlp", "vision"}[i%2], Complexity: 1 + 99*rng.Float64(), TeamSize: float64(1 + rng.IntN(9)),
			Team:       []Member{{Role: "ml_engineer", Experience: "senior"}, {Role: "devops", Experience: "junior"}},
			Metrics:    map[string]float64{"commits": rng.Float64()},
			Attributes: map[string]any{"size": size, "language": []string{"go", "cobol"}[i%2], "outsourced": i%3 == 0}},
		Uses:  []Use{{Artifact: []string{"bad", "good"}[good], Impact: success}},
		Began: int64(10 * i), Ended: int64(10*i + 5),
		Success: success, Days: 30 * size, Cost: 1000 * size * math.Exp(0.1*rng.NormFloat64()),
	}
}

func mustLearn(t testing.TB, h *History) *Model {
	t.Helper()
	m, err := h.Learn()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAModelPredictsEveryOutcome(t *testing.T) {
	m := mustLearn(t, anyHistory(80, rand.New(rand.NewPCG(1, 2))))
	plan := func(artifact string, size float64) Plan {
		return Plan{Complexity: math.NaN(), TeamSize: math.NaN(), Artifacts: []string{artifact}, Attributes: map[string]any{"size": size}}
	}
	good, err := m.Predict(plan("good", 1), 0.8)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := m.Predict(plan("bad", 10), 0.8)
	if err != nil {
		t.Fatal(err)
	}
	if g, b := good[SuccessScore].Value, bad[SuccessScore].Value; g < b+10 {
		t.Errorf("success %g with the good artifact and %g with the bad one, want 20 points between them", g, b)
	}
	if r := bad[Cost].Value / good[Cost].Value; r < 8 || r > 12.5 {
		t.Errorf("ten times the size costs %g times as much", r)
	}
	for outcome, p := range good {
		sum := p.Base
		for _, d := range p.Drivers {
			sum += d.Effect
		}
		if math.Abs(sum-p.Value) > 1e-6*math.Abs(p.Value) {
			t.Errorf("%s: typical %g and the drivers come to %g, want %g", outcome, p.Base, sum, p.Value)
		}
	}
	if leading, _ := good.Leading(); leading.Value != good[SuccessScore].Value {
		t.Errorf("success does not lead")
	}
}

// A success that an artifact's score is derived from must not come back as an
// input: where outcomes are noise, nothing may be learned from worth.
func TestWhatAnArtifactIsWorthTellsNoOutcome(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, when := range []string{"one after the other", "all at once", "side by side"} {
		h := new(History)
		for i := range 100 {
			success := 100 * rng.Float64()
			r := Record{Plan: Plan{Complexity: math.NaN(), TeamSize: math.NaN()}, Uses: []Use{{"a", success}, {fmt.Sprint(i), success}},
				Success: success, Days: math.NaN(), Cost: math.NaN()}
			switch when {
			case "one after the other":
				r.Began, r.Ended = int64(10*i), int64(10*i+5)
			case "side by side":
				r.Began, r.Ended = int64(i), int64(i+50)
			}
			h.Add(r)
		}
		e, _, err := mustLearn(t, h).Evaluate(context.Background(), SuccessScore, EvaluateOptions{Level: 0.8, Folds: 20})
		if err != nil {
			t.Fatal(err)
		}
		// The median of all has an accuracy of 0.25 where every outcome is as likely.
		if e.SA > 0.3 || e.Coverage < 0.68 {
			t.Errorf("%s: of noise it learns an accuracy of %.2f, and covers %.2f", when, e.SA, e.Coverage)
		}
	}
}

func TestWorthIsOfProjectsThatEndedBefore(t *testing.T) {
	h := new(History)
	add := func(began, ended int64, uses ...Use) {
		h.Add(Record{Plan: Plan{Complexity: 1, TeamSize: 1}, Uses: uses, Began: began, Ended: ended, Success: 50, Days: 1, Cost: 1})
	}
	nan := math.NaN()
	add(0, 10, Use{"a", 80})                // nothing has ended
	add(10, 20, Use{"a", 20})               // the first ends as this begins: not before
	add(11, 30, Use{"a", nan})              // the first has ended: a is worth 80, as all are
	add(25, 30, Use{"a", 99}, Use{"b", 99}) // two have: a's own mean is the mean of all
	add(40, 40)                             // uses none
	add(99, 40, Use{"a", 1})                // ended before it began: as it ended, without the two that ended then
	want := []float64{nan, nan, 80, 50, nan, (80 + 20 + 99 + 5*74.5) / 8}
	for i, got := range h.impacts() {
		if math.Abs(got-want[i]) > 1e-9 || math.IsNaN(got) != math.IsNaN(want[i]) {
			t.Errorf("project %d: its artifacts were worth %g, want %g", i, got, want[i])
		}
	}
	few := h.worth().impact([]string{"b"})
	mean := (80 + 20 + 99 + 99 + 1) / 5.0
	if want := (99 + 5*mean) / 6; math.Abs(few-want) > 1e-9 {
		t.Errorf("one score of 99 among a mean of %g makes an artifact worth %g, want %g", mean, few, want)
	}
}

func TestColumnsTakeWhatAttributesAre(t *testing.T) {
	h := new(History)
	for i := range 12 {
		a := map[string]any{"number": float64(i), "flag": i%2 == 0, "mixed": float64(i % 3), "rare": "x", "huge": 1e300, "blank": "  "}
		if i == 0 {
			a["mixed"] = "many"
		}
		if i > 1 {
			delete(a, "rare")
		}
		h.Add(Record{Plan: Plan{Complexity: 5, TeamSize: 2, Attributes: a}, Success: float64(i), Days: 1, Cost: 1})
	}
	d, kinds, err := h.dataset()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"attributes.number": false, "attributes.flag": true, "attributes.mixed": true}
	for _, name := range d.Names()[5:] {
		category, ok := want[name]
		if !ok || kinds.categories[name] != category {
			t.Errorf("%s is an input, a category: %v", name, kinds.categories[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("no inputs: %v", want)
	}
	in := kinds.inputs(&Plan{Attributes: map[string]any{"number": "7", "mixed": 2.0, "flag": true}}, math.NaN())
	if in.Numbers["attributes.number"] != 7 || in.Categories["attributes.mixed"] != "2" || in.Categories["attributes.flag"] != "true" {
		t.Errorf("read as %v", in)
	}
	m := mustLearn(t, h)
	if _, err := m.Predict(Plan{Attributes: map[string]any{"number": "seven"}}, 0.8); !isInputError(err) {
		t.Errorf("a text for a number: %v", err)
	}
}

// Nonsense in a tenant's record is left out; it never stops the others from being
// learned from, and never comes out as a number that is none.
func TestNoRecordStopsTheModel(t *testing.T) {
	numbers := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 1e100, 0, 1, -1}))
	outcomes := rapid.OneOf(rapid.Float64Range(0, 100), rapid.Just(math.NaN()), rapid.Just(0.0))
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(rt, "n")
		constant := rapid.Bool().Draw(rt, "constant")
		h := new(History)
		for i := range n {
			r := Record{
				Plan: Plan{Class: rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "class"), Complexity: numbers.Draw(rt, "complexity"), TeamSize: numbers.Draw(rt, "size"),
					Metrics:    map[string]float64{"m": numbers.Draw(rt, "metric")},
					Attributes: map[string]any{"x": numbers.Draw(rt, "x"), "y": rapid.String().Draw(rt, "y"), "z": float64(i), "z2": 2 * float64(i)}},
				Uses:  []Use{{"a", outcomes.Draw(rt, "impact")}},
				Began: rapid.Int64().Draw(rt, "began"), Ended: rapid.Int64().Draw(rt, "ended"),
				Success: outcomes.Draw(rt, "success"), Days: math.Abs(numbers.Draw(rt, "days")), Cost: math.Abs(numbers.Draw(rt, "cost")),
			}
			for range rapid.IntRange(0, 2).Draw(rt, "members") {
				r.Team = append(r.Team, Member{Role: "devops", Experience: "mid", Hours: math.Abs(numbers.Draw(rt, "hours"))})
			}
			if constant {
				r.Plan, r.Success = Plan{Complexity: 3, TeamSize: 3}, 50
			}
			h.Add(r)
		}
		m, err := h.Learn()
		if err != nil {
			rt.Fatal(err)
		}
		f, err := m.Predict(Plan{Complexity: numbers.Draw(rt, "asked"), TeamSize: math.NaN(), Artifacts: []string{"a"}}, 0.8)
		if err != nil && !isInputError(err) {
			rt.Fatal(err)
		}
		for outcome, p := range f {
			for _, v := range []float64{p.Value, p.Low, p.High, p.Base, p.Confidence} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					rt.Fatalf("%s: %+v", outcome, p)
				}
			}
			if p.Low > p.Value || p.High < p.Value {
				rt.Fatalf("%s: %g is not within %g to %g", outcome, p.Value, p.Low, p.High)
			}
		}
	})
}

// The order in which a history is read changes nothing but which rows are meant.
func TestTheOrderOfAHistoryDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var records []Record
	for i := range 60 {
		r := anyRecord(i, rng)
		r.Began, r.Ended = int64(i%7), int64(i%7+i%3)
		records = append(records, r)
	}
	plan := records[0].Plan
	learn := func() string {
		h := new(History)
		for _, r := range records {
			h.Add(r)
		}
		m := mustLearn(t, h)
		f, err := m.Predict(plan, 0.8)
		if err != nil {
			t.Fatal(err)
		}
		return m.Version() + fmt.Sprint(f)
	}
	before := learn()
	rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	if after := learn(); after != before {
		t.Errorf("in another order:\n%s\nwant\n%s", after, before)
	}
}

func TestNoHistoryGivesNoNumber(t *testing.T) {
	m := mustLearn(t, new(History))
	f, err := m.Predict(Plan{Complexity: 5, TeamSize: 3}, 0.8)
	if err != nil || len(f) != 0 || m.Version() != "" {
		t.Errorf("got %v, %q, %v", f, m.Version(), err)
	}
	if similar, err := m.Similar(Plan{}, 3); len(similar) > 0 || err != nil {
		t.Errorf("similar to nothing: %v, %v", similar, err)
	}
	if similar, err := m.SimilarEnded(Plan{}, 3); len(similar) > 0 || err != nil {
		t.Errorf("similar to nothing: %v, %v", similar, err)
	}
	if _, _, err := m.Evaluate(context.Background(), SuccessScore, EvaluateOptions{Level: 0.8}); !isInputError(err) {
		t.Errorf("judged nothing: %v", err)
	}
}

func TestAbandonedProjectsAreSimilarAndTeachNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	h, with := anyHistory(30, rng), anyHistory(30, rand.New(rand.NewPCG(7, 8)))
	gone := anyRecord(0, rng)
	gone.Success, gone.Days, gone.Cost, gone.Uses = math.NaN(), math.NaN(), math.NaN(), nil
	with.Add(gone)
	without, m := mustLearn(t, h), mustLearn(t, with)
	if m.Version() != without.Version() || m.Basis(SuccessScore) != 30 {
		t.Errorf("an abandoned project was learned from: basis %d", m.Basis(SuccessScore))
	}
	near, err := m.SimilarEnded(gone.Plan, 1)
	if err != nil || len(near) != 1 || near[0].Row != 30 {
		t.Errorf("the abandoned project is not the most similar to itself: %v, %v", near, err)
	}
}
