package storage

import (
	"math"
	"os"
	"path/filepath"
	"time"
)

// The write-ahead log grows with every commit until it has been copied into the
// database whole and no reader needs it; then the next write begins it anew.
const (
	// checkpointPages is how long it may grow before it is copied. A longer log means
	// fewer copies of the same page.
	checkpointPages = 20_000
	// keptLogBytes is how much of its file is kept when it begins anew: more than it
	// grows to while it is copied. Writing over a file is cheaper than making it longer
	// (256 KiB: 0.2 ms instead of 1.0, the fdatasync included).
	keptLogBytes = 2 * checkpointPages * pageBytes
	// finishPages is how much of the log may be left for the writer to copy between
	// two transactions: some milliseconds of work.
	finishPages = 2000
	// hugeLogPages is when the writer copies whatever is left: a log that outgrows
	// the disk is worse than a pause.
	hugeLogPages = 4 * checkpointPages

	// pageBytes is the size of a page, SQLite's default.
	pageBytes = 4096

	checkpointInterval = 200 * time.Millisecond
	// restTicks is after how many intervals without a commit the log is copied
	// however small it is.
	restTicks = 5
)

// checkpoints copies the log into the database when it has grown, on a
// connection of its own so that no writer waits for it. A writer that is never
// idle would keep ahead of it for ever, so the last few pages are copied by the
// writer itself, between two transactions.
//
// A small log is copied when the writer rests. Readers then take pages from the
// mapped database, as far as it reached when it was mapped. A page of the log goes
// through SQLite's page cache, whose mutex all connections share, and where the root of
// a table is such a page, each of the fifty rows of a list takes it. For that, the
// first write after a rest waits for one more fsync: it begins the log anew, with a
// header of its own.
func (s *Store) checkpoints() {
	c, err := s.connect(writerPragmas)
	if err != nil {
		s.log.Error("checkpoints are off", "error", err)
		return
	}
	defer func() { _ = c.close() }() // nothing of it is unwritten
	tick := time.NewTicker(checkpointInterval)
	defer tick.Stop()
	var rest rest
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		if err := s.tendLog(c, &rest); err != nil {
			s.log.Warn("checkpoint failed", "error", err)
			rest.done = true // not again before the next commit
		}
	}
}

// tendLog does what is due at one tick: it copies a log that is full, or that the
// writer left at rest.
func (s *Store) tendLog(c *conn, rest *rest) error {
	commits := s.writer.stats.Commits.Load()
	resting := rest.tick(commits)
	if rest.done {
		return nil
	}
	pages, err := logPages(c)
	full := pages >= checkpointPages
	if err != nil || !full && !resting {
		return err
	}
	left, err := s.catchUp(c)
	if err != nil {
		return err
	}
	switch whole := left == 0 && s.writer.stats.Commits.Load() == commits; {
	case whole:
		rest.done = true
		s.copies.Add(1)
	case full && (left <= finishPages || pages >= hugeLogPages):
		s.writer.pause.Store(true)
	}
	return nil
}

// rest tells when the writer rests and the log has not been copied since.
type rest struct {
	commits int64 // the writer's, as last seen
	ticks   int   // without another
	done    bool  // the log of so many commits was copied, or cannot be
}

// tick notes the number of commits and reports whether the log is to be copied.
func (r *rest) tick(commits int64) bool {
	if commits != r.commits {
		*r = rest{commits: commits}
		return false
	}
	r.ticks++
	return r.ticks >= restTicks && !r.done
}

// catchUp copies the log, and what was appended meanwhile, as long as less is
// left each time. It returns how many pages are.
func (s *Store) catchUp(c *conn) (left int64, err error) {
	left = math.MaxInt64
	for {
		before := left
		s.releaseIdleReaders()
		if left, err = checkpoint(c); err != nil || left <= finishPages || left >= before {
			return left, err
		}
	}
}

// finishLog copies what is left of the log, between two transactions, and lets go
// of it, so that the next write begins it anew.
func (s *Store) finishLog(c *conn) {
	if _, err := checkpoint(c); err != nil {
		s.log.Warn("checkpoint failed", "error", err)
	}
	s.releaseIdleReaders()
}

// checkpoint copies what it can of the log without making anybody wait, and
// returns how many pages are left of those that there were when it began: as many as
// can be, when another copies them.
func checkpoint(c *conn) (left int64, err error) {
	err = c.queryRow("PRAGMA wal_checkpoint(PASSIVE)", nil, func(r row) {
		if left = r.int(1) - r.int(2); r.int(0) != 0 {
			left = math.MaxInt64
		}
	})
	return left, err
}

// logPages returns how many pages the log holds, copied or not. Its file may be longer.
func logPages(c *conn) (pages int64, err error) {
	err = c.queryRow("PRAGMA wal_checkpoint(NOOP)", nil, func(r row) { pages = r.int(1) })
	return pages, err
}

// logSize returns the size of the log's file, in bytes.
func (s *Store) logSize() int64 {
	info, err := os.Stat(filepath.Join(s.dir, databaseName+"-wal"))
	if err != nil {
		return 0 // there is none yet
	}
	return info.Size()
}

// releaseIdleReaders ends the snapshots that idle readers hold, because the log
// cannot begin anew while one is held.
func (s *Store) releaseIdleReaders() {
	for range s.count {
		select {
		case c := <-s.readers:
			c.release()
			s.readers <- c
		default: // all are at work, and will see what was committed since
		}
	}
}
