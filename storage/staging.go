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
	mu        sync.Mutex
	held      map[tenancy.ID]int64 // bytes of a tenant's uploads that came or were announced; never 0
	unwritten int64                // of everybody's, those that did not come yet
}

// share is what one upload holds of the staging.
type share struct {
	staging *staging
	tenant  tenancy.ID
	held    int64 // bytes that came or were announced
	came    int64 // of them
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
		h.set(0, 0)
		return others, false
	}
	h.set(n, h.came)
	return others, true
}

// arrive notes that the upload's first n bytes came, for which it holds enough.
func (h *share) arrive(n int64) {
	h.staging.mu.Lock()
	defer h.staging.mu.Unlock()
	h.set(h.held, n)
}

// release ends what the upload holds, once or more often.
func (h *share) release() {
	h.staging.mu.Lock()
	defer h.staging.mu.Unlock()
	h.set(0, 0)
}

// set is called with the staging's lock.
func (h *share) set(held, came int64) {
	s := h.staging
	if s.held == nil {
		s.held = make(map[tenancy.ID]int64)
	}
	s.unwritten += (held - came) - (h.held - h.came)
	if s.held[h.tenant] += held - h.held; s.held[h.tenant] == 0 {
		delete(s.held, h.tenant)
	}
	h.held, h.came = held, came
}

// expected is how many bytes of all uploads will yet be written.
func (s *staging) expected() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unwritten
}

// lookEvery is how many bytes of content come between two looks at what the tenant
// has left and at the disk.
const lookEvery = 16 << 20

// arrival admits content as it comes.
type arrival struct {
	ctx    context.Context //nolint:containedctx // of one upload, as long as it lasts
	tenant *Tenant
	before *storedArtifact
	share  *share

	bound  int64 // as of the last look
	looked int64 // what had come then
}

// admit lets the content have so many bytes by now, or refuses it.
func (a *arrival) admit(size int64) error {
	if size >= a.looked+lookEvery {
		a.looked = size
		if err := a.look(max(size, a.share.held)); err != nil {
			return err
		}
	}
	if size > a.share.held {
		if err := a.hold(size); err != nil {
			return err
		}
	}
	a.share.arrive(size)
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
	free, err := a.tenant.FreeDisk()
	if err == nil && free-a.tenant.files.staging.expected() < LowDisk {
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
