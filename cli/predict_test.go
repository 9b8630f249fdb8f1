package cli

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/client"
)

// predict runs the program with the arguments of predict and returns its exit
// code and what it wrote.
func predict(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	complaints, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer complaints.Close()
	var out bytes.Buffer
	a := &app{in: complaints, out: &out, err: complaints, lookup: func(string) (string, bool) { return "", false }}
	code := a.run(t.Context(), append([]string{"predict"}, args...))
	text, err := os.ReadFile(complaints.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, out.String(), string(text)
}

func TestPredictEvaluate(t *testing.T) {
	plot := filepath.Join(t.TempDir(), "plot.svg")
	code, out, complaint := predict(t, "evaluate", "../testdata/projects/desharnais.csv", "--target", "Effort",
		"--ignore", "Project,Length", "--ignore", "YearEnd", "--categorical", "Language", "--level", "0.9", "--plot", plot, "-o", "json")
	if code != exitOK {
		t.Fatalf("exit code is %d: %s", code, complaint)
	}
	var got map[string]float64
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	atLeast := map[string]float64{"n": 81, "folds": 81, "mdmre": 0.2, "mmre": 0.2, "pred25": 0.4, "sa": 0.59, "coverage": 0.86, "level": 0.9, "width": 1, "baseline_mdmre": 0.4}
	for key, want := range atLeast {
		if value, ok := got[key]; !ok || value < want {
			t.Errorf("%s is %v, want at least %v", key, value, want)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("says more than it should: %v", got)
	}
	drawn, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	if circles := strings.Count(string(drawn), "<circle"); circles != 81 {
		t.Errorf("the plot has %d projects, want 81", circles)
	}
	wellFormed(t, drawn)
}

func wellFormed(t *testing.T, document []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal("the plot is no XML:", err)
		}
	}
}

func TestPredictEvaluateWithoutVariety(t *testing.T) {
	dir := t.TempDir()
	table, plot := filepath.Join(dir, "same.csv"), filepath.Join(dir, "plot.svg")
	if err := os.WriteFile(table, []byte("size,\"<days> & more\"\n"+strings.Repeat("1,5\n", 12)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaint := predict(t, "evaluate", table, "--target", "<days> & more", "--plot", plot, "-o", "csv")
	if code != exitOK {
		t.Fatalf("exit code is %d: %s", code, complaint)
	}
	want := "n,folds,mdmre,mmre,pred25,sa,coverage,level,width,baseline_mdmre\n12,12,0,0,1,1,1,0.8,0,0\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("all the same (-want +got):\n%s", diff)
	}
	drawn, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(drawn), "NaN") {
		t.Errorf("the plot has no place for what is all the same:\n%s", drawn)
	}
	wellFormed(t, drawn)
}

func TestPredictEvaluateRefusals(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.csv", "size,days\n1,2\n2,3\n3,5\n")
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no target", []string{good}, exitUsage, "--target"},
		{"no file", []string{"--target", "days"}, exitUsage, "arg"},
		{"level beyond 1", []string{good, "--target", "days", "--level", "80"}, exitUsage, "--level"},
		{"level of nothing", []string{good, "--target", "days", "--level", "NaN"}, exitUsage, "--level"},
		{"file that is not there", []string{good + "x", "--target", "days"}, exitError, "no such file"},
		{"column that is not there", []string{good, "--target", "weeks"}, exitError, "weeks: is no column"},
		{"target is ignored", []string{good, "--target", "days", "--ignore", "days"}, exitError, "both the target and ignored"},
		{"empty file", []string{write("empty.csv", ""), "--target", "days"}, exitError, "empty"},
		{"header only", []string{write("header.csv", "size,days\n"), "--target", "days"}, exitError, "known of 0 projects"},
		{"too few", []string{write("few.csv", "size,days\n1,2\n2,\n3,4\n"), "--target", "days"}, exitError, "known of 2 projects"},
		{"target is text", []string{write("text.csv", "size,days\n1,soon\n2,3\n3,4\n"), "--target", "days"}, exitError, "row 1 has no finite number"},
		{"infinite outcome", []string{write("inf.csv", "size,days\n1,2\n2,Inf\n3,4\n"), "--target", "days"}, exitError, "row 2 has no finite number"},
		{"infinite input", []string{write("input.csv", "size,days\n1,2\ninf,3\n3,4\n"), "--target", "days"}, exitError, "size: holds a number that is infinite"},
		{"row too long", []string{write("long.csv", "size,days\n1,2,3\n"), "--target", "days"}, exitError, "wrong number of fields"},
		{"column twice", []string{write("twice.csv", "size,size,days\n1,1,2\n2,2,3\n3,3,4\n"), "--target", "days"}, exitError, "size: is there twice"},
		{"zeros", []string{write("zeros.csv", "size,days\n1,0\n2,0\n3,0\n"), "--target", "days"}, exitError, "0 everywhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, complaint := predict(t, append([]string{"evaluate"}, tt.args...)...)
			if code != tt.code || !strings.Contains(complaint, tt.says) || out != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", code, out, complaint, tt.code, tt.says)
			}
		})
	}
}

func TestAnInputThatWasNotGivenIsNoDriver(t *testing.T) {
	p := client.Prediction{Basis: 30, Drivers: []client.Driver{
		{Outcome: "success_score", Name: "artifacts.impact", Effect: -19},
		{Outcome: "success_score", Name: "complexity_score", Input: "40", Effect: 6.5},
		{Outcome: "success_score", Name: "team.senior", Effect: -1},
		{Outcome: "cost", Name: "artifacts.impact", Effect: 250},
	}}
	var out strings.Builder
	if err := printPrediction(&out, formTable, p); err != nil {
		t.Fatal(err)
	}
	table, rest, _ := strings.Cut(out.String(), "Not given")
	if !strings.Contains(table, "complexity_score") || strings.Contains(table, "artifacts.impact") || strings.Contains(table, "team.senior") {
		t.Errorf("the drivers are:\n%s", table)
	}
	for _, want := range []string{"comes to -20 of the success_score: artifacts.impact, team.senior.", "comes to +250 of the cost: artifacts.impact."} {
		if !strings.Contains(rest, want) {
			t.Errorf("nothing says %q:\n%s", want, rest)
		}
	}
}
