package server

import (
	"time"

	"github.com/gin-gonic/gin"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"maestro/problem"
)

// Rate bounds how many requests somebody may send: PerSecond on average, Burst
// at once. The zero Rate does not bound.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are the bounds on the whole API.
type Rates struct {
	Address    Rate // of one client address
	Credential Rate // of one session or API token
	Tenant     Rate // of all of a tenant together
}

// DefaultRates leave room for a busy team and stop a loop that ran away.
func DefaultRates() Rates {
	return Rates{Address: Rate{2000, 4000}, Credential: Rate{1000, 2000}, Tenant: Rate{5000, 10000}}
}

// maxLimiters bounds the memory of a limiter: the ones longest unused are
// forgotten first, and somebody forgotten begins with a full burst.
const maxLimiters = 50_000

// limiter holds a Rate against each of many keys.
type limiter[K comparable] struct {
	rate    Rate
	buckets *lru.Cache[K, *rate.Limiter]
}

func newLimiter[K comparable](r Rate) *limiter[K] {
	if r.PerSecond <= 0 {
		return nil
	}
	buckets, err := lru.New[K, *rate.Limiter](maxLimiters)
	if err != nil {
		panic("server: " + err.Error()) // the size is positive
	}
	return &limiter[K]{rate: r, buckets: buckets}
}

// admit takes one request of key, or says how long to wait.
func (l *limiter[K]) admit(key K, now time.Time) error {
	if l == nil {
		return nil
	}
	bucket, ok := l.buckets.Get(key)
	if !ok {
		fresh := rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
		if earlier, raced, _ := l.buckets.PeekOrAdd(key, fresh); raced {
			bucket = earlier
		} else {
			bucket = fresh
		}
	}
	if bucket.AllowN(now, 1) {
		return nil
	}
	wait := time.Duration(float64(time.Second) / l.rate.PerSecond)
	return &problem.Error{Code: problem.TooManyRequests, Detail: "Too many requests came from here.", RetryAfter: max(wait, time.Second)}
}

// limitAddress bounds the requests of one client address, authenticated or not.
func (s *Server) limitAddress(c *gin.Context) {
	if s.byAddress != nil {
		if err := s.byAddress.admit(customerAddress(clientAddress(c.Request.Context())), s.now()); err != nil {
			refuse(c, err)
			return
		}
	}
	c.Next()
}
