package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// RevocationKind says what a revocation ends. Kinds never mix: an id revoked as
// one kind says nothing of another.
type RevocationKind uint8

// The kinds of revocation.
const (
	RevokedToken    RevocationKind = 1 // the jti of one access token
	RevokedSession  RevocationKind = 2 // the sid of a session: every access token of it
	revocationKinds RevocationKind = 3 // one more than the last
)

// Revocation ends one token or session.
type Revocation struct {
	Kind      RevocationKind
	ID        tenancy.ID
	ExpiresAt int64 // when the last token that it concerns expires, Unix seconds
}

// The bounds of the store.
const (
	DefaultRevocationsPerUser = 64
	DefaultRevocations        = 4_000_000

	// revocationSlack is kept after the expiry of the last token: the leeway of
	// its verification and a margin.
	revocationSlack = int64((Leeway + 5*time.Minute) / time.Second)

	sweepBatch     = 500            // records deleted in one transaction: a revocation waits for it, about 2 ms
	clockTolerance = time.Minute    // how far the wall clock may be behind what was seen
	clockPatience  = 24 * time.Hour // after which a clock set back is taken to be right
)

// These two outcomes of Revoke mean that nothing was recorded and that the
// caller must raise an epoch instead, which needs no room.
var (
	ErrUserFull = errors.New("as many revocations of one user as are kept singly")
	ErrFull     = errors.New("as many revocations as are kept singly")
)

// RevocationVerdict is the answer to whether a token may be used.
type RevocationVerdict uint8

// The zero value refuses, so that a mistake refuses.
const (
	VerdictUnavailable RevocationVerdict = iota // cannot tell: answer 503
	VerdictRevoked
	VerdictLive
)

// RevocationConfig says where and how revocations are kept.
type RevocationConfig struct {
	Path  string
	Key   [32]byte // authenticates every record
	Clock Clock

	// Life is the longest life of an access token.
	Life time.Duration

	// Acknowledged is the highest sequence number that the database knows to have
	// been acknowledged. A file that ends before it is an old copy.
	Acknowledged uint64

	// Distrust is called when the file is missing, damaged or an old copy, before
	// it is set aside. It must make every token issued so far invalid, durably
	// (raise the global epoch). When it fails, nothing is opened.
	Distrust func(reason string) error

	// CheckFile looks for structural damage. A damaged file can end the process
	// that reads it, so a server gives CheckInChild; nil checks in this process.
	CheckFile func(path string) error

	PerUser int // default DefaultRevocationsPerUser
	Total   int // default DefaultRevocations
}

// Revocations remembers which tokens and sessions ended before they expired. A
// revocation is visible at once, durable before Revoke returns, kept until the
// last token that it concerns has expired by every clock, and never lost without
// notice. Lookups are answered from memory.
type Revocations struct {
	config RevocationConfig
	index  revocationIndex
	file   *revocationFile

	open  atomic.Bool
	swept atomic.Int64 // everything that expires at or before was swept

	mu      sync.Mutex // guards what follows
	perUser map[revocationOwner]int
	total   int

	behindSince time.Duration // Elapsed when the wall clock was first seen to be behind; 0 if it is not

	// closing is held for reading by whoever puts into the queue and for writing by
	// Close, so that nothing is put into a closed queue.
	closing sync.RWMutex
	queue   chan revokeRequest
	done    chan struct{}
}

type revokeRequest struct {
	records []revocationRecord
	ack     chan revokeResult
}

type revokeResult struct {
	sequence uint64
	err      error
}

// OpenRevocations opens the file, or makes it. It returns an error only when
// serving would not be safe.
func OpenRevocations(c RevocationConfig) (*Revocations, error) {
	if c.PerUser <= 0 {
		c.PerUser = DefaultRevocationsPerUser
	}
	if c.Total <= 0 {
		c.Total = DefaultRevocations
	}
	if c.CheckFile == nil {
		c.CheckFile = CheckRevocationFile
	}
	r := &Revocations{
		config: c, perUser: make(map[revocationOwner]int),
		queue: make(chan revokeRequest, 1024), done: make(chan struct{}),
	}
	if err := r.load(); err != nil {
		return nil, err
	}
	r.swept.Store(r.file.header.swept)
	r.open.Store(true)
	go r.write()
	return r, nil
}

// load opens a file that can be trusted. One that cannot is set aside after
// Distrust made every token invalid, so a crash in between asks again.
func (r *Revocations) load() error {
	c := &r.config
	reason, err := r.loadExisting()
	if err != nil {
		return err
	}
	if reason == "" {
		return nil
	}
	r.index.clear()
	clear(r.perUser)
	r.total = 0
	if err := c.Distrust(reason); err != nil {
		return fmt.Errorf("revocations cannot be trusted (%s), and the tokens could not be made invalid: %w", reason, err)
	}
	if _, err := os.Lstat(c.Path); err == nil {
		aside := c.Path + ".distrusted-" + c.Clock.Now().UTC().Format("20060102T150405.000000000")
		if err := os.Rename(c.Path, aside); err != nil {
			return fmt.Errorf("set revocations aside: %w", err)
		}
	}
	r.file, err = createRevocationFile(c.Path, c.Key, c.Acknowledged)
	return err
}

// loadExisting reads the file. A reason says why it cannot be trusted; an error
// means that it cannot be opened at all (another process has it).
func (r *Revocations) loadExisting() (reason string, err error) {
	c := &r.config
	if _, err := os.Lstat(c.Path); errors.Is(err, fs.ErrNotExist) {
		if c.Acknowledged > 0 {
			return "the file is missing", nil
		}
		r.file, err = createRevocationFile(c.Path, c.Key, 0)
		return "", err
	} else if err != nil {
		return "", fmt.Errorf("revocations: %w", err)
	}
	if err := c.CheckFile(c.Path); err != nil {
		if errors.Is(err, ErrRevocationsInUse) {
			return "", err
		}
		return "the file is damaged", nil
	}
	file, err := openRevocationFile(c.Path, c.Key)
	if errors.Is(err, ErrRevocationsInUse) {
		return "", err
	}
	if err != nil {
		return "the file is not readable", nil //nolint:nilerr // the file is distrusted, which is an answer
	}
	since := r.moment()
	err = file.each(func(record revocationRecord) {
		r.index.add(record.Kind, record.ID, record.ExpiresAt, since)
		r.perUser[record.owner]++
		r.total++
	})
	switch {
	case err != nil:
		reason = "a record is damaged"
	case uint64(r.total) != file.header.count:
		reason = "records are missing"
	case file.header.sequence < c.Acknowledged:
		reason = "the file is an old copy"
	}
	if reason != "" {
		return reason, file.close()
	}
	r.file = file
	return "", nil
}

// Check answers whether a token may be used: its own id, its session's, and when
// it expires (Unix seconds). It takes no lock that a writer holds for long and
// allocates nothing.
func (r *Revocations) Check(token, session tenancy.ID, expiresAt int64) RevocationVerdict {
	if !r.open.Load() {
		return VerdictUnavailable
	}
	// What was swept was expired. If a clock that is set back makes it look alive,
	// the record of its revocation is gone and it stays refused.
	if expiresAt+revocationSlack <= r.swept.Load() {
		return VerdictRevoked
	}
	if r.index.has(RevokedSession, session) || r.index.has(RevokedToken, token) {
		return VerdictRevoked
	}
	return VerdictLive
}

// Outlived reports whether a token that expires at the given Unix second would be
// refused because the wall clock was ahead when others were swept. The caller
// then makes every token invalid (the global epoch) and calls Forget.
func (r *Revocations) Outlived(expiresAt int64) bool {
	return expiresAt+revocationSlack <= r.swept.Load()
}

// Revoke records revocations that concern one user's tokens and returns the
// sequence number under which they are durable; the caller records it as
// acknowledged in the database before it acknowledges anything.
//
// They take effect before they are written. If they cannot be written they stay
// in effect, are written with the next ones, and Revoke fails with Unavailable:
// whether they outlive a restart is then open. ErrUserFull and ErrFull say that
// nothing was recorded.
func (r *Revocations) Revoke(ctx context.Context, user UserKey, revocations ...Revocation) (uint64, error) {
	request, err := r.enter(user, revocations)
	if err != nil {
		return 0, err
	}
	r.closing.RLock()
	if !r.open.Load() {
		r.closing.RUnlock()
		return 0, unavailable("The revocations are closed.", nil)
	}
	select {
	case r.queue <- request:
		r.closing.RUnlock()
	case <-ctx.Done():
		r.closing.RUnlock()
		return 0, problem.Wrap(ctx.Err(), problem.Timeout, "The request ended before the revocation was written.")
	}
	select {
	case result := <-request.ack:
		if result.err != nil {
			return 0, unavailable("The revocation could not be written.", result.err)
		}
		return result.sequence, nil
	case <-ctx.Done():
		return 0, problem.Wrap(ctx.Err(), problem.Timeout, "The request ended before the revocation was written.")
	}
}

// enter puts revocations into the index and counts them.
func (r *Revocations) enter(user UserKey, revocations []Revocation) (revokeRequest, error) {
	request := revokeRequest{ack: make(chan revokeResult, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total+len(revocations) > r.config.Total {
		return request, ErrFull
	}
	owner := ownerOf(user)
	if r.perUser[owner]+len(revocations) > r.config.PerUser {
		return request, ErrUserFull
	}
	since := r.moment()
	for _, revocation := range revocations {
		record := revocationRecord{Revocation: revocation, owner: owner}
		record.ExpiresAt += revocationSlack
		r.index.add(record.Kind, record.ID, record.ExpiresAt, since)
		request.records = append(request.records, record)
	}
	r.perUser[owner] += len(revocations)
	r.total += len(revocations)
	return request, nil
}

// write is the only writer of revocations. It puts everything that waits into one
// transaction, so that many callers share one flush to the disk.
func (r *Revocations) write() {
	defer close(r.done)
	var unwritten []revocationRecord // of transactions that failed
	for request := range r.queue {
		batch := []revokeRequest{request}
	gather:
		for len(batch) < cap(r.queue) {
			select {
			case next, ok := <-r.queue:
				if !ok {
					break gather
				}
				batch = append(batch, next)
			default:
				break gather
			}
		}
		records := unwritten
		for _, request := range batch {
			records = append(records, request.records...)
		}
		var result revokeResult
		var repeated []revocationRecord
		result.sequence, repeated, result.err = r.file.append(records, r.config.Clock.Now())
		if result.err != nil {
			unwritten = records
		} else {
			unwritten = nil
			r.uncount(repeated)
		}
		for _, request := range batch {
			request.ack <- result
		}
	}
	if len(unwritten) > 0 {
		_, _, _ = r.file.append(unwritten, r.config.Clock.Now()) // their callers were told that it is open
	}
}

// uncount corrects the counters for records that were there already or went.
func (r *Revocations) uncount(records []revocationRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range records {
		r.total--
		if r.perUser[record.owner]--; r.perUser[record.owner] <= 0 {
			delete(r.perUser, record.owner)
		}
	}
}

// SweepReport says what a sweep did.
type SweepReport struct {
	Swept       int
	ClockBehind time.Duration // more than 0: the wall clock was set back and nothing was swept
}

// Sweep deletes revocations that no token can need any more: the wall clock has
// passed their expiry, and a whole token life has passed by the monotonic clock
// since they were recorded or loaded. The order of expiry is the order of the
// file, so a sweep reads only what it deletes.
func (r *Revocations) Sweep(ctx context.Context) (SweepReport, error) {
	var report SweepReport
	now := r.config.Clock.Now()
	if behind := r.clockBehind(now); behind > 0 {
		report.ClockBehind = behind
		return report, nil
	}
	life := uint32(r.config.Life/time.Second) + uint32(revocationSlack)
	for ctx.Err() == nil {
		moment := r.moment()
		swept, err := r.file.sweep(sweepBatch, now, func(record revocationRecord) bool {
			since, ok := r.index.since(record.Kind, record.ID)
			return !ok || moment >= since+life
		}, func(through int64) {
			// Before the commit, so that no lookup falls between record and mark.
			if through > r.swept.Load() {
				r.swept.Store(through)
			}
		})
		if err != nil {
			return report, unavailable("The revocations could not be swept.", err)
		}
		for _, record := range swept {
			r.index.remove(record.Kind, record.ID, record.ExpiresAt)
		}
		r.uncount(swept)
		report.Swept += len(swept)
		if len(swept) < sweepBatch {
			return report, nil
		}
	}
	return report, ctx.Err()
}

// clockBehind says how far the wall clock is behind the latest that was seen, or
// 0. A clock that stays behind for long was ahead before, and is right now.
func (r *Revocations) clockBehind(now time.Time) time.Duration {
	behind := time.Unix(r.file.seen(), 0).Sub(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if behind <= clockTolerance {
		r.behindSince = 0
		return 0
	}
	elapsed := r.config.Clock.Elapsed()
	if r.behindSince == 0 {
		r.behindSince = max(elapsed, 1)
	}
	if elapsed-r.behindSince >= clockPatience {
		return 0
	}
	return behind
}

// Forget drops every mark of what was swept, after the caller made every token
// issued so far invalid.
func (r *Revocations) Forget() error {
	if err := r.file.forget(); err != nil {
		return unavailable("The revocations could not be written.", err)
	}
	r.swept.Store(0)
	return nil
}

// Len returns the number of revocations held.
func (r *Revocations) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Copy writes a copy of the file to path, which must not exist: everything that
// was acknowledged before the call. Revocations go on meanwhile.
func (r *Revocations) Copy(path string) error {
	if !r.open.Load() {
		return unavailable("The revocations are closed.", nil)
	}
	return r.file.copyTo(path)
}

// Close writes what waits and closes the file. Check answers VerdictUnavailable
// from then on.
func (r *Revocations) Close() error {
	r.closing.Lock()
	wasOpen := r.open.Swap(false)
	if wasOpen {
		close(r.queue)
	}
	r.closing.Unlock()
	<-r.done
	if !wasOpen {
		return nil
	}
	return r.file.close()
}

// moment is the monotonic clock in whole seconds, rounded down.
func (r *Revocations) moment() uint32 { return uint32(r.config.Clock.Elapsed() / time.Second) }

func unavailable(detail string, cause error) error {
	return &problem.Error{Code: problem.Unavailable, Detail: detail, RetryAfter: time.Second, Err: cause}
}
