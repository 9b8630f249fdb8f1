package storage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"maestro/registry"
	"maestro/tenancy"
)

// BenchmarkSearchAsYouType types queries letter by letter over the library of
// one tenant, beside another tenant's of the same words, and reports the 95th
// percentile of the answers in milliseconds. -short takes a fiftieth of the
// artifacts.
func BenchmarkSearchAsYouType(b *testing.B) {
	n := 500_000
	if testing.Short() {
		n /= 50
	}
	s := openStore(b)
	acme, beta := newTenant(b, s, "acme"), newTenant(b, s, "beta")
	words := vocabulary(20_000)
	start := time.Now()
	fillLibrary(b, acme, 1, n, words)
	fillLibrary(b, beta, 2, n/10, words)
	b.Logf("filled in %v", time.Since(start))

	rng := rand.New(rand.NewPCG(7, 7))
	zipf := rand.NewZipf(rng, 1.1, 4, uint64(len(words)-1))
	var queries []string
	for range 60 {
		text := words[zipf.Uint64()]
		if rng.IntN(2) == 0 {
			text += " " + words[zipf.Uint64()]
		}
		for end := range len(text) {
			queries = append(queries, text[:end+1])
		}
	}
	for _, filtered := range []bool{false, true} {
		b.Run(fmt.Sprintf("filtered=%v", filtered), func(b *testing.B) {
			var took []time.Duration
			worst, at := time.Duration(0), ""
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q := Search{Query: queries[i%len(queries)]}
				if filtered {
					q.Type, q.MinImpact = "model", ptr(50.0)
				}
				start := time.Now()
				if _, err := acme.SearchArtifacts(background, q, Page{Limit: 20}); err != nil {
					b.Fatal(err)
				}
				d := time.Since(start)
				took = append(took, d)
				if d > worst {
					worst, at = d, q.Query
				}
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)*95/100].Seconds()*1000, "p95-ms")
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
			b.Logf("worst %v for %q", worst, at)
		})
	}
}

// vocabulary makes n words from syllables: many begin alike, as people's do.
func vocabulary(n int) []string {
	syllables := []string{"fea", "ture", "mo", "del", "ker", "nel", "cus", "to", "mer", "churn", "pre", "dic", "tor", "en", "co", "der", "ten", "sor", "graph", "stat", "x", "re", "gres", "sion", "class", "i", "fy", "er", "data", "set"}
	rng := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 0, n)
	seen := map[string]bool{}
	for len(words) < n {
		word := ""
		for range 2 + rng.IntN(3) {
			word += syllables[rng.IntN(len(syllables))]
		}
		if !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return words
}

// fillLibrary records n artifacts, a thousand in a write.
func fillLibrary(tb testing.TB, t *Tenant, seed uint64, n int, words []string) {
	tb.Helper()
	rng := rand.New(rand.NewPCG(3, seed))
	zipf := rand.NewZipf(rng, 1.1, 4, uint64(len(words)-1))
	word := func() string { return words[zipf.Uint64()] }
	for done := 0; done < n; {
		err := t.write(background, func(tx *Tx) error {
			for range min(1000, n-done) {
				done++
				f := registry.ArtifactFields{Name: fmt.Sprintf("%s_%s_%d", word(), word(), rng.Uint64()), Type: registry.ArtifactTypes[rng.IntN(8)], Version: "1.0",
					Tags: []string{word(), word()}, IsActive: true}
				for range 12 {
					f.Description += word() + " "
				}
				f.Normalise()
				searchID, err := t.index(tx, &f)
				if err != nil {
					return err
				}
				id := tenancy.NewID()
				if _, err := tx.exec(insertArtifact, id, t.scope.Tenant(), f.Name, f.Type, f.Version, f.Description, encodeTags(f.Tags), f.ContentHash,
					f.MediaType, f.StorageURI, f.IsActive, "{}", searchID, t.author(), tx.Now); err != nil {
					return err
				}
				if rng.IntN(3) == 0 {
					if _, err := tx.exec(`UPDATE artifacts SET avg_impact_score = $3 WHERE tenant_id = $1 AND id = $2`, t.scope.Tenant(), id, 100*rng.Float64()); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}
