package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maestro/problem"
)

var (
	attacker = netip.MustParseAddr("198.51.100.1")
	victim   = netip.MustParseAddr("203.0.113.9")
)

func retryAfter(err error) time.Duration {
	var p *problem.Error
	if errors.As(err, &p) && p.Code == problem.TooManyRequests {
		return p.RetryAfter
	}
	return 0
}

func TestDelaysGrowAndEnd(t *testing.T) {
	clock := newTestClock()
	throttle := NewThrottle(clock, 0)
	var previous time.Duration
	for failure := 1; failure <= 100; failure++ {
		address := netip.AddrFrom4([4]byte{10, 0, byte(failure), 1}) // so that only the account counts
		if _, err := throttle.Begin("ada@example.com", address, ""); err != nil {
			t.Fatalf("attempt %d after its delay: %v", failure, err)
		}
		if failure < AccountPace.Free {
			continue
		}
		_, err := throttle.Begin("ada@example.com", victim, "")
		wait := retryAfter(err)
		switch {
		case failure == 100 && wait < 23*time.Hour:
			t.Errorf("after 100 failures in a row Retry-After is %v", wait)
		case failure < 100 && (wait < previous || wait > AccountPace.Most+time.Second):
			t.Errorf("failure %d: Retry-After %v after %v", failure, wait, previous)
		}
		previous = wait
		clock.pass(wait)
	}
	attempt, err := throttle.Begin("ada@example.com", victim, "")
	if err != nil {
		t.Fatalf("the lock does not end: %v", err)
	}
	attempt.Succeed()
	if _, err := throttle.Begin("ada@example.com", victim, ""); err != nil {
		t.Errorf("a success does not clear the counter: %v", err)
	}
}

func TestSpellingsShareACounter(t *testing.T) {
	throttle := NewThrottle(newTestClock(), 0)
	for i, name := range []string{
		"Ada@Example.com", "ada@example.com ", " ADA@EXAMPLE.COM", "ａｄａ@example.com", "ada@example.com.", "ada@example.com\x00", "ada\u200b@example.com",
	} {
		_, err := throttle.Begin(name, netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), "")
		if blocked := i >= AccountPace.Free; (err != nil) != blocked {
			t.Errorf("attempt %d as %q: got %v, want blocked %v", i, name, err, blocked)
		}
	}
	if _, err := throttle.Begin("eve@example.com", victim, ""); err != nil {
		t.Errorf("another account is blocked: %v", err)
	}
}

func TestParallelAttemptsDoNotSlipThrough(t *testing.T) {
	throttle := NewThrottle(newTestClock(), 0)
	var passed atomic.Int64
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			if _, err := throttle.Begin("ada@example.com", netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), ""); err == nil {
				passed.Add(1)
			}
		})
	}
	group.Wait()
	if got := passed.Load(); got != int64(AccountPace.Free) {
		t.Errorf("%d of 200 attempts pass, want %d", got, AccountPace.Free)
	}
}

func TestStrangersDoNotKeepAKnownClientOut(t *testing.T) {
	clock := newTestClock()
	throttle := NewThrottle(clock, 0)
	for range 10_000 {
		_, _ = throttle.Begin("ada@example.com", attacker, "")
		clock.pass(time.Second)
	}
	if _, err := throttle.Begin("ada@example.com", victim, ""); retryAfter(err) == 0 {
		t.Error("an unknown client is not delayed")
	}
	for range AccountPace.Free {
		if _, err := throttle.Begin("ada@example.com", victim, "device 1"); err != nil {
			t.Errorf("the known client is delayed: %v", err)
		}
	}
	if _, err := throttle.Begin("ada@example.com", victim, "device 1"); retryAfter(err) == 0 {
		t.Error("a known client may guess without end")
	}
}

func TestAddressesAreThrottled(t *testing.T) {
	for name, c := range map[string]struct {
		address func(i int) netip.Addr
		blocked bool
	}{
		"one IPv4 address": {func(int) netip.Addr { return attacker }, true},
		"one IPv6 network": {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)) }, true},
		"IPv4 in IPv6": {func(i int) netip.Addr {
			return [2]netip.Addr{attacker, netip.MustParseAddr("::ffff:198.51.100.1")}[i%2]
		}, true},
		"many IPv4 addresses": {func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i), 1}) }, false},
	} {
		throttle := NewThrottle(newTestClock(), 0)
		var last error
		for i := range AddressPace.Free + 1 {
			_, last = throttle.Begin(fmt.Sprintf("user%d@example.com", i), c.address(i), "")
		}
		if (last != nil) != c.blocked {
			t.Errorf("%s: got %v, want blocked %v", name, last, c.blocked)
		}
	}
}

// One account of his own must not free a guesser's address.
func TestSuccessDoesNotFreeAnAddress(t *testing.T) {
	throttle := NewThrottle(newTestClock(), 0)
	for i := range AddressPace.Free {
		if i%5 == 0 {
			own, err := throttle.Begin("mallory@example.com", attacker, "")
			must(t, err)
			own.Succeed()
		}
		_, err := throttle.Begin(fmt.Sprintf("user%d@example.com", i), attacker, "")
		must(t, err)
	}
	if _, err := throttle.Begin("another@example.com", attacker, ""); retryAfter(err) == 0 {
		t.Error("logins of his own free the attacker's address")
	}
}

func TestCanceledAttemptsDoNotCount(t *testing.T) {
	throttle := NewThrottle(newTestClock(), 0)
	for range 1000 {
		attempt, err := throttle.Begin("ada@example.com", victim, "")
		must(t, err)
		attempt.Cancel()
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	throttle := NewThrottle(newTestClock(), 1000)
	for range AccountPace.Free {
		_, err := throttle.Begin("ada@example.com", victim, "")
		must(t, err)
	}
	for i := range 50_000 {
		_, _ = throttle.Begin(fmt.Sprintf("flood%d@example.com", i), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "")
	}
	if n := throttle.Len(); n > 1000 {
		t.Errorf("%d entries are held, want 1000 at most", n)
	}
	if _, err := throttle.Begin("ada@example.com", netip.MustParseAddr("192.0.2.200"), ""); retryAfter(err) == 0 {
		t.Error("a flood of other names washes the counter out")
	}
}

func FuzzCanonicalName(f *testing.F) {
	f.Add("Ada@Example.com ")
	f.Add("ａ\x00\u200b.")
	f.Fuzz(func(t *testing.T, typed string) {
		once := CanonicalName(typed)
		if len(typed) <= MaxEmailBytes && CanonicalName(once) != once {
			t.Errorf("%q becomes %q, then %q", typed, once, CanonicalName(once))
		}
	})
}
