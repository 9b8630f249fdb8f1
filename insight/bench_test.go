package insight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// largeHistory is 100 000 finished projects as the platform could hold them: 64
// attributes, of which some are categories and some have gaps, beside three
// columns of its own.
func largeHistory(tb testing.TB, rows int) (*Dataset, Target) {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	columns := make([]Column, 0, 67)
	effort := make([]float64, rows)
	for k := range 67 {
		c := Column{Name: fmt.Sprintf("attribute_%d", k)}
		if k%8 == 7 {
			c.Texts = make([]string, rows)
			for i := range rows {
				level := rng.IntN(5 + k)
				c.Texts[i] = fmt.Sprint("level ", level)
				effort[i] += 0.1 * float64(level%3)
			}
		} else {
			c.Numbers = make([]float64, rows)
			for i := range rows {
				v := rng.NormFloat64()
				effort[i] += v * float64(k%5) / 20
				switch {
				case k%10 == 3 && rng.IntN(10) == 0:
					v = math.NaN()
				case k%4 == 1:
					v = math.Exp(v)
				}
				c.Numbers[i] = v
			}
		}
		columns = append(columns, c)
	}
	for i := range effort {
		effort[i] = math.Exp(3 + effort[i] + 0.5*rng.NormFloat64())
	}
	d, err := NewDataset(columns...)
	if err != nil {
		tb.Fatal(err)
	}
	return d, Target{Name: "effort", Values: effort, Scale: ScaleLog}
}

// BenchmarkTrain must stay under 5 s and 500 MB at 100 000 projects on 2 cores.
func BenchmarkTrain(b *testing.B) {
	for _, rows := range []int{100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			d, target := largeHistory(b, rows)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Train(d, target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPredict must stay under 5 ms.
func BenchmarkPredict(b *testing.B) {
	for _, rows := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			d, target := largeHistory(b, rows)
			p, err := Train(d, target)
			if err != nil {
				b.Fatal(err)
			}
			in := Inputs{Numbers: map[string]float64{}, Categories: map[string]string{}}
			for i, c := range d.columns {
				if c.numbers != nil {
					in.Numbers[c.name] = c.numbers[i]
				} else {
					in.Categories[c.name] = c.levels[0]
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Predict(in, 0.8); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
