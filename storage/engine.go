package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"maestro/auth"
	"maestro/migrations"
	"maestro/tenancy"
)

// Name of the database in the data directory.
const databaseName = "maestro.db"

// Pragmas of every connection. mmap lets reads use the operating system's page
// cache without a copy, so that SQLite's own caches can stay small.
var (
	commonPragmas = []string{"busy_timeout(10000)", "mmap_size(2147418112)", "trusted_schema(0)", "temp_store(memory)"}
	writerPragmas = []string{"journal_mode(wal)", "synchronous(full)", "foreign_keys(1)", "cache_size(-16000)",
		"wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", keptLogBytes)}
	readerPragmas = []string{"query_only(1)", "cache_size(-2000)"}
)

// unmapped is the pragma of a connection that reads a large file through and is closed
// while others work. SQLite unmaps a file (unixClose) with the mutex held that every
// transaction of the process takes (unixShmBarrier): closing the connection that had copied a database of 0.9 GB kept
// all writes waiting for 34 ms.
const unmapped = "mmap_size(0)"

// Options configures Open.
type Options struct {
	// Dir is the data directory. It is made, with mode 0700, when it is missing.
	Dir string
	// Now is the clock; time.Now unless set.
	Now func() time.Time
	// Log receives what background work has to say; nothing unless set.
	Log *slog.Logger
	// Readers is the number of read connections; twice the cores unless set.
	Readers int
	// AuditRetention is how long the events of the audit trail are kept, and up to a
	// day longer; for ever unless set.
	AuditRetention time.Duration
}

// Store is the open data directory. Its methods may be used concurrently.
type Store struct {
	dir     string
	root    *os.Root // blobs are reached through it
	files   blobFiles
	writer  *writer
	readers chan *conn
	wanted  int          // readers
	count   int          // readers that are open
	copies  atomic.Int64 // of the whole log into the database, but for the writer's own
	now     func() time.Time
	log     *slog.Logger

	freeDisk func(dir string) (int64, error) // freeBytes

	cursorKey []byte
	listener  atomic.Pointer[func(auth.Change)] // of Watch
	standings standings                         // used by the writer's goroutine only

	models *learned[*model]
	texts  *learned[*texts]

	auditRetention time.Duration
	denials        denials
	turns          *gate // of comparisons and judgements
	exporting      sync.Mutex

	file   os.FileInfo // of the database, as it was opened
	passes struct{ failed, last atomic.Int64 }

	rescoreAfter map[tenancy.ID]time.Time // used by maintenance only
	schema       int64

	wake  chan struct{}
	stop  chan struct{}
	tasks sync.WaitGroup
}

// Open opens the data directory, making and migrating its database as needed.
// The caller holds the directory's lock (LockDir), so that no other process does
// the same.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Readers <= 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if err := lockOpenFiles(); err != nil {
		return nil, err
	}
	for _, dir := range []string{o.Dir, filepath.Join(o.Dir, "blobs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("storage: %w", err)
		}
	}
	s := &Store{dir: o.Dir, now: o.Now, log: o.Log, freeDisk: freeBytes, wanted: o.Readers, auditRetention: o.AuditRetention, wake: make(chan struct{}, 1), stop: make(chan struct{}),
		standings: make(standings), rescoreAfter: make(map[tenancy.ID]time.Time)}
	lessons := make(chan struct{}, lessonsAtOnce)
	s.models = newLearned(lessons, &s.tasks, mostCellsKept, (*model).weigh)
	s.texts = newLearned(lessons, &s.tasks, mostTextKept, (*texts).weigh)
	s.turns = newGate(workAtOnce)
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// lockOpenFiles has SQLite's locks end with the opening of a file that took them,
// not with any descriptor of the file. It must come before the first opening.
func lockOpenFiles() error {
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.schema, err = s.migrate(ctx); err != nil {
		return err
	}
	w, err := s.connect(writerPragmas)
	if err != nil {
		return err
	}
	if s.file, err = os.Stat(filepath.Join(s.dir, databaseName)); err != nil {
		return errors.Join(err, w.close())
	}
	s.writer = newWriter(w, s.now, s.gone, s.finishLog)
	if err := s.openReaders(s.connect); err != nil {
		return errors.Join(err, s.Close())
	}
	if s.root, err = os.OpenRoot(filepath.Join(s.dir, "blobs")); err != nil {
		return errors.Join(err, s.Close())
	}
	if s.cursorKey, err = s.secret(ctx, "cursor_key"); err != nil {
		return errors.Join(err, s.Close())
	}
	s.tasks.Go(s.checkpoints)
	return nil
}

// openReaders makes the read connections. Where one fails, those before it are
// the store's to close.
func (s *Store) openReaders(connect func(pragmas []string) (*conn, error)) error {
	s.readers = make(chan *conn, s.wanted)
	for range s.wanted {
		c, err := connect(readerPragmas)
		if err != nil {
			return err
		}
		s.readers <- c
		s.count++
	}
	return nil
}

// migrate runs before anything else has the database open.
func (s *Store) migrate(ctx context.Context) (int64, error) {
	newest := migrations.Newest()
	begin := s.now()
	done, err := Migrate(ctx, MigrateOptions{Dir: s.dir, Version: newest, Now: s.now, Progress: logProgress(s.log, s.now)})
	if err == nil && done.Snapshot != "" {
		s.log.Info("upgraded the database", "from", done.From, "to", done.To, "took", s.now().Sub(begin), "snapshot", done.Snapshot)
	}
	return newest, err
}

// connect opens a connection of its own to the database.
func (s *Store) connect(pragmas []string) (*conn, error) {
	return openFile(filepath.Join(s.dir, databaseName), pragmas)
}

// openFile opens a connection to a database of Maestro, with these pragmas beside those
// of every connection.
func openFile(path string, pragmas []string) (*conn, error) {
	return openConn(path, slices.Concat(commonPragmas, pragmas))
}

// ensureFile makes an empty file with mode 0600, because SQLite would take the
// mode from the umask. An existing file is left alone.
func ensureFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Close finishes the writes that wait, copies the log into the database and
// closes everything.
func (s *Store) Close() error {
	close(s.stop)
	s.tasks.Wait()
	errs := []error{s.storeDenials(context.Background())}
	for range s.count {
		select {
		case c := <-s.readers:
			errs = append(errs, c.close())
		case <-time.After(10 * time.Second):
			errs = append(errs, errors.New("a reader did not return"))
		}
	}
	// The last connection to close checkpoints the log and removes it.
	errs = append(errs, s.writer.close())
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	return errors.Join(errs...)
}

// Schema returns the version of the database's schema.
func (s *Store) Schema() int64 { return s.schema }

// WriterStats returns the writer's counters, and how many writes wait.
func (s *Store) WriterStats() (stats *WriterStats, waiting int) {
	return s.writer.stats, s.writer.depth()
}

// read runs f on a read connection. Each statement in f sees what was committed
// when it began, or later.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	return s.onReader(ctx, func(c *conn) error {
		if err := c.see(s.state()); err != nil {
			return err
		}
		return f(c)
	})
}

// snapshot is read with all of f seeing one state of the database.
func (s *Store) snapshot(ctx context.Context, f func(*conn) error) error {
	return s.onReader(ctx, func(c *conn) error {
		if err := c.hold(s.state()); err != nil {
			return err
		}
		return f(c)
	})
}

// state numbers what there is to read, and from where: it grows with each commit, and
// when the log was copied, so that readers leave it.
func (s *Store) state() int64 { return s.writer.stats.Commits.Load() + s.copies.Load() }

func (s *Store) onReader(ctx context.Context, f func(*conn) error) error {
	select {
	case c := <-s.readers:
		defer func() { s.readers <- c }()
		return f(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// secret returns the named random key of this data directory, made on first use.
func (s *Store) secret(ctx context.Context, name string) (key []byte, err error) {
	err = s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails
		if _, err := tx.exec("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, fresh); err != nil {
			return err
		}
		return tx.queryRow("SELECT value FROM settings WHERE name = $1", []any{name}, func(r row) { key = r.bytes(0) })
	})
	return key, err
}
