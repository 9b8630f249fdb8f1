package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// What a store that is well does not fall below, or exceed.
const (
	// LowDisk is how many bytes must be free: less, and the log that the next
	// checkpoint leaves behind may not fit.
	LowDisk = keptLogBytes

	// LongQueue is how many writes may wait: a quarter of what is refused at.
	LongQueue = maxQueued / 4
)

var errGone = errors.New("the data directory is gone, or another is in its place")

// gone reports that the database's file is not at its path any more. What is
// written to it then would be lost with it, so nothing is.
func (s *Store) gone() error {
	info, err := os.Stat(filepath.Join(s.dir, databaseName))
	if err == nil && os.SameFile(info, s.file) {
		return nil
	}
	return &problem.Error{Code: problem.Unavailable, Detail: "The data directory is not there. Nothing was kept.", RetryAfter: retryAfter, Err: errors.Join(errGone, err)}
}

const (
	selectSchemaVersion = `PRAGMA user_version`
	touchProbe          = `INSERT INTO settings (name, value) VALUES ('probe', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
)

// Readable fails when the database cannot be read, or is not the one that was
// opened.
func (s *Store) Readable(ctx context.Context) error {
	if err := s.gone(); err != nil {
		return err
	}
	return s.read(ctx, func(c *conn) error {
		found := int64(0)
		err := c.queryRow(selectSchemaVersion, nil, func(r row) { found = r.int(0) })
		if err == nil && found != s.schema {
			err = fmt.Errorf("the database has schema version %d, this program made it %d", found, s.schema)
		}
		return err
	})
}

// probePatience is how long a write that only tries waits for its turn.
const probePatience = 2 * time.Second

// Writable fails when the last transaction could not be committed and a small
// one, made now to see, cannot either.
func (s *Store) Writable(ctx context.Context) error {
	if s.writer.broken.Load() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	return s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
		_, err := tx.exec(touchProbe, []byte{byte(tx.Now)})
		return err
	})
}

// FreeDisk returns how many bytes the data directory's file system has left.
func (s *Store) FreeDisk() (int64, error) { return s.freeDisk(s.dir) }

// Passes says how background work does.
type Passes struct {
	Failed int64     // passes since the start that failed
	Last   time.Time // when the last good one ended; zero before the first
}

// Maintenance returns how the passes of RunMaintenance did.
func (s *Store) Maintenance() Passes {
	p := Passes{Failed: s.passes.failed.Load()}
	if at := s.passes.last.Load(); at != 0 {
		p.Last = time.UnixMilli(at)
	}
	return p
}
