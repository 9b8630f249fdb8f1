package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"maestro/bench/child"
	"maestro/bench/load"
	"maestro/bench/report"
)

// What the big set has to reach: requests a second, percentiles in milliseconds,
// errors, and the memory that the server holds meanwhile, in MB.
var (
	mixedRateTarget   = report.AtLeast(4000, 10_000)
	mixedP50Target    = report.AtMost(20, 20)
	mixedP95Target    = report.AtMost(80, 80)
	mixedP99Target    = report.AtMost(150, 40)
	mixedErrorsTarget = report.AtMost(0, 0)
	busyMemoryTarget  = report.AtMost(300, 120)
)

const (
	mixedClients = 100
	mixedLegs    = 10 // one round this many times as long as a leg elsewhere: 30 s
)

// usualMixture is what tenants do: 50 % read, 40 % write, 10 % search.
func usualMixture(tenants []*tenant) load.Next {
	return mixture(
		share{30, viewProject(tenants)}, share{10, listProjects(tenants)}, share{10, viewArtifact(tenants)},
		share{10, createProject(tenants)}, share{10, changeProject(tenants)}, share{10, useArtifact(tenants)}, share{10, recordMetric(tenants)},
		share{10, searchArtifacts(tenants)},
	)
}

// mixed is the usual mixture of a hundred tenants on the big set, in one long round.
func mixed(ctx context.Context, l *lab) (lines []report.Line, err error) {
	server, p, err := l.open(ctx, bigSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	stop := watchMemory(server)
	g := overHTTP("50 % read, 40 % write, 10 % search", server, mixedClients, usualMixture(p.tenants))
	g.tolerant = true
	r, err := g.turn(ctx, mixedLegs*l.seconds)
	memory, memoryErr := stop()
	if err != nil {
		return nil, err
	}
	if memoryErr != nil {
		return nil, memoryErr
	}
	l.report.Legs = append(l.report.Legs, series{r}.summary("mixed", g.name))
	errorLine := report.Line{Measure: "errors", Value: float64(r.Errors), Unit: report.Count, Target: mixedErrorsTarget, Note: r.FirstError}
	return []report.Line{
		{Measure: "rate", Value: rate(r), Unit: report.PerSecond, Target: mixedRateTarget},
		{Measure: "p50", Value: quantile(0.50)(r), Unit: report.Millis, Target: mixedP50Target},
		{Measure: "p95", Value: quantile(0.95)(r), Unit: report.Millis, Target: mixedP95Target},
		{Measure: "p99", Value: quantile(0.99)(r), Unit: report.Millis, Target: mixedP99Target},
		errorLine,
		{Measure: "memory under load", Value: megabytes(memory.Anon), Unit: report.MB, Target: busyMemoryTarget, Note: residentNote(memory)},
	}, nil
}

// watchMemory samples a server's memory until stop, which returns the most of each.
func watchMemory(server *child.Process) (stop func() (child.Memory, error)) {
	const every = 100 * time.Millisecond
	done := make(chan struct{})
	var most child.Memory
	var failed error
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for failed == nil {
			var m child.Memory
			m, failed = server.Memory()
			most.RSS, most.Anon = max(most.RSS, m.RSS), max(most.Anon, m.Anon)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() (child.Memory, error) {
		close(done)
		watching.Wait()
		return most, failed
	}
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

func residentNote(m child.Memory) string {
	return fmt.Sprintf("RssAnon; VmRSS, with the pages of files, is %.1f MB", megabytes(m.RSS))
}
