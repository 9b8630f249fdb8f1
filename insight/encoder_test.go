package insight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// drivenBy returns the names of the inputs that a prediction stands on.
func drivenBy(t *testing.T, columns []Column, outcomes []float64) []string {
	t.Helper()
	p := mustTrain(t, mustDataset(t, columns...), Target{Name: "y", Values: outcomes})
	var names []string
	influence, _ := p.influence()
	for i, v := range influence {
		if v > 0 {
			names = append(names, p.history.columns[i].name)
		}
	}
	return names
}

func TestRunningNumbersAreNoInputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	n := 60
	id, trend, size, noise := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		id[i] = float64(i + 1)
		size[i] = 10 + rng.Float64()
		noise[i] = 100 + 10*size[i] + rng.NormFloat64() + 0.05*id[i]
		trend[i] = 100 + 3*id[i] + 10*rng.NormFloat64()
	}
	order := rng.Perm(n) // as the list was written, not as it went
	shuffled := make([]float64, n)
	for i, k := range order {
		shuffled[i] = id[k]
	}
	size10 := Column{Name: "size", Numbers: size}
	if got := drivenBy(t, []Column{{Name: "id", Numbers: shuffled}, size10}, noise); !slices.Equal(got, []string{"size"}) {
		t.Errorf("a running number that says nothing: driven by %v, want size alone", got)
	}
	if got := drivenBy(t, []Column{{Name: "day", Numbers: id}}, trend); !slices.Equal(got, []string{"day"}) {
		t.Errorf("an evenly spaced measurement: driven by %v, want day", got)
	}
}

func TestCodesBecomeCategories(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	n := 90
	language, size, effort := make([]float64, n), make([]float64, n), make([]float64, n)
	byLanguage := map[float64]float64{1: 1, 2: 4, 3: 0.5} // no straight line
	for i := range n {
		language[i], size[i] = float64(1+rng.IntN(3)), math.Exp(rng.NormFloat64())
		effort[i] = size[i] * byLanguage[language[i]] * math.Exp(0.2*rng.NormFloat64())
	}
	p := mustTrain(t, mustDataset(t, Column{Name: "language", Numbers: language}, Column{Name: "size", Numbers: size}), Target{Name: "effort", Values: effort})
	for code, want := range byLanguage {
		got := mustPredict(t, p, Inputs{Numbers: map[string]float64{"language": code, "size": 1}}, 0.8).Value
		if math.Abs(math.Log(got/want)) > 0.15 {
			t.Errorf("language %v: got %.2f, want about %v", code, got, want)
		}
	}
}

func TestGapsAreToldApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	n := 120
	size, cost := make([]float64, n), make([]float64, n)
	for i := range n {
		size[i] = 50 + 10*rng.NormFloat64()
		cost[i] = 100 + size[i] + rng.NormFloat64()
		if i%4 == 0 {
			cost[i], size[i] = 300+rng.NormFloat64(), math.NaN() // whoever gives no size builds something else
		}
	}
	p := mustTrain(t, mustDataset(t, Column{Name: "size", Numbers: size}), Target{Name: "cost", Values: cost})
	for _, tt := range []struct{ size, want float64 }{{50, 150}, {60, 160}, {math.NaN(), 300}} {
		got := mustPredict(t, p, Inputs{Numbers: map[string]float64{"size": tt.size}}, 0.8)
		if math.Abs(got.Value-tt.want) > 5 {
			t.Errorf("size %v: got %.1f, want about %v", tt.size, got.Value, tt.want)
		}
	}
}

func TestRareAndNewCategories(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	n := 100
	class, days := make([]string, n), make([]float64, n)
	for i := range n {
		class[i], days[i] = "common", 10+rng.NormFloat64()
		switch {
		case i < 30:
			class[i], days[i] = "other", 20+rng.NormFloat64()
		case i < 40:
			class[i], days[i] = fmt.Sprint("rare ", i), 40+rng.NormFloat64()
		case i < 43:
			class[i], days[i] = "three", 40+rng.NormFloat64()
		}
	}
	p := mustTrain(t, mustDataset(t, Column{Name: "class", Texts: class}), Target{Name: "days", Values: days, Scale: ScaleIdentity})
	for _, tt := range []struct {
		class string
		want  float64
	}{{"common", 10}, {"other", 20}, {"rare 33", 40}, {"never seen", 40}, {"three", 40}} {
		got := mustPredict(t, p, Inputs{Categories: map[string]string{"class": tt.class}}, 0.8)
		if math.Abs(got.Value-tt.want) > 4 {
			t.Errorf("%s: got %.1f, want about %v", tt.class, got.Value, tt.want)
		}
	}
	missing := mustPredict(t, p, Inputs{}, 0.8)
	if missing.Value != missing.Base || len(missing.Drivers) != 0 {
		t.Errorf("no class given: got %.2f, want the base %.2f", missing.Value, missing.Base)
	}
	if known := mustPredict(t, p, Inputs{Categories: map[string]string{"class": "other"}}, 0.8); missing.Confidence != 0 || known.Confidence < 0.5 {
		t.Errorf("confidence is %v without the class and %v with it, want 0 and more than half", missing.Confidence, known.Confidence)
	}
}

// TestRidgeLeaveOneOut compares the closed form with leaving out one row after the
// other, penalty by penalty.
func TestRidgeLeaveOneOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	const n, size = 25, 4
	x, z := make([]float64, n*size), make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	for i := range z {
		z[i] = 5 + x[i*size] - 2*x[i*size+1] + rng.NormFloat64()
	}
	fit := func(skip int) *ridge {
		m := newMoments(size)
		for i := range z {
			if i != skip {
				m.add(x[i*size:(i+1)*size], z[i:i+1])
			}
		}
		r, ok := newRidge(m.centred())
		if !ok {
			t.Fatal("does not decompose")
		}
		return r
	}
	whole := fit(-1)
	chosen, atChosen := whole.leaveOneOut(x, z)
	least, best := math.Inf(1), 0.0
	for _, penalty := range penalties {
		want := make([]float64, n)
		var sum float64
		for i := range z {
			want[i] = z[i] - fit(i).model(penalty).predict(x[i*size:(i+1)*size])
			sum += want[i] * want[i]
		}
		if sum < least {
			least, best = sum, penalty
		}
		if penalty == chosen {
			for i := range want {
				if math.Abs(want[i]-atChosen[i]) > 1e-8 {
					t.Errorf("row %d: closed form gives %v, leaving it out %v", i, atChosen[i], want[i])
				}
			}
		}
	}
	if chosen != best {
		t.Errorf("chose the penalty %v, the least error is at %v", chosen, best)
	}
}

func TestRelevanceDropsWhatSaysNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	const n, size = 200, 12
	x, z := make([]float64, n*size), make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	for i := range z {
		z[i] = 3*x[i*size] - x[i*size+1] + rng.NormFloat64()
	}
	m := newMoments(size)
	m.add(x, z)
	got := relevance(m.centred()).weights
	zeros := 0
	for _, w := range got[2:] {
		if w == 0 {
			zeros++
		}
	}
	if math.Abs(got[0]-3) > 0.2 || math.Abs(got[1]+1) > 0.2 || zeros < 5 {
		t.Errorf("got %v, want 3, −1 and mostly nothing", got)
	}
}

// TestLongAndShortAgree fits one history both ways: as exactly as can be, and by
// sums of moments.
func TestLongAndShortAgree(t *testing.T) {
	d, target := planted(rand.New(rand.NewPCG(8, 8)), manyRows, 0.5)
	short := mustTrain(t, d, target)
	long := *short
	long.folds = nil
	z := short.measure.all(short.target.Values)
	whole, parts, err := long.fitLong(z, foldsOfMany, 2)
	if err != nil {
		t.Fatal(err)
	}
	long.mix(whole, parts, 0)
	for row := range 20 {
		r := short.history.at(row)
		got, want := long.predict(r, 0.8), short.predict(r, 0.8)
		for _, pair := range [][2]float64{{got.Value, want.Value}, {got.Low, want.Low}, {got.High, want.High}} {
			if math.Abs(math.Log(pair[0]/pair[1])) > 0.05 {
				t.Errorf("row %d: got %v, want about %v", row, pair[0], pair[1])
			}
		}
	}
}

func TestWideTablesAreScreened(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	n := 50
	columns := make([]Column, 400)
	effort := make([]float64, n)
	for k := range columns {
		columns[k] = Column{Name: fmt.Sprint("c", k), Numbers: make([]float64, n)}
		for i := range n {
			columns[k].Numbers[i] = rng.NormFloat64()
		}
	}
	for i := range n {
		effort[i] = 100 + 10*columns[123].Numbers[i] + rng.NormFloat64()
	}
	p := mustTrain(t, mustDataset(t, columns...), Target{Name: "effort", Values: effort})
	if got := len(p.encoder.features); got > mostFeatures {
		t.Errorf("kept %d features, want at most %d", got, mostFeatures)
	}
	got := mustPredict(t, p, Inputs{Numbers: map[string]float64{"c123": 2}}, 0.8)
	if math.Abs(got.Value-120) > 5 {
		t.Errorf("got %.1f, want about 120", got.Value)
	}
}
