package peer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"maestro/bench/child"
	"maestro/bench/load"
)

// TestMain is the child too.
func TestMain(m *testing.M) {
	if len(os.Args) == 7 && os.Args[1] == "serve-peer" {
		tenants, _ := strconv.Atoi(os.Args[4])
		projects, _ := strconv.Atoi(os.Args[5])
		fmt.Println(Serve(os.Args[2], os.Args[3], tenants, projects, os.Args[6] == "true"))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func start(tb testing.TB, tenants, projects int) (*child.Process, *Population) {
	tb.Helper()
	runtime.LockOSThread()
	tb.Cleanup(runtime.UnlockOSThread)
	addr, err := child.FreeAddr()
	if err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	process, _, err := child.Start(tb.Context(), child.Command{
		Name: "pocketbase", Path: self, Args: []string{"serve-peer", addr, dir, fmt.Sprint(tenants), fmt.Sprint(projects), "true"},
		Addr: addr, Ready: ReadyPath, LogFile: filepath.Join(dir, "log"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := process.Stop(); err != nil {
			tb.Error(err)
		}
	})
	population, err := ReadPopulation(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return process, population
}

type record struct {
	ID, Tenant, Name string
}

func TestPeerAnswersAsTheProductWould(t *testing.T) {
	process, population := start(t, 2, 60)
	conn := load.NewConn(process.Addr, 5*time.Second)
	defer conn.Close()
	random := rand.New(rand.NewPCG(1, 2))
	send := func(request []byte, wantStatus int, into any) {
		t.Helper()
		var body []byte
		status, err := conn.Do(request, &body)
		if err != nil || status != wantStatus {
			t.Fatalf("got %d %s, %v, want %d", status, body, err, wantStatus)
		}
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatal(err)
		}
	}

	var viewed record
	send(population.View()(0, random, nil), 200, &viewed)
	if viewed.ID == "" || viewed.Name == "" {
		t.Errorf("view: got %+v", viewed)
	}

	var list struct {
		Items      []record
		TotalItems int
	}
	send(population.List()(0, random, nil), 200, &list)
	if len(list.Items) != ListSize || list.TotalItems != -1 {
		t.Fatalf("list: got %d items, total %d, want %d, -1", len(list.Items), list.TotalItems, ListSize)
	}
	if got, want := list.Items[0].Name, "Demand forecast 59"; got != want {
		t.Errorf("the list starts with %q, want the newest, %q", got, want)
	}
	for _, item := range list.Items {
		if item.Tenant != list.Items[0].Tenant {
			t.Error("the list mixes tenants")
		}
	}

	var created, other record
	create := population.Create()
	send(create(0, random, nil), 200, &created)
	send(create(0, random, nil), 200, &other)
	if created.Name == other.Name {
		t.Errorf("two creates have one name, %q", created.Name)
	}

	own, foreign := population.Tenants[0], population.Tenants[1]
	send(load.AppendRequest(nil, "GET", records+"/"+foreign.Projects[0], own.Token, nil), 404, &viewed)
	send(load.AppendRequest(nil, "GET", records+"/"+own.Projects[0], "", nil), 404, &viewed)
}

// The peer alone, for a look at what it can do here: go test -bench . ./peer
func BenchmarkPeer(b *testing.B) {
	process, population := start(b, 100, 1000)
	for _, c := range []struct {
		name string
		next load.Next
	}{{"view", population.View()}, {"list", population.List()}, {"create", population.Create()}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				before, _ := process.CPU()
				result, err := load.HTTP(b.Context(), process.Addr, 64, 3*time.Second, c.next)
				if err != nil || result.Errors > 0 {
					b.Fatal(err, result.Errors, result.FirstError)
				}
				after, _ := process.CPU()
				b.ReportMetric(result.Rate(), "req/s")
				b.ReportMetric(float64(result.Latency.Quantile(0.99).Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64((after-before).Microseconds())/float64(result.Requests), "server-µs/req")
			}
		})
	}
}
