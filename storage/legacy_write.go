package storage

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"maestro/auth"
	"maestro/tenancy"
)

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

// insert brings a row in. One that cannot come in becomes a misfit of r, which is no
// error.
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
	if fits, err := w.takePlace(r, values); err != nil || !fits {
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

// takePlace counts a row that its project has room for, and makes any other a misfit.
// Of the imported tables only those are bounded that belong to a project.
func (w *legacyWriter) takePlace(r *legacyReader, values []any) (bool, error) {
	bounded, ok := boundedRows[w.table.name]
	if !ok {
		return true, nil
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
		return false, nil
	}
	w.held[project] = held + 1
	return true, nil
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
