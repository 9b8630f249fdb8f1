package storage

import (
	"context"
	"sync"

	"maestro/problem"
	"maestro/tenancy"
)

// staging is what uploads under way hold of the disk. The transaction that keeps
// content counts it; before that, without this, each of a tenant's uploads could
// fill all that the tenant has left.
type staging struct {
	mu   sync.Mutex
	held map[tenancy.ID]int64 // bytes of a tenant's uploads that came or were announced; never 0
}

// share is what one upload holds of the staging.
type share struct {
	staging *staging
	tenant  tenancy.ID
	held    int64 // bytes that came or were announced
}

func (s *staging) open(tenant tenancy.ID) *share { return &share{staging: s, tenant: tenant} }

// hold has the upload hold n bytes, if they are at most bound together with those
// of the tenant's others, which it returns. Otherwise the upload holds nothing any
// more: of several that meet at the bound, the last goes on.
func (h *share) hold(n, bound int64) (others int64, ok bool) {
	h.staging.mu.Lock()
	defer h.staging.mu.Unlock()
	others = h.staging.held[h.tenant] - h.held
	if n > bound-others {
		h.set(0)
		return others, false
	}
	h.set(n)
	return others, true
}

// release ends what the upload holds, once or more often.
func (h *share) release() {
	h.staging.mu.Lock()
	defer h.staging.mu.Unlock()
	h.set(0)
}

// set is called with the staging's lock.
func (h *share) set(held int64) {
	s := h.staging
	if s.held == nil {
		s.held = make(map[tenancy.ID]int64)
	}
	if s.held[h.tenant] += held - h.held; s.held[h.tenant] == 0 {
		delete(s.held, h.tenant)
	}
	h.held = held
}

// How many bytes of content come between two looks.
const (
	lookEvery = 16 << 20 // at what the tenant has left

	// measureEvery is between two looks at the disk. What all uploads write past a
	// disk that has become low is this for each of them: less than half of LowDisk.
	measureEvery = 1 << 20
)

// arrival admits content as it comes.
type arrival struct {
	ctx    context.Context //nolint:containedctx // of one upload, as long as it lasts
	tenant *Tenant
	before *storedArtifact
	share  *share

	bound    int64 // as of the last look
	looked   int64 // what had come then
	measured int64 // what had come when the disk was looked at
	came     int64 // and is written, but for the last of it
}

// admit lets the content have so many bytes by now, or refuses it.
func (a *arrival) admit(size int64) error {
	switch {
	case size >= a.looked+lookEvery:
		a.looked, a.measured = size, size
		if err := a.look(max(size, a.share.held)); err != nil {
			return err
		}
	case size >= a.measured+measureEvery:
		a.measured = size
		if err := a.measure(max(size, a.share.held)); err != nil {
			return err
		}
	}
	if size > a.share.held {
		if err := a.hold(size); err != nil {
			return err
		}
	}
	a.came = size
	return nil
}

// look finds out how large the content may be, and whether the disk has room for
// size bytes of it.
func (a *arrival) look(size int64) (err error) {
	if a.bound, err = a.tenant.contentBound(a.ctx, a.before); err != nil {
		return err
	}
	if err := a.hold(size); err != nil {
		return err
	}
	return a.measure(size)
}

// measure finds out whether the disk has room for size bytes of the content, beside
// what the server needs. What other uploads announced does not count: an
// announcement costs nothing, and would keep everybody else from uploading.
func (a *arrival) measure(size int64) error {
	free, err := a.tenant.FreeDisk()
	if err == nil && free-(size-a.came) < LowDisk {
		a.share.release()
		return problem.New(problem.StorageFull, "The disk has no room for this content beside what the server needs itself.")
	}
	return nil // a disk that does not say how much is free says when it is full
}

// hold reserves size bytes of what the tenant has left.
func (a *arrival) hold(size int64) error {
	others, ok := a.share.hold(size, a.bound)
	if ok {
		return nil
	}
	limit := problem.Limit{Resource: bytesHeld.name}
	err := a.tenant.read(a.ctx, func(c *conn) error {
		return c.queryRow(readBytes, []any{a.tenant.scope.Tenant()}, func(r row) { limit.Current, limit.Limit = r.int(0)+others, r.int(1) })
	})
	if err != nil {
		return notFound(err, "tenant")
	}
	if others == 0 {
		return limitReached(limit)
	}
	return &problem.Error{Code: problem.LimitReached, Limit: &limit,
		Detail: "The tenant holds as much as it may, with the uploads that are under way: wait for them, delete something or ask the operator for a higher limit."}
}
