package insight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
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
			in := inputsAt(d, 77)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Predict(in, 0.8); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestLongHistoriesAreLearned holds 100 000 projects of 67 inputs to 500 MB beyond
// what the projects themselves take. The benchmarks have the times.
func TestLongHistoriesAreLearned(t *testing.T) {
	if testing.Short() {
		t.Skip("learns from 100 000 projects")
	}
	d, target := largeHistory(t, 100_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	p := mustTrain(t, d, target)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 500<<20 {
		t.Errorf("training took %d MB from the system, want at most 500", grown>>20)
	}
	t.Logf("%v, %d MB", took, (int64(after.Sys)-int64(before.Sys))>>20)

	in := inputsAt(d, 77)
	got := mustPredict(t, p, in, 0.8)
	similar, err := p.Similar(in, 5)
	if err != nil {
		t.Fatal(err)
	}
	if got.Basis != 100_000 || len(similar) != 5 || similar[0].Row != 77 {
		t.Errorf("got basis %d and similar %+v, want all and the project itself", got.Basis, similar)
	}
}

// BenchmarkLearn learns all three outcomes of 100 000 projects with 64 attributes,
// as a tenant's model is made. BenchmarkTrain is one of them.
func BenchmarkLearn(b *testing.B) {
	for _, rows := range []int{100, 1000, 100_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(9, 9))
			names := make([]string, 64)
			for k := range names {
				names[k] = fmt.Sprintf("attribute %d", k)
			}
			h := new(History)
			for i := range rows {
				attributes := make(map[string]any, len(names))
				size := 0.0
				for k, name := range names {
					v := rng.NormFloat64()
					size += v * float64(k%5) / 20
					attributes[name] = v
				}
				h.Add(Record{Plan: Plan{Class: "nlp", Complexity: 50, TeamSize: 5, Attributes: attributes},
					Began: int64(i), Ended: int64(i + 10), Success: 100 * rng.Float64(), Days: math.Exp(size), Cost: math.Exp(2 * size)})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Learn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
