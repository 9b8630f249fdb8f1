package storage

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"maestro/auth"
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
// their ids. Limits of the tenant are raised to admit them. It goes on where an
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

// rawID is a row's id as the source writes it.
func rawID(row legacyRow) string {
	switch v := row["id"].(type) {
	case []byte:
		if len(v) == 16 {
			return hex.EncodeToString(v)
		}
		return string(v)
	case [16]byte:
		return tenancy.ID(v).String()
	default:
		return fmt.Sprint(v)
	}
}

// legacyWriter brings a batch of rows in, in one transaction.
type legacyWriter struct {
	ctx     context.Context
	tx      *sql.Tx
	tenant  tenancy.ID
	table   *legacyTable
	now     tenancy.Time
	came    int64                // rows that came in
	points  int64                // bytes that points among them count
	touched map[tenancy.ID]bool  // artifacts whose uses came in
	held    map[tenancy.ID]int64 // rows of a bounded table that projects have, once it was counted
	misfits []LegacyMisfit

	prepared map[string]*sql.Stmt
}

// statement returns a statement of the transaction, which is prepared once: a batch
// executes the same few thousands of times.
func (w *legacyWriter) statement(text string) (*sql.Stmt, error) {
	if found := w.prepared[text]; found != nil {
		return found, nil
	}
	s, err := w.tx.PrepareContext(w.ctx, text) // ends with the transaction
	if err != nil {
		return nil, err
	}
	if w.prepared == nil {
		w.prepared = make(map[string]*sql.Stmt)
	}
	w.prepared[text] = s
	return s, nil
}

func (w *legacyWriter) exec(text string, args ...any) error {
	s, err := w.statement(text)
	if err == nil {
		_, err = s.ExecContext(w.ctx, args...)
	}
	return err
}

// one reads the one row that a statement yields.
func (w *legacyWriter) one(text string, args []any, into ...any) error {
	s, err := w.statement(text)
	if err != nil {
		return err
	}
	return s.QueryRowContext(w.ctx, args...).Scan(into...)
}

func (w *legacyWriter) exists(text string, args ...any) (found bool, err error) {
	err = w.one("SELECT EXISTS ("+text+")", args, &found)
	return found, err
}

func (w *legacyWriter) row(row legacyRow) error {
	r := &legacyReader{row: row, used: map[string]bool{"id": true, "tenant_id": true}, now: w.now}
	id, values, err := readLegacy(r, w.table, func(parent string, id []byte) (bool, error) {
		return w.exists("SELECT 1 FROM "+parent+" WHERE tenant_id = $1 AND id = $2", w.tenant[:], id)
	})
	if err != nil {
		return err
	}
	if values != nil {
		if err := w.insert(r, id, values); err != nil {
			return err
		}
	}
	for _, m := range r.misfits {
		if err := w.keep(row, m); err != nil {
			return err
		}
	}
	return nil
}

// readLegacy reads a row; values is nil for one that cannot come in.
func readLegacy(r *legacyReader, table *legacyTable, parent func(table string, id []byte) (bool, error)) (id tenancy.ID, values []any, err error) {
	id, ok := r.id("id")
	if !ok {
		r.misfits = []misfit{{"", r.row, "its id is none of 32 or 36 hexadecimal characters"}}
		return id, nil, nil
	}
	values = table.read(r)
	for column, of := range table.parents {
		if r.row[column] == nil && table.loose {
			continue
		}
		at := slices.Index(table.columns, column)
		found := false
		if values != nil && values[at] != nil {
			if found, err = parent(of, values[at].([]byte)); err != nil {
				return id, nil, err
			}
		}
		switch {
		case found:
		case table.loose:
			values[at] = nil
			r.refuse(column, rawValue(r.row[column]), "refers to nothing")
		default:
			r.misfits = []misfit{{"", r.row, column + " refers to nothing, or a value that must be there is missing"}}
			return id, nil, nil
		}
	}
	if values == nil {
		r.misfits = []misfit{{"", r.row, "a value that must be there is missing"}}
		return id, nil, nil
	}
	others := legacyRow{}
	for name, value := range r.row {
		if !r.used[name] && value != nil && !(table.name == "users" && (name == "role" || name == "roles")) {
			others[name] = value
		}
	}
	if len(others) > 0 {
		r.refuse("other columns", others, "there are no such columns here")
	}
	return id, values, nil
}

func rawValue(value any) any {
	if b, ok := value.([]byte); ok {
		return hex.EncodeToString(b)
	}
	return value
}

// insert brings a row in, and returns nil when it cannot.
func (w *legacyWriter) insert(r *legacyReader, id tenancy.ID, values []any) error {
	if w.table.name == "process_metrics" {
		return w.insertPoint(values)
	}
	if taken, err := w.exists("SELECT 1 FROM "+w.table.name+" WHERE tenant_id = $1 AND id = $2", w.tenant[:], id[:]); err != nil || taken {
		if taken {
			r.misfits = []misfit{{"", r.row, "a row of this id is there already"}}
		}
		return err
	}
	if fits, err := w.tellApart(r, id, values); err != nil || !fits {
		return err
	}
	if full, err := w.full(r, values); err != nil || full {
		return err
	}
	places := ""
	for i := range values {
		places += fmt.Sprintf(", $%d", i+3)
	}
	err := w.exec("INSERT INTO "+w.table.name+" (tenant_id, id, "+strings.Join(w.table.columns, ", ")+") VALUES ($1, $2"+places+")", append([]any{w.tenant[:], id[:]}, values...)...)
	if err != nil {
		return err
	}
	w.came++
	switch w.table.name {
	case "artifact_usage":
		w.touched[tenancy.ID(values[0].([]byte))] = true
	case "users":
		return w.insertRoles(r, id)
	}
	return nil
}

// full makes a row a misfit whose project has as many of its table as there may be.
// Otherwise it counts the row, which comes in.
func (w *legacyWriter) full(r *legacyReader, values []any) (bool, error) {
	bounded, ok := boundedRows[w.table.name]
	if !ok {
		return false, nil
	}
	project := tenancy.ID(values[slices.Index(w.table.columns, "project_id")].([]byte))
	held, counted := w.held[project]
	if !counted { // once a batch: what a count reads is as much as the bound
		if err := w.one("SELECT count(*) FROM "+w.table.name+" WHERE tenant_id = $1 AND project_id = $2", []any{w.tenant[:], project[:]}, &held); err != nil {
			return false, err
		}
	}
	if held >= bounded.limit {
		r.misfits = []misfit{{"", r.row, fmt.Sprintf("the project %s has %d %s, and there may be no more", project, held, bounded.name)}}
		w.held[project] = held
		return true, nil
	}
	w.held[project] = held + 1
	return false, nil
}

// tellApart gives a row another name when its own is taken: the older system did
// not keep names apart. A user whose e-mail is taken does not come in.
func (w *legacyWriter) tellApart(r *legacyReader, id tenancy.ID, values []any) (fits bool, err error) {
	if len(w.table.unique) == 0 {
		return true, nil
	}
	text, args := "SELECT 1 FROM "+w.table.name+" WHERE tenant_id = $1", []any{w.tenant[:]}
	for _, at := range w.table.unique {
		args = append(args, values[at])
		text += fmt.Sprintf(" AND %s = $%d", w.table.columns[at], len(args))
	}
	taken, err := w.exists(text, args...)
	if err != nil || !taken {
		return err == nil, err
	}
	if w.table.name == "users" {
		r.misfits = []misfit{{"", r.row, "a user of this e-mail is there already"}}
		return false, nil
	}
	at := w.table.unique[len(w.table.unique)-1]
	r.refuse(w.table.columns[at], values[at], "is taken: it got the id behind it")
	values[at] = apart(values[at].(string), id)
	return true, nil
}

// apart is a name with the id of what it names.
func apart(name string, id tenancy.ID) string {
	runes := []rune(name)
	return string(runes[:min(len(runes), 60)]) + " (" + hex.EncodeToString(id[:]) + ")"
}

func (w *legacyWriter) insertRoles(r *legacyReader, id tenancy.ID) error {
	for _, name := range legacyRoleNames(r) {
		role, known := legacyRoles[strings.ToLower(name)]
		if !known {
			r.refuse("role", name, "is none of admin, developer, viewer: the user became a viewer")
			role = auth.RoleViewer
		}
		if err := w.exec("INSERT OR IGNORE INTO user_roles (tenant_id, user_id, role) VALUES ($1, $2, $3)", w.tenant[:], id[:], role); err != nil {
			return err
		}
	}
	return nil
}

// legacyRoleNames reads the role of a user, or the list of them.
func legacyRoleNames(r *legacyReader) []string {
	text := strings.TrimSpace(r.text(1000, "role", "roles"))
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		names = []string{text}
	}
	if len(names) == 0 || names[0] == "" {
		return []string{"viewer"}
	}
	return names
}

func (w *legacyWriter) insertPoint(values []any) error {
	project, kind, value, at, metadata := values[0], values[1], values[2], values[3], values[4]
	var series, seq int64
	if metadata == "{}" {
		metadata = nil
	}
	err := w.one(`INSERT INTO series (tenant_id, project_id, metric_type, points, value_min, value_max, value_sum, first_time, last_time, last_value, metadata_bytes)
		VALUES ($1, $2, $3, 1, $4, $4, $4, $5, $5, $4, coalesce(octet_length($6), 0)) ON CONFLICT (tenant_id, project_id, metric_type) DO UPDATE SET points = points + 1,
		metadata_bytes = series.metadata_bytes + excluded.metadata_bytes,
		value_min = min(value_min, $4), value_max = max(value_max, $4), value_sum = max(min(value_sum + $4, 1.7976931348623157e308), -1.7976931348623157e308), first_time = min(first_time, $5),
		last_value = CASE WHEN last_time > $5 THEN last_value ELSE $4 END, last_time = max(last_time, $5) RETURNING id, points`,
		[]any{w.tenant[:], project, kind, value, at, metadata}, &series, &seq)
	if err != nil {
		return err
	}
	w.came++
	text, _ := metadata.(string)
	w.points += pointBytes + int64(len(text))
	return w.exec(insertPoint, series, at, seq, value, metadata)
}

// keep records what does not fit.
func (w *legacyWriter) keep(row legacyRow, m misfit) error {
	value := m.value
	if whole, ok := value.(legacyRow); ok {
		printable := make(map[string]any, len(whole))
		for name, v := range whole {
			printable[name] = rawValue(v)
			if b, ok := v.([]byte); ok && json.Valid(b) {
				printable[name] = string(b)
			}
		}
		value = printable
	}
	text, err := json.Marshal(value)
	if err != nil {
		text, _ = json.Marshal(fmt.Sprint(value)) // text always can be
	}
	w.misfits = append(w.misfits, LegacyMisfit{Table: w.table.name, Row: rawID(row), Field: m.field, Reason: m.reason})
	return w.exec(`INSERT INTO import_misfits (tenant_id, relation, row_id, field, value, reason, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant_id, relation, row_id, field) DO UPDATE SET value = excluded.value, reason = excluded.reason`,
		w.tenant[:], w.table.name, rawID(row), m.field, string(text), m.reason, int64(w.now))
}

// admitted are the tables whose rows a tenant's limits count: what counts them, and
// what raises the limit to them.
var admitted = map[string]struct{ give, admit string }{
	"users":     {giveUsers, admitUsers},
	"projects":  {giveProjects, admitProjects},
	"artifacts": {giveArtifacts, admitArtifacts},
}

const (
	admitUsers     = `UPDATE tenants SET max_users = max(max_users, (SELECT users FROM tenant_use WHERE tenant_id = $1)) WHERE id = $1`
	admitProjects  = `UPDATE tenants SET max_projects = max(max_projects, (SELECT projects FROM tenant_use WHERE tenant_id = $1)) WHERE id = $1`
	admitArtifacts = `UPDATE tenants SET max_artifacts = max(max_artifacts, (SELECT artifacts FROM tenant_use WHERE tenant_id = $1)) WHERE id = $1`
	admitBytes     = `UPDATE tenants SET max_storage_bytes = max(max_storage_bytes, (SELECT storage_bytes + record_bytes FROM tenant_use WHERE tenant_id = $1)) WHERE id = $1`
)

// finish brings the counters to what the batch's rows make them, and the limits to
// what admits them.
func (w *legacyWriter) finish() error {
	if r, counted := admitted[w.table.name]; counted && w.came > 0 {
		if err := errors.Join(w.exec(r.give, w.tenant[:], -w.came), w.exec(r.admit, w.tenant[:])); err != nil {
			return err
		}
	}
	if w.points > 0 {
		if err := w.exec(countRecords, w.tenant[:], w.points); err != nil {
			return err
		}
	}
	if w.came > 0 { // usages, members and predictions are counted as they are inserted
		if err := w.exec(admitBytes, w.tenant[:]); err != nil {
			return err
		}
	}
	if w.table.name == "projects" && w.came > 0 { // their scores are derived, and what is learned of them
		err := w.exec(`UPDATE tenant_use SET scores_stale_since = coalesce(scores_stale_since, $2), outcome_changes = outcome_changes + 1,
			history_changes = history_changes + 1, project_changes = project_changes + 1 WHERE tenant_id = $1`, w.tenant[:], int64(w.now))
		if err != nil {
			return err
		}
	}
	for artifact := range w.touched {
		err := w.exec(`UPDATE artifacts SET usage_count = d.uses, impact_sum = d.units, impact_count = d.scored,
			avg_impact_score = CASE WHEN d.scored > 0 THEN d.units / 1000000000.0 / d.scored END
			FROM (SELECT count(*) AS uses, count(impact_score) AS scored, coalesce(sum(CAST(round(impact_score * 1000000000.0) AS BIGINT)), 0) AS units
				FROM artifact_usage WHERE tenant_id = $1 AND artifact_id = $2) AS d
			WHERE tenant_id = $1 AND id = $2`, w.tenant[:], artifact[:])
		if err != nil {
			return err
		}
	}
	return nil
}
