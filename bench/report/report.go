// Package report judges measurements against targets and prints them, as a table
// for people and as JSON for machines.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Target is what a measurement has to reach, in the measurement's unit.
type Target struct {
	Must float64 `json:"must"` // the least, or the most, that is accepted
	Aim  float64 `json:"aim"`  // what is wanted
	Less bool    `json:"less"` // less is better: both are upper bounds
}

// AtLeast is the target of something that should be large.
func AtLeast(must, aim float64) *Target { return &Target{Must: must, Aim: aim} }

// AtMost is the target of something that should be small.
func AtMost(must, aim float64) *Target { return &Target{Must: must, Aim: aim, Less: true} }

// Verdict says how a measurement stands against its target.
type Verdict string

// The verdicts.
const (
	Aim     Verdict = "aim"     // reaches what is wanted
	OK      Verdict = "ok"      // reaches what is accepted
	Miss    Verdict = "MISS"    // does not
	Info    Verdict = "-"       // has no target
	Skipped Verdict = "skipped" // was not to be measured
	Failed  Verdict = "FAILED"  // could not be measured
)

// Units of measurements.
const (
	Ratio     = "×"
	PerSecond = "/s"
	Millis    = "ms"
	Micros    = "µs"
	MB        = "MB" // 10^6 bytes
	Count     = ""
)

// Line is one measurement.
type Line struct {
	Workload string  `json:"workload"`
	Measure  string  `json:"measure"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Target   *Target `json:"target,omitempty"` // nil: for information
	Verdict  Verdict `json:"verdict"`
	Note     string  `json:"note,omitempty"`
}

// Judge returns the line with its verdict. What is not a number reaches nothing.
func (l Line) Judge() Line {
	switch t := l.Target; {
	case !l.measured():
	case t == nil:
		l.Verdict = Info
	case t.reaches(l.Value, t.Aim):
		l.Verdict = Aim
	case t.reaches(l.Value, t.Must):
		l.Verdict = OK
	default:
		l.Verdict = Miss
	}
	return l
}

func (t *Target) reaches(value, bound float64) bool {
	if t.Less {
		return value <= bound
	}
	return value >= bound
}

// Skip returns a line that says why something was not to be measured.
func Skip(measure, why string) Line {
	return Line{Measure: measure, Verdict: Skipped, Note: why}
}

// Fail returns a line that says why something could not be measured.
func Fail(measure string, err error) Line {
	return Line{Measure: measure, Verdict: Failed, Note: strings.ReplaceAll(err.Error(), "\n", " | ")}
}

func (l Line) measured() bool { return l.Verdict != Skipped && l.Verdict != Failed }

// Leg is what one side of a workload did: medians over its rounds.
type Leg struct {
	Workload   string        `json:"workload"`
	Name       string        `json:"name"`
	Rounds     int           `json:"rounds"`
	Rate       float64       `json:"per_second"`
	P50        time.Duration `json:"p50_ns"`
	P95        time.Duration `json:"p95_ns"`
	P99        time.Duration `json:"p99_ns"`
	ServerCPU  time.Duration `json:"server_cpu_ns_per_request"`    // user and system; 0: no server
	ClientCPU  time.Duration `json:"generator_cpu_ns_per_request"` // what the load itself cost
	Requests   int64         `json:"requests"`
	Errors     int64         `json:"errors"`
	FirstError string        `json:"first_error,omitempty"`
}

// Report is everything that one run measured.
type Report struct {
	Started time.Time         `json:"started"`
	Elapsed float64           `json:"elapsed_seconds"`
	Setup   map[string]string `json:"setup"` // machine and flags
	Lines   []Line            `json:"lines"`
	Legs    []Leg             `json:"legs"`
}

// Failed reports whether something could not be measured.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Lines, func(l Line) bool { return l.Verdict == Failed })
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the setup, the legs and the lines, aligned.
func (r *Report) WriteTable(w io.Writer) error {
	var setup []string
	for _, name := range slices.Sorted(maps.Keys(r.Setup)) {
		setup = append(setup, name+" "+r.Setup[name])
	}
	fmt.Fprintf(w, "%s\n\n", strings.Join(setup, ", "))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, "workload", "leg", "req/s", "p50", "p95", "p99", "server CPU", "load CPU", "requests", "errors")
	for _, l := range r.Legs {
		row(t, l.Workload, l.Name, number(l.Rate), span(l.P50), span(l.P95), span(l.P99), span(l.ServerCPU), span(l.ClientCPU),
			strconv.FormatInt(l.Requests, 10), errorText(l))
	}
	fmt.Fprintln(t)
	row(t, "workload", "measure", "value", "at least", "aim", "verdict", "note")
	for _, l := range r.Lines {
		value, must, aim := "", "", ""
		if l.measured() {
			value = amount(l.Value, l.Unit)
		}
		if l.Target != nil {
			must, aim = bound(l.Target, l.Target.Must, l.Unit), bound(l.Target, l.Target.Aim, l.Unit)
		}
		row(t, l.Workload, l.Measure, value, must, aim, string(l.Verdict), l.Note)
	}
	return t.Flush()
}

// row writes cells; errors come out of the tabwriter's Flush.
func row(w io.Writer, cells ...string) {
	fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

func errorText(l Leg) string {
	if l.Errors == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", l.Errors, l.FirstError)
}

func bound(t *Target, value float64, unit string) string {
	if t.Less {
		return "≤ " + amount(value, unit)
	}
	return "≥ " + amount(value, unit)
}

func amount(value float64, unit string) string {
	if unit == PerSecond || unit == Count {
		return number(value) + unit
	}
	return number(value) + " " + unit
}

// number prints three digits and groups thousands: 0.53, 12.4, 870, 14 800.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "none"
	case size >= 1000:
		return groups(strconv.FormatFloat(math.Round(v), 'f', 0, 64))
	case v == math.Trunc(v) || size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func groups(digits string) string {
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// span prints a duration in the unit that suits it.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return number(float64(d)/float64(time.Microsecond)) + " µs"
	default:
		return number(float64(d)/float64(time.Millisecond)) + " ms"
	}
}
