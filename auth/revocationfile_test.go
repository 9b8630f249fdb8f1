package auth

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"maestro/tenancy"
)

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

func FuzzRevocationRecord(f *testing.F) {
	file := newRevocationFile(nil, [32]byte{1})
	record := revocationRecord{Revocation{RevokedSession, tenancy.NewID(), 1 << 31}, ownerOf(newUser())}
	f.Add(record.key(), file.value(record.key(), record.owner))
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
