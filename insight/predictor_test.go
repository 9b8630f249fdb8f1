package insight

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func mustDataset(tb testing.TB, columns ...Column) *Dataset {
	tb.Helper()
	d, err := NewDataset(columns...)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func mustTrain(tb testing.TB, d *Dataset, target Target) *Predictor {
	tb.Helper()
	p, err := Train(d, target)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func mustPredict(tb testing.TB, p *Predictor, in Inputs, level float64) Prediction {
	tb.Helper()
	got, err := p.Predict(in, level)
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// planted is a history whose law is known: days = exp(1 + 0.8 ln size + 0.3
// complexity + 0.4 when the class is nlp + noise), and a column that says nothing.
func planted(rng *rand.Rand, rows int, noise float64) (*Dataset, Target) {
	size, complexity, idle := make([]float64, rows), make([]float64, rows), make([]float64, rows)
	class := make([]string, rows)
	days := make([]float64, rows)
	for i := range rows {
		size[i] = math.Exp(4 + rng.NormFloat64())
		complexity[i] = rng.NormFloat64()
		idle[i] = rng.NormFloat64()
		z := 1 + 0.8*math.Log(size[i]) + 0.3*complexity[i] + noise*rng.NormFloat64()
		class[i] = "vision"
		if rng.IntN(2) == 0 {
			class[i] = "nlp"
			z += 0.4
		}
		days[i] = math.Exp(z)
	}
	d, err := NewDataset(
		Column{Name: "size", Numbers: size}, Column{Name: "complexity", Numbers: complexity},
		Column{Name: "idle", Numbers: idle}, Column{Name: "class", Texts: class},
	)
	if err != nil {
		panic(err)
	}
	return d, Target{Name: "days", Values: days}
}

func TestPlantedEffectsAreRecovered(t *testing.T) {
	d, target := planted(rand.New(rand.NewPCG(1, 1)), 400, 0.2)
	p := mustTrain(t, d, target)
	at := func(size, complexity, idle float64, class string) float64 {
		return math.Log(mustPredict(t, p, Inputs{
			Numbers:    map[string]float64{"size": size, "complexity": complexity, "idle": idle},
			Categories: map[string]string{"class": class},
		}, 0.8).Value)
	}
	base := at(50, 0, 0, "vision")
	tests := []struct {
		name      string
		got, want float64
	}{
		{"the whole", base, 1 + 0.8*math.Log(50)},
		{"size times e", at(50*math.E, 0, 0, "vision") - base, 0.8},
		{"one more of complexity", at(50, 1, 0, "vision") - base, 0.3},
		{"another class", at(50, 0, 0, "nlp") - base, 0.4},
		{"one more of what says nothing", at(50, 0, 1, "vision") - base, 0},
	}
	for _, tt := range tests {
		if math.Abs(tt.got-tt.want) > 0.04 {
			t.Errorf("%s: got %.3f, want %.3f", tt.name, tt.got, tt.want)
		}
	}
}

// TestIntervalsCoverWhatTheyPromise simulates histories and new projects and holds
// the coverage to the bounds of the binomial distribution (99.9 %). Each history
// judges one new project, so that the trials are independent. Nothing but the
// level is known of the errors: they are skewed in one law, and heavy in another.
func TestIntervalsCoverWhatTheyPromise(t *testing.T) {
	laws := map[string]func(*rand.Rand) float64{
		"normal": (*rand.Rand).NormFloat64,
		"skewed": (*rand.Rand).ExpFloat64,
		"heavy":  func(r *rand.Rand) float64 { return distuv.StudentsT{Sigma: 1, Nu: 3, Src: r}.Rand() },
	}
	const trials = 400
	for name, law := range laws {
		for _, level := range []float64{0.5, 0.8, 0.9} {
			t.Run(fmt.Sprintf("%s %v", name, level), func(t *testing.T) {
				inside := make([]bool, trials)
				inParallel(allProcessors(), trials, func(k int) {
					rng := rand.New(rand.NewPCG(uint64(k), 11))
					const rows = 41
					a, b, y := make([]float64, rows), make([]float64, rows), make([]float64, rows)
					for i := range rows {
						a[i], b[i] = rng.NormFloat64(), rng.NormFloat64()
						y[i] = 50 + 3*a[i] - b[i] + 2*law(rng)
					}
					d := mustDataset(t, Column{Name: "a", Numbers: a[1:]}, Column{Name: "b", Numbers: b[1:]})
					p := mustTrain(t, d, Target{Name: "y", Values: y[1:]})
					got := mustPredict(t, p, Inputs{Numbers: map[string]float64{"a": a[0], "b": b[0]}}, level)
					inside[k] = got.Low <= y[0] && y[0] <= got.High
				})
				covered := 0.0
				for _, in := range inside {
					if in {
						covered++
					}
				}
				deviation := math.Sqrt(trials * level * (1 - level))
				if math.Abs(covered-trials*level) > 3.29*deviation {
					t.Errorf("covered %.1f %%, want %.0f %% ± %.1f", 100*covered/trials, 100*level, 329*deviation/trials)
				}
			})
		}
	}
}

// randomHistory draws a history of mixed columns, with gaps and rare categories.
func randomHistory(t *rapid.T) ([]Column, []float64) {
	rows := rapid.IntRange(1, 60).Draw(t, "rows")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
	outcomes := make([]float64, rows)
	for i := range outcomes {
		outcomes[i] = math.Exp(2 + rng.NormFloat64())
	}
	var columns []Column
	for k := range rapid.IntRange(0, 5).Draw(t, "numbers") {
		c := Column{Name: fmt.Sprint("number ", k), Numbers: make([]float64, rows)}
		for i := range c.Numbers {
			c.Numbers[i] = outcomes[i]*rng.Float64() + rng.NormFloat64()
			switch {
			case k == 1 && rng.IntN(4) == 0:
				c.Numbers[i] = math.NaN()
			case k == 2:
				c.Numbers[i] = float64(rng.IntN(4))
			case k == 3:
				c.Numbers[i] = math.Exp(2*rng.NormFloat64()) * float64(rng.IntN(3))
			}
		}
		columns = append(columns, c)
	}
	for k := range rapid.IntRange(0, 2).Draw(t, "categories") {
		c := Column{Name: fmt.Sprint("category ", k), Texts: make([]string, rows)}
		for i := range c.Texts {
			c.Texts[i] = []string{"", "a", "b", "c", "d", "rare"}[min(rng.IntN(6), rng.IntN(8))]
		}
		columns = append(columns, c)
	}
	return columns, outcomes
}

// first are the inputs of the first project.
func first(columns []Column) Inputs {
	in := Inputs{Numbers: map[string]float64{}, Categories: map[string]string{}}
	for _, c := range columns {
		if c.Numbers != nil {
			in.Numbers[c.Name] = c.Numbers[0]
		} else {
			in.Categories[c.Name] = c.Texts[0]
		}
	}
	return in
}

func TestTheOrderOfTheProjectsChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns, outcomes := randomHistory(t)
		if len(columns) == 0 {
			t.Skip("no rows without a column")
		}
		d, err := NewDataset(columns...)
		if err != nil {
			t.Fatal(err)
		}
		order := rapid.Permutation(thinRows(len(outcomes), len(outcomes))).Draw(t, "order")
		shuffled := make([]float64, len(outcomes))
		for k, r := range order {
			shuffled[k] = outcomes[r]
		}
		want, err := predictFirst(d, Target{Name: "y", Values: outcomes}, first(columns))
		if err != nil {
			t.Fatal(err)
		}
		got, err := predictFirst(d.subset(order), Target{Name: "y", Values: shuffled}, first(columns))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("another order predicts otherwise (-want +got):\n%s", diff)
		}
	})
}

func predictFirst(d *Dataset, target Target, in Inputs) (Prediction, error) {
	p, err := Train(d, target)
	if err != nil {
		return Prediction{}, err
	}
	return p.Predict(in, 0.8)
}

func TestUnitsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns, outcomes := randomHistory(t)
		if len(columns) == 0 {
			t.Skip("no rows without a column")
		}
		// Powers of two, so that not even the last digit differs.
		unit := rapid.SampledFrom([]float64{1.0 / 1024, 0.5, 4, 65536}).Draw(t, "unit of the inputs")
		money := rapid.SampledFrom([]float64{1.0 / 256, 2, 8192}).Draw(t, "unit of the outcome")
		var scaled []Column
		for _, c := range columns {
			if c.Numbers != nil {
				c.Numbers = times(c.Numbers, unit)
			}
			scaled = append(scaled, c)
		}
		before, err := NewDataset(columns...)
		if err != nil {
			t.Fatal(err)
		}
		after, err := NewDataset(scaled...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := predictFirst(before, Target{Name: "y", Values: outcomes}, first(columns))
		if err != nil {
			t.Fatal(err)
		}
		got, err := predictFirst(after, Target{Name: "y", Values: times(outcomes, money)}, first(scaled))
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]float64{{want.Value, got.Value}, {want.Low, got.Low}, {want.High, got.High}, {want.Base, got.Base}} {
			if math.Abs(pair[0]*money-pair[1]) > 1e-6*math.Abs(pair[1]) {
				t.Errorf("got %v, want %v times %v", pair[1], pair[0], money)
			}
		}
	})
}

func times(values []float64, factor float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * factor
	}
	return out
}

func TestDriversAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns, outcomes := randomHistory(t)
		if len(columns) == 0 {
			t.Skip("no rows without a column")
		}
		d, err := NewDataset(columns...)
		if err != nil {
			t.Fatal(err)
		}
		in := first(columns)
		for name := range in.Numbers {
			in.Numbers[name] *= rapid.Float64Range(-5, 5).Draw(t, name)
		}
		got, err := predictFirst(d, Target{Name: "y", Values: outcomes}, in)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, driver := range got.Drivers {
			sum += driver.Effect
		}
		if math.Abs(sum-(got.Value-got.Base)) > 1e-7*(math.Abs(got.Value)+math.Abs(got.Base)) {
			t.Errorf("drivers add up to %v, want %v − %v", sum, got.Value, got.Base)
		}
		if got.Low > got.Value || got.Value > got.High {
			t.Errorf("%v is not between %v and %v", got.Value, got.Low, got.High)
		}
		if got.Confidence < 0 || got.Confidence > 1 {
			t.Errorf("confidence is %v", got.Confidence)
		}
	})
}

func TestShortHistories(t *testing.T) {
	history := []float64{10, 12, 20, 9, 15, 14, 11, 18, 30}
	widths := map[int]float64{}
	for _, n := range []int{1, 2, 5, 9} {
		d := mustDataset(t, Column{Name: "size", Numbers: history[:n]})
		p := mustTrain(t, d, Target{Name: "days", Values: history[:n]})
		got := mustPredict(t, p, Inputs{Numbers: map[string]float64{"size": 1000}}, 0.8)
		if got.Note != TooLittleHistory || got.Basis != n || got.Confidence != 0 || len(got.Drivers) != 0 {
			t.Errorf("%d projects: got note %q, basis %d, confidence %v, %d drivers; want a base rate", n, got.Note, got.Basis, got.Confidence, len(got.Drivers))
		}
		if want := math.Exp(meanOfLogs(history[:n])); math.Abs(got.Value-want) > 1e-9 {
			t.Errorf("%d projects: got %v, want the typical outcome %v", n, got.Value, want)
		}
		if got.Low <= 0 || got.High/got.Low < 3 {
			t.Errorf("%d projects: interval %v to %v is not wide", n, got.Low, got.High)
		}
		widths[n] = got.High / got.Low
	}
	if !(widths[1] > widths[2] && widths[2] > widths[9]) {
		t.Errorf("intervals do not narrow as history grows: %v", widths)
	}

	d := mustDataset(t, Column{Name: "size", Numbers: []float64{1, 2}})
	for _, values := range [][]float64{{math.NaN(), math.NaN()}} {
		if _, err := Train(d, Target{Name: "days", Values: values}); !errors.Is(err, ErrNoHistory) {
			t.Errorf("without history: got error %v, want %v", err, ErrNoHistory)
		}
	}
}

func meanOfLogs(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += math.Log(v)
	}
	return sum / float64(len(values))
}

func TestScoresStayWithinTheirBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	low, high := 0.0, 100.0
	quality, score := make([]float64, 80), make([]float64, 80)
	for i := range score {
		quality[i] = rng.NormFloat64()
		score[i] = min(max(50+40*quality[i]+5*rng.NormFloat64(), 0), 100)
	}
	p := mustTrain(t, mustDataset(t, Column{Name: "quality", Numbers: quality}), Target{Name: "success", Values: score, Lower: &low, Upper: &high})
	for _, q := range []float64{-50, -2, 0, 2, 50} {
		got := mustPredict(t, p, Inputs{Numbers: map[string]float64{"quality": q}}, 0.8)
		if got.Low < 0 || got.High > 100 {
			t.Errorf("quality %v: interval is %v to %v, want it within 0 and 100", q, got.Low, got.High)
		}
	}
}

func TestVersionNamesTheHistory(t *testing.T) {
	d, target := planted(rand.New(rand.NewPCG(1, 1)), 30, 0.2)
	version := func(d *Dataset, target Target) string { return mustTrain(t, d, target).Version() }
	want := version(d, target)
	if got := version(d, target.without([]int{3})); got == want {
		t.Error("the version is the same without a project")
	}
	reversed := target
	reversed.Values = nil
	var order []int
	for i := d.rows - 1; i >= 0; i-- {
		order = append(order, i)
		reversed.Values = append(reversed.Values, target.Values[i])
	}
	if got := version(d.subset(order), reversed); got != want {
		t.Errorf("in another order the version is %s, want %s", got, want)
	}
}
