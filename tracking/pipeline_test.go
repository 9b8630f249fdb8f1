package tracking

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
)

func instant(text string) *tenancy.Time {
	t, err := tenancy.ParseTime(text)
	if err != nil {
		panic(err)
	}
	return &t
}

func TestRunsAreValidated(t *testing.T) {
	valid := func() RunFields {
		return RunFields{RunID: "42", Status: RunSuccess, StartedAt: instant("2026-03-02T10:00:00Z"), FinishedAt: instant("2026-03-02T10:05:00Z")}
	}
	tests := map[string]struct {
		change func(*RunFields)
		want   string // the place that is refused; "" for none
	}{
		"valid":                             {func(*RunFields) {}, ""},
		"a deployment":                      {func(f *RunFields) { f.Deployment, f.Environment, f.Production = true, "staging", new(false) }, ""},
		"one that waits":                    {func(f *RunFields) { f.Status, f.StartedAt, f.FinishedAt = RunQueued, nil, nil }, ""},
		"no id":                             {func(f *RunFields) { f.RunID = "" }, "body.run"},
		"an id that is too long":            {func(f *RunFields) { f.RunID = strings.Repeat("x", 256) }, "body.run"},
		"another provider":                  {func(f *RunFields) { f.Provider = "bitbucket" }, "body.provider"},
		"another status":                    {func(f *RunFields) { f.Status = "done" }, "body.status"},
		"a sha in capitals":                 {func(f *RunFields) { f.CommitSHA = new("ABCDEF0") }, "body.commit_sha"},
		"an end before its time":            {func(f *RunFields) { f.Status = RunRunning }, "body.finished_at"},
		"no end":                            {func(f *RunFields) { f.FinishedAt = nil }, "body.finished_at"},
		"an end before the start":           {func(f *RunFields) { f.FinishedAt = instant("2026-03-02T09:59:59Z") }, "body.finished_at"},
		"a run of two years":                {func(f *RunFields) { f.StartedAt = instant("2024-01-01") }, "body.finished_at"},
		"no time":                           {func(f *RunFields) { f.CommittedAt = new(tenancy.NoTime) }, "body.committed_at"},
		"seconds taken for milliseconds":    {func(f *RunFields) { f.StartedAt = instant("1970-01-21T00:00:00Z") }, "body.started_at"},
		"a negative duration":               {func(f *RunFields) { f.DurationSeconds = new(-1.0) }, "body.duration_seconds"},
		"the environment of a build":        {func(f *RunFields) { f.Environment = "production" }, "body.environment"},
		"the production of a build":         {func(f *RunFields) { f.Production = new(true) }, "body.production"},
		"a control character in the branch": {func(f *RunFields) { f.Branch = "a\nb" }, "body.branch"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := valid()
			test.change(&f)
			err := f.Validate()
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var p *problem.Error
			if !errors.As(err, &p) {
				t.Fatalf("got %v, want %s refused", err, test.want)
			}
			for _, v := range p.Violations {
				if v.Location == test.want {
					return
				}
			}
			t.Errorf("got %v, want %s refused", err, test.want)
		})
	}
}

func TestWhatFollowsIsCompleted(t *testing.T) {
	f := RunFields{Deployment: true, StartedAt: instant("2026-03-02T10:00:00Z"), FinishedAt: instant("2026-03-02T10:01:30Z")}
	f.Complete()
	if f.Provider != "generic" || f.Environment != "production" || !*f.Production || *f.DurationSeconds != 90 {
		t.Errorf("got %s, %s, %v, %v", f.Provider, f.Environment, *f.Production, *f.DurationSeconds)
	}
	for environment, want := range map[string]bool{"prod": true, "Production EU": true, "live": true, "staging": false, "preproduction": false, "delivery": false} {
		f := RunFields{Deployment: true, Environment: environment}
		f.Complete()
		if *f.Production != want {
			t.Errorf("%s is production: %v", environment, *f.Production)
		}
	}
	own := RunFields{StartedAt: f.StartedAt, FinishedAt: f.FinishedAt, DurationSeconds: new(7.0)}
	own.Complete()
	if *own.DurationSeconds != 7 || own.Production != nil {
		t.Errorf("got %v, %v", *own.DurationSeconds, own.Production)
	}
}

func TestReportsOfOneRunMakeOneRun(t *testing.T) {
	const began, ended, later = "2026-03-02T10:00:00Z", "2026-03-02T10:05:00Z", "2026-03-02T11:00:00Z"
	report := func(status RunStatus, finished string) RunFields {
		f := RunFields{RunID: "1", Status: status}
		if finished != "" {
			f.FinishedAt = instant(finished)
		}
		return f
	}
	tests := map[string]struct {
		reports []RunFields
		status  RunStatus
		ended   string
	}{
		"in order":                                  {[]RunFields{report(RunQueued, ""), report(RunRunning, ""), report(RunSuccess, ended)}, RunSuccess, ended},
		"the end overtakes":                         {[]RunFields{report(RunFailure, ended), report(RunRunning, ""), report(RunQueued, "")}, RunFailure, ended},
		"queued after running":                      {[]RunFields{report(RunRunning, ""), report(RunQueued, "")}, RunRunning, ""},
		"the same again":                            {[]RunFields{report(RunSuccess, ended), report(RunSuccess, ended)}, RunSuccess, ended},
		"retried with success":                      {[]RunFields{report(RunFailure, ended), report(RunRunning, ""), report(RunSuccess, later)}, RunSuccess, later},
		"the first end after the second":            {[]RunFields{report(RunSuccess, later), report(RunFailure, ended)}, RunSuccess, later},
		"a retry that was cancelled":                {[]RunFields{report(RunSuccess, ended), report(RunCancelled, later)}, RunSuccess, ended},
		"a retry of what was cancelled":             {[]RunFields{report(RunCancelled, ended), report(RunFailure, later)}, RunFailure, later},
		"cancelled later, and heard of before":      {[]RunFields{report(RunCancelled, later), report(RunFailure, ended)}, RunFailure, ended},
		"a contradiction at one time: the first is": {[]RunFields{report(RunSuccess, ended), report(RunFailure, ended)}, RunSuccess, ended},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			run := NewRun(tenancy.NewID(), tenancy.NewID(), tenancy.NewID(), test.reports[0], 0)
			for _, f := range test.reports[1:] {
				run.Absorb(f)
			}
			got := ""
			if run.FinishedAt != nil {
				got = run.FinishedAt.Std().Format(time.RFC3339)
			}
			if run.Status != test.status || got != test.ended {
				t.Errorf("got %s at %q, want %s at %q", run.Status, got, test.status, test.ended)
			}
		})
	}

	run := NewRun(tenancy.NewID(), tenancy.NewID(), tenancy.NewID(), report(RunSuccess, ended), 0)
	if run.Absorb(report(RunSuccess, ended)) {
		t.Error("a repetition is a change")
	}
	if f := report(RunRunning, ""); true {
		f.StartedAt, f.Branch, f.CommitSHA, f.CommittedAt = instant(began), "main", new("abcdef0"), instant(began)
		if !run.Absorb(f) || run.Branch != "main" || *run.DurationSeconds != 300 || *run.CommittedAt != *instant(began) {
			t.Errorf("what was unknown is not filled in: %+v", run.RunFields)
		}
	}
	if run.Absorb(RunFields{RunID: "1", Status: RunRunning, CommitSHA: new("1234567"), CommittedAt: instant(later)}) || *run.CommitSHA != "abcdef0" {
		t.Errorf("another commit replaced the first: %+v", run.RunFields)
	}
}

// Whatever order the reports of a run arrive in, the run is the same.
func TestTheOrderOfReportsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := *instant("2026-03-02T10:00:00Z")
		var reports []RunFields
		for i, status := range rapid.SliceOfN(rapid.SampledFrom(RunStatuses[:]), 1, 6).Draw(t, "statuses") {
			f := RunFields{RunID: "1", Status: status, Name: "n", StartedAt: &begin}
			if status.Final() {
				f.FinishedAt = new(begin + tenancy.Time(i)*1_000_000) // no two at one time
			}
			reports = append(reports, f)
		}
		make := func(reports []RunFields) RunFields {
			run := NewRun(tenancy.ID{}, tenancy.ID{}, tenancy.ID{}, reports[0], 0)
			for _, f := range reports[1:] {
				run.Absorb(f)
			}
			return run.RunFields
		}
		shuffled := rapid.Permutation(reports).Draw(t, "order")
		if diff := cmp.Diff(make(reports), make(shuffled)); diff != "" {
			t.Errorf("in another order (-one +other):\n%s", diff)
		}
	})
}

func TestWeeksBeginOnMonday(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-02T00:00:00Z": "2026-03-02", "2026-03-08T23:59:59.999999Z": "2026-03-02", "2026-03-09": "2026-03-09", "1970-01-05": "1970-01-05",
	} {
		if got := WeekOf(*instant(text)); got != *instant(want) {
			t.Errorf("the week of %s begins at %s, want %s", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := tenancy.Time(rapid.Int64Range(0, int64(tenancy.EndTime)-1).Draw(t, "at"))
		begin := WeekOf(at)
		if begin > at || at-begin >= week || begin.Std().Weekday() != time.Monday || begin.Std().Truncate(24*time.Hour) != begin.Std() {
			t.Errorf("the week of %s begins at %s", at, begin)
		}
	})
}

func TestMeasuresOfAWeek(t *testing.T) {
	finished := *instant("2026-03-02T12:00:00Z")
	ago := func(hours float64) *tenancy.Time { return new(finished - tenancy.Time(hours*float64(hour))) }
	build := func(success bool, seconds float64) RunOutcome {
		return RunOutcome{Success: success, Seconds: &seconds}
	}
	deploy := func(success bool, committed *tenancy.Time) RunOutcome {
		o := RunOutcome{Deployment: true, Production: true, Success: success, CommittedAt: committed}
		if success {
			o.SucceededAt = &finished
		}
		return o
	}
	tests := map[string]struct {
		outcomes []RunOutcome
		want     []Measure
	}{
		"nothing":             {nil, nil},
		"one build":           {[]RunOutcome{build(true, 60)}, []Measure{{"pipeline_success_rate", 1, 1}, {"pipeline_duration", 60, 1}}},
		"builds, odd":         {[]RunOutcome{build(true, 300), build(false, 10), build(true, 60)}, []Measure{{"pipeline_success_rate", 2.0 / 3, 3}, {"pipeline_duration", 60, 3}}},
		"builds, even":        {[]RunOutcome{build(false, 10), build(false, 20)}, []Measure{{"pipeline_success_rate", 0, 2}, {"pipeline_duration", 15, 2}}},
		"of unknown duration": {[]RunOutcome{{Success: true}}, []Measure{{"pipeline_success_rate", 1, 1}}},
		"deployments": {[]RunOutcome{deploy(true, ago(2)), deploy(true, ago(6)), deploy(true, nil), deploy(false, ago(1))},
			[]Measure{{"deployment_frequency", 3, 4}, {"change_failure_rate", 0.25, 4}, {"lead_time_for_changes", 4, 2}}},
		"a failed one alone":          {[]RunOutcome{deploy(false, ago(1))}, []Measure{{"deployment_frequency", 0, 1}, {"change_failure_rate", 1, 1}}},
		"a commit after its delivery": {[]RunOutcome{deploy(true, ago(-1))}, []Measure{{"deployment_frequency", 1, 1}, {"change_failure_rate", 0, 1}}},
		"deployed, and then failed": {[]RunOutcome{{Deployment: true, Production: true, CommittedAt: ago(3), SucceededAt: &finished}},
			[]Measure{{"deployment_frequency", 1, 1}, {"change_failure_rate", 1, 1}, {"lead_time_for_changes", 3, 1}}},
		"elsewhere": {[]RunOutcome{{Deployment: true, Success: false}}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, MeasureWeek(test.outcomes)); diff != "" {
				t.Errorf("measures (-want +got):\n%s", diff)
			}
		})
	}
}
