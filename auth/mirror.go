package auth

import (
	"context"
	"sync"
	"sync/atomic"

	"maestro/tenancy"
)

// mirror keeps in memory what every request asks of the database: the state of
// users, tenants and API tokens, and the global epoch. It loads on demand and
// forgets what the Store says has changed, so an answer is never older than the
// last acknowledged change.
type mirror struct {
	users   *stateCache[UserKey, UserState]
	tenants *stateCache[tenancy.ID, TenantState]
	tokens  *stateCache[Digest, APITokenState]
	global  atomic.Int64
}

// The bounds of the mirror, in entries of about 150 bytes.
const (
	mirrorUsers   = 200_000
	mirrorTenants = 50_000
	mirrorTokens  = 200_000
)

func newMirror(store Store) *mirror {
	return &mirror{
		users:   newStateCache(mirrorUsers, store.UserState, func(k UserKey) byte { return k.User[15] }),
		tenants: newStateCache(mirrorTenants, store.TenantState, func(id tenancy.ID) byte { return id[15] }),
		tokens:  newStateCache(mirrorTokens, store.APITokenState, func(d Digest) byte { return d[0] }),
	}
}

// changed is the listener given to Store.Watch.
func (m *mirror) changed(c Change) {
	switch c.Kind {
	case UserChanged:
		m.users.forget(UserKey{c.Tenant, c.User})
	case TenantChanged:
		m.tenants.forget(c.Tenant)
	case RolesChanged:
		m.users.forgetAll(func(k UserKey) bool { return k.Tenant == c.Tenant })
	case APITokenChanged:
		m.tokens.forget(c.Token)
	case GlobalEpochChanged:
		m.global.Store(c.Epoch)
	}
}

// stateCache is a bounded map that loads what it lacks.
type stateCache[K comparable, V any] struct {
	load   func(context.Context, K) (V, error)
	spread func(K) byte
	limit  int // entries of one shard
	shards [stateShards]stateShard[K, V]
}

const stateShards = 32

type stateShard[K comparable, V any] struct {
	mu      sync.RWMutex
	entries map[K]V
	changes uint64 // counts what was forgotten because it changed
}

func newStateCache[K comparable, V any](size int, load func(context.Context, K) (V, error), spread func(K) byte) *stateCache[K, V] {
	c := &stateCache[K, V]{load: load, spread: spread, limit: size / stateShards}
	for i := range c.shards {
		c.shards[i].entries = make(map[K]V)
	}
	return c
}

func (c *stateCache[K, V]) shard(key K) *stateShard[K, V] {
	return &c.shards[c.spread(key)%stateShards]
}

// get returns the state of key as of now or later.
func (c *stateCache[K, V]) get(ctx context.Context, key K) (V, error) {
	s := c.shard(key)
	s.mu.RLock()
	value, ok := s.entries[key]
	s.mu.RUnlock()
	if ok {
		return value, nil
	}
	return c.fill(ctx, s, key)
}

// fill loads the state of key. What was loaded is kept only if nothing of the
// shard changed meanwhile: it could be older than a change that was already
// announced. It is good for this request all the same, which began before.
func (c *stateCache[K, V]) fill(ctx context.Context, s *stateShard[K, V], key K) (V, error) {
	s.mu.RLock()
	changes := s.changes
	s.mu.RUnlock()
	value, err := c.load(ctx, key)
	if err != nil {
		return value, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != changes {
		return value, nil
	}
	if len(s.entries) >= c.limit {
		for other := range s.entries { // any one: the order of a map is random
			delete(s.entries, other)
			break
		}
	}
	s.entries[key] = value
	return value, nil
}

func (c *stateCache[K, V]) forget(key K) {
	s := c.shard(key)
	s.mu.Lock()
	delete(s.entries, key)
	s.changes++
	s.mu.Unlock()
}

func (c *stateCache[K, V]) forgetAll(gone func(K) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for key := range s.entries {
			if gone(key) {
				delete(s.entries, key)
			}
		}
		s.changes++
		s.mu.Unlock()
	}
}
