package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	"maestro/problem"
)

// The costs of bcrypt: the base-2 logarithm of its rounds. OWASP asks for 10 at
// least; 12 takes about a third of a second on a core of 2025.
const (
	DefaultHashCost = 12
	MinHashCost     = 10
	MaxHashCost     = 16 // also the most that a stored hash may make the server work

	// MaxForeignHashCost is the most that a hash which came in an archive may: each
	// login with it, of anybody who knows the address, costs the server that much.
	MaxForeignHashCost = DefaultHashCost + 1
)

// MaxPasswordBytes bounds the work on hostile input. No password that a person
// or a generator makes is longer.
const MaxPasswordBytes = 4096

// preHashed marks a hash made by this package: bcrypt over the base64 of an
// HMAC-SHA-384 of the normalised password. bcrypt itself stops at NUL bytes and
// at byte 72 (and Go's comparison does not refuse what is longer), the 64
// characters of the base64 do not reach either limit. The HMAC's key keeps
// bare SHA-384 values leaked elsewhere from being tried here.
const preHashed = "{hmac-sha384}"

var preHashKey = []byte("maestro password v1")

// Hasher hashes and verifies passwords, as many at a time as it has cores, and
// makes every refusal cost the same.
type Hasher struct {
	cost       int
	slots      chan struct{}
	wait       time.Duration
	waiting    atomic.Int64
	maxWaiting int64
	dummies    [MaxHashCost + 1]string // a well-formed hash of each cost that nothing matches
	computed   atomic.Uint64
	rounds     atomic.Uint64 // of Verify, the damaged hashes' included
}

// HasherConfig says how a Hasher works. Zero fields take the defaults.
type HasherConfig struct {
	Cost       int           // MinHashCost..MaxHashCost; default DefaultHashCost
	Parallel   int           // hashes at a time; default the number of cores
	Wait       time.Duration // the longest wait for a turn; default 5 s
	MaxWaiting int           // callers that may wait at a time; default 32 for each core

	// InsecureTestCost takes the place of Cost and is not held to its floor. No
	// configuration reaches it; tests would take minutes without it.
	InsecureTestCost int
}

// NewHasher returns a Hasher, or an error for a cost out of range.
func NewHasher(c HasherConfig) (*Hasher, error) {
	if c.Cost == 0 {
		c.Cost = DefaultHashCost
	}
	if c.Cost < MinHashCost || c.Cost > MaxHashCost {
		return nil, fmt.Errorf("password hash cost %d is not within %d..%d", c.Cost, MinHashCost, MaxHashCost)
	}
	if c.InsecureTestCost != 0 {
		c.Cost = c.InsecureTestCost
	}
	if c.Parallel <= 0 {
		c.Parallel = runtime.GOMAXPROCS(0)
	}
	if c.Wait <= 0 {
		c.Wait = 5 * time.Second
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = 32 * c.Parallel
	}
	h := &Hasher{cost: c.Cost, slots: make(chan struct{}, c.Parallel), wait: c.Wait, maxWaiting: int64(c.MaxWaiting)}
	model, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("make dummy hash: %w", err)
	}
	for cost := bcrypt.MinCost; cost <= MaxHashCost; cost++ {
		// The cost stands in characters 4 and 5 of "$2a$04$…". With another cost the
		// digest belongs to no known password and the comparison does the full work.
		h.dummies[cost] = fmt.Sprintf("%s%02d%s", model[:4], cost, model[6:])
	}
	return h, nil
}

// Cost returns the cost of new hashes.
func (h *Hasher) Cost() int { return h.cost }

// Computed returns how many times bcrypt ran.
func (h *Hasher) Computed() uint64 { return h.computed.Load() }

// Hash returns what to store of a password. It fails with Unavailable when too
// many others wait, and with Validation for what is not a password at all.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if !hashable(password) {
		return "", problem.New(problem.Validation, "The password is not readable text of at most %d bytes.", MaxPasswordBytes)
	}
	release, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	h.computed.Add(1)
	hash, err := bcrypt.GenerateFromPassword(preHash(password), h.cost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return preHashed + string(hash), nil
}

// PasswordMatch is what a comparison found.
type PasswordMatch struct {
	Matches  bool
	Outdated bool // the stored hash has another cost or scheme than new ones
}

// Verify compares a password with a stored hash; "" stands for an account that
// has none, or that does not exist. Whatever the stored hash is and however the
// comparison ends, it takes as long as a hash of the configured cost, or longer
// when the stored hash has a higher one. It fails with Unavailable when too many
// others wait.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (PasswordMatch, error) {
	release, err := h.turn(ctx)
	if err != nil {
		return PasswordMatch{}, err
	}
	defer release()

	hash, candidate, may := h.comparison(stored, password)
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > MaxHashCost {
		hash, cost, may = h.dummies[h.cost], h.cost, false
	}
	h.computed.Add(1)
	err = h.compare(hash, candidate, cost)
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		// The stored hash is damaged and was given up on before the work.
		_ = h.compare(h.dummies[cost], candidate, cost)
	}
	// 2^cost rounds are done. Those of cost, cost+1, … h.cost-1 make them 2^h.cost.
	for c := cost; c < h.cost; c++ {
		_ = h.compare(h.dummies[c], candidate, c)
	}
	return PasswordMatch{
		Matches:  may && err == nil,
		Outdated: cost != h.cost || !strings.HasPrefix(stored, preHashed),
	}, nil
}

// compare runs bcrypt and counts the rounds, unless it gave up before them.
func (h *Hasher) compare(hash string, candidate []byte, cost int) error {
	err := bcrypt.CompareHashAndPassword([]byte(hash), candidate)
	if err == nil || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		h.rounds.Add(1 << cost)
	}
	return err
}

// comparison says which bcrypt hash to compare with which input, and whether a
// match may count.
func (h *Hasher) comparison(stored, password string) (hash string, candidate []byte, may bool) {
	may = hashable(password)
	if !may {
		password = ""
	}
	if bare, ok := strings.CutPrefix(stored, preHashed); ok {
		return bare, preHash(password), may
	}
	if stored == "" {
		return h.dummies[h.cost], preHash(password), false
	}
	// A hash of the older system, made by passlib from the text as typed. What its
	// bcrypt cut off or stopped at must not pass.
	if len(password) > 72 || strings.IndexByte(password, 0) >= 0 {
		return stored, preHash(password), false
	}
	return stored, []byte(password), may
}

// ReadableHash reports whether a stored hash is one that Verify can compare.
// Imports use it to name the accounts that need a new password.
func ReadableHash(stored string) bool {
	bare := strings.TrimPrefix(stored, preHashed)
	cost, err := bcrypt.Cost([]byte(bare))
	return err == nil && cost <= MaxHashCost && len(bare) == 60
}

// CostlyHash reports whether a readable hash costs more than one that came from
// elsewhere may: a login would take seconds of a core, whatever password it tries.
func CostlyHash(stored string) bool {
	cost, err := bcrypt.Cost([]byte(strings.TrimPrefix(stored, preHashed)))
	return err == nil && cost > MaxForeignHashCost
}

func hashable(password string) bool {
	return len(password) <= MaxPasswordBytes && utf8.ValidString(password)
}

func preHash(password string) []byte {
	mac := hmac.New(sha512.New384, preHashKey)
	mac.Write([]byte(norm.NFC.String(password)))
	sum := mac.Sum(nil)
	return base64.StdEncoding.AppendEncode(make([]byte, 0, 64), sum)
}

// turn waits for one of the slots. The wait is bounded in time and in company,
// so that a flood of logins is turned away instead of queueing.
func (h *Hasher) turn(ctx context.Context) (release func(), err error) {
	release = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return release, nil
	default:
	}
	if h.waiting.Add(1) > h.maxWaiting {
		h.waiting.Add(-1)
		return nil, h.busy()
	}
	defer h.waiting.Add(-1)
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return release, nil
	case <-timer.C:
		return nil, h.busy()
	case <-ctx.Done():
		return nil, problem.Wrap(ctx.Err(), problem.Timeout, "The request ended while waiting.")
	}
}

func (h *Hasher) busy() error {
	return &problem.Error{
		Code: problem.Unavailable, Detail: "Too many people log in at this moment.",
		RetryAfter: max(h.wait, time.Second),
	}
}
