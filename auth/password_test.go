package auth

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"maestro/problem"
)

func testHasher(t testing.TB, cost int) *Hasher {
	t.Helper()
	h, err := NewHasher(HasherConfig{InsecureTestCost: cost})
	must(t, err)
	return h
}

func TestHashCostHasAFloor(t *testing.T) {
	for cost, ok := range map[int]bool{0: true, 9: false, 10: true, 16: true, 17: false, -1: false} {
		if _, err := NewHasher(HasherConfig{Cost: cost}); (err == nil) != ok {
			t.Errorf("cost %d: got %v, want accepted %v", cost, err, ok)
		}
	}
	h, err := NewHasher(HasherConfig{})
	must(t, err)
	if h.Cost() != 12 {
		t.Errorf("default cost is %d, want 12", h.Cost())
	}
}

func TestPasswordsOfAnyShapeAreUsable(t *testing.T) {
	h := testHasher(t, bcrypt.MinCost)
	for name, password := range map[string]string{
		"two-byte letters": strings.Repeat("é", 64),
		"emoji":            strings.Repeat("🦄", 64),
		"long ASCII":       strings.Repeat("correct horse ", 20),
		"spaces":           "   leading and trailing   ",
		"NUL inside":       "before\x00after",
		"one letter":       "x",
	} {
		hash, err := h.Hash(t.Context(), password)
		must(t, err)
		got, err := h.Verify(t.Context(), hash, password)
		must(t, err)
		if !got.Matches || got.Outdated {
			t.Errorf("%s: got %+v, want a current match", name, got)
		}
	}
}

func TestOnlyTheWholePasswordMatches(t *testing.T) {
	h := testHasher(t, bcrypt.MinCost)
	long := strings.Repeat("p", 72)
	for _, c := range []struct{ set, typed string }{
		{long, long + "x"}, {long + "x", long}, {long + "x", long + "y"},
		{"abc", "abc\x00abc"}, {"", "\x00"}, {"abc", "Abc"}, {"abc", "abc "}, {"ﬁ", "fi"},
		{strings.Repeat("q", 4096), strings.Repeat("q", 4097)},
	} {
		hash, err := h.Hash(t.Context(), c.set)
		must(t, err)
		if got, err := h.Verify(t.Context(), hash, c.typed); err != nil || got.Matches {
			t.Errorf("%.20q verifies as %.20q (%v)", c.set, c.typed, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p, q := rapid.StringN(1, 64, 256).Draw(t, "p"), rapid.StringN(0, 64, 256).Draw(t, "q")
		hash, err := h.Hash(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Verify(context.Background(), hash, q)
		if err != nil || got.Matches != (norm.NFC.String(p) == norm.NFC.String(q)) {
			t.Fatalf("set %q, typed %q: got %v, %v", p, q, got.Matches, err)
		}
	})
}

func TestCompositionDoesNotCount(t *testing.T) {
	h := testHasher(t, bcrypt.MinCost)
	hash, err := h.Hash(t.Context(), "\u00c5ngström unit")
	must(t, err)
	if got, _ := h.Verify(t.Context(), hash, "A\u030angstro\u0308m unit"); !got.Matches {
		t.Error("the decomposed form of the password does not match")
	}
}

func TestWhatIsNoPasswordIsRefused(t *testing.T) {
	h := testHasher(t, bcrypt.MinCost)
	for _, bad := range []string{"\xff\xfe", strings.Repeat("x", MaxPasswordBytes+1)} {
		_, err := h.Hash(t.Context(), bad)
		mustCode(t, "hash", err, problem.Validation)
	}
	hash, err := h.Hash(t.Context(), "")
	must(t, err)
	if got, _ := h.Verify(t.Context(), hash, "\xff"); got.Matches {
		t.Error("broken UTF-8 matches the empty password")
	}
}

func TestHashesOfTheOlderSystem(t *testing.T) {
	h := testHasher(t, bcrypt.MinCost)
	legacy := func(password, variant string) string {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		must(t, err)
		return variant + string(hash[4:])
	}
	long := strings.Repeat("p", 72)
	for _, c := range []struct {
		name, stored, typed string
		want                bool
	}{
		{"2b", legacy("old password", "$2b$"), "old password", true},
		{"2a", legacy("old password", "$2a$"), "old password", true},
		{"2y", legacy("old password", "$2y$"), "old password", true},
		{"wrong", legacy("old password", "$2b$"), "old Password", false},
		{"72 bytes", legacy(long, "$2b$"), long, true},
		{"73 bytes", legacy(long, "$2b$"), long + "x", false},
		{"NUL", legacy("abc", "$2b$"), "abc\x00abc", false},
		{"the pre-hash of a new one typed", legacy(string(preHash("x")), "$2b$"), "x", false},
		{"none", "", "", false},
		{"not a hash", "dummy", "dummy", false},
		{"cut short", legacy("abc", "$2b$")[:40], "abc", false},
		{"broken salt", "$2b$04$!!!!!!!!!!!!!!!!!!!!!!" + strings.Repeat("a", 31), "abc", false},
	} {
		got, err := h.Verify(t.Context(), c.stored, c.typed)
		if err != nil || got.Matches != c.want {
			t.Errorf("%s: got %v, %v; want %v", c.name, got.Matches, err, c.want)
		}
		if c.want && !got.Outdated {
			t.Errorf("%s: a hash of the older system must be renewed", c.name)
		}
	}
	if !ReadableHash(legacy("x", "$2b$")) || ReadableHash("dummy") || ReadableHash("") {
		t.Error("ReadableHash is wrong about a hash")
	}
}

// refusals are stored hashes and typed passwords that must not be told apart.
func refusals(t *testing.T, h *Hasher) map[string][2]string {
	cheap, err := testHasher(t, bcrypt.MinCost).Hash(t.Context(), "something")
	must(t, err)
	current, err := h.Hash(t.Context(), "something")
	must(t, err)
	legacy, err := bcrypt.GenerateFromPassword([]byte("something"), bcrypt.MinCost+1)
	must(t, err)
	return map[string][2]string{
		"wrong": {current, "other"}, "unknown": {"", "other"}, "old cost": {cheap, "other"}, "old cost, right": {cheap, "something"},
		"old scheme": {"$2b" + string(legacy[3:]), "other"}, "old scheme, too long": {string(legacy), strings.Repeat("x", 80)},
		"damaged": {"$2b$08$!", "other"}, "damaged salt": {"$2b$05$!!!!!!!!!!!!!!!!!!!!!!" + strings.Repeat("a", 31), "other"},
		"cost out of range": {"$2b$31$" + string(legacy[7:]), "other"},
		"over-long":         {current, strings.Repeat("x", 5000)}, "not UTF-8": {current, "\xff"}, "empty": {current, ""},
	}
}

func TestEveryRefusalDoesTheSameWork(t *testing.T) {
	const cost = 7
	h := testHasher(t, cost)
	for name, c := range refusals(t, h) {
		before := h.rounds.Load()
		_, err := h.Verify(t.Context(), c[0], c[1])
		must(t, err)
		if rounds := h.rounds.Load() - before; rounds != 1<<cost {
			t.Errorf("%s: %d rounds, want %d", name, rounds, 1<<cost)
		}
	}
}

// TestEveryRefusalTakesAsLong measures on a quiet machine what the test above
// counts: run it with MAESTRO_TEST_TIMING=1.
func TestEveryRefusalTakesAsLong(t *testing.T) {
	if os.Getenv("MAESTRO_TEST_TIMING") == "" {
		t.Skip("measures time: set MAESTRO_TEST_TIMING=1")
	}
	h := testHasher(t, MinHashCost)
	cases := refusals(t, h)
	samples := map[string][]time.Duration{}
	for range 60 {
		for name, c := range cases {
			started := time.Now()
			_, err := h.Verify(t.Context(), c[0], c[1])
			took := time.Since(started)
			must(t, err)
			samples[name] = append(samples[name], took)
		}
	}
	quick := func(name string) float64 { // the tenth part that was least disturbed by others
		slices.Sort(samples[name])
		return float64(samples[name][len(samples[name])/10])
	}
	for name := range cases {
		if ratio := quick(name) / quick("wrong"); ratio < 0.95 || ratio > 1.05 {
			t.Errorf("%s takes %.3f times as long as a wrong password", name, ratio)
		}
	}
}

func TestHashingIsBounded(t *testing.T) {
	h, err := NewHasher(HasherConfig{InsecureTestCost: 9, Parallel: 1, MaxWaiting: 3, Wait: time.Minute})
	must(t, err)
	release, err := h.turn(t.Context()) // the only slot is taken
	must(t, err)
	var group sync.WaitGroup
	results := make(chan error, 50)
	for range 50 {
		group.Go(func() {
			_, err := h.Verify(t.Context(), "", "x")
			results <- err
		})
	}
	for range 47 {
		err := <-results
		mustCode(t, "beyond the queue", err, problem.Unavailable)
	}
	if h.Computed() != 0 {
		t.Errorf("bcrypt ran %d times while the slot was taken", h.Computed())
	}
	release()
	for range 3 {
		must(t, <-results)
	}
	group.Wait()
	if h.Computed() != 3 {
		t.Errorf("bcrypt ran %d times, want 3", h.Computed())
	}
}
