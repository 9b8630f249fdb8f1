package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

// The search index holds, for every active artifact, the words of its name, tags
// and description, its tags whole and its type. An artifact out of use has its tags
// and type there too, as words of another kind, for the lists. What one tenant's
// search costs, and the order it yields, depend on that tenant's artifacts alone:
// every word has the tenant's number in front, and every row's id is in the
// tenant's range.
const (
	insertSearch = `INSERT INTO artifact_search (rowid, words) VALUES ($1, $2)`
	updateSearch = `UPDATE artifact_search SET words = $2 WHERE rowid = $1`

	selectTenantNumber = `SELECT num FROM tenants WHERE id = $1`
	selectLastSearchID = `SELECT coalesce(max(search_id), 0) FROM artifacts WHERE tenant_id = $1`

	selectUnindexed = `SELECT ` + artifactColumns + ` FROM artifacts WHERE tenant_id = $1 AND search_id IS NULL
		ORDER BY created_at, id LIMIT $2`
	setSearchID = `UPDATE artifacts SET search_id = $3 WHERE tenant_id = $1 AND id = $2`
)

// tenantRows is how many rows of the index a tenant can have in its life.
const tenantRows = 1 << 32

// number returns the tenant's number in the index.
func (t *Tenant) number(c *conn) (n int64, err error) {
	err = c.queryRow(selectTenantNumber, []any{t.scope.Tenant()}, func(r row) { n = r.int(0) })
	return n, notFound(err, "tenant")
}

// index puts an artifact into the search index, as the tenant's newest, and
// returns its row there.
func (t *Tenant) index(tx *Tx, a *registry.ArtifactFields) (*int64, error) {
	number, err := t.number(tx.conn)
	if err != nil {
		return nil, err
	}
	last := int64(0)
	if err := tx.queryRow(selectLastSearchID, []any{t.scope.Tenant()}, func(r row) { last = r.int(0) }); err != nil {
		return nil, err
	}
	id := max(last, number*tenantRows) + 1
	_, err = tx.exec(insertSearch, id, indexedWords(number, a))
	return &id, err
}

// reindex follows a change of an artifact in the search index and returns its
// row there from now on.
func (t *Tenant) reindex(tx *Tx, before *storedArtifact, after *registry.ArtifactFields) (*int64, error) {
	if before.searchID == nil {
		return t.index(tx, after)
	}
	number := *before.searchID / tenantRows
	words := indexedWords(number, after)
	if words == indexedWords(number, &before.ArtifactFields) {
		return before.searchID, nil
	}
	_, err := tx.exec(updateSearch, *before.searchID, words)
	return before.searchID, err
}

// indexSlice is how many artifacts one write puts into the search index.
const indexSlice = 50

// indexUnindexed puts the artifacts that an upgrade brought without a row
// in the search index into it, the oldest first.
func (s *Store) indexUnindexed(ctx context.Context) error {
	return s.eachTenant(ctx, func(tenant tenancy.ID) error {
		t := s.Tenant(tenancy.Issue(tenant, tenancy.Actor{Kind: tenancy.ActorSystem}))
		for {
			var missing []registry.Artifact
			err := s.read(ctx, func(c *conn) error {
				return c.query(ctx, selectUnindexed, []any{tenant, indexSlice}, func(r row) error {
					missing = append(missing, readArtifact(r))
					return nil
				})
			})
			if err != nil || len(missing) == 0 {
				return err
			}
			err = t.write(ctx, func(tx *Tx) error {
				for i := range missing {
					if err := t.indexOne(tx, missing[i].ID); err != nil {
						return err
					}
				}
				return nil
			})
			if problem.CodeOf(err) == problem.NotFound {
				return nil // the tenant was deleted: nobody searches it
			}
			if err != nil {
				return err
			}
		}
	})
}

// indexOne indexes an artifact unless that happened, or it went, meanwhile.
func (t *Tenant) indexOne(tx *Tx, id tenancy.ID) error {
	a, err := t.artifact(tx.conn, id)
	if problem.CodeOf(err) == problem.NotFound || err == nil && a.searchID != nil {
		return nil
	}
	if err != nil {
		return err
	}
	searchID, err := t.index(tx, &a.ArtifactFields)
	if err != nil {
		return err
	}
	_, err = tx.exec(setSearchID, t.scope.Tenant(), id, searchID)
	return err
}

// wordsOf returns the words that people find an artifact by.
func wordsOf(a *registry.ArtifactFields) []string {
	return registry.Tokens(a.Name + "\n" + strings.Join(a.Tags, "\n") + "\n" + a.Description)
}

// indexedWords is the text that the index keeps of an artifact.
func indexedWords(number int64, a *registry.ArtifactFields) string {
	var b strings.Builder
	add := func(word string) { fmt.Fprintf(&b, "%08x%s ", number, word) }
	if !a.IsActive {
		add(outOfUse(anyWord))
		add(outOfUse(typeWord(a.Type)))
		for _, tag := range a.Tags {
			add(outOfUse(tagWord(tag)))
		}
		return b.String()
	}
	add(anyWord)
	add(typeWord(a.Type))
	for _, tag := range a.Tags {
		add(tagWord(tag))
	}
	for _, word := range wordsOf(a) {
		add(word)
	}
	return b.String()
}

// Words of the index that nobody can type, because words have no '='.
const anyWord = "=" // of every artifact

func typeWord(name string) string { return "=t" + digestOf(name) }
func tagWord(tag string) string   { return "=g" + digestOf(tag) }

// outOfUse is what such a word is for an inactive artifact, which no search finds.
func outOfUse(word string) string { return "=" + word }

// digestOf makes any text one word.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
