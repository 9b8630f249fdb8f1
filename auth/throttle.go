package auth

import (
	"container/list"
	"crypto/sha256"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"maestro/problem"
)

// Pace says how fast guesses at one thing may come. After Free failures each
// further one doubles the delay, from First up to Most. A window never counts as
// a lock: it ends, and the next attempt is looked at.
type Pace struct {
	Free  int
	First time.Duration
	Most  time.Duration

	// After Limit failures in a row the delay is Long (NIST SP 800-63B-4 3.2.2 allows
	// no more than 100).
	Limit int
	Long  time.Duration

	Memory time.Duration // failures are forgotten when none came for so long
}

// The default paces. Addresses are shared by whole offices, accounts are not.
var (
	AccountPace = Pace{Free: 5, First: time.Second, Most: 15 * time.Minute, Limit: 100, Long: 24 * time.Hour, Memory: 48 * time.Hour}
	AddressPace = Pace{Free: 50, First: time.Second, Most: time.Minute, Limit: 10_000, Long: 15 * time.Minute, Memory: 30 * time.Minute}
)

// DefaultThrottleEntries bounds the memory of a Throttle: about 200 bytes each.
const DefaultThrottleEntries = 65536

// Throttle slows down guessing. An attempt is counted as a failure before it is
// looked at, so attempts in parallel do not slip through together.
//
// The counter is on the account that the typed name means, whether it exists or
// not, and knows no tenant: no answer depends on whether an account exists. A
// client that proved before that it belongs to the account has a counter of its
// own, so that strangers who guess do not keep it out.
type Throttle struct {
	clock            Clock
	account, address Pace
	limit            int

	mu      sync.Mutex
	entries map[throttleKey]*list.Element
	order   *list.List // of *throttleEntry, the most recently used first
}

type throttleKey [sha256.Size]byte

type throttleEntry struct {
	key      throttleKey
	pace     *Pace
	failures int
	until    time.Duration // Elapsed before which nothing is let through
	last     time.Duration // Elapsed of the last attempt
}

// NewThrottle returns a Throttle with the default paces that remembers up to
// limit accounts and addresses; 0 takes the default.
func NewThrottle(clock Clock, limit int) *Throttle {
	if limit <= 0 {
		limit = DefaultThrottleEntries
	}
	return &Throttle{
		clock: clock, account: AccountPace, address: AddressPace, limit: limit,
		entries: make(map[throttleKey]*list.Element), order: list.New(),
	}
}

// Attempt is one attempt that was let through and is counted as a failure until
// Succeed or Cancel is called.
type Attempt struct {
	throttle *Throttle
	taken    []takenSlot
}

type takenSlot struct {
	key   throttleKey
	reset bool // a success clears the counter
}

// Begin lets an attempt through or fails with TooManyRequests and RetryAfter.
// Known names the proof of a client that belongs to the account ("" for none).
func (t *Throttle) Begin(account string, address netip.Addr, known string) (*Attempt, error) {
	if known != "" {
		return t.begin(countedOn{keyOf("known", known), &t.account, true})
	}
	return t.begin(countedOn{keyOf("account", CanonicalName(account)), &t.account, true}, countedOn{keyOf("address", network(address)), &t.address, false})
}

// BeginUnnamed lets through an attempt for a purpose that names no account: a
// one-time link. What anybody types as an account has other counters.
func (t *Throttle) BeginUnnamed(purpose string, address netip.Addr) (*Attempt, error) {
	return t.begin(countedOn{keyOf(purpose, network(address)), &t.account, true}, countedOn{keyOf("address", network(address)), &t.address, false})
}

// countedOn is a counter that an attempt takes part in.
type countedOn struct {
	key   throttleKey
	pace  *Pace
	reset bool // by success
}

func (t *Throttle) begin(wants ...countedOn) (*Attempt, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Elapsed()
	var wait time.Duration
	for _, w := range wants {
		wait = max(wait, t.entry(w.key, w.pace, now).until-now)
	}
	if wait > 0 {
		return nil, &problem.Error{
			Code: problem.TooManyRequests, Detail: "Too many attempts failed. Try again later.",
			RetryAfter: wait.Truncate(time.Second) + time.Second,
		}
	}
	attempt := &Attempt{throttle: t}
	for _, w := range wants {
		e := t.entry(w.key, w.pace, now)
		attempt.taken = append(attempt.taken, takenSlot{w.key, w.reset})
		e.failures++
		e.last = now
		e.until = now + w.pace.delay(e.failures)
	}
	return attempt, nil
}

// Succeed clears the counter of the account or known client. That of the address
// loses this attempt only: one account of his own would free a guesser's address.
func (a *Attempt) Succeed() { a.settle(true) }

// Cancel takes the attempt back: it was not looked at.
func (a *Attempt) Cancel() { a.settle(false) }

func (a *Attempt) settle(success bool) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, slot := range a.taken {
		element, ok := t.entries[slot.key]
		if !ok {
			continue
		}
		e := element.Value.(*throttleEntry)
		if success && slot.reset {
			t.forget(element)
			continue
		}
		e.failures = max(0, e.failures-1)
		e.until = e.last + e.pace.delay(e.failures)
	}
	a.taken = nil
}

// entry returns the counter of key, forgotten when it is old.
func (t *Throttle) entry(key throttleKey, pace *Pace, now time.Duration) *throttleEntry {
	if element, ok := t.entries[key]; ok {
		t.order.MoveToFront(element)
		e := element.Value.(*throttleEntry)
		if now-e.last >= pace.Memory && now >= e.until {
			e.failures = 0
		}
		return e
	}
	if len(t.entries) >= t.limit {
		t.evict()
	}
	e := &throttleEntry{key: key, pace: pace, last: now}
	t.entries[key] = t.order.PushFront(e)
	return e
}

// evict makes room. Among the least recently used it takes the one with the
// fewest failures, so that a flood of names does not wash out a counter that
// matters.
func (t *Throttle) evict() {
	var victim *list.Element
	for element, looked := t.order.Back(), 0; element != nil && looked < 32; element, looked = element.Prev(), looked+1 {
		if victim == nil || element.Value.(*throttleEntry).failures < victim.Value.(*throttleEntry).failures {
			victim = element
		}
	}
	if victim != nil {
		t.forget(victim)
	}
}

func (t *Throttle) forget(element *list.Element) {
	delete(t.entries, element.Value.(*throttleEntry).key)
	t.order.Remove(element)
}

// Pardon forgets the failures counted on an account, whoever caused them. Those
// of addresses stay.
func (t *Throttle) Pardon(account string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if element, ok := t.entries[keyOf("account", CanonicalName(account))]; ok {
		t.forget(element)
	}
}

// Len returns the number of accounts and addresses remembered.
func (t *Throttle) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}

// delay returns how long to wait after so many failures in a row.
func (p *Pace) delay(failures int) time.Duration {
	switch {
	case failures < p.Free:
		return 0
	case failures >= p.Limit:
		return p.Long
	}
	doublings := failures - p.Free
	if doublings >= 30 {
		return p.Most
	}
	return min(p.First<<doublings, p.Most)
}

func keyOf(kind, text string) throttleKey {
	return sha256.Sum256([]byte(kind + "\x00" + text))
}

// network is what one customer of a network has: an IPv4 address, or the /64 of
// an IPv6 address.
func network(address netip.Addr) string {
	address = address.Unmap()
	if address.Is6() {
		if prefix, err := address.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}

// CanonicalName is the one form of all spellings of a login name that people and
// mail systems take for the same: width, case, space, invisible characters and
// dots at the end do not count.
func CanonicalName(typed string) string {
	if len(typed) > 4*MaxEmailBytes {
		typed = typed[:4*MaxEmailBytes]
	}
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(typed)))
	folded = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, folded)
	// A combining sign that stood on a removed space now stands on a letter.
	return strings.Trim(norm.NFKC.String(folded), ".")
}
