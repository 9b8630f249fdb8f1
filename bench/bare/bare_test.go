package bare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"maestro/bench/child"
	"maestro/bench/load"
)

const project = `{"id":"0192f0c1-2345-7abc-8def-0123456789ab","tenant_id":"0192f0c1-2345-7abc-8def-0123456789aa","name":"Demand forecast","description":"Forecasts the demand of each store for the next four weeks.","problem_class":"forecasting","status":"completed","complexity_score":40,"team_size":4,"start_date":"2025-01-01T00:00:00.000000Z","completion_date":"2025-03-01T00:00:00.000000Z","model_performance":0.87,"compute_cost":1250.5,"business_impact":null,"attributes":{"gpu":true},"metadata":{},"success_score":61.5,"created_by":null,"created_at":"2025-01-01T00:00:00.000000Z","updated_at":"2025-03-01T00:00:00.000000Z","version":2}`

func list() []byte {
	return []byte(`{"items":[` + strings.TrimSuffix(strings.Repeat(project+",", 50), ",") + `],"next_cursor":"abc"}`)
}

// TestMain is the child too.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve-bare" {
		fmt.Println(Serve(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func start(tb testing.TB) *child.Process {
	tb.Helper()
	runtime.LockOSThread()
	tb.Cleanup(runtime.UnlockOSThread)
	dir := tb.TempDir()
	if err := Prepare(dir, []byte(project), list()); err != nil {
		tb.Fatal(err)
	}
	addr, err := child.FreeAddr()
	if err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	process, _, err := child.Start(tb.Context(), child.Command{
		Name: "bare gin", Path: self, Args: []string{"serve-bare", addr, dir}, Addr: addr, Ready: "/readyz", LogFile: filepath.Join(dir, "log"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := process.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return process
}

func TestBareAnswersWhatItWasGiven(t *testing.T) {
	conn := load.NewConn(start(t).Addr, 5*time.Second)
	defer conn.Close()
	var got []byte
	status, err := conn.Do(load.AppendRequest(nil, "GET", "/api/v1/projects/any", "", nil), &got)
	if err != nil || status != 200 || string(got) != project {
		t.Errorf("project: got %d %s, %v", status, got, err)
	}
	got = nil
	status, err = conn.Do(load.AppendRequest(nil, "GET", "/api/v1/projects?limit=50", "", nil), &got)
	if err != nil || status != 200 || !bytes.Equal(got, list()) {
		t.Errorf("list: got %d %s, %v", status, got, err)
	}
}

func TestProjectKeepsEveryField(t *testing.T) {
	var p Project
	if err := json.Unmarshal([]byte(project), &p); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(p)
	if err != nil || string(got) != project {
		t.Errorf("got %s, %v", got, err)
	}
}

// Bare gin alone, for a look at the limit here: go test -bench . ./bare
func BenchmarkBare(b *testing.B) {
	process := start(b)
	for name, path := range map[string]string{"project": "/api/v1/projects/any", "list": "/api/v1/projects?limit=50"} {
		request := load.AppendRequest(nil, "GET", path, strings.Repeat("t", 300), nil)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before, _ := process.CPU()
				own := child.OwnCPU()
				result, err := load.HTTP(b.Context(), process.Addr, 64, 3*time.Second, func(_ int, _ *rand.Rand, buf []byte) []byte { return append(buf, request...) })
				if err != nil || result.Errors > 0 {
					b.Fatal(err, result.Errors, result.FirstError)
				}
				after, _ := process.CPU()
				b.ReportMetric(result.Rate(), "req/s")
				b.ReportMetric(float64((after-before).Microseconds())/float64(result.Requests), "server-µs/req")
				b.ReportMetric(float64((child.OwnCPU()-own).Microseconds())/float64(result.Requests), "load-µs/req")
			}
		})
	}
}
