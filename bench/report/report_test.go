package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		value  float64
		target *Target
		want   Verdict
	}{
		{0.95, AtLeast(0.45, 0.95), Aim},
		{0.94, AtLeast(0.45, 0.95), OK},
		{0.45, AtLeast(0.45, 0.95), OK},
		{0.44, AtLeast(0.45, 0.95), Miss},
		{12, AtMost(30, 12), Aim},
		{30, AtMost(30, 12), OK},
		{30.1, AtMost(30, 12), Miss},
		{0, AtMost(0, 0), Aim},
		{1, AtMost(0, 0), Miss},
		{math.NaN(), AtLeast(0.45, 0.95), Miss},
		{math.NaN(), AtMost(30, 12), Miss},
		{7, nil, Info},
	} {
		if got := (Line{Value: c.value, Target: c.target}).Judge().Verdict; got != c.want {
			t.Errorf("%v against %+v: got %q, want %q", c.value, c.target, got, c.want)
		}
	}
	if got := Skip("rate", "why").Judge().Verdict; got != Skipped {
		t.Errorf("a skipped line became %q", got)
	}
	if got := Fail("rate", errors.New("why")).Judge().Verdict; got != Failed {
		t.Errorf("a failed line became %q", got)
	}
}

func TestNumber(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0", 0.534: "0.53", 1: "1", 12.44: "12.4", 99.96: "100.0", 870.4: "870", 14800.4: "14 800", 999.9: "1000",
		1234567: "1 234 567", -1234: "-1 234", -123456: "-123 456", math.Inf(1): "none",
	} {
		if got := number(value); got != want {
			t.Errorf("number(%v) = %q, want %q", value, got, want)
		}
	}
}

func report() *Report {
	return &Report{
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 61.5, Setup: map[string]string{"fsync": "120µs", "cpus": "2"},
		Lines: []Line{
			{Workload: "view", Measure: "against bare gin", Value: 0.534, Unit: Ratio, Target: AtLeast(0.45, 0.95)},
			{Workload: "create", Measure: "p99", Value: 31.2, Unit: Millis, Target: AtMost(30, 12)},
			{Workload: "metrics", Measure: "points", Value: 174000, Unit: PerSecond, Target: AtLeast(120_000, 400_000)},
			{Workload: "authenticate", Measure: "time", Verdict: Skipped, Note: "no such benchmark"},
			{Workload: "search", Verdict: Failed, Note: "the server ended"},
		},
		Legs: []Leg{
			{Workload: "view", Name: "maestro", Rounds: 3, Rate: 14800.2, P50: 900 * time.Microsecond, P95: 2 * time.Millisecond, P99: 13100 * time.Microsecond, ServerCPU: 61 * time.Microsecond, ClientCPU: 12 * time.Microsecond, Requests: 44400},
			{Workload: "create", Name: "engine", Rate: 15000, Requests: 1, Errors: 2, FirstError: "status 503"},
		},
	}
}

func TestTable(t *testing.T) {
	r := report()
	for i := range r.Lines {
		r.Lines[i] = r.Lines[i].Judge()
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `cpus 2, fsync 120µs

workload  leg      req/s   p50     p95   p99      server CPU  load CPU  requests  errors
view      maestro  14 800  900 µs  2 ms  13.1 ms  61 µs       12 µs     44400     0
create    engine   15 000  -       -     -        -           -         1         2 (status 503)

workload      measure           value      at least     aim          verdict  note
view          against bare gin  0.53 ×     ≥ 0.45 ×     ≥ 0.95 ×     ok
create        p99               31.2 ms    ≤ 30 ms      ≤ 12 ms      MISS
metrics       points            174 000/s  ≥ 120 000/s  ≥ 400 000/s  ok
authenticate  time                                                   skipped  no such benchmark
search                                                               FAILED   the server ended
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestJSONHoldsEverything(t *testing.T) {
	var b bytes.Buffer
	if err := report().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*report(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
