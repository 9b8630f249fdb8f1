package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"maestro/bench/child"
	"maestro/bench/load"
	"maestro/bench/report"
)

// leg is one side of a workload.
type leg struct {
	name     string
	server   *child.Process // whose processor time is counted; nil when there is none
	run      func(ctx context.Context, d time.Duration) (*load.Result, error)
	tolerant bool // errors are part of what is measured; otherwise they make the workload fail
}

// overHTTP returns a leg that sends requests to a server.
func overHTTP(name string, server *child.Process, clients int, next load.Next) leg {
	return leg{name: name, server: server, run: func(ctx context.Context, d time.Duration) (*load.Result, error) {
		return load.HTTP(ctx, server.Addr, clients, d, next)
	}}
}

// repeated always sends the same request.
func repeated(request []byte) load.Next {
	return func(_ int, _ *rand.Rand, buf []byte) []byte { return append(buf, request...) }
}

// round is what one leg did in one turn.
type round struct {
	*load.Result
	serverCPU, clientCPU time.Duration
}

// series is what one leg did in all its turns.
type series []round

// interleave runs the legs in turn, A B A B, so that a machine that drifts drifts
// for all of them, after a shorter turn each to warm up. It notes them in the
// report and returns one series a leg.
func (l *lab) interleave(ctx context.Context, workload string, legs ...leg) ([]series, error) {
	warmUp := min(l.seconds, time.Second)
	all := make([]series, len(legs))
	for turn := range l.rounds + 1 {
		for i, leg := range legs {
			d := l.seconds
			if turn == 0 {
				d = warmUp
			}
			r, err := leg.turn(ctx, d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", leg.name, err)
			}
			if turn > 0 {
				all[i] = append(all[i], r)
			}
		}
	}
	for i, leg := range legs {
		l.report.Legs = append(l.report.Legs, all[i].summary(workload, leg.name))
	}
	return all, nil
}

func (g *leg) turn(ctx context.Context, d time.Duration) (round, error) {
	cpu := func() (time.Duration, error) {
		if g.server == nil {
			return 0, nil
		}
		return g.server.CPU()
	}
	before, err := cpu()
	if err != nil {
		return round{}, err
	}
	own := child.OwnCPU()
	result, err := g.run(ctx, d)
	if err != nil {
		return round{}, err
	}
	own = child.OwnCPU() - own
	after, err := cpu()
	if err != nil {
		return round{}, err
	}
	if result.Errors > 0 && !g.tolerant {
		return round{}, fmt.Errorf("%d of %d requests failed: %s", result.Errors, result.Errors+result.Requests, result.FirstError)
	}
	if result.Requests == 0 {
		return round{}, fmt.Errorf("no request was answered")
	}
	return round{Result: result, serverCPU: after - before, clientCPU: own}, nil
}

// median returns the median of what of gives for each round.
func (s series) median(of func(round) float64) float64 {
	values := make([]float64, len(s))
	for i, r := range s {
		values[i] = of(r)
	}
	return median(values)
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// over returns the median of the rounds' ratios, this series' over the other's:
// rounds of one number ran next to each other.
func (s series) over(other series, of func(round) float64) float64 {
	ratios := make([]float64, len(s))
	for i := range s {
		ratios[i] = of(s[i]) / of(other[i])
	}
	return median(ratios)
}

func rate(r round) float64 { return r.Rate() }

// quantile gives a round's latency at q, in milliseconds.
func quantile(q float64) func(round) float64 {
	return func(r round) float64 { return float64(r.Latency.Quantile(q)) / float64(time.Millisecond) }
}

// serverCPU gives the server's processor time for one request, in microseconds.
func serverCPU(r round) float64 {
	return float64(r.serverCPU) / float64(time.Microsecond) / float64(r.Requests)
}

func clientCPU(r round) float64 {
	return float64(r.clientCPU) / float64(time.Microsecond) / float64(r.Requests)
}

func (s series) summary(workload, name string) report.Leg {
	leg := report.Leg{
		Workload: workload, Name: name, Rounds: len(s), Rate: s.median(rate),
		P50: millis(s.median(quantile(0.50))), P95: millis(s.median(quantile(0.95))), P99: millis(s.median(quantile(0.99))),
		ServerCPU: micros(s.median(serverCPU)), ClientCPU: micros(s.median(clientCPU)),
	}
	for _, r := range s {
		leg.Requests += r.Requests
		leg.Errors += r.Errors
		if leg.FirstError == "" {
			leg.FirstError = r.FirstError
		}
	}
	return leg
}

func millis(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
func micros(v float64) time.Duration { return time.Duration(v * float64(time.Microsecond)) }
