package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"maestro/tenancy"
)

// fold is a digest of rows in any order.
type fold [sha256.Size]byte

func (f *fold) add(values []any) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", values))
	carry := 0
	for i := len(f) - 1; i >= 0; i-- {
		carry += int(f[i]) + int(sum[i])
		f[i] = byte(carry)
		carry >>= 8
	}
}

// compare reads every row of the source again, and the row that it became.
func (i *legacyImport) compare(ctx context.Context, table *legacyTable) (report LegacyTable, err error) {
	report.Name = table.name
	var read, here fold
	tx, err := i.db.BeginTx(ctx, nil)
	if err != nil {
		return report, err
	}
	defer func() { _ = tx.Rollback() }() // nothing is written
	w := &legacyWriter{ctx: ctx, tx: tx, tenant: i.tenant, table: table, now: tenancy.TimeOf(i.Now())}
	projects := make(map[tenancy.ID]bool)
	err = i.source.each(ctx, table.name, i.From, "", func(row legacyRow) error {
		report.Rows++
		left, err := w.exists("SELECT 1 FROM import_misfits WHERE tenant_id = $1 AND relation = $2 AND row_id = $3 AND field = ''", i.tenant[:], table.name, rawID(row))
		if err != nil || left {
			return err
		}
		r := &legacyReader{row: row, used: make(map[string]bool)}
		id, values, err := readLegacy(r, table, func(parent string, id []byte) (bool, error) {
			return w.exists("SELECT 1 FROM "+parent+" WHERE tenant_id = $1 AND id = $2", w.tenant[:], id)
		})
		if err != nil || values == nil {
			return err
		}
		report.Imported++
		if table.name == "process_metrics" {
			projects[tenancy.ID(values[0].([]byte))] = true
			read.add(values)
			return nil
		}
		found, err := w.find(id, len(values))
		if err != nil {
			return err
		}
		if at := len(table.unique) - 1; at >= 0 && found != nil {
			if at := table.unique[at]; table.name != "users" && found[at] == apart(fmt.Sprint(values[at]), id) {
				values[at] = found[at]
			}
		}
		i.settle(table, r, values, found)
		read.add(values)
		here.add(found)
		return nil
	})
	if err != nil {
		return report, err
	}
	if table.name == "process_metrics" {
		if err := w.findPoints(projects, &here); err != nil {
			return report, err
		}
	}
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM import_misfits WHERE tenant_id = $1 AND relation = $2", i.tenant[:], table.name).Scan(&report.Misfits)
	report.Equal = bytes.Equal(read[:], here[:])
	report.Digest = hex.EncodeToString(read[:])
	return report, err
}

// settle takes the time of the import for times that the source does not have.
func (i *legacyImport) settle(table *legacyTable, r *legacyReader, values, found []any) {
	for at, name := range table.columns {
		if found != nil && (name == "created_at" || name == "updated_at" || name == "used_at") && r.row[name] == nil && r.row["created_at"] == nil {
			values[at] = found[at]
		}
	}
}

// find reads the columns of a row here; nil when there is none.
func (w *legacyWriter) find(id tenancy.ID, columns int) ([]any, error) {
	values, into := make([]any, columns), make([]any, columns)
	for i := range values {
		into[i] = &values[i]
	}
	err := w.one("SELECT "+strings.Join(w.table.columns, ", ")+" FROM "+w.table.name+" WHERE tenant_id = $1 AND id = $2", []any{w.tenant[:], id[:]}, into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	for i, name := range w.table.columns {
		if n, ok := values[i].(int64); ok && strings.HasPrefix(name, "is_") {
			values[i] = n != 0
		}
	}
	return values, err
}

// findPoints adds the points of some projects to a digest.
func (w *legacyWriter) findPoints(projects map[tenancy.ID]bool, here *fold) error {
	for project := range projects {
		rows, err := w.tx.QueryContext(w.ctx, `SELECT s.project_id, s.metric_type, p.value, p.time, coalesce(p.metadata, '{}')
			FROM series s JOIN points p ON p.series = s.id WHERE s.tenant_id = $1 AND s.project_id = $2`, w.tenant[:], project[:])
		if err != nil {
			return err
		}
		for rows.Next() {
			values := make([]any, 5)
			if err := rows.Scan(&values[0], &values[1], &values[2], &values[3], &values[4]); err != nil {
				return errors.Join(err, rows.Close())
			}
			here.add(values)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}
