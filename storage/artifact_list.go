package storage

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// fewArtifacts is up to how many artifacts of a filter are looked up and sorted for
// one page, at 4 µs each. Of more, enough stand among the first of any order, unless
// the order and the filter have to do with each other.
const fewArtifacts = 10_000

const (
	// Artifacts that the search index has under $1, and those that it has not yet.
	selectIndexed = `SELECT rowid FROM artifact_search WHERE artifact_search MATCH $1 LIMIT $2`
	countMissing  = `SELECT count(*) FROM (SELECT 1 FROM artifacts WHERE tenant_id = $1 AND search_id IS NULL LIMIT $2)`
	// The argument is a list of rows of the search index.
	amongIndexed = `id IN (SELECT a.id FROM json_each(%s) s CROSS JOIN artifacts a WHERE a.tenant_id = $1 AND a.search_id = s.value
		UNION ALL SELECT id FROM artifacts WHERE tenant_id = $1 AND search_id IS NULL)`
)

// narrowArtifacts is a page of the artifacts that pass a filter. The search index
// tells of few of a type, with a tag, or out of use, which they are.
func (t *Tenant) narrowArtifacts(f *ArtifactFilter) narrowed {
	of := narrowed{filters: f.conditions(), wide: f.Tag != "" || f.Name != ""}
	if f.Type != "" || f.Tag != "" || (f.IsActive != nil && !*f.IsActive) {
		of.few = func(ctx context.Context, c *conn) (*filter, error) { return t.fewIndexed(ctx, c, f) }
	}
	return of
}

// fewIndexed is the condition that holds what the search index has of a filter's
// type, tag and being in use, and what it has not yet; nil where they are too many.
func (t *Tenant) fewIndexed(ctx context.Context, c *conn, f *ArtifactFilter) (*filter, error) {
	missing := 0
	err := c.queryRow(countMissing, []any{t.scope.Tenant(), fewArtifacts + 1}, func(r row) { missing = int(r.int(0)) })
	if err != nil || missing > fewArtifacts {
		return nil, err
	}
	number, err := t.number(c)
	if err != nil {
		return nil, err
	}
	found, list := 0, []byte("[")
	err = c.query(ctx, selectIndexed, []any{f.indexed(number), fewArtifacts + 1}, func(r row) error {
		if found++; found > 1 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, r.int(0), 10)
		return nil
	})
	if err != nil || found > fewArtifacts {
		return nil, err
	}
	return &filter{amongIndexed, string(append(list, ']'))}, nil
}

// indexed asks the search index for the filter's type and tag among the active
// artifacts, those out of use, or both.
func (f *ArtifactFilter) indexed(number int64) string {
	var words []string
	if f.Type != "" {
		words = append(words, typeWord(f.Type))
	}
	if f.Tag != "" {
		words = append(words, tagWord(f.Tag))
	}
	if len(words) == 0 {
		words = append(words, anyWord)
	}
	all := func(of func(string) string) string {
		asked := make([]string, len(words))
		for i, word := range words {
			asked[i] = fmt.Sprintf(`"%08x%s"`, number, of(word))
		}
		return "(" + strings.Join(asked, " AND ") + ")"
	}
	active := all(func(word string) string { return word })
	switch {
	case f.IsActive == nil:
		return active + " OR " + all(outOfUse)
	case *f.IsActive:
		return active
	}
	return all(outOfUse)
}
