package auth

import (
	"strings"
	"sync"
)

// DefaultTokenCache is how many verified tokens are remembered. One takes about
// a kilobyte.
const DefaultTokenCache = 16384

const tokenShards = 16

// tokenCache remembers the claims of tokens whose signature was verified: 90 µs
// the first time, a tenth of one afterwards. It is keyed by the whole token, and
// an entry counts only as long as the key ring is in the state in which the
// signature was verified. It decides nothing: what can change is checked by the
// caller at every request.
//
// Each shard has two generations. When the young one is full it becomes the old
// one, and what was in the old one and not asked for since is forgotten.
type tokenCache struct {
	limit  int // entries of one generation of one shard
	shards [tokenShards]tokenShard
}

type tokenShard struct {
	mu         sync.RWMutex
	young, old map[string]verifiedToken
	_          [64]byte // keeps neighbours off this shard's cache line
}

type verifiedToken struct {
	claims *accessClaims
	set    *keySet
}

func newTokenCache(size int) *tokenCache {
	c := &tokenCache{limit: max(1, size/tokenShards/2)}
	for i := range c.shards {
		c.shards[i].young = make(map[string]verifiedToken)
	}
	return c
}

// shard picks by the end of the signature, which is as good as random for every
// token that is in here.
func (c *tokenCache) shard(text string) *tokenShard {
	if len(text) < 4 {
		return &c.shards[0]
	}
	return &c.shards[(text[len(text)-2]^text[len(text)-3]<<1)%tokenShards]
}

// get returns the claims of text, or nil when it must be verified.
func (c *tokenCache) get(text string, set *keySet) *accessClaims {
	s := c.shard(text)
	s.mu.RLock()
	entry, young := s.young[text]
	found := young
	if !young {
		entry, found = s.old[text]
	}
	s.mu.RUnlock()
	if !found || entry.set != set {
		return nil
	}
	if !young {
		c.put(text, entry.claims, set)
	}
	return entry.claims
}

// put remembers that text was verified with the keys of set.
func (c *tokenCache) put(text string, claims *accessClaims, set *keySet) {
	s := c.shard(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.young[text]; !ok && len(s.young) >= c.limit {
		s.old, s.young = s.young, make(map[string]verifiedToken, c.limit)
	}
	s.young[strings.Clone(text)] = verifiedToken{claims, set} // the text is part of a larger header
}

// len returns the number of tokens remembered.
func (c *tokenCache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}
