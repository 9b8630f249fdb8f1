package storage

import (
	"context"
	"sync"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// Bounds of the comparisons and judgements that requests wait for.
const (
	workAtOnce  = 2               // each takes a core for a second or more, and requests want the rest
	longestTurn = 2 * time.Second // that somebody waits for a turn
)

// gate lets long work of a request in: one piece at once of a tenant, so that a
// turn of all goes to another tenant's before it comes back to the same, and few
// of all.
type gate struct {
	all chan struct{} // first come, first served

	mu      sync.Mutex
	tenants map[tenancy.ID]*tenantGate // those that work or wait
}

type tenantGate struct {
	slot chan struct{} // holds one
	held int           // how many work or wait
}

func newGate(atOnce int) *gate {
	return &gate{all: make(chan struct{}, atOnce), tenants: make(map[tenancy.ID]*tenantGate)}
}

// enter waits for the tenant's turn, which lasts until leave is called. It fails
// with Unavailable after longestTurn.
func (g *gate) enter(ctx context.Context, tenant tenancy.ID) (leave func(), err error) {
	own := g.hold(tenant)
	timer := time.NewTimer(longestTurn)
	defer timer.Stop()
	if err := wait(ctx, own.slot, timer); err != nil {
		g.release(tenant)
		return nil, err
	}
	if err := wait(ctx, g.all, timer); err != nil {
		<-own.slot
		g.release(tenant)
		return nil, err
	}
	return func() {
		<-g.all
		<-own.slot
		g.release(tenant)
	}, nil
}

func wait(ctx context.Context, slot chan struct{}, timer *time.Timer) error {
	select {
	case slot <- struct{}{}:
		return nil
	case <-timer.C:
		return &problem.Error{Code: problem.Unavailable, Detail: "Too many comparisons and judgements are being made at this moment.", RetryAfter: longestTurn}
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) hold(tenant tenancy.ID) *tenantGate {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.tenants[tenant]
	if own == nil {
		own = &tenantGate{slot: make(chan struct{}, 1)}
		g.tenants[tenant] = own
	}
	own.held++
	return own
}

func (g *gate) release(tenant tenancy.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.tenants[tenant]
	if own.held--; own.held == 0 {
		delete(g.tenants, tenant)
	}
}
