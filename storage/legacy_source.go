package storage

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of older systems' PostgreSQL

	"maestro/problem"
	"maestro/tenancy"
)

// legacySource is a database of the older system, which is only read.
type legacySource struct {
	db       *sql.DB
	name     string // for people and for the progress; without a password
	postgres bool
	columns  map[string][]string // of each of its tables
}

// openLegacy opens an SQLite file or a postgres:// URL.
func openLegacy(ctx context.Context, source string) (*legacySource, error) {
	s := &legacySource{columns: make(map[string][]string)}
	var err error
	if strings.HasPrefix(source, "postgres://") || strings.HasPrefix(source, "postgresql://") {
		s.postgres = true
		if s.name, err = withoutPassword(source); err != nil {
			return nil, err
		}
		if s.db, err = sql.Open("pgx", source); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	} else {
		if s.name, err = filepath.Abs(source); err != nil {
			return nil, err
		}
		if _, err := os.Stat(s.name); err != nil {
			return nil, problem.Wrap(err, problem.NotFound, "There is no file %s.", source)
		}
		if s.db, err = openMigrating(s.name, []string{"query_only(1)", "busy_timeout(10000)"}); err != nil {
			return nil, err
		}
	}
	if err := s.findColumns(ctx); err != nil {
		_ = s.db.Close() // it was only read
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if len(s.columns["projects"]) == 0 {
		_ = s.db.Close()
		return nil, problem.New(problem.NotFound, "%s has no table projects: it is no database of the older system.", s.name)
	}
	return s, nil
}

// withoutPassword returns the part of a database's URL that is no secret. It reads
// the URL as the driver does: the password ends at the last @ of the host's part.
// The error says nothing of one that cannot be read, because any part of that may
// be of the password.
func withoutPassword(source string) (string, error) {
	u, err := url.Parse(source)
	if err != nil {
		return "", problem.New(problem.Malformed, "The source is no URL. In its password, write %%, /, ?, # and whatever else is no letter or digit as %%25, %%2F, %%3F, %%23 and so on.")
	}
	public := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.User != nil {
		public.User = url.User(u.User.Username())
	}
	return public.String(), nil
}

const (
	columnsOfSQLite   = `SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid`
	columnsOfPostgres = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))
		ORDER BY table_name, ordinal_position`
)

func (s *legacySource) findColumns(ctx context.Context) error {
	text := columnsOfSQLite
	if s.postgres {
		text = columnsOfPostgres
	}
	rows, err := s.db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return err
		}
		s.columns[table] = append(s.columns[table], column)
	}
	return rows.Err()
}

func (s *legacySource) has(table, column string) bool {
	for _, c := range s.columns[table] {
		if c == column {
			return true
		}
	}
	return false
}

// tenants lists the tenants that the source's rows belong to.
func (s *legacySource) tenants(ctx context.Context) (ids []string, err error) {
	if !s.has("projects", "tenant_id") {
		return nil, nil
	}
	// #nosec G202 -- of words of our own
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT "+s.tenantText()+" FROM projects WHERE tenant_id IS NOT NULL ORDER BY 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// tenantText is the expression of a row's tenant as people write it.
func (s *legacySource) tenantText() string {
	if s.postgres {
		return "CAST(tenant_id AS text)"
	}
	return "CASE typeof(tenant_id) WHEN 'blob' THEN lower(hex(tenant_id)) ELSE CAST(tenant_id AS TEXT) END"
}

// The progress of an import holds the last id as text, with its type before it
// where SQLite has it as something else: what is no text never comes behind a text,
// or always.
const (
	blobMark    = "blob:"
	integerMark = "integer:"
	realMark    = "real:"
	textMark    = "text:" // of a text that begins with a mark
)

// mark is an id as the progress of an import holds it.
func (s *legacySource) mark(id any) string {
	switch v := id.(type) {
	case []byte:
		if s.postgres {
			return `\x` + hex.EncodeToString(v) // as it writes bytes
		}
		return blobMark + hex.EncodeToString(v)
	case [16]byte:
		return tenancy.ID(v).String()
	case int64:
		if !s.postgres {
			return integerMark + strconv.FormatInt(v, 10)
		}
	case float64:
		if !s.postgres {
			return realMark + strconv.FormatFloat(v, 'g', -1, 64)
		}
	case string:
		if kind, _, found := strings.Cut(v, ":"); found && !s.postgres && slices.Contains([]string{blobMark, integerMark, realMark, textMark}, kind+":") {
			return textMark + v
		}
	}
	return fmt.Sprint(id)
}

// marked is the id that mark made a text of.
func (s *legacySource) marked(text string) (any, error) {
	kind, rest, _ := strings.Cut(text, ":")
	if s.postgres {
		return text, nil
	}
	switch kind + ":" {
	case blobMark:
		return hex.DecodeString(rest)
	case integerMark:
		return strconv.ParseInt(rest, 10, 64)
	case realMark:
		return strconv.ParseFloat(rest, 64)
	case textMark:
		return rest, nil
	}
	return text, nil
}

// from is the part of a query that selects a table's rows of one tenant, behind
// an id as mark writes it. SQLite orders integers before texts and these before
// blobs; PostgreSQL's ids are compared as text, so that the order is one of bytes.
func (s *legacySource) from(table, tenant, after string) (text string, args []any, err error) {
	text = " FROM " + table + " WHERE 1 = 1"
	if tenant != "" && s.has(table, "tenant_id") {
		args = append(args, tenant)
		text += fmt.Sprintf(" AND %s = $%d", s.tenantText(), len(args))
	}
	if after != "" {
		id, err := s.marked(after)
		if err != nil {
			return "", nil, fmt.Errorf("the progress of the import is damaged: %w", err)
		}
		args = append(args, id)
		text += " AND " + s.key() + fmt.Sprintf(" > $%d", len(args))
	}
	return text, args, nil
}

// key is the expression that rows are ordered by.
func (s *legacySource) key() string {
	if s.postgres {
		return `(id::text COLLATE "C")`
	}
	return "id"
}

func (s *legacySource) count(ctx context.Context, table, tenant, after string) (n int64, err error) {
	text, args, err := s.from(table, tenant, after)
	if err != nil {
		return 0, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT count(*)"+text, args...).Scan(&n)
	return n, err
}

// each calls f for every row of a table, in the order of the ids.
func (s *legacySource) each(ctx context.Context, table, tenant, after string, f func(legacyRow) error) error {
	columns := s.columns[table]
	text, args, err := s.from(table, tenant, after)
	if err != nil {
		return err
	}
	// #nosec G202 -- the columns are those of the source, asked of itself alone
	rows, err := s.db.QueryContext(ctx, `SELECT "`+strings.Join(columns, `", "`)+`"`+text+" ORDER BY "+s.key(), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make(legacyRow, len(columns))
		for i, name := range columns {
			row[name] = values[i]
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}
