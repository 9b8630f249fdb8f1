package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"maestro/problem"
	"maestro/registry"
)

const (
	// The $4 newest matches with ids from $2 to $3.
	newestMatches = `SELECT rowid FROM artifact_search WHERE artifact_search MATCH $1 AND rowid BETWEEN $2 AND $3 ORDER BY rowid DESC LIMIT $4`
	countMatches  = `SELECT count(*), coalesce(min(rowid), 0) FROM (` + newestMatches + `)`
	// CROSS JOIN keeps SQLite from beginning with all of the tenant's artifacts.
	selectMatches = `SELECT s.rowid, ` + artifactColumns + ` FROM (` + newestMatches + `) AS s
		CROSS JOIN artifacts a WHERE a.tenant_id = $5 AND a.search_id = s.rowid
		AND ($6 IS NULL OR a.avg_impact_score >= $6) ORDER BY s.rowid DESC LIMIT $7`
)

// Bounds of a search.
const (
	// maxCandidates is how many matches, the newest ones, are put in the order of
	// their relevance at a time. Behind them come the next as many.
	maxCandidates = 200

	// maxExamined is how many matches are looked at for maxCandidates with a least
	// score. Where fewer have it, a page may come short, with a cursor to go on.
	maxExamined = 3000

	// indexedPrefix is the longest beginning of a word, in characters, whose rows
	// the index yields newest first as they are asked for. For a longer one FTS5
	// gathers all rows of all words that begin so before it yields the first: 90
	// ms for 200 000 rows.
	indexedPrefix = 6

	// usefulShare is the part of the candidates, one in so many, that a longer
	// beginning has to have among those of its first indexedPrefix characters;
	// with less, there are so few rows that FTS5 may gather them.
	usefulShare = 5

	// MaxSearchTags is how many tags a search may name.
	MaxSearchTags = registry.MaxTags
)

// Search is a question to the library. Its zero fields do not narrow.
type Search struct {
	Query     string   // every word must be found, the last one as the beginning of a word
	Type      string   // of the artifact
	Tags      []string // the artifact has all of them, exactly
	MinImpact *float64 // avg_impact_score at least this
}

// SearchArtifacts returns one page of the active artifacts that answer q: the
// newest matches in the order of their relevance, maxCandidates at a time.
func (t *Tenant) SearchArtifacts(ctx context.Context, q Search, page Page) (list List[registry.Artifact], err error) {
	var checks problem.Checks
	checks.Require(page.Limit >= 1 && page.Limit <= MaxLimit, "body.limit", "must be 1 to %d", MaxLimit)
	checks.Require(len(q.Tags) <= MaxSearchTags, "body.tags", "must be at most %d", MaxSearchTags)
	if err := checks.Err(); err != nil {
		return list, err
	}
	s := searching{terms: registry.QueryTerms(q.Query), min: q.MinImpact, cursors: "search " + q.fingerprint()}
	err = t.read(ctx, func(c *conn) error {
		s.number, err = t.number(c)
		return err
	})
	if err != nil {
		return list, err
	}
	s.match = matchOf(s.number, s.terms, &q)
	s.roughly = s.match
	if rough, last := shortened(s.terms); last != "" {
		s.roughly, s.last = matchOf(s.number, rough, &q), last
	}
	at := searchPosition{top: tenantRows - 1}
	if page.Cursor != "" {
		if at, err = t.searchPosition(s.cursors, page.Cursor); err != nil {
			return list, err
		}
	}
	list.Items = make([]registry.Artifact, 0, min(page.Limit, DefaultLimit))
	for {
		w, err := t.window(ctx, &s, at)
		if err != nil {
			return list, err
		}
		for i := range w.candidates {
			c := &w.candidates[i]
			if !at.precedes(c) {
				continue
			}
			if len(list.Items) == page.Limit {
				list.Next = t.encodeCursor(t.scope.Tenant(), s.cursors, "", position{Value: at.value()})
				return list, nil
			}
			list.Items = append(list.Items, c.Artifact)
			at = searchPosition{top: at.top, bottom: w.bottom, started: true, relevance: c.relevance, seq: c.seq}
		}
		if w.last {
			return list, nil
		}
		at = searchPosition{top: w.bottom - 1}
		if w.sparse {
			list.Next = t.encodeCursor(t.scope.Tenant(), s.cursors, "", position{Value: at.value()})
			return list, nil
		}
	}
}

// fingerprint identifies the question, so that a cursor stays with it.
func (q *Search) fingerprint() string {
	text, err := json.Marshal(q)
	if err != nil {
		panic("storage: " + err.Error()) // strings and a finite number always encode
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// searching is a search under way.
type searching struct {
	number  int64 // of the tenant
	terms   []string
	match   string // what the index is asked
	roughly string // the same, with the last term cut to indexedPrefix
	last    string // the last term, where it was cut
	min     *float64
	cursors string // the list that its cursors belong to
}

// candidate is a match with what it is ordered by.
type candidate struct {
	registry.Artifact
	relevance float64
	seq       int64 // of its row in the tenant's range
}

// window is a run of matches in the order of their relevance.
type window struct {
	candidates []candidate
	bottom     int64 // the oldest row that was looked at
	last       bool  // there are no older matches
	sparse     bool  // the bound on looking was reached
}

// searchPosition is where a page ended: in the window of the rows from bottom to
// top, behind the candidate that is named. Rows only ever come above a window,
// so nothing shifts while somebody pages.
type searchPosition struct {
	top, bottom int64 // bottom is known once the window was read
	started     bool  // relevance and seq name a candidate
	relevance   float64
	seq         int64
}

func (p *searchPosition) precedes(c *candidate) bool {
	return !p.started || cmp.Or(cmp.Compare(c.relevance, p.relevance), cmp.Compare(c.seq, p.seq)) < 0
}

func (p *searchPosition) value() []any {
	return []any{p.top, p.bottom, p.started, p.relevance, p.seq}
}

func (t *Tenant) searchPosition(list, cursor string) (p searchPosition, err error) {
	at, err := t.decodeCursor(t.scope.Tenant(), list, "", cursor)
	if err != nil {
		return p, err
	}
	// The cursor is signed: it is what value made, with JSON's numbers.
	parts := at.Value.([]any)
	return searchPosition{
		top: int64(parts[0].(float64)), bottom: int64(parts[1].(float64)), started: parts[2].(bool),
		relevance: parts[3].(float64), seq: int64(parts[4].(float64)),
	}, nil
}

// shortened returns the terms with the last one cut to indexedPrefix, and that
// one whole; "" when there is nothing to cut.
func shortened(terms []string) (rough []string, last string) {
	if len(terms) == 0 {
		return terms, ""
	}
	last = terms[len(terms)-1]
	runes := 0
	for i := range last {
		if runes == indexedPrefix {
			return append(slices.Clone(terms[:len(terms)-1]), last[:i]), last
		}
		runes++
	}
	return terms, ""
}

// window reads the run of matches that the position is in, and puts it in order.
func (t *Tenant) window(ctx context.Context, s *searching, at searchPosition) (w window, err error) {
	if w, err = t.readWindow(ctx, s, s.roughly, at); err != nil {
		return w, err
	}
	if s.last != "" {
		read := len(w.candidates)
		w.candidates = slices.DeleteFunc(w.candidates, func(c candidate) bool { return !hasBeginning(&c.ArtifactFields, s.last) })
		if !w.last && len(w.candidates)*usefulShare < max(read, 1) {
			if w, err = t.readWindow(ctx, s, s.match, at); err != nil {
				return w, err
			}
		}
	}
	for i := range w.candidates {
		c := &w.candidates[i]
		c.relevance = registry.Relevance(s.terms, &c.Artifact)
	}
	slices.SortFunc(w.candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.relevance, a.relevance), cmp.Compare(b.seq, a.seq))
	})
	return w, nil
}

func hasBeginning(a *registry.ArtifactFields, term string) bool {
	begins := func(word string) bool { return strings.HasPrefix(word, term) }
	return slices.ContainsFunc(registry.Tokens(a.Name), begins) || slices.ContainsFunc(wordsOf(a), begins) // mostly it is the name
}

// readWindow reads the newest matches from the position's top down, at most
// maxCandidates; or those in the window, where its bottom is known.
func (t *Tenant) readWindow(ctx context.Context, s *searching, match string, at searchPosition) (w window, err error) {
	base := s.number * tenantRows
	examine := maxCandidates
	if s.min != nil {
		examine = maxExamined
	}
	args := []any{match, base + at.bottom, base + at.top, examine, t.scope.Tenant(), s.min, maxCandidates}
	err = t.snapshot(ctx, func(c *conn) error {
		err := c.query(ctx, selectMatches, args, func(r row) error {
			w.candidates = append(w.candidates, candidate{Artifact: readArtifact(r.from(1)), seq: r.int(0) - base})
			return nil
		})
		if err != nil {
			return err
		}
		if n := len(w.candidates); n == maxCandidates {
			w.bottom = w.candidates[n-1].seq
			return nil
		}
		if s.min == nil {
			w.last = at.bottom == 0
			w.bottom = at.bottom
			return nil
		}
		return c.queryRow(countMatches, args[:4], func(r row) {
			w.sparse = r.int(0) == maxExamined
			w.last = !w.sparse && at.bottom == 0
			w.bottom = max(r.int(1)-base, at.bottom)
		})
	})
	return w, err
}

// matchOf is the question in the index's own language. Terms are letters and
// digits, so nothing in them needs an escape.
func matchOf(number int64, terms []string, q *Search) string {
	var parts []string
	ask := func(word string) { parts = append(parts, fmt.Sprintf(`"%08x%s"`, number, word)) }
	for _, term := range terms {
		ask(term)
	}
	if len(terms) > 0 {
		parts[len(parts)-1] += " *" // still being typed
	}
	if q.Type != "" {
		ask(typeWord(q.Type))
	}
	for _, tag := range q.Tags {
		ask(tagWord(tag))
	}
	if len(parts) == 0 {
		ask(anyWord)
	}
	return strings.Join(parts, " AND ")
}
