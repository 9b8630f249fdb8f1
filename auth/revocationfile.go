package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The file of revocations is a bbolt database with two buckets.
//
//	revoked  expiry(8, big-endian Unix seconds) kind(1) id(16) → owner(16) MAC(16)
//	meta     "header" → version(1) sequence(8) count(8) swept(8) seen(8) MAC(32)
//
// bbolt has no checksums on its data pages, so each record and the header carry a
// MAC of their own, and the header counts the records.
var (
	bucketRevoked = []byte("revoked")
	bucketMeta    = []byte("meta")
	keyHeader     = []byte("header")
)

const (
	revocationKeySize   = 8 + 1 + 16
	revocationValueSize = 16 + 16
	headerVersion       = 1
	headerSize          = 1 + 4*8 + sha256.Size
	lockPatience        = 2 * time.Second
)

// ErrRevocationsInUse says that another process has the file open.
var ErrRevocationsInUse = errors.New("the revocations are in use by another process")

var errDamagedRevocation = errors.New("damaged record")

type revocationRecord struct {
	Revocation
	owner revocationOwner
}

// revocationOwner is whom a record is counted for: a digest of the tenant and the
// user. Ids of users are unique in a tenant only, as an imported one may bring
// those of another. Files of before hold the user's id in its place, which is
// counted for itself until the record expires.
type revocationOwner [16]byte

func ownerOf(user UserKey) (owner revocationOwner) {
	digest := sha256.Sum256(slices.Concat(user.Tenant[:], user.User[:]))
	copy(owner[:], digest[:])
	return owner
}

type revocationHeader struct {
	sequence uint64 // counts the transactions that added records
	count    uint64 // records in the bucket
	swept    int64  // the latest expiry that was swept, Unix seconds
	seen     int64  // the latest wall clock that was seen, Unix seconds
}

// revocationFile is the durable half of Revocations.
type revocationFile struct {
	db *bbolt.DB

	mu     sync.Mutex // held through every transaction
	mac    hash.Hash  // an HMAC, reused because a start computes millions
	header revocationHeader
}

func newRevocationFile(db *bbolt.DB, key [32]byte) *revocationFile {
	return &revocationFile{db: db, mac: hmac.New(sha256.New, key[:])}
}

func boltOptions() *bbolt.Options {
	return &bbolt.Options{
		Timeout:        lockPatience,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true, // the list of free pages after a sweep is long, and made anew at the start
	}
}

func openBolt(path string, options *bbolt.Options) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, options)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrRevocationsInUse
	}
	if err != nil {
		return nil, fmt.Errorf("open revocations: %w", err)
	}
	return db, nil
}

// createRevocationFile makes an empty file that counts on from sequence.
func createRevocationFile(path string, key [32]byte, sequence uint64) (*revocationFile, error) {
	db, err := openBolt(path, boltOptions())
	if err != nil {
		return nil, err
	}
	f := newRevocationFile(db, key)
	f.header.sequence = sequence
	err = db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(bucketRevoked); err != nil {
			return err
		}
		if _, err := tx.CreateBucketIfNotExists(bucketMeta); err != nil {
			return err
		}
		return f.putHeader(tx, f.header)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create revocations: %w", err), db.Close())
	}
	return f, nil
}

// openRevocationFile opens a file whose structure was checked.
func openRevocationFile(path string, key [32]byte) (f *revocationFile, err error) {
	err = guarded(func() error {
		db, err := openBolt(path, boltOptions())
		if err != nil {
			return err
		}
		f = newRevocationFile(db, key)
		err = db.View(func(tx *bbolt.Tx) error {
			meta := tx.Bucket(bucketMeta)
			if meta == nil || tx.Bucket(bucketRevoked) == nil {
				return errors.New("a bucket is missing")
			}
			f.header, err = f.parseHeader(meta.Get(keyHeader))
			return err
		})
		if err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	return f, err
}

// each calls fn for every record, in the order of expiry.
func (f *revocationFile) each(fn func(revocationRecord)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return guarded(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketRevoked).ForEach(func(key, value []byte) error {
				record, err := f.parse(key, value)
				if err != nil {
					return err
				}
				fn(record)
				return nil
			})
		})
	})
}

// append writes records in one transaction, durable when it returns, and reports
// those that were there already.
func (f *revocationFile) append(records []revocationRecord, now time.Time) (sequence uint64, repeated []revocationRecord, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.header
	next.sequence++
	next.seen = max(next.seen, now.Unix())
	err = f.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketRevoked)
		for _, record := range records {
			key := record.key()
			if bucket.Get(key) != nil {
				repeated = append(repeated, record)
				continue
			}
			next.count++
			if err := bucket.Put(key, f.value(key, record.owner)); err != nil {
				return err
			}
		}
		return f.putHeader(tx, next)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("write revocations: %w", err)
	}
	f.header = next
	return next.sequence, repeated, nil
}

// sweep deletes up to limit records that expired at or before now and that done
// agrees to, in one transaction. It stops at the first that must stay. Before the
// transaction is committed it calls mark with the latest expiry deleted.
func (f *revocationFile) sweep(limit int, now time.Time, done func(revocationRecord) bool, mark func(through int64)) ([]revocationRecord, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var swept []revocationRecord
	next := f.header
	next.seen = max(now.Unix(), next.seen)
	if now.Unix() < next.seen-int64(clockTolerance/time.Second) {
		next.seen = now.Unix() // the caller decided that the clock was ahead before
	}
	err := f.db.Update(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketRevoked).Cursor()
		for key, value := cursor.First(); key != nil && len(swept) < limit; key, value = cursor.First() {
			record, err := f.parse(key, value)
			if err != nil {
				return err
			}
			if record.ExpiresAt > now.Unix() || !done(record) {
				break
			}
			if err := cursor.Delete(); err != nil {
				return err
			}
			swept = append(swept, record)
		}
		if len(swept) > 0 {
			next.count -= uint64(len(swept))
			next.swept = max(next.swept, swept[len(swept)-1].ExpiresAt)
			mark(next.swept)
		}
		return f.putHeader(tx, next)
	})
	if err != nil {
		return nil, fmt.Errorf("sweep revocations: %w", err)
	}
	f.header = next
	return swept, nil
}

// forget drops the mark of what was swept.
func (f *revocationFile) forget() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.header
	next.swept = 0
	err := f.db.Update(func(tx *bbolt.Tx) error { return f.putHeader(tx, next) })
	if err != nil {
		return fmt.Errorf("write revocations: %w", err)
	}
	f.header = next
	return nil
}

// seen returns the latest wall clock that was seen, in Unix seconds.
func (f *revocationFile) seen() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.header.seen
}

// copyTo writes a copy of the file as of its last transaction. bbolt lets a reader
// and the writer work side by side, so the lock is not held.
func (f *revocationFile) copyTo(path string) error {
	err := f.db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(path, 0o600) })
	if err != nil {
		return fmt.Errorf("copy revocations: %w", err)
	}
	return nil
}

func (f *revocationFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.db.Close()
}

func (record *revocationRecord) key() []byte {
	key := make([]byte, 0, revocationKeySize)
	key = binary.BigEndian.AppendUint64(key, uint64(max(record.ExpiresAt, 0)))
	key = append(key, byte(record.Kind))
	return append(key, record.ID[:]...)
}

func (f *revocationFile) value(key []byte, owner revocationOwner) []byte {
	value := append(make([]byte, 0, revocationValueSize), owner[:]...)
	return append(value, f.sum("revocation", key, owner[:])[:16]...)
}

func (f *revocationFile) parse(key, value []byte) (revocationRecord, error) {
	var record revocationRecord
	if len(key) != revocationKeySize || len(value) != revocationValueSize {
		return record, errDamagedRevocation
	}
	if !hmac.Equal(value[16:], f.sum("revocation", key, value[:16])[:16]) {
		return record, errDamagedRevocation
	}
	record.ExpiresAt = int64(binary.BigEndian.Uint64(key))
	record.Kind = RevocationKind(key[8])
	if record.Kind == 0 || record.Kind >= revocationKinds {
		return record, errDamagedRevocation
	}
	copy(record.ID[:], key[9:])
	copy(record.owner[:], value)
	return record, nil
}

func (f *revocationFile) putHeader(tx *bbolt.Tx, h revocationHeader) error {
	value := append(make([]byte, 0, headerSize), headerVersion)
	for _, n := range [...]uint64{h.sequence, h.count, uint64(h.swept), uint64(h.seen)} {
		value = binary.BigEndian.AppendUint64(value, n)
	}
	return tx.Bucket(bucketMeta).Put(keyHeader, append(value, f.sum("header", value)...))
}

func (f *revocationFile) parseHeader(value []byte) (revocationHeader, error) {
	if len(value) != headerSize || value[0] != headerVersion {
		return revocationHeader{}, errDamagedRevocation
	}
	body := value[:headerSize-sha256.Size]
	if !hmac.Equal(value[len(body):], f.sum("header", body)) {
		return revocationHeader{}, errDamagedRevocation
	}
	number := func(i int) uint64 { return binary.BigEndian.Uint64(body[1+8*i:]) }
	return revocationHeader{sequence: number(0), count: number(1), swept: int64(number(2)), seen: int64(number(3))}, nil
}

// sum is the MAC of a purpose and its parts, with their lengths, so that no two
// inputs look alike. The caller holds the lock, or alone has the file.
func (f *revocationFile) sum(purpose string, parts ...[]byte) []byte {
	f.mac.Reset()
	var lengths [3]byte
	lengths[0] = byte(len(purpose))
	for i, part := range parts {
		lengths[i+1] = byte(len(part)) // no part is longer than a header
	}
	f.mac.Write(lengths[:])
	f.mac.Write([]byte(purpose))
	for _, part := range parts {
		f.mac.Write(part)
	}
	return f.mac.Sum(nil)
}

// CheckRevocationFile looks for structural damage without changing the file. A
// badly damaged file may end the process: see CheckInChild.
func CheckRevocationFile(path string) error {
	return guarded(func() error {
		db, err := openBolt(path, &bbolt.Options{Timeout: lockPatience, ReadOnly: true})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bbolt.Tx) error {
			var first error
			for found := range tx.Check() {
				if first == nil {
					first = found
				}
			}
			return first
		})
		return errors.Join(err, db.Close())
	})
}

// guarded turns a panic and a fault in the mapped file into an error. It cannot
// help against faults in goroutines that bbolt starts.
func guarded(fn func() error) (err error) {
	previous := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(previous)
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("read revocations: %v", cause)
		}
	}()
	return fn()
}

// CheckInChild returns a check that runs command with the file's path as its last
// argument, in a process of its own that a damaged file may end. The command
// calls CheckRevocationFile and exits with RevocationsInUseStatus when another
// process has the file, with another status but 0 for any other error.
func CheckInChild(command string, args ...string) func(path string) error {
	return func(path string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		// #nosec G204 G702 -- the command is this program's own, given by its wiring
		child := exec.CommandContext(ctx, command, append(append([]string(nil), args...), path)...)
		child.Env = []string{"GOTRACEBACK=none", "GOMEMLIMIT=2GiB"}
		child.Env = append(child.Env, childEnvironment()...)
		var output bytes.Buffer
		child.Stderr = &output
		err := child.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == RevocationsInUseStatus {
			return ErrRevocationsInUse
		}
		if err != nil {
			return fmt.Errorf("check revocations: %w", err)
		}
		return nil
	}
}

// RevocationsInUseStatus is the exit status of the child of CheckInChild when
// another process has the file open.
const RevocationsInUseStatus = 75

// childEnvironment passes on what a process needs to run and no secret.
func childEnvironment() []string {
	var environment []string
	for _, name := range [...]string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}
