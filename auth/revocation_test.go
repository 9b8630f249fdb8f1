package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
)

// shelf is a revocation file with what the database would know of it.
type shelf struct {
	t            testing.TB
	clock        *testClock
	path         string
	acknowledged uint64
	distrusted   []string
	config       func(*RevocationConfig)
	unsynced     bool // nothing is forced to disk
	*Revocations
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{t: t, clock: newTestClock(), path: filepath.Join(t.TempDir(), "revocations.bolt")}
	s.open()
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	config := RevocationConfig{
		Path: s.path, Key: [32]byte{1}, Clock: s.clock, Life: 15 * time.Minute, Acknowledged: s.acknowledged,
		Distrust: func(reason string) error { s.distrusted = append(s.distrusted, reason); return nil },
	}
	if s.config != nil {
		s.config(&config)
	}
	r, err := OpenRevocations(config)
	must(s.t, err)
	s.Revocations = r
	r.file.db.NoSync = s.unsynced
	s.t.Cleanup(func() { _ = r.Close() })
}

func (s *shelf) reopen() {
	s.t.Helper()
	must(s.t, s.Close())
	s.open()
}

// revoke ends a session for a user of its own and acknowledges it.
func (s *shelf) revoke(id tenancy.ID, expires time.Time) {
	s.t.Helper()
	sequence, err := s.Revoke(context.Background(), tenancy.NewID(), Revocation{RevokedSession, id, expires.Unix()})
	must(s.t, err)
	s.acknowledged = max(s.acknowledged, sequence)
}

func (s *shelf) verdict(session tenancy.ID, expires time.Time) RevocationVerdict {
	return s.Check(tenancy.ID{}, session, expires.Unix())
}

func TestRevocationIsVisibleAndSurvivesARestart(t *testing.T) {
	s := newShelf(t)
	session, other := tenancy.NewID(), tenancy.NewID()
	expires := s.clock.Now().Add(15 * time.Minute)
	s.revoke(session, expires)
	for range 2 {
		if got := s.verdict(session, expires); got != VerdictRevoked {
			t.Errorf("revoked session: got %v", got)
		}
		if got := s.verdict(other, expires); got != VerdictLive {
			t.Errorf("other session: got %v", got)
		}
		s.reopen()
	}
	if len(s.distrusted) > 0 {
		t.Errorf("a good file is distrusted: %v", s.distrusted)
	}
}

func TestRevocationKindsDoNotMix(t *testing.T) {
	s := newShelf(t)
	id := tenancy.NewID()
	expires := s.clock.Now().Add(time.Minute).Unix()
	_, err := s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedToken, id, expires})
	must(t, err)
	if got := s.Check(tenancy.ID{}, id, expires); got != VerdictLive {
		t.Errorf("a revoked token id ends the session of the same id: %v", got)
	}
	if got := s.Check(id, tenancy.ID{}, expires); got != VerdictRevoked {
		t.Errorf("the token itself: %v", got)
	}
}

func TestFailClosedMatrix(t *testing.T) {
	s := newShelf(t)
	id, expires := tenancy.NewID(), s.clock.Now().Add(time.Minute)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Revoke(canceled, tenancy.NewID(), Revocation{RevokedSession, id, expires.Unix()})
	if err != nil {
		mustCode(t, "a request that ended", err, problem.Timeout)
	}
	if s.verdict(id, expires) != VerdictRevoked {
		t.Error("a revocation whose request ended is not in effect")
	}

	must(t, s.Revocations.file.db.Close()) // the disk is gone
	second := tenancy.NewID()
	_, err = s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedSession, second, expires.Unix()})
	mustCode(t, "write failure", err, problem.Unavailable)
	if s.verdict(second, expires) != VerdictRevoked {
		t.Error("a revocation that could not be written is not in effect")
	}
	s.clock.pass(time.Hour)
	_, err = s.Sweep(t.Context())
	mustCode(t, "sweep failure", err, problem.Unavailable)

	_ = s.Close()
	if got := s.verdict(id, expires); got != VerdictUnavailable {
		t.Errorf("closed: got %v", got)
	}
	_, err = s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedSession, id, expires.Unix()})
	mustCode(t, "closed", err, problem.Unavailable)
	if got := new(Revocations).Check(id, id, 0); got != VerdictUnavailable {
		t.Errorf("not opened: got %v", got)
	}
}

// What could not be written is written as soon as the disk works again.
func TestFailedWriteIsRepeated(t *testing.T) {
	s := newShelf(t)
	failed, later := tenancy.NewID(), tenancy.NewID()
	expires := s.clock.Now().Add(time.Minute)
	db := s.Revocations.file.db
	broken, err := bbolt.Open(filepath.Join(t.TempDir(), "broken"), 0o600, nil)
	must(t, err)
	must(t, broken.Close())
	s.Revocations.file.db = broken
	_, err = s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedSession, failed, expires.Unix()})
	mustCode(t, "write failure", err, problem.Unavailable)
	s.Revocations.file.db = db
	s.revoke(later, expires)
	s.reopen()
	if s.verdict(failed, expires) != VerdictRevoked || s.verdict(later, expires) != VerdictRevoked {
		t.Error("a revocation is lost after a failed write")
	}
}

func TestFileThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	newKey := func(c *RevocationConfig) { c.Key = [32]byte{2} }
	for name, c := range map[string]struct {
		damage func(t *testing.T, s *shelf, earlier []byte)
		config func(*RevocationConfig)
		reason string
	}{
		"deleted":     {damage: func(t *testing.T, s *shelf, _ []byte) { must(t, os.Remove(s.path)) }, reason: "missing"},
		"rolled back": {damage: func(t *testing.T, s *shelf, earlier []byte) { must(t, os.WriteFile(s.path, earlier, 0o600)) }, reason: "old copy"},
		"emptied":     {damage: func(t *testing.T, s *shelf, _ []byte) { must(t, os.Truncate(s.path, 0)) }},
		"cut":         {damage: func(t *testing.T, s *shelf, _ []byte) { must(t, os.Truncate(s.path, 5000)) }},
		"noise":       {damage: func(t *testing.T, s *shelf, _ []byte) { must(t, os.WriteFile(s.path, make([]byte, 32<<10), 0o600)) }},
		"other key":   {damage: func(*testing.T, *shelf, []byte) {}, config: newKey},
		"record changed": {reason: "record is damaged", damage: edit(func(tx *bbolt.Tx) error {
			key, value := tx.Bucket(bucketRevoked).Cursor().First()
			value = append([]byte(nil), value...)
			value[3] ^= 1
			return tx.Bucket(bucketRevoked).Put(key, value)
		})},
		"expiry changed": {reason: "record is damaged", damage: edit(func(tx *bbolt.Tx) error {
			key, value := tx.Bucket(bucketRevoked).Cursor().First()
			changed, kept := append([]byte(nil), key...), append([]byte(nil), value...)
			changed[7] ^= 1
			if err := tx.Bucket(bucketRevoked).Delete(key); err != nil {
				return err
			}
			return tx.Bucket(bucketRevoked).Put(changed, kept)
		})},
		"record deleted": {reason: "records are missing", damage: edit(func(tx *bbolt.Tx) error {
			key, _ := tx.Bucket(bucketRevoked).Cursor().First()
			return tx.Bucket(bucketRevoked).Delete(key)
		})},
		"header changed": {damage: edit(func(tx *bbolt.Tx) error {
			value := append([]byte(nil), tx.Bucket(bucketMeta).Get(keyHeader)...)
			binary.BigEndian.PutUint64(value[1:], 1<<40)
			return tx.Bucket(bucketMeta).Put(keyHeader, value)
		})},
		"header deleted": {damage: edit(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyHeader) })},
		"bucket deleted": {damage: edit(func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketRevoked) })},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			expires := s.clock.Now().Add(15 * time.Minute)
			s.revoke(tenancy.NewID(), expires)
			must(t, s.Close())
			earlier, err := os.ReadFile(s.path)
			must(t, err)
			s.open()
			s.revoke(tenancy.NewID(), expires)
			must(t, s.Close())

			c.damage(t, s, earlier)
			s.config = c.config
			s.open()
			if len(s.distrusted) != 1 || !strings.Contains(s.distrusted[0], c.reason) {
				t.Fatalf("distrusted for %q, want once for %q", s.distrusted, c.reason)
			}
			aside, err := filepath.Glob(s.path + ".distrusted-*")
			must(t, err)
			if want := name != "deleted"; (len(aside) == 1) != want {
				t.Errorf("set aside: %v", aside)
			}
			again := tenancy.NewID()
			s.revoke(again, expires)
			s.reopen() // the new file counts on and is trusted
			if len(s.distrusted) != 1 || s.verdict(again, expires) != VerdictRevoked {
				t.Errorf("after the recovery: distrusted %v, verdict %v", s.distrusted, s.verdict(again, expires))
			}
		})
	}
}

// edit changes the closed file behind the back of its owner.
func edit(change func(tx *bbolt.Tx) error) func(*testing.T, *shelf, []byte) {
	return func(t *testing.T, s *shelf, _ []byte) {
		db, err := bbolt.Open(s.path, 0o600, boltOptions())
		must(t, err)
		must(t, db.Update(change))
		must(t, db.Close())
	}
}

// When the tokens cannot be made invalid the file must not be replaced: the next
// start has to try again.
func TestDistrustThatFailsStopsTheStart(t *testing.T) {
	s := newShelf(t)
	s.revoke(tenancy.NewID(), s.clock.Now().Add(time.Minute))
	must(t, s.Close())
	must(t, os.Remove(s.path))
	_, err := OpenRevocations(RevocationConfig{
		Path: s.path, Key: [32]byte{1}, Clock: s.clock, Acknowledged: s.acknowledged,
		Distrust: func(string) error { return errors.New("no database") },
	})
	if err == nil {
		t.Fatal("it opens though the tokens are still valid")
	}
	if _, err := os.Lstat(s.path); err == nil {
		t.Error("a new file stands in place of the missing one")
	}
}

// A flipped bit is found, or changes nothing: no revocation is lost silently. The
// check runs in a child, which some flips end.
func TestBitFlipsNeverResurrect(t *testing.T) {
	t.Parallel()
	flips := 60
	if testing.Short() {
		flips = 10
	}
	s := newShelf(t)
	s.config = func(c *RevocationConfig) { c.CheckFile = CheckInChild(os.Args[0], "check-revocations") }
	expires := s.clock.Now().Add(15 * time.Minute)
	var sessions []tenancy.ID
	for range 100 {
		sessions = append(sessions, tenancy.NewID())
		s.revoke(sessions[len(sessions)-1], expires)
	}
	must(t, s.Close())
	good, err := os.ReadFile(s.path)
	must(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range flips {
		damaged := append([]byte(nil), good...)
		damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
		must(t, os.WriteFile(s.path, damaged, 0o600))
		s.distrusted = nil
		s.open()
		if len(s.distrusted) > 0 {
			found++
		} else {
			for _, session := range sessions {
				if s.verdict(session, expires) != VerdictRevoked {
					t.Fatal("a flipped bit brought a revoked session back")
				}
			}
		}
		must(t, s.Close())
		must(t, os.Remove(s.path))
	}
	t.Logf("%d of %d flips were found", found, flips)
}

func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, err := OpenRevocations(RevocationConfig{
		Path: s.path, Key: [32]byte{1}, Clock: s.clock,
		Distrust: func(reason string) error { t.Errorf("distrusted: %s", reason); return nil },
	})
	if !errors.Is(err, ErrRevocationsInUse) {
		t.Errorf("got %v, want that it is in use", err)
	}
}

func TestGroupCommit(t *testing.T) {
	s := newShelf(t)
	expires := s.clock.Now().Add(time.Minute)
	var group sync.WaitGroup
	var mu sync.Mutex
	var sessions []tenancy.ID
	for range 200 {
		group.Go(func() {
			id := tenancy.NewID()
			sequence, err := s.Revoke(context.Background(), tenancy.NewID(), Revocation{RevokedSession, id, expires.Unix()})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			sessions = append(sessions, id)
			s.acknowledged = max(s.acknowledged, sequence)
		})
	}
	group.Wait()
	if s.acknowledged >= 200 {
		t.Errorf("200 callers took %d transactions", s.acknowledged)
	}
	s.reopen()
	for _, id := range sessions {
		if s.verdict(id, expires) != VerdictRevoked {
			t.Fatal("an acknowledged revocation is lost")
		}
	}
}

func TestCollapse(t *testing.T) {
	s := newShelf(t)
	user, expires := tenancy.NewID(), s.clock.Now().Add(time.Minute).Unix()
	for i := range 100 {
		_, err := s.Revoke(t.Context(), user, Revocation{RevokedToken, tenancy.NewID(), expires})
		if want := i >= DefaultRevocationsPerUser; errors.Is(err, ErrUserFull) != want {
			t.Fatalf("revocation %d: got %v", i, err)
		}
	}
	if s.Len() != DefaultRevocationsPerUser {
		t.Errorf("%d are held, want %d", s.Len(), DefaultRevocationsPerUser)
	}
	_, err := s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedToken, tenancy.NewID(), expires})
	must(t, err)
	s.clock.pass(time.Hour)
	_, err = s.Sweep(t.Context())
	must(t, err)
	_, err = s.Revoke(t.Context(), user, Revocation{RevokedToken, tenancy.NewID(), expires})
	must(t, err)

	s.config = func(c *RevocationConfig) { c.Total = 3 }
	s.reopen()
	for range 2 {
		_, err = s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedToken, tenancy.NewID(), expires})
		must(t, err)
	}
	if _, err = s.Revoke(t.Context(), tenancy.NewID(), Revocation{RevokedToken, tenancy.NewID(), expires}); !errors.Is(err, ErrFull) {
		t.Errorf("above the total: got %v", err)
	}
}

func TestSameRevocationTwiceCountsOnce(t *testing.T) {
	s := newShelf(t)
	user, id := tenancy.NewID(), tenancy.NewID()
	expires := s.clock.Now().Add(time.Minute)
	for range 10 {
		_, err := s.Revoke(t.Context(), user, Revocation{RevokedSession, id, expires.Unix()})
		must(t, err)
	}
	if s.Len() != 1 {
		t.Errorf("%d are held, want 1", s.Len())
	}
	s.reopen()
	if len(s.distrusted) > 0 || s.Len() != 1 {
		t.Errorf("after a restart: distrusted %v, %d held", s.distrusted, s.Len())
	}
	later := expires.Add(time.Hour)
	_, err := s.Revoke(t.Context(), user, Revocation{RevokedSession, id, later.Unix()})
	must(t, err)
	s.clock.pass(45 * time.Minute) // past the first expiry, not the second
	_, err = s.Sweep(t.Context())
	must(t, err)
	if got := s.verdict(id, later); got != VerdictRevoked || s.Len() != 1 {
		t.Errorf("the later of two revocations is gone: %v, %d held", got, s.Len())
	}
}

func TestSweep(t *testing.T) {
	s := newShelf(t)
	short, long := s.clock.Now().Add(time.Minute), s.clock.Now().Add(3*time.Hour)
	var batch []Revocation
	for range 4500 {
		batch = append(batch, Revocation{RevokedToken, tenancy.NewID(), short.Unix()})
	}
	s.Revocations.config.PerUser = 10_000
	_, err := s.Revoke(t.Context(), tenancy.NewID(), batch...)
	must(t, err)
	kept := tenancy.NewID()
	s.revoke(kept, long)
	s.clock.pass(time.Hour)
	report, err := s.Sweep(t.Context())
	must(t, err)
	if report.Swept != 4500 || s.Len() != 1 || s.verdict(kept, long) != VerdictRevoked {
		t.Errorf("swept %d, %d left", report.Swept, s.Len())
	}
	s.reopen()
	if len(s.distrusted) > 0 || s.Len() != 1 {
		t.Errorf("after a restart: distrusted %v, %d held", s.distrusted, s.Len())
	}
}

// A clock that jumps ahead, while a sweep runs, and back again must not bring a
// token back.
func TestClockForwardBack(t *testing.T) {
	s := newShelf(t)
	session, expires := tenancy.NewID(), s.clock.Now().Add(15*time.Minute)
	s.revoke(session, expires)

	s.clock.setBack(-365 * 24 * time.Hour)
	report, err := s.Sweep(t.Context())
	must(t, err)
	if report.Swept != 0 {
		t.Fatal("the jump of the clock let a revocation be swept")
	}
	s.clock.pass(2 * time.Hour) // a whole life passes at the wrong date
	report, err = s.Sweep(t.Context())
	must(t, err)
	if report.Swept != 1 {
		t.Fatalf("swept %d after a whole life, want 1", report.Swept)
	}
	s.clock.setBack(365*24*time.Hour + 2*time.Hour) // further back than the truth
	for range 2 {
		if got := s.verdict(session, expires); got != VerdictRevoked {
			t.Errorf("the token is back: %v", got)
		}
		s.reopen()
	}

	fresh := tenancy.NewID()
	s.revoke(fresh, s.clock.Now().Add(15*time.Minute))
	s.clock.pass(2 * time.Hour)
	report, err = s.Sweep(t.Context())
	must(t, err)
	if report.Swept != 0 || report.ClockBehind < 300*24*time.Hour {
		t.Errorf("with the clock behind: %+v", report)
	}
	s.clock.pass(clockPatience)
	report, err = s.Sweep(t.Context())
	must(t, err)
	if report.Swept != 1 || report.ClockBehind != 0 {
		t.Errorf("after the clock was behind for long: %+v", report)
	}
}

// TestSweepNeverEarly holds the store against a map, under random revocations,
// sweeps, restarts and jumps of the wall clock. The law: a token that was revoked
// and whose life has not passed by the true clock since it was issued is refused,
// whatever the wall clock says.
func TestSweepNeverEarly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := newShelf(t)
		s.unsynced, s.file.db.NoSync = true, true // time is the matter here, not the disk
		defer s.Close()
		type token struct {
			session tenancy.ID
			expires time.Time
			truly   time.Duration // Elapsed at which its life ends
		}
		var revoked []token
		truth := func() time.Duration { return s.clock.Elapsed() }
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				age := time.Duration(rapid.IntRange(0, 900).Draw(rt, "age")) * time.Second
				tok := token{tenancy.NewID(), s.clock.Now().Add(15*time.Minute - age), truth() + 15*time.Minute - age}
				s.revoke(tok.session, tok.expires)
				revoked = append(revoked, tok)
			case 2:
				s.clock.pass(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "pass")) * time.Second)
			case 3:
				s.clock.setBack(time.Duration(rapid.IntRange(-86400*400, 86400).Draw(rt, "set")) * time.Second)
			case 4:
				if rapid.Bool().Draw(rt, "restart") {
					must(t, s.Close())
					s.open()
				}
			}
			_, err := s.Sweep(context.Background())
			must(t, err)
			for _, tok := range revoked {
				alive := truth() < tok.truly || s.clock.Now().Before(tok.expires.Add(Leeway))
				if alive && s.verdict(tok.session, tok.expires) != VerdictRevoked {
					rt.Fatalf("a revoked token is accepted: expires %v, wall %v", tok.expires, s.clock.Now())
				}
			}
		}
		if len(s.distrusted) > 0 {
			rt.Fatalf("distrusted: %v", s.distrusted)
		}
	})
}

func filledIndex(count int) (*Revocations, []tenancy.ID) {
	r := &Revocations{}
	ids := make([]tenancy.ID, count)
	for i := range ids {
		ids[i] = tenancy.NewID()
		r.index.add(RevokedSession, ids[i], 1<<40, 0)
	}
	r.open.Store(true)
	return r, ids
}

func TestLookupZeroAlloc(t *testing.T) {
	r, ids := filledIndex(1000)
	miss := tenancy.NewID()
	if n := testing.AllocsPerRun(1000, func() {
		if r.Check(miss, ids[7], 1) != VerdictRevoked || r.Check(miss, miss, 1) != VerdictLive {
			panic("wrong answer")
		}
	}); n != 0 {
		t.Errorf("a lookup allocates %.1f times", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	r, ids := filledIndex(1_000_000)
	misses := make([]tenancy.ID, 1<<16)
	for i := range misses {
		misses[i] = tenancy.NewID()
	}
	token := tenancy.NewID()
	b.Run("live", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if r.Check(token, misses[i%len(misses)], 1) != VerdictLive {
				b.Fatal("revoked")
			}
		}
	})
	b.Run("revoked", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if r.Check(token, ids[i*7919%len(ids)], 1) != VerdictRevoked {
				b.Fatal("live")
			}
		}
	})
	b.Run("live parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if r.Check(token, misses[i%len(misses)], 1) != VerdictLive {
					b.Error("revoked")
				}
			}
		})
	})
}

func BenchmarkRevoke(b *testing.B) {
	s := newShelf(b)
	expires := s.clock.Now().Add(time.Minute).Unix()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Revoke(context.Background(), tenancy.NewID(), Revocation{RevokedSession, tenancy.NewID(), expires}); err != nil {
				b.Error(err)
			}
		}
	})
}

func FuzzRevocationRecord(f *testing.F) {
	file := newRevocationFile(nil, [32]byte{1})
	record := revocationRecord{Revocation{RevokedSession, tenancy.NewID(), 1 << 31}, tenancy.NewID()}
	f.Add(record.key(), file.value(record.key(), record.user))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		got, err := file.parse(key, value)
		if err == nil && string(got.key()) != string(key) {
			t.Errorf("%x reads as %+v", key, got)
		}
		if _, err := file.parseHeader(value); err == nil {
			t.Error("a header without our MAC is accepted")
		}
	})
}
