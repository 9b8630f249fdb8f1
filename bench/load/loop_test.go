package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Each of 4 clients takes 10 ms an operation, so one second holds 100 of each.
func TestLoopIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy, done atomic.Int64
		got, err := Loop(t.Context(), 4, time.Second, func(int) (Op, func()) {
			return func() error {
				if busy.Add(1) > 4 {
					t.Error("more operations at once than clients")
				}
				time.Sleep(10 * time.Millisecond)
				busy.Add(-1)
				return nil
			}, func() { done.Add(1) }
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Requests != 400 || got.Errors != 0 || got.Elapsed != time.Second || got.Rate() != 400 {
			t.Errorf("got %d requests, %d errors in %v, want 400, 0 in 1s", got.Requests, got.Errors, got.Elapsed)
		}
		if p99 := got.Latency.Quantile(0.99); p99 != 10*time.Millisecond {
			t.Errorf("p99 = %v, want 10ms", p99)
		}
		if done.Load() != 4 {
			t.Errorf("%d clients released what they held, want 4", done.Load())
		}
	})
}

func TestLoopCountsErrorsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		got, err := Loop(t.Context(), 1, time.Second, func(int) (Op, func()) {
			return func() error {
				time.Sleep(100 * time.Millisecond)
				if n++; n%2 == 0 {
					return fmt.Errorf("error %d", n)
				}
				return nil
			}, func() {}
		})
		if err != nil || got.Requests != 5 || got.Errors != 5 || got.FirstError != "error 2" || got.Latency.Count() != 5 {
			t.Errorf("got %d requests, %d errors, first %q, %d latencies, %v", got.Requests, got.Errors, got.FirstError, got.Latency.Count(), err)
		}
	})
}

func TestLoopEndsWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		got, err := Loop(ctx, 2, time.Hour, func(int) (Op, func()) {
			return func() error { time.Sleep(10 * time.Millisecond); return nil }, func() {}
		})
		if !errors.Is(err, context.DeadlineExceeded) || got.Elapsed > time.Second {
			t.Errorf("got %v after %v, want it cancelled at once", err, got.Elapsed)
		}
	})
}

func TestHTTPSendsEachClientsRequestsAndJudgesTheStatus(t *testing.T) {
	var seen [2]atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/0" {
			seen[0].Add(1)
			return
		}
		seen[1].Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	got, err := HTTP(t.Context(), server.Listener.Addr().String(), 2, 50*time.Millisecond, func(client int, _ *rand.Rand, buf []byte) []byte {
		return fmt.Appendf(buf, "GET /%d HTTP/1.1\r\nHost: test\r\n\r\n", client)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests == 0 || got.Requests != seen[0].Load() || got.Errors == 0 || got.Errors != seen[1].Load() {
		t.Errorf("got %d requests and %d errors, the server saw %d and %d", got.Requests, got.Errors, seen[0].Load(), seen[1].Load())
	}
	if got.FirstError != "status 418" {
		t.Errorf("first error %q, want status 418", got.FirstError)
	}
}
