package cli

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/tracking"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParseGitLog(t *testing.T) {
	log := "\x011736244800\x00Ann@Example.org\x00refs/heads/main\n\n3\t1\tfile\n-\t-\tpicture.png\n0\t2\ta\tname with tabs\n" +
		"\x011736331200\x00bob@example.org\x00refs/remotes/origin/feature/x\n" +
		"\x011736331201\x00bob@example.org\x00HEAD\n\n1\t0\tlast"
	want := []commit{
		{at("2025-01-07T10:13:20Z"), "ann@example.org", "main", 6},
		{at("2025-01-08T10:13:20Z"), "bob@example.org", "feature/x", 0},
		{at("2025-01-08T10:13:21Z"), "bob@example.org", "HEAD", 1},
	}
	got, err := parseGitLog(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(commit{})); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"\x011736244800\n", "\x01soon\x00a\x00b\n"} {
		if _, err := parseGitLog(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestGitSeries(t *testing.T) {
	commits := []commit{
		{at("2025-01-14T10:00:00Z"), "ann", "feature", 3},
		{at("2025-01-06T00:00:00Z"), "ann", "main", 5},
		{at("2025-01-12T23:59:59Z"), "bob", "main", 7},
	}
	series := func(now string, current bool) map[string][]float64 {
		values := map[string][]float64{}
		for _, p := range gitSeries(commits, at(now), current) {
			values[p.MetricType] = append(values[p.MetricType], p.MetricValue)
		}
		return values
	}
	tests := []struct {
		name    string
		now     string
		current bool
		want    map[string][]float64
	}{
		{"one week is over", "2025-01-15T00:00:00Z", false, map[string][]float64{
			"commits_per_week": {2}, "churn": {12}, "commits": {2}, "contributors": {2}, "active_branches": {1}, "collaboration_score": {12}}},
		{"and the current one", "2025-01-15T00:00:00Z", true, map[string][]float64{
			"commits_per_week": {2, 1}, "churn": {12, 3}, "commits": {2, 3}, "contributors": {2, 2}, "active_branches": {1, 2}, "collaboration_score": {12, 15}}},
		{"none is over", "2025-01-12T00:00:00Z", false, map[string][]float64{}},
		{"the first moment of the next", "2025-01-13T00:00:00Z", false, map[string][]float64{
			"commits_per_week": {2}, "churn": {12}, "commits": {2}, "contributors": {2}, "active_branches": {1}, "collaboration_score": {12}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, series(test.now, test.current)); diff != "" {
				t.Errorf("series (-want +got):\n%s", diff)
			}
		})
	}
	// The first week leaves the quarter when thirteen weeks are over after it.
	quarter := series("2025-04-14T00:00:00Z", false)["commits"]
	if diff := cmp.Diff([]float64{2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1}, quarter); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
	if got := gitSeries(nil, at("2025-01-15T00:00:00Z"), true); got != nil {
		t.Errorf("no commits made %d points", len(got))
	}
}

// This repository's own history: what git counts is what the series count.
func TestGitSeriesOfThisRepository(t *testing.T) {
	clone := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", args...).Output()
		if err != nil {
			t.Skip("there is no repository here: git ", strings.Join(args, " "), ": ", err)
		}
		return strings.TrimSpace(string(out))
	}
	git("clone", "-q", "--shared", "--no-checkout", "--single-branch", git("rev-parse", "--show-toplevel"), clone)
	commits, err := gitLog(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	want, added := git("-C", clone, "rev-list", "--count", "--no-merges", "HEAD"), int64(0)
	for line := range strings.Lines(git("-C", clone, "log", "--no-merges", "--numstat", "--no-renames", "--format=")) {
		fields := strings.Fields(line)
		for i := range min(len(fields), 2) {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err == nil {
				added += n
			}
		}
	}
	weekly, lines := 0.0, 0.0
	for _, p := range gitSeries(commits, time.Now(), true) {
		switch p.MetricType {
		case tracking.CommitsPerWeek:
			weekly += p.MetricValue
		case churn:
			lines += p.MetricValue
		}
	}
	if got := strconv.FormatFloat(weekly, 'f', -1, 64); got != want || weekly == 0 {
		t.Errorf("the weeks have %s commits, the repository %s", got, want)
	}
	if int64(lines) != added {
		t.Errorf("the weeks have %v lines, the repository %d", lines, added)
	}
}

// Every commit is in exactly one week, and no line is lost.
func TestGitSeriesCountsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var commits []commit
		lines := int64(0)
		for _, offset := range rapid.SliceOfN(rapid.Int64Range(0, 40*7*24*3600), 1, 30).Draw(t, "offsets") {
			commits = append(commits, commit{at: at("2025-01-01T00:00:00Z").Add(time.Duration(offset) * time.Second), author: "a", branch: "b", lines: offset % 7})
			lines += offset % 7
		}
		total, churned := 0.0, 0.0
		for _, p := range gitSeries(commits, at("2026-01-01T00:00:00Z"), true) {
			switch p.MetricType {
			case "commits_per_week":
				total += p.MetricValue
			case churn:
				churned += p.MetricValue
			}
		}
		if total != float64(len(commits)) || churned != float64(lines) {
			t.Errorf("got %v commits and %v lines, want %d and %d", total, churned, len(commits), lines)
		}
	})
}
