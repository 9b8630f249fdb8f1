package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"maestro/problem"
	"maestro/tenancy"
)

// BackupStatus is how far a backup is.
type BackupStatus string

// The states of a backup.
const (
	BackupRunning BackupStatus = "running"
	BackupGood    BackupStatus = "good" // written, read again and checked
	BackupFailed  BackupStatus = "failed"
)

// Backup is one backup of the installation.
type Backup struct {
	Name      string       `json:"name" doc:"Its file in the backups folder of the data directory"`
	Status    BackupStatus `json:"status" enum:"running,good,failed" doc:"good: written, read again and checked"`
	StartedAt tenancy.Time `json:"started_at"`
	Size      int64        `json:"size_bytes" doc:"Of the file; 0 unless it is good"`
	Schema    int64        `json:"schema" doc:"Version of the database's schema"`
	Version   string       `json:"version" doc:"Of the Maestro that wrote it"`
	Encrypted bool         `json:"encrypted"`
	Blobs     int64        `json:"blobs" doc:"Artifact contents in it"`
	Detail    string       `json:"detail,omitempty" doc:"Why it failed"`
}

// Names in the folder of backups: the archive and beside it what is known of it.
const (
	backupsName   = "backups"
	backupPrefix  = "maestro-"
	backupSuffix  = ".tar"
	sealedSuffix  = ".tar.age"
	recordSuffix  = ".json"
	backupTime    = "20060102T150405.000Z"
	spareBytes    = 64 << 20 // that a backup leaves free
	backupLooks   = time.Minute
	firstBackupIn = 10 * time.Minute // after a start, where there is none yet
)

// BackupsConfig says how an installation is backed up.
type BackupsConfig struct {
	Store       *Store
	Revocations func(path string) error // copies the open file of revocations
	Version     string
	Recipients  []age.Recipient // backups are encrypted for them, if there are any
	Every       time.Duration   // between scheduled backups; 0 for none
	Keep        Retention
}

// Backups makes and keeps the backups in a data directory, one at a time.
type Backups struct {
	config BackupsConfig
	dir    string
	temp   string
	opened time.Time
	asked  chan Backup

	mu      sync.Mutex
	good    []Backup // the oldest first
	running *Backup
	failed  *Backup // the last, unless a good one came after it
}

// OpenBackups reads what the folder of backups holds. The caller has the data
// directory's lock.
func OpenBackups(c BackupsConfig) (*Backups, error) {
	b := &Backups{config: c, dir: filepath.Join(c.Store.dir, backupsName), opened: c.Store.now(), asked: make(chan Backup, 1)}
	b.temp = filepath.Join(b.dir, "tmp")
	if err := os.RemoveAll(b.temp); err != nil { // what a crash left
		return nil, fmt.Errorf("backups: %w", err)
	}
	if err := os.MkdirAll(b.temp, 0o700); err != nil {
		return nil, fmt.Errorf("backups: %w", err)
	}
	entries, err := os.ReadDir(b.dir) // sorted, and the names begin with the time
	if err != nil {
		return nil, fmt.Errorf("backups: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "."+backupPrefix) { // what a crash left
			if err := os.Remove(filepath.Join(b.dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("backups: %w", err)
			}
		}
		if record, ok := b.readRecord(entry.Name()); ok {
			b.good = append(b.good, record)
		}
	}
	return b, nil
}

// readRecord reads what is known of a backup whose file is there.
func (b *Backups) readRecord(name string) (record Backup, ok bool) {
	if !strings.HasPrefix(name, backupPrefix) || !strings.HasSuffix(name, recordSuffix) {
		return record, false
	}
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil || json.Unmarshal(text, &record) != nil || record.Name+recordSuffix != name {
		return record, false
	}
	info, err := os.Stat(filepath.Join(b.dir, record.Name))
	return record, err == nil && info.Size() == record.Size
}

// Run makes the backups that are asked for and those that are due, until ctx ends.
func (b *Backups) Run(ctx context.Context) {
	look := time.NewTicker(backupLooks)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case asked := <-b.asked:
			b.make(ctx, asked)
		case <-look.C:
			if b.due() {
				if next, err := b.begin(); err == nil {
					b.make(ctx, next)
				}
			}
		}
	}
}

// due reports whether a scheduled backup is to be made now. After a failure the
// next comes with the next look.
func (b *Backups) due() bool {
	if b.config.Every <= 0 {
		return false
	}
	now := b.config.Store.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.good) == 0 {
		return now.Sub(b.opened) >= min(b.config.Every, firstBackupIn)
	}
	since := now.Sub(b.good[len(b.good)-1].StartedAt.Std())
	return since >= b.config.Every || since < -b.config.Every // or the clock was far ahead
}

// Start asks for a backup and returns at once; List tells how it goes. It fails
// with Conflict while one is made.
func (b *Backups) Start() (Backup, error) {
	next, err := b.begin()
	if err != nil {
		return next, err
	}
	b.asked <- next // there is room: no other runs
	return next, nil
}

func (b *Backups) begin() (Backup, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running != nil {
		return Backup{}, problem.New(problem.Conflict, "A backup is being made.")
	}
	now := b.config.Store.now().UTC()
	next := Backup{Status: BackupRunning, StartedAt: tenancy.TimeOf(now), Version: b.config.Version, Schema: b.config.Store.Schema(),
		Name: backupPrefix + now.Format(backupTime) + backupSuffix, Encrypted: len(b.config.Recipients) > 0}
	if next.Encrypted {
		next.Name = backupPrefix + now.Format(backupTime) + sealedSuffix
	}
	b.running = &next
	return next, nil
}

// make makes a backup that was begun, and removes those that need not be kept.
func (b *Backups) make(ctx context.Context, next Backup) {
	log := b.config.Store.log.With(slog.String("backup", next.Name))
	start := b.config.Store.now()
	err := b.write(ctx, &next)
	b.mu.Lock()
	b.running = nil
	if err != nil {
		next.Status, next.Detail = BackupFailed, reasonOf(err)
		b.failed = &next
	} else {
		next.Status, b.failed = BackupGood, nil
		b.good = append(b.good, next)
	}
	b.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil:
		log.Info("the backup was cut short by the stop")
		return
	case err != nil:
		log.Error("the backup failed; the earlier ones are kept", "error", err)
		return
	}
	log.Info("backed up and checked", "bytes", next.Size, "blobs", next.Blobs, "took", b.config.Store.now().Sub(start))
	if err := b.prune(); err != nil {
		log.Warn("a backup that need not be kept was not removed", "error", err)
	}
}

// reasonOf is what an operator is told without the log.
func reasonOf(err error) string {
	var e *problem.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return "The server's log says why."
}

func (b *Backups) write(ctx context.Context, next *Backup) error {
	if err := b.room(ctx); err != nil {
		return err
	}
	name := filepath.Join(b.dir, next.Name)
	report, err := WriteBackupFile(ctx, name, b.config.Recipients, b.temp, func(out io.Writer) error {
		return b.WriteTo(ctx, out)
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	next.Size, next.Schema, next.Blobs, next.Status = info.Size(), report.Schema, report.Blobs, BackupGood
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(name+recordSuffix, append(text, '\n'))
}

// WriteTo writes an archive, for whoever is to have it.
func (b *Backups) WriteTo(ctx context.Context, out io.Writer) error {
	_, err := b.config.Store.Backup(ctx, out, BackupOptions{Version: b.config.Version, Temp: b.temp, Revocations: b.config.Revocations})
	return err
}

const sumBlobBytes = `SELECT coalesce(sum(storage_bytes), 0) FROM tenant_use`

// room refuses to begin what would fill the disk: at most two copies of the
// database and one of the contents are there at a time.
func (b *Backups) room(ctx context.Context) error {
	free, err := freeBytes(b.dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(b.config.Store.dir, databaseName))
	if err != nil {
		return err
	}
	need := 2*(info.Size()+b.config.Store.logSize()) + spareBytes
	err = b.config.Store.read(ctx, func(c *conn) error {
		return c.queryRow(sumBlobBytes, nil, func(r row) { need += r.int(0) })
	})
	if err == nil && free < need {
		err = problem.New(problem.StorageFull, "A backup needs %d bytes, the disk has %d.", need, free)
	}
	return err
}

// prune removes the backups that need not be kept.
func (b *Backups) prune() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	times := make([]time.Time, len(b.good))
	for i := range b.good {
		times[i] = b.good[i].StartedAt.Std()
	}
	var left []Backup
	var errs []error
	for i, kept := range b.config.Keep.keep(times) {
		if kept {
			left = append(left, b.good[i])
			continue
		}
		name := filepath.Join(b.dir, b.good[i].Name)
		errs = append(errs, os.Remove(name+recordSuffix), os.Remove(name))
	}
	b.good = left
	return errors.Join(errs...)
}

// Last returns when the last good backup was begun; false when there is none.
func (b *Backups) Last() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.good) == 0 {
		return time.Time{}, false
	}
	return b.good[len(b.good)-1].StartedAt.Std(), true
}

// Scheduled returns how often a backup is made; 0 for only when asked for.
func (b *Backups) Scheduled() time.Duration { return b.config.Every }

// List returns the backups, the newest first: the one that is made now, the last
// if it failed, and those that are kept.
func (b *Backups) List(page Page) (list List[Backup], err error) {
	const order = "-started_at"
	var after string
	if page.Cursor != "" {
		at, err := b.config.Store.decodeCursor(tenancy.ID{}, backupsName, order, page.Cursor)
		if err != nil {
			return list, err
		}
		after, _ = at.Value.(string)
	}
	b.mu.Lock()
	all := slices.Clone(b.good)
	for _, other := range []*Backup{b.failed, b.running} {
		if other != nil {
			all = append(all, *other)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(all, func(x, y Backup) int { return strings.Compare(y.Name, x.Name) })
	list.Items = []Backup{}
	for _, backup := range all {
		if after != "" && backup.Name >= after {
			continue
		}
		if len(list.Items) == page.Limit {
			list.Next = b.config.Store.encodeCursor(tenancy.ID{}, backupsName, order, position{Value: list.Items[page.Limit-1].Name})
			break
		}
		list.Items = append(list.Items, backup)
	}
	return list, nil
}

// writeFile writes a file of mode 0600 that is complete and on disk, or absent.
func writeFile(name string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // with mode 0600
	if err != nil {
		return diskError(err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // fails once it has its name
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return diskError(err)
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return diskError(err)
	}
	return syncParent(name)
}
