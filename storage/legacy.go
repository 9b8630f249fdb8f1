package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"maestro/migrations"
	"maestro/problem"
	"maestro/tenancy"
)

// legacyBatch is how many rows one transaction brings in. What is in stays in when
// the import is stopped, and the next one goes on behind it.
const legacyBatch = 2000

// LegacyOptions configures ImportLegacy.
type LegacyOptions struct {
	Dir    string // the data directory; the caller holds its lock
	Source string // an SQLite file or a postgres:// URL
	Tenant string // the slug of the tenant that the rows come to
	From   string // the id of the source's tenant, where it has several
	DryRun bool   // report what would be, and change nothing
	Now    func() time.Time
	Temp   string // where a trial has its copy of the database; os.TempDir unless set
	// Progress is told how far a table is; unless set, nobody is.
	Progress func(table string, done, total int64)
	// Misfit is told of everything that does not fit; unless set, nobody is.
	Misfit func(LegacyMisfit)

	of string // of a trial: the directory that Dir is a copy of
}

// LegacyMisfit is a value, or a row, of the source that has no place as it is. The
// table import_misfits keeps it.
type LegacyMisfit struct {
	Table, Row, Field, Reason string // Field is "" for a row that did not come in
}

// LegacyTable says what became of a table of the source.
type LegacyTable struct {
	Name     string `json:"name"`
	Rows     int64  `json:"rows"`     // of the source
	Imported int64  `json:"imported"` // of them, by this import and those before it that it went on from
	Misfits  int64  `json:"misfits"`  // values and rows that had no place as they were
	Equal    bool   `json:"equal"`    // the rows here have the digest of those that were read
	Digest   string `json:"digest"`   // of the rows that were read, in any order
}

// ImportLegacy brings the rows of an older system's database into a tenant, with
// their ids. Limits of the tenant are raised to admit them; the fixed bounds of a
// project (boundedRows) are not: a row above one is a misfit. It goes on where an
// import of the same source into the same tenant was stopped. At the end every
// row is read again on both sides and compared.
func ImportLegacy(ctx context.Context, o LegacyOptions) (report []LegacyTable, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	if o.Misfit == nil {
		o.Misfit = func(LegacyMisfit) {}
	}
	if o.DryRun {
		trial, failed := copyForTrial(o.Dir, o.Temp)
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, os.RemoveAll(trial)) }()
		o.of, o.Dir = o.Dir, trial
	}
	if _, err := Migrate(ctx, MigrateOptions{Dir: o.Dir, Version: migrations.Newest(), Now: o.Now}); err != nil {
		var newer *migrations.NewerSchemaError
		if errors.As(err, &newer) && o.DryRun {
			newer.Dir = o.of
		}
		return nil, err
	}
	source, err := openLegacy(ctx, o.Source)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.db.Close()) }()
	if err := chooseTenant(ctx, source, &o); err != nil {
		return nil, err
	}
	db, err := openMigrating(filepath.Join(o.Dir, databaseName), []string{"busy_timeout(10000)", "foreign_keys(1)", "journal_mode(wal)", "synchronous(full)", "cache_size(-32000)"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	i := &legacyImport{LegacyOptions: o, source: source, db: db}
	return i.run(ctx)
}

func chooseTenant(ctx context.Context, source *legacySource, o *LegacyOptions) error {
	tenants, err := source.tenants(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.From == "" && len(tenants) > 1:
		return problem.New(problem.Conflict, "The source has projects of several tenants: choose one with --from, and import each into a tenant of its own. It has %s.", strings.Join(tenants, ", "))
	case o.From != "" && !slices.Contains(tenants, o.From):
		return problem.New(problem.NotFound, "The source has no projects of the tenant %s.", o.From)
	}
	return nil
}

type legacyImport struct {
	LegacyOptions
	source *legacySource
	db     *sql.DB
	tenant tenancy.ID
}

func (i *legacyImport) run(ctx context.Context) (report []LegacyTable, err error) {
	var id []byte
	err = i.db.QueryRowContext(ctx, "SELECT id FROM tenants WHERE slug = $1 AND deleted_at IS NULL", i.Tenant).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, problem.New(problem.NotFound, "There is no tenant %s.", i.Tenant)
	}
	if err != nil {
		return nil, err
	}
	i.tenant = tenancy.ID(id)
	// Before the first row, so that none comes without it, wherever the import is stopped.
	if err := i.record(nil); err != nil {
		return nil, err
	}
	for _, table := range legacyTables {
		if !i.source.has(table.name, "id") {
			continue
		}
		if err := i.table(ctx, &table); err != nil {
			return report, fmt.Errorf("%s: %w", table.name, err)
		}
	}
	for _, table := range legacyTables {
		if !i.source.has(table.name, "id") {
			continue
		}
		compared, err := i.compare(ctx, &table)
		if err != nil {
			return report, fmt.Errorf("%s: %w", table.name, err)
		}
		report = append(report, compared)
	}
	return report, i.record(report)
}

// table brings in the rows of one table that are not in yet.
func (i *legacyImport) table(ctx context.Context, table *legacyTable) error {
	var last string
	var done int64
	err := i.db.QueryRowContext(ctx, "SELECT last_id, rows FROM import_progress WHERE tenant_id = $1 AND source = $2 AND relation = $3", i.tenant[:], i.sourceName(), table.name).Scan(&last, &done)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	total, err := i.source.count(ctx, table.name, i.From, "")
	if err != nil {
		return err
	}
	batch := make([]legacyRow, 0, legacyBatch)
	write := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := i.write(ctx, table, batch); err != nil {
			return err
		}
		done += int64(len(batch))
		batch = batch[:0]
		i.Progress(table.name, min(done, total), total)
		return nil
	}
	err = i.source.each(ctx, table.name, i.From, last, func(row legacyRow) error {
		if batch = append(batch, row); len(batch) == legacyBatch {
			return write()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return write()
}

// sourceName names the source in the progress: the tenant of it that is imported
// too.
func (i *legacyImport) sourceName() string { return strings.TrimSuffix(i.source.name+"#"+i.From, "#") }

func (i *legacyImport) write(ctx context.Context, table *legacyTable, batch []legacyRow) error {
	tx, err := i.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to undo
	w := &legacyWriter{ctx: ctx, tx: tx, tenant: i.tenant, table: table, now: tenancy.TimeOf(i.Now()), touched: make(map[tenancy.ID]bool), held: make(map[tenancy.ID]int64)}
	for _, row := range batch {
		if err := w.row(row); err != nil {
			return fmt.Errorf("row %s: %w", rawID(row), err)
		}
	}
	if err := w.finish(); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO import_progress (tenant_id, source, relation, last_id, rows) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, source, relation) DO UPDATE SET last_id = excluded.last_id, rows = rows + excluded.rows`,
		i.tenant[:], i.sourceName(), table.name, i.source.mark(batch[len(batch)-1]["id"]), len(batch))
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for _, m := range w.misfits {
		i.Misfit(m)
	}
	return nil
}
