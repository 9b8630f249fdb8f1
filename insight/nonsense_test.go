package insight

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// nonsense are histories that no one should have and someone will.
func nonsense() map[string][]Column {
	n := 40
	same, ramp, gaps, empty := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	tiny, vast, one, every, long := make([]float64, n), make([]float64, n), make([]string, n), make([]string, n), make([]string, n)
	for i := range n {
		same[i], ramp[i], gaps[i], empty[i] = 7, float64(i)*1.5, math.NaN(), math.NaN()
		tiny[i], vast[i] = 1e-300*float64(i), 1e99*float64(i%7)
		one[i], every[i], long[i] = "only", fmt.Sprint("project ", i), strings.Repeat("x", 16<<10)
		if i%3 == 0 {
			gaps[i] = float64(i % 5)
			long[i] = "ten chars!"
		}
	}
	return map[string][]Column{
		"no column says anything": {{Name: "same", Numbers: same}, {Name: "empty", Numbers: empty}, {Name: "one", Texts: one}},
		"one class":               {{Name: "one", Texts: one}},
		"a class of its own each": {{Name: "every", Texts: every}},
		"blank texts":             {{Name: "blank", Texts: make([]string, n)}},
		"collinear":               {{Name: "a", Numbers: ramp}, {Name: "b", Numbers: times(ramp, 3)}, {Name: "c", Numbers: times(ramp, -1)}},
		"gaps":                    {{Name: "gaps", Numbers: gaps}, {Name: "ramp", Numbers: ramp}},
		"tiny and vast":           {{Name: "tiny", Numbers: tiny}, {Name: "vast", Numbers: vast}},
		"long and short texts":    {{Name: "long", Texts: long}},
	}
}

func TestNonsenseGivesASensibleNumber(t *testing.T) {
	n := 40
	outcomes := map[string][]float64{"all the same": make([]float64, n), "zeros": make([]float64, n), "vast": make([]float64, n), "mixed signs": make([]float64, n), "one outlier": make([]float64, n)}
	for i := range n {
		outcomes["all the same"][i] = 5
		outcomes["vast"][i] = 1e99 * float64(1+i%5)
		outcomes["mixed signs"][i] = float64(i%9) - 4
		outcomes["one outlier"][i] = 1
	}
	outcomes["one outlier"][17] = 1e12
	for inputs, columns := range nonsense() {
		for outcome, values := range outcomes {
			for _, scale := range []Scale{ScaleAuto, ScaleIdentity, ScaleLog} {
				t.Run(fmt.Sprint(inputs, ", ", outcome, " ", scale), func(t *testing.T) {
					p, err := Train(mustDataset(t, columns...), Target{Name: "y", Values: values, Scale: scale})
					if scale == ScaleLog && outcome == "mixed signs" {
						if !isInputError(err) {
							t.Fatalf("got error %v, want one that says there is no logarithm", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, in := range []Inputs{{}, first(columns), {Numbers: map[string]float64{"a": 1e99, "vast": -1e99}, Categories: map[string]string{"one": "other"}}} {
						checkFinite(t, mustPredict(t, p, in, 0.8))
						checkFinite(t, mustPredict(t, p, in, HighestLevel))
					}
				})
			}
		}
	}
}

func isInputError(err error) bool {
	var wrong *InputError
	return errors.As(err, &wrong)
}

func checkFinite(t *testing.T, got Prediction) {
	t.Helper()
	numbers := []float64{got.Value, got.Low, got.High, got.Base, got.Confidence}
	for _, driver := range got.Drivers {
		numbers = append(numbers, driver.Effect, driver.Factor)
	}
	for _, v := range numbers {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("a number is not finite: %+v", got)
		}
	}
	if got.Low > got.Value || got.Value > got.High {
		t.Errorf("%v is not between %v and %v", got.Value, got.Low, got.High)
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	sizes := []float64{1, 2, 3}
	good := mustDataset(t, Column{Name: "size", Numbers: sizes}, Column{Name: "class", Texts: []string{"a", "b", "a"}})
	p := mustTrain(t, good, Target{Name: "days", Values: sizes})
	low, high := 5.0, 5.0
	tests := map[string]func() error{
		"infinite input":       func() error { _, err := NewDataset(Column{Name: "x", Numbers: []float64{math.Inf(-1)}}); return err },
		"number beyond reason": func() error { _, err := NewDataset(Column{Name: "x", Numbers: []float64{1e101}}); return err },
		"same name twice": func() error {
			_, err := NewDataset(Column{Name: "x", Numbers: sizes}, Column{Name: "x", Numbers: sizes})
			return err
		},
		"no name": func() error { _, err := NewDataset(Column{Name: " ", Numbers: sizes}); return err },
		"columns of unlike length": func() error {
			_, err := NewDataset(Column{Name: "x", Numbers: sizes}, Column{Name: "y", Numbers: sizes[:2]})
			return err
		},
		"neither kind": func() error { _, err := NewDataset(Column{Name: "x"}); return err },
		"infinite outcome": func() error {
			_, err := Train(good, Target{Name: "days", Values: []float64{1, 2, math.Inf(1)}})
			return err
		},
		"too few outcomes":      func() error { _, err := Train(good, Target{Name: "days", Values: sizes[:2]}); return err },
		"outcome out of bounds": func() error { _, err := Train(good, Target{Name: "days", Values: sizes, Lower: &low}); return err },
		"bounds without room": func() error {
			_, err := Train(good, Target{Name: "days", Values: sizes, Lower: &low, Upper: &high})
			return err
		},
		"level 0":   func() error { _, err := p.Predict(Inputs{}, 0); return err },
		"level 1":   func() error { _, err := p.Predict(Inputs{}, 1); return err },
		"level NaN": func() error { _, err := p.Predict(Inputs{}, math.NaN()); return err },
		"infinite size": func() error {
			_, err := p.Predict(Inputs{Numbers: map[string]float64{"size": math.Inf(1)}}, 0.8)
			return err
		},
		"text for a number": func() error {
			_, err := p.Predict(Inputs{Categories: map[string]string{"size": "big"}}, 0.8)
			return err
		},
		"number for a text": func() error { _, err := p.Predict(Inputs{Numbers: map[string]float64{"class": 1}}, 0.8); return err },
		"both": func() error {
			_, err := p.Predict(Inputs{Numbers: map[string]float64{"size": 1}, Categories: map[string]string{"size": "1"}}, 0.8)
			return err
		},
		"judging two": func() error {
			_, err := Evaluate(context.Background(), good, Target{Name: "days", Values: []float64{1, 2, math.NaN()}}, EvaluateOptions{Level: 0.8})
			return err
		},
		"judging zeros": func() error {
			_, err := Evaluate(context.Background(), good, Target{Name: "days", Values: make([]float64, 3)}, EvaluateOptions{Level: 0.8})
			return err
		},
		"judging without level": func() error {
			_, err := Evaluate(context.Background(), good, Target{Name: "days", Values: sizes}, EvaluateOptions{})
			return err
		},
	}
	for name, do := range tests {
		if err := do(); !isInputError(err) {
			t.Errorf("%s: got error %v, want one about the input", name, err)
		}
	}
}
