package load

import (
	"context"
	"sync"
	"time"
)

// Result is what a closed loop did.
type Result struct {
	Requests   int64 // answered as they should be
	Errors     int64 // not answered, or with a status that is no success
	FirstError string
	Elapsed    time.Duration
	Latency    Histogram // of the requests without error
}

// Rate returns the requests without error per second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed.Seconds()
}

// count adds an operation that took so long and ended with err.
func (r *Result) count(took time.Duration, err error) {
	if err == nil {
		r.Requests++
		r.Latency.Record(took)
		return
	}
	r.Errors++
	if r.FirstError == "" {
		r.FirstError = err.Error()
	}
}

// merge adds what other counted.
func (r *Result) merge(other *Result) {
	r.Requests += other.Requests
	r.Errors += other.Errors
	r.Latency.Merge(&other.Latency)
	if r.FirstError == "" {
		r.FirstError = other.FirstError
	}
}

// Op is one client's next operation.
type Op func() error

// Loop lets the clients run concurrently for d: each does its next operation as
// soon as the last one ended, and none is begun after d. newOp makes each
// client's operation and what releases what it holds; clients are numbered from 0.
// Only a cancelled ctx makes it fail; an operation's error is counted.
func Loop(ctx context.Context, clients int, d time.Duration, newOp func(client int) (op Op, done func())) (*Result, error) {
	results := make([]Result, clients)
	start := time.Now()
	var running sync.WaitGroup
	for client := range clients {
		op, done := newOp(client)
		running.Go(func() {
			defer done()
			r := &results[client]
			for now := time.Now(); now.Sub(start) < d && ctx.Err() == nil; {
				err := op()
				after := time.Now()
				r.count(after.Sub(now), err)
				now = after
			}
		})
	}
	running.Wait()
	all := &Result{Elapsed: time.Since(start)}
	for i := range results {
		all.merge(&results[i])
	}
	return all, ctx.Err()
}
