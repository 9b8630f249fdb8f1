package insight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSimilarProjects(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	d, target := planted(rng, 300, 0.3)
	p := mustTrain(t, d, target)
	for _, row := range []int{0, 17, 299} {
		r := d.at(row)
		got, err := p.Similar(inputsAt(d, row), 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 5 || got[0].Row != row || got[0].Similarity != 1 {
			t.Fatalf("row %d: got %+v, want the row itself first with similarity 1", row, got)
		}
		for i := range got[1:] {
			if got[i+1].Similarity > got[i].Similarity {
				t.Errorf("row %d: %+v is not in order", row, got)
			}
		}
		if size := d.columns[0].numbers[got[1].Row]; math.Abs(math.Log(size/r.numbers[0])) > 1 {
			t.Errorf("row %d of size %v: the next is of size %v", row, r.numbers[0], size)
		}
	}
	if got, err := p.Similar(Inputs{}, 5); err != nil || len(got) != 0 {
		t.Errorf("nothing given: got %+v, %v; want nothing", got, err)
	}
}

// TestNearestIsExact compares the search, which stops early, with a plain look at
// every project.
func TestNearestIsExact(t *testing.T) {
	d, _ := largeHistory(t, 500)
	s := NewResemblance(d, nil)
	asked := d.at(123)
	for i := range asked.numbers {
		asked.numbers[i] *= 1.1
	}
	q := s.question(asked)
	var want []float64
	for row := range d.rows {
		similarity, _ := s.similarity(q, row)
		want = append(want, similarity)
	}
	slices.Sort(want)
	slices.Reverse(want)
	for i, n := range s.nearest(q, 10) {
		if math.Abs(n.Similarity-want[i]) > 1e-12 {
			t.Errorf("place %d: got %v, want %v", i, n.Similarity, want[i])
		}
	}
}

func TestMostAlikeTakesInputsAndTexts(t *testing.T) {
	size := []float64{10, 11, 500, 520, 12, 900}
	d := mustDataset(t, Column{Name: "size", Numbers: size})
	s, c := NewResemblance(d, nil), NewCorpus(projectTexts)
	tests := []struct {
		name string
		in   Inputs
		text string
		want int
	}{
		{"both agree", Inputs{Numbers: map[string]float64{"size": 12}}, projectTexts[4], 4},
		{"text alone", Inputs{}, projectTexts[2], 2},
		{"inputs alone", Inputs{Numbers: map[string]float64{"size": 520}}, "", 3},
	}
	for _, tt := range tests {
		got, err := MostAlike(s, c, tt.in, tt.text, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || got[0].Row != tt.want || math.Abs(got[0].Similarity-1) > 1e-6 {
			t.Errorf("%s: got %+v, want row %d with 1", tt.name, got, tt.want)
		}
	}
	if _, err := MostAlike(s, NewCorpus(projectTexts[:2]), Inputs{}, "x", 3); !isInputError(err) {
		t.Errorf("two texts for six projects: got error %v", err)
	}
}

// BenchmarkSimilar is part of a prediction, which must stay under 5 ms.
func BenchmarkSimilar(b *testing.B) {
	for _, rows := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			d, target := largeHistory(b, rows)
			p := mustTrain(b, d, target)
			in := inputsAt(d, 77)
			for b.Loop() {
				if _, err := p.Similar(in, 5); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// inputsAt are the inputs of one row of a dataset.
func inputsAt(d *Dataset, row int) Inputs {
	in := Inputs{Numbers: map[string]float64{}, Categories: map[string]string{}}
	for _, c := range d.columns {
		switch {
		case c.numbers != nil:
			in.Numbers[c.name] = c.numbers[row]
		case c.codes[row] != missingCode:
			in.Categories[c.name] = c.levels[c.codes[row]]
		}
	}
	return in
}
