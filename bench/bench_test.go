package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"maestro/bench/load"
	"maestro/bench/report"
	"maestro/tracking"
)

// TestMain is the children too: bare gin, the peer, and a stand-in for the product.
func TestMain(m *testing.M) {
	args := os.Args[1:]
	switch {
	case len(args) == 5 && args[0] == "serve" && args[1] == "--data" && args[3] == "--listen":
		fmt.Println(serveStandIn(args[4]))
		os.Exit(1)
	case len(args) > 0 && strings.HasPrefix(args[0], "serve-"):
		fmt.Println(serveAsChild(args))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// testLab returns a lab whose product is the stand-in, for a moment a leg.
func testLab(t *testing.T, args ...string) *lab {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	o, err := parseFlags(append([]string{"-seconds", "0.05", "-rounds", "2", "-scale", "0.001", "-source", t.TempDir()}, args...))
	if err != nil {
		t.Fatal(err)
	}
	l, err := openLab(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(filepath.Join(o.source, "bin")); len(left) > 0 {
			t.Errorf("%s is left behind", left[0].Name())
		}
	})
	l.maestro = l.self
	l.fill = func(_ context.Context, p *population) error {
		for _, tenant := range p.everybody() {
			for i := range tenant.projects {
				tenant.projects[i] = idOf(fmt.Sprint("project", i))
			}
			for i := range tenant.artifacts {
				tenant.artifacts[i] = idOf(fmt.Sprint("artifact", i))
			}
		}
		return nil
	}
	return l
}

// Every workload speaks the contract, ends, and gives a verdict on each of its targets.
func TestWorkloads(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report.json")
	l := testLab(t, "-o", out, "-run", "footprint|view|list|depth|search|create|metrics|peer|noisy|mixed")
	if err := l.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	judged := map[string]int{}
	for _, line := range l.report.Lines {
		switch line.Verdict {
		case report.Aim, report.OK, report.Miss:
			judged[line.Workload]++
		case report.Info:
		default:
			t.Errorf("%s %s: %s %s", line.Workload, line.Measure, line.Verdict, line.Note)
		}
	}
	for workload, want := range map[string]int{
		"footprint": 4, "view": 1, "list": 1, "depth": 2, "search": 1, "create": 2, "metrics": 1, "peer": 3, "noisy": 1, "mixed": 6,
	} {
		if judged[workload] != want {
			t.Errorf("%s: %d lines have a verdict, want %d", workload, judged[workload], want)
		}
	}
	for _, leg := range l.report.Legs {
		if leg.Errors > 0 || leg.Requests == 0 {
			t.Errorf("%s, %s: %d requests, %d errors: %s", leg.Workload, leg.Name, leg.Requests, leg.Errors, leg.FirstError)
		}
	}
	if len(l.running) > 0 {
		t.Errorf("%d servers are left running", len(l.running))
	}

	var printed bytes.Buffer
	if err := l.publish(&printed); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var kept report.Report
	if err := json.Unmarshal(text, &kept); err != nil || len(kept.Lines) != len(l.report.Lines) {
		t.Errorf("the JSON holds %d lines of %d, %v", len(kept.Lines), len(l.report.Lines), err)
	}
	if !strings.Contains(printed.String(), "rate against bare gin") {
		t.Errorf("the table is %s", &printed)
	}
}

// A workload that cannot be measured is a line, and the next one still runs.
func TestFailureIsALine(t *testing.T) {
	l := testLab(t, "-run", "view|peer", "-peer=false")
	l.fill = func(context.Context, *population) error { return fmt.Errorf("no room\non the disk") }
	if err := l.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(l.report.Lines) != 2 || l.report.Lines[0].Verdict != report.Failed || l.report.Lines[1].Verdict != report.Skipped {
		t.Fatalf("got %+v, want a failed line and a skipped one", l.report.Lines)
	}
	if note := l.report.Lines[0].Note; !strings.Contains(note, "no room | on the disk") {
		t.Errorf("the note is %q", note)
	}
	if !l.report.Failed() {
		t.Error("the run is no failure")
	}
}

func TestInterleaveTakesTurnsAfterWarmingUp(t *testing.T) {
	l := &lab{options: options{rounds: 2, seconds: 5 * time.Second}}
	var order []string
	fake := func(name string, rate int64) leg {
		return leg{name: name, run: func(_ context.Context, d time.Duration) (*load.Result, error) {
			order = append(order, fmt.Sprint(name, d))
			return &load.Result{Requests: rate * int64(d.Seconds()), Elapsed: d}, nil
		}}
	}
	all, err := l.interleave(t.Context(), "w", fake("a", 300), fake("b", 100))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, " "), "a1s b1s a5s b5s a5s b5s"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if got := all[0].over(all[1], rate); got != 3 {
		t.Errorf("ratio %v, want 3", got)
	}
	if len(l.report.Legs) != 2 || l.report.Legs[1].Rate != 100 || l.report.Legs[1].Requests != 1000 {
		t.Errorf("legs %+v", l.report.Legs)
	}
}

func TestInterleaveRefusesErrors(t *testing.T) {
	l := &lab{options: options{rounds: 1, seconds: time.Second}}
	result := &load.Result{Requests: 9, Errors: 1, FirstError: "status 429", Elapsed: time.Second}
	g := leg{name: "a", run: func(context.Context, time.Duration) (*load.Result, error) { return result, nil }}
	if _, err := l.interleave(t.Context(), "w", g); err == nil || !strings.Contains(err.Error(), "1 of 10 requests failed: status 429") {
		t.Errorf("got %v", err)
	}
	g.tolerant = true
	if _, err := l.interleave(t.Context(), "w", g); err != nil {
		t.Errorf("where errors are measured: %v", err)
	}
	g.run = func(context.Context, time.Duration) (*load.Result, error) { return &load.Result{}, nil }
	if _, err := l.interleave(t.Context(), "w", g); err == nil {
		t.Error("nothing answered is no error")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestBatchesGoOnInTime(t *testing.T) {
	b := newBatch("token", idOf("p").String())
	var last tracking.Point
	for range 3 {
		request := b.next()
		body := request[bytes.Index(request, []byte("\r\n\r\n"))+4:]
		if !strings.Contains(string(request), fmt.Sprintf("Content-Length: %d\r\n", len(body))) {
			t.Fatal("the length is wrong")
		}
		var points []tracking.Point
		if err := json.Unmarshal(body, &points); err != nil {
			t.Fatal(err)
		}
		if len(points) != batchPoints || points[0].MetricType != points[batchTypes].MetricType {
			t.Fatalf("%d points", len(points))
		}
		if first := points[0]; last.Timestamp != nil && *first.Timestamp <= *last.Timestamp {
			t.Errorf("a batch starts at %v, the one before ended at %v", first.Timestamp, last.Timestamp)
		}
		if got := *points[batchTypes].Timestamp - *points[0].Timestamp; got != 1_000_000 {
			t.Errorf("the next point of a type is %d µs later, want 1 s", got)
		}
		last = points[batchPoints-1]
	}
}

func TestMixtureKeepsItsShares(t *testing.T) {
	letter := func(c byte) load.Next { return func(_ int, _ *rand.Rand, buf []byte) []byte { return append(buf, c) } }
	next := mixture(share{5, letter('r')}, share{4, letter('w')}, share{1, letter('s')})
	source, counts := rand.New(rand.NewPCG(1, 2)), map[byte]int{}
	const n = 100_000
	for range n {
		counts[next(0, source, nil)[0]]++
	}
	for c, want := range map[byte]float64{'r': 0.5, 'w': 0.4, 's': 0.1} {
		if got := float64(counts[c]) / n; got < want-0.01 || got > want+0.01 {
			t.Errorf("%c: %.3f, want %.1f", c, got, want)
		}
	}
}

func TestParseBenchmark(t *testing.T) {
	nanoseconds, allocations, err := parseBenchmark("goos: linux\nBenchmarkAuthenticate-2   \t 1270000\t       944.5 ns/op\t      64 B/op\t       2 allocs/op\nPASS\n")
	if err != nil || nanoseconds != 944.5 || allocations != 2 {
		t.Errorf("got %v ns, %v allocations, %v", nanoseconds, allocations, err)
	}
	if _, _, err := parseBenchmark("PASS\n"); err == nil {
		t.Error("no benchmark is no error")
	}
}

func TestParseFlags(t *testing.T) {
	o, err := parseFlags([]string{"-run", "^view$", "-seconds", "0.5", "-scale", "0.1"})
	if err != nil || o.seconds != 500*time.Millisecond || o.scale != 0.1 || !o.peer || !o.run.MatchString("view") || o.run.MatchString("review") {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-seconds", "0"}, {"-rounds", "0"}, {"-scale", "2"}, {"-scale", "0"}, {"-run", "("}, {"more"}} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

// The engine's own leg, and its seeding, on the real engine.
func TestEngineSeedsAndCreates(t *testing.T) {
	set := dataSet{name: "test", tenants: 3, projects: 40}
	e, err := openEngine(t.Context(), t.TempDir(), set)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, tenant := range e.tenants {
		for n, id := range tenant.projects {
			p, err := e.store.Tenant(systemScope(tenant.id)).Project(t.Context(), id)
			if err != nil || p.Name != project(n).Name {
				t.Fatalf("%s, project %d: got %q, %v", tenant.slug, n, p.Name, err)
			}
		}
	}
	result, err := load.Loop(t.Context(), 8, 50*time.Millisecond, e.creator(t.Context()))
	if err != nil || result.Requests == 0 || result.Errors > 0 {
		t.Errorf("%d creates, %d errors: %s, %v", result.Requests, result.Errors, result.FirstError, err)
	}
}

func TestForEach(t *testing.T) {
	done := make([]bool, 100)
	if err := forEach(t.Context(), len(done), 7, func(i int) error { done[i] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for i, ok := range done {
		if !ok {
			t.Errorf("%d was left out", i)
		}
	}
	calls := 0
	err := forEach(t.Context(), 100, 1, func(i int) error {
		calls++
		if i == 3 {
			return fmt.Errorf("at %d", i)
		}
		return nil
	})
	if err == nil || err.Error() != "at 3" || calls > 5 {
		t.Errorf("got %v after %d calls, want it to stop at 3", err, calls)
	}
}
