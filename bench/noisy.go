package main

import (
	"context"
	"sync"
	"time"

	"maestro/bench/load"
	"maestro/bench/report"
)

// How many times the others' 99th percentile may be while one tenant is noisy.
var noisyTarget = report.AtMost(2, 1.2)

const (
	quietClients = 32 // of all tenants but the noisy one
	noisyClients = 32 // of the noisy one
)

// noisy lets one tenant write as fast as it can, creates and batches, beside the
// usual mixture of the other tenants.
func noisy(ctx context.Context, l *lab) (lines []report.Line, err error) {
	server, p, err := l.open(ctx, bigSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	culprit, others := p.tenants[:1], p.tenants[1:]
	usual := usualMixture(others)
	noise := mixture(share{9, createProject(culprit)}, share{1, sendBatches(culprit, noisyClients)})
	var noiseMade load.Histogram
	all, err := l.interleave(ctx, "noisy",
		overHTTP("others alone", server, quietClients, usual),
		leg{name: "others beside the noisy one", server: server, run: func(ctx context.Context, d time.Duration) (*load.Result, error) {
			var beside sync.WaitGroup
			var made *load.Result
			beside.Go(func() { made, _ = load.HTTP(ctx, server.Addr, noisyClients, d, noise) }) // it may be turned away
			result, err := load.HTTP(ctx, server.Addr, quietClients, d, usual)
			beside.Wait()
			noiseMade.Merge(&made.Latency)
			return result, err
		}},
	)
	if err != nil {
		return nil, err
	}
	alone, beside := all[0], all[1]
	turns := float64(l.rounds)*l.seconds.Seconds() + min(l.seconds, time.Second).Seconds()
	return []report.Line{
		{Measure: "others' p99 against without", Value: beside.over(alone, quantile(0.99)), Unit: report.Ratio, Target: noisyTarget},
		{Measure: "others' rate against without", Value: beside.over(alone, rate), Unit: report.Ratio},
		{Measure: "writes of the noisy one", Value: float64(noiseMade.Count()) / turns, Unit: report.PerSecond},
	}, nil
}
