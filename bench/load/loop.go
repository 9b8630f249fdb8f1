package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// exchangeTimeout bounds one request, so that a server that hangs is an error and
// not a benchmark that never ends.
const exchangeTimeout = 10 * time.Second

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
				if err != nil {
					r.Errors++
					if r.FirstError == "" {
						r.FirstError = err.Error()
					}
				} else {
					r.Requests++
					r.Latency.Record(after.Sub(now))
				}
				now = after
			}
		})
	}
	running.Wait()
	all := &Result{Elapsed: time.Since(start)}
	for i := range results {
		all.Requests += results[i].Requests
		all.Errors += results[i].Errors
		all.Latency.Merge(&results[i].Latency)
		if all.FirstError == "" {
			all.FirstError = results[i].FirstError
		}
	}
	return all, ctx.Err()
}

// Next appends a client's next request, whole, to buf and returns it. It must not
// share anything that changes with another client but through atomics.
type Next func(client int, random *rand.Rand, buf []byte) []byte

// HTTP lets the clients send requests to addr for d, one connection each. A
// status outside 200..299 is an error.
func HTTP(ctx context.Context, addr string, clients int, d time.Duration, next Next) (*Result, error) {
	return Loop(ctx, clients, d, func(client int) (Op, func()) {
		conn := NewConn(addr, exchangeTimeout)
		random := rand.New(rand.NewPCG(1, uint64(client)))
		var request []byte
		op := func() error {
			request = next(client, random, request[:0])
			status, err := conn.Do(request, nil)
			if err == nil && (status < 200 || status > 299) {
				err = fmt.Errorf("status %d", status)
			}
			return err
		}
		return op, conn.Close
	})
}
