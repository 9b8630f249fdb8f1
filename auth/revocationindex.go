package auth

import (
	"sync"
	"sync/atomic"

	"maestro/tenancy"
)

// revocationIndex answers from memory whether an id is revoked. An entry takes
// about 56 bytes. The zero value is empty.
type revocationIndex struct {
	kinds [revocationKinds][indexShards]indexShard

	// counts spares a lookup among the revocations of a kind that has none. It is
	// raised before an entry is added and lowered after one went.
	counts [revocationKinds]atomic.Int64
}

const indexShards = 64

type indexShard struct {
	mu      sync.RWMutex
	entries map[tenancy.ID]indexEntry
}

type indexEntry struct {
	expires int64  // Unix seconds, slack included
	since   uint32 // monotonic seconds when it was recorded or loaded
}

// shard picks by the last byte, which is random in every id that is made here.
func (x *revocationIndex) shard(kind RevocationKind, id tenancy.ID) *indexShard {
	return &x.kinds[kind][id[15]%indexShards]
}

func (x *revocationIndex) has(kind RevocationKind, id tenancy.ID) bool {
	if x.counts[kind].Load() == 0 {
		return false
	}
	s := x.shard(kind, id)
	s.mu.RLock()
	_, ok := s.entries[id]
	s.mu.RUnlock()
	return ok
}

// since returns when the revocation was last recorded.
func (x *revocationIndex) since(kind RevocationKind, id tenancy.ID) (uint32, bool) {
	s := x.shard(kind, id)
	s.mu.RLock()
	entry, ok := s.entries[id]
	s.mu.RUnlock()
	return entry.since, ok
}

// add records a revocation; of two for one id the later expiry counts.
func (x *revocationIndex) add(kind RevocationKind, id tenancy.ID, expires int64, since uint32) {
	s := x.shard(kind, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = make(map[tenancy.ID]indexEntry)
	}
	entry, known := s.entries[id]
	if !known {
		x.counts[kind].Add(1)
	}
	s.entries[id] = indexEntry{expires: max(expires, entry.expires), since: max(since, entry.since)}
}

// remove forgets a revocation, unless a later one for the same id stands.
func (x *revocationIndex) remove(kind RevocationKind, id tenancy.ID, expires int64) {
	s := x.shard(kind, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry, ok := s.entries[id]; ok && entry.expires <= expires {
		delete(s.entries, id)
		x.counts[kind].Add(-1)
	}
}

func (x *revocationIndex) clear() {
	for kind := range x.kinds {
		for i := range x.kinds[kind] {
			s := &x.kinds[kind][i]
			s.mu.Lock()
			x.counts[kind].Add(-int64(len(s.entries)))
			s.entries = nil
			s.mu.Unlock()
		}
	}
}
