package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// indexesOfTenants lists every index on a table of tenants' rows, the primary
// keys among them, with how many columns it has. A primary key without a rowid
// has the name of its table in the statistics.
const indexesOfTenants = `
SELECT m.name, CASE l.origin WHEN 'pk' THEN m.name ELSE l.name END, l."unique", l.partial,
       (SELECT count(*) FROM pragma_index_info(l.name))
FROM sqlite_schema m JOIN pragma_index_list(m.name) l
WHERE m.type = 'table' AND m.name NOT GLOB 'kept_*' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'tenant_id')
ORDER BY 1, 2`

// writeStatistics tells SQLite's planner how tenants' rows are spread, the same
// in every database: a table holds many tenants and a tenant many rows. Without
// it SQLite takes a tenant for ten rows, and reads all of a tenant's rows where
// an index on (tenant_id, project_id) would find the few it wants. With numbers
// measured now and then (ANALYZE) a plan could change under a running system;
// and the samples that ANALYZE takes (sqlite_stat4) would have every list planned
// anew at each call.
func writeStatistics(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, indexesOfTenants)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	defer rows.Close()
	var facts [][]any
	for rows.Next() {
		var table, index string
		var unique, partial bool
		var columns int
		if err := rows.Scan(&table, &index, &unique, &partial, &columns); err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
		facts = append(facts, []any{table, index, statistics(columns, unique, partial)})
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to undo
	// ANALYZE makes the tables of statistics, which nothing else may make.
	for _, statement := range []string{"ANALYZE sqlite_schema", "DROP TABLE IF EXISTS sqlite_stat4", "DELETE FROM sqlite_stat1"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
	}
	for _, fact := range facts {
		if _, err := tx.ExecContext(ctx, "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", fact...); err != nil {
			return fmt.Errorf("migrations: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}

// statistics says how many rows an index has, and how many of them share the
// first of its columns, the first two and so on: a tenant, a hundredth of a
// tenant, … A partial index holds a hundredth of the rows.
func statistics(columns int, unique, partial bool) string {
	rows, share := 1_000_000, 10_000
	if partial {
		rows, share = rows/100, share/100
	}
	facts := []string{strconv.Itoa(rows)}
	for column := range columns {
		if unique && column == columns-1 {
			share = 1
		}
		facts = append(facts, strconv.Itoa(max(share, 1)))
		if column == 0 {
			share /= 100
		} else {
			share = max(share/10, 2)
		}
	}
	return strings.Join(facts, " ")
}
