package insight

import (
	"context"
	"encoding/csv"
	"os"
	"testing"
)

// loadProjects reads one of the data sets of finished software projects.
func loadProjects(tb testing.TB, name string, options TableOptions) (*Dataset, Target) {
	tb.Helper()
	f, err := os.Open("../testdata/projects/" + name + ".csv")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	d, target, err := FromTable(rows[0], rows[1:], options)
	if err != nil {
		tb.Fatal(err)
	}
	return d, target
}

// TestAccuracyOnRealProjects holds the predictor to what it promises on real
// histories, by leave-one-out with every choice inside of it: the standardised
// accuracy, and intervals of 80 % that cover 76 % to 84 %. A column's kind may be
// told or not: the predictor finds out.
func TestAccuracyOnRealProjects(t *testing.T) {
	tests := []struct {
		name    string
		file    string
		options TableOptions
		sa      float64 // at least
		slow    bool
	}{
		{"desharnais", "desharnais", TableOptions{Target: "Effort", Ignore: []string{"Length", "YearEnd"}}, 0.605, false},
		{"desharnais, language told", "desharnais", TableOptions{Target: "Effort", Ignore: []string{"Project", "Length", "YearEnd"}, Categorical: []string{"Language"}}, 0.605, false},
		{"maxwell", "maxwell", TableOptions{Target: "Effort", Ignore: []string{"Duration", "Time", "Syear"}}, 0.632, false},
		{"maxwell, categories told", "maxwell", TableOptions{Target: "Effort", Ignore: []string{"Duration", "Time", "Syear"}, Categorical: []string{"App", "Har", "Dba", "Ifc", "Source", "Telonuse"}}, 0.632, false},
		{"china", "china", TableOptions{Target: "Effort", Ignore: []string{"ID", "Duration", "N_effort", "PDR_AFP", "PDR_UFP", "NPDR_AFP", "NPDU_UFP"}, Categorical: []string{"Dev.Type"}}, 0.510, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow && testing.Short() {
				t.Skip("takes some seconds")
			}
			d, target := loadProjects(t, tt.file, tt.options)
			got, err := Evaluate(context.Background(), d, target, EvaluateOptions{Level: 0.8})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("n %d, SA %.3f, MdMRE %.3f (median of the others %.3f), MMRE %.3f, PRED(25) %.3f, coverage %.3f, width %.2f",
				got.N, got.SA, got.MdMRE, got.BaselineMdMRE, got.MMRE, got.Pred, got.Coverage, got.Width)
			if got.SA < tt.sa {
				t.Errorf("standardised accuracy is %.4f, want at least %.3f", got.SA, tt.sa)
			}
			if got.Coverage < 0.76 || got.Coverage > 0.84 {
				t.Errorf("intervals of 80 %% cover %.1f %%, want 76 to 84", 100*got.Coverage)
			}
			if got.MdMRE >= got.BaselineMdMRE {
				t.Errorf("MdMRE is %.3f, the median of the others reaches %.3f", got.MdMRE, got.BaselineMdMRE)
			}
			if got.Folds != got.N {
				t.Errorf("was judged in %d folds, want leave-one-out of %d", got.Folds, got.N)
			}
		})
	}
}
