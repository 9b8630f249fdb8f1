package auth

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

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

func newUser() UserKey { return UserKey{tenancy.NewID(), tenancy.NewID()} }

// revoke ends a session for a user of its own and acknowledges it.
func (s *shelf) revoke(id tenancy.ID, expires time.Time) {
	s.t.Helper()
	sequence, err := s.Revoke(context.Background(), newUser(), Revocation{RevokedSession, id, expires.Unix()})
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
	_, err := s.Revoke(t.Context(), newUser(), Revocation{RevokedToken, id, expires})
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
	_, err := s.Revoke(canceled, newUser(), Revocation{RevokedSession, id, expires.Unix()})
	if err != nil {
		mustCode(t, "a request that ended", err, problem.Timeout)
	}
	if s.verdict(id, expires) != VerdictRevoked {
		t.Error("a revocation whose request ended is not in effect")
	}

	must(t, s.Revocations.file.db.Close()) // the disk is gone
	second := tenancy.NewID()
	_, err = s.Revoke(t.Context(), newUser(), Revocation{RevokedSession, second, expires.Unix()})
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
	_, err = s.Revoke(t.Context(), newUser(), Revocation{RevokedSession, id, expires.Unix()})
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
	_, err = s.Revoke(t.Context(), newUser(), Revocation{RevokedSession, failed, expires.Unix()})
	mustCode(t, "write failure", err, problem.Unavailable)
	s.Revocations.file.db = db
	s.revoke(later, expires)
	s.reopen()
	if s.verdict(failed, expires) != VerdictRevoked || s.verdict(later, expires) != VerdictRevoked {
		t.Error("a revocation is lost after a failed write")
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
			sequence, err := s.Revoke(context.Background(), newUser(), Revocation{RevokedSession, id, expires.Unix()})
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
	user, expires := newUser(), s.clock.Now().Add(time.Minute).Unix()
	for i := range 100 {
		_, err := s.Revoke(t.Context(), user, Revocation{RevokedToken, tenancy.NewID(), expires})
		if want := i >= DefaultRevocationsPerUser; errors.Is(err, ErrUserFull) != want {
			t.Fatalf("revocation %d: got %v", i, err)
		}
	}
	if s.Len() != DefaultRevocationsPerUser {
		t.Errorf("%d are held, want %d", s.Len(), DefaultRevocationsPerUser)
	}
	_, err := s.Revoke(t.Context(), newUser(), Revocation{RevokedToken, tenancy.NewID(), expires})
	must(t, err)
	s.clock.pass(time.Hour)
	_, err = s.Sweep(t.Context())
	must(t, err)
	_, err = s.Revoke(t.Context(), user, Revocation{RevokedToken, tenancy.NewID(), expires})
	must(t, err)

	s.config = func(c *RevocationConfig) { c.Total = 3 }
	s.reopen()
	for range 2 {
		_, err = s.Revoke(t.Context(), newUser(), Revocation{RevokedToken, tenancy.NewID(), expires})
		must(t, err)
	}
	if _, err = s.Revoke(t.Context(), newUser(), Revocation{RevokedToken, tenancy.NewID(), expires}); !errors.Is(err, ErrFull) {
		t.Errorf("above the total: got %v", err)
	}
}

// TestRevocationsAreCountedInTheirTenant: before, users of two tenants with the same
// id, as an imported tenant may bring, shared one count, and the revocations of the
// one ended the sessions of the other.
func TestRevocationsAreCountedInTheirTenant(t *testing.T) {
	s := newShelf(t)
	user, expires := newUser(), s.clock.Now().Add(time.Minute).Unix()
	twin := UserKey{tenancy.NewID(), user.User}
	for range DefaultRevocationsPerUser {
		_, err := s.Revoke(t.Context(), user, Revocation{RevokedToken, tenancy.NewID(), expires})
		must(t, err)
	}
	for _, when := range []string{"at once", "after a restart"} {
		if _, err := s.Revoke(t.Context(), user, Revocation{RevokedToken, tenancy.NewID(), expires}); !errors.Is(err, ErrUserFull) {
			t.Errorf("%s, the user with all it may have: %v", when, err)
		}
		if _, err := s.Revoke(t.Context(), twin, Revocation{RevokedToken, tenancy.NewID(), expires}); err != nil {
			t.Errorf("%s, the user of the same id in another tenant: %v", when, err)
		}
		s.reopen()
	}
	s.clock.pass(time.Hour)
	_, err := s.Sweep(t.Context())
	must(t, err)
	if len(s.perUser) != 0 {
		t.Errorf("%d users are still counted", len(s.perUser))
	}
}

// TestAFileThatCountsByTheUserAloneIsRead: before owners were digests of tenant and
// user, records held the user's id.
func TestAFileThatCountsByTheUserAloneIsRead(t *testing.T) {
	s := newShelf(t)
	user, id, expires := newUser(), tenancy.NewID(), s.clock.Now().Add(time.Minute)
	record := revocationRecord{Revocation{RevokedSession, id, expires.Unix() + revocationSlack}, revocationOwner(user.User)}
	sequence, _, err := s.file.append([]revocationRecord{record}, s.clock.Now())
	must(t, err)
	s.acknowledged = sequence
	s.reopen()
	if got := s.verdict(id, expires); got != VerdictRevoked || len(s.distrusted) > 0 || s.Len() != 1 {
		t.Errorf("got verdict %v, distrusted %v, %d held", got, s.distrusted, s.Len())
	}
	s.clock.pass(time.Hour)
	_, err = s.Sweep(t.Context())
	must(t, err)
	if s.Len() != 0 || len(s.perUser) != 0 {
		t.Errorf("after it expired %d are held, of %d users", s.Len(), len(s.perUser))
	}
}

func TestSameRevocationTwiceCountsOnce(t *testing.T) {
	s := newShelf(t)
	user, id := newUser(), tenancy.NewID()
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

func BenchmarkRevoke(b *testing.B) { revokeParallel(b) }

// revokeParallel revokes from 64 callers for each core.
func revokeParallel(b *testing.B) {
	s := newShelf(b)
	expires := s.clock.Now().Add(time.Minute).Unix()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Revoke(context.Background(), newUser(), Revocation{RevokedSession, tenancy.NewID(), expires}); err != nil {
				b.Error(err)
			}
		}
	})
}
