package storage

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

// search returns the names of everything that is found, page by page.
func search(t testing.TB, tenant *Tenant, q Search, limit int) (names []string) {
	t.Helper()
	page := Page{Limit: limit}
	for {
		list, err := tenant.SearchArtifacts(background, q, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) > limit {
			t.Fatalf("a page of %d has %d", limit, len(list.Items))
		}
		for _, a := range list.Items {
			names = append(names, a.Name)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			return names
		}
	}
}

func wantFound(t testing.TB, tenant *Tenant, q Search, want ...string) {
	t.Helper()
	got := search(t, tenant, q, 10)
	slices.Sort(got)
	slices.Sort(want)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%+v found (-want +got):\n%s", q, diff)
	}
}

func TestSearchFindsWhatItIsAskedFor(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	p := newProject(t, tenant, "p")
	add := func(name, kind, description string, tags ...string) registry.Artifact {
		return newArtifact(t, tenant, name, func(f *registry.ArtifactFields) { f.Type, f.Description, f.Tags = kind, description, tags })
	}
	churn := add("customer_churn_features", "feature_pipeline", "Tenure and usage, with a Größe of its own", "churn", "tabular data")
	add("XGBoost-baseline", "model", "For churn, too; an interpretable one", "baseline")
	add("Résumé parser", "notebook", "数据 of people", "nlp", "a,\"b\"")
	add("=tmodel", "model", "00000002 x", "=t")
	play(t, tenant, churn.ID, p.ID, ptr(80.0))
	for _, test := range []struct {
		name string
		q    Search
		want []string
	}{
		{"a letter", Search{Query: "c"}, []string{"customer_churn_features", "XGBoost-baseline"}},
		{"the beginning of a word", Search{Query: "chur"}, []string{"customer_churn_features", "XGBoost-baseline"}},
		{"the beginning of a long word", Search{Query: "interpreta"}, []string{"XGBoost-baseline"}},
		{"a long word that nothing has", Search{Query: "interpretations"}, nil},
		{"words in any order", Search{Query: "usage customer"}, []string{"customer_churn_features"}},
		{"every word must be there", Search{Query: "customer baseline"}, nil},
		{"only the last is a beginning", Search{Query: "cust churn"}, nil},
		{"a compound whole and in parts", Search{Query: "customerchurn"}, []string{"customer_churn_features"}},
		{"another case", Search{Query: "XGBOOST BASE"}, []string{"XGBoost-baseline"}},
		{"another case, in a name's middle", Search{Query: "boost"}, []string{"XGBoost-baseline"}},
		{"without accents", Search{Query: "resume"}, []string{"Résumé parser"}},
		{"with accents", Search{Query: "grösse"}, []string{"customer_churn_features"}},
		{"another script", Search{Query: "数"}, []string{"Résumé parser"}},
		{"type", Search{Type: "model"}, []string{"XGBoost-baseline", "=tmodel"}},
		{"type and word", Search{Query: "churn", Type: "model"}, []string{"XGBoost-baseline"}},
		{"tag", Search{Tags: []string{"tabular data"}}, []string{"customer_churn_features"}},
		{"two tags", Search{Tags: []string{"churn", "tabular data"}}, []string{"customer_churn_features"}},
		{"a part of a tag", Search{Tags: []string{"tabular"}}, nil},
		{"a tag with all that SQL and FTS quote", Search{Tags: []string{`a,"b"`}}, []string{"Résumé parser"}},
		{"a tag in another case", Search{Tags: []string{"CHURN"}}, nil},
		{"score", Search{MinImpact: ptr(80.0)}, []string{"customer_churn_features"}},
		{"a higher score", Search{MinImpact: ptr(80.1)}, nil},
		{"everything together", Search{Query: "churn feat", Type: "feature_pipeline", Tags: []string{"churn"}, MinImpact: ptr(1.0)}, []string{"customer_churn_features"}},
		{"nothing", Search{}, []string{"customer_churn_features", "XGBoost-baseline", "Résumé parser", "=tmodel"}},
		{"signs alone", Search{Query: "!? *"}, []string{"customer_churn_features", "XGBoost-baseline", "Résumé parser", "=tmodel"}},
		{"the index's own language", Search{Query: `churn" OR "x`}, nil},
		{"more of it", Search{Query: `NOT NEAR(a b) {words}: -* ^"`}, nil},
		{"a column", Search{Query: "words:churn"}, nil},
		{"the index's own words", Search{Query: "=tmodel"}, []string{"=tmodel"}},
		{"a tenant's number", Search{Query: "00000002churn"}, nil},
		{"a type that is none", Search{Type: `x" OR "y`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) { wantFound(t, tenant, test.q, test.want...) })
	}
}

func TestSearchFollowsChanges(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a := newArtifact(t, tenant, "first", func(f *registry.ArtifactFields) { f.Tags = []string{"old"} })
	change := func(change func(*registry.ArtifactFields)) {
		t.Helper()
		if _, err := tenant.UpdateArtifact(background, a.ID, nil, func(f *registry.ArtifactFields) error { change(f); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	wantFound(t, tenant, Search{Query: "first"}, "first")
	change(func(f *registry.ArtifactFields) { f.Name, f.Tags, f.Type = "second", []string{"new"}, "dataset" })
	wantFound(t, tenant, Search{Query: "first"})
	wantFound(t, tenant, Search{Tags: []string{"old"}})
	wantFound(t, tenant, Search{Query: "second", Tags: []string{"new"}, Type: "dataset"}, "second")
	change(func(f *registry.ArtifactFields) { f.IsActive = false })
	wantFound(t, tenant, Search{})
	change(func(f *registry.ArtifactFields) { f.Name = "third" })
	wantFound(t, tenant, Search{})
	change(func(f *registry.ArtifactFields) { f.IsActive = true })
	wantFound(t, tenant, Search{Query: "third"}, "third")
	wantFound(t, tenant, Search{Query: "second"})
	if err := tenant.DeleteArtifact(background, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	wantFound(t, tenant, Search{})
	b := newArtifact(t, tenant, "again") // in the row that is free
	wantFound(t, tenant, Search{Query: "third"})
	wantFound(t, tenant, Search{Query: "again"}, "again")
	inactive := newArtifact(t, tenant, "hidden", func(f *registry.ArtifactFields) { f.IsActive = false })
	wantFound(t, tenant, Search{}, "again")
	for _, id := range []tenancy.ID{b.ID, inactive.ID} {
		if err := tenant.DeleteArtifact(background, id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s, "SELECT count(*) FROM artifact_search_docsize"); n != 0 {
		t.Errorf("%d rows are left in the index", n)
	}
}

// TestSearchAgreesWithAModel compares what is found, and its order, with what
// reading every artifact finds; in windows of several pages, in pages of several
// windows, and for long beginnings that many and few of the candidates have.
func TestSearchAgreesWithAModel(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	random := rand.New(rand.NewPCG(21, 22))
	words := []string{"churn", "churning", "features", "feature", "classification", "classifier", "classify", "classical", "customer", "x"}
	var all []registry.Artifact // newest last
	p := newProject(t, tenant, "p")
	for i := range 3*maxCandidates + 20 {
		change := func(f *registry.ArtifactFields) {
			f.Type = registry.ArtifactTypes[random.IntN(2)]
			f.Description = words[random.IntN(len(words))] + " " + words[random.IntN(len(words))]
			if i%50 == 0 {
				f.Description += " classificatory"
			}
			f.Tags = []string{words[random.IntN(len(words))]}
		}
		newArtifact(t, other, fmt.Sprint("other churn ", i), change)
		a := newArtifact(t, tenant, fmt.Sprint(words[random.IntN(len(words))], " ", i), change)
		if random.IntN(3) == 0 {
			play(t, tenant, a.ID, p.ID, ptr(float64(random.IntN(101))))
			a, _ = tenant.Artifact(background, a.ID)
		}
		all = append(all, a)
	}
	for _, query := range []string{"", "c", "churn", "churn f", "features classif", "classific", "classificat", "classificatory", "classificatoryx", "customer churning", "x"} {
		for _, kind := range []string{"", "model_template"} {
			for _, least := range []*float64{nil, ptr(40.0)} {
				for _, limit := range []int{7, 150, 500} {
					q := Search{Query: query, Type: kind, MinImpact: least}
					want := modelSearch(all, q)
					if diff := gocmp.Diff(want, search(t, tenant, q, limit)); diff != "" {
						t.Errorf("%q, type %q, least %v, pages of %d (-want +got):\n%s", query, kind, least != nil, limit, diff)
					}
				}
			}
		}
	}
}

// modelSearch reads every artifact: those that match, the newest maxCandidates
// by relevance, then the next. A long last term is taken in windows of its first
// letters where enough of those have it.
func modelSearch(all []registry.Artifact, q Search) (names []string) {
	terms := registry.QueryTerms(q.Query)
	matches := func(a *registry.Artifact, terms []string) bool {
		if q.Type != "" && a.Type != q.Type || q.MinImpact != nil && (a.AvgImpactScore == nil || *a.AvgImpactScore < *q.MinImpact) {
			return false
		}
		tokens := wordsOf(&a.ArtifactFields)
		for i, term := range terms {
			has := func(token string) bool { return token == term || i == len(terms)-1 && strings.HasPrefix(token, term) }
			if !slices.ContainsFunc(tokens, has) {
				return false
			}
		}
		return true
	}
	newest := func(below int, terms []string) (found []int) {
		for i := below - 1; i >= 0 && len(found) < maxCandidates; i-- {
			if matches(&all[i], terms) {
				found = append(found, i)
			}
		}
		return found
	}
	rough, _ := shortened(terms)
	for below := len(all); below > 0; {
		found := newest(below, rough)
		next := 0
		if len(found) == maxCandidates {
			next = found[len(found)-1]
		}
		exact := slices.DeleteFunc(slices.Clone(found), func(i int) bool { return !matches(&all[i], terms) })
		if next > 0 && len(exact)*usefulShare < len(found) {
			exact = newest(below, terms)
			next = 0
			if len(exact) == maxCandidates {
				next = exact[len(exact)-1]
			}
		}
		slices.SortFunc(exact, func(a, b int) int {
			return cmp.Or(cmp.Compare(registry.Relevance(terms, &all[b]), registry.Relevance(terms, &all[a])), cmp.Compare(b, a))
		})
		for _, i := range exact {
			names = append(names, all[i].Name)
		}
		below = next
	}
	return names
}

// TestASparseSearchPagesOn looks for the one artifact with a score behind more
// than a page may examine.
func TestASparseSearchPagesOn(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p")
	old := newArtifact(t, tenant, "old")
	play(t, tenant, old.ID, p.ID, ptr(90.0))
	fillLibrary(t, tenant, 1, maxExamined+10, vocabulary(50))
	page := Page{Limit: 10}
	q := Search{MinImpact: ptr(200.0)}
	list, err := tenant.SearchArtifacts(background, q, page)
	if err != nil || len(list.Items) != 0 || list.Next == "" {
		t.Fatalf("the first page has %d, %v, next %q", len(list.Items), err, list.Next)
	}
	page.Cursor = list.Next
	if list, err = tenant.SearchArtifacts(background, q, page); err != nil || len(list.Items) != 0 || list.Next != "" {
		t.Fatalf("the last page has %d, %v, next %q", len(list.Items), err, list.Next)
	}
	q.Query = "old"
	q.MinImpact = ptr(90.0)
	wantFound(t, tenant, q, "old")
}

func TestSearchCursorsBelongToTheirQuestionAndTenant(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	for i := range 3 {
		newArtifact(t, acme, fmt.Sprint("a", i))
	}
	list, err := acme.SearchArtifacts(background, Search{Query: "a"}, Page{Limit: 1})
	if err != nil || list.Next == "" {
		t.Fatal(err)
	}
	page := Page{Limit: 1, Cursor: list.Next}
	// What comes while somebody pages shifts nothing.
	newArtifact(t, acme, "a9")
	if list, err = acme.SearchArtifacts(background, Search{Query: "a"}, page); err != nil || list.Items[0].Name != "a1" {
		t.Errorf("the second page has %v, %v", list.Items, err)
	}
	_, err = acme.SearchArtifacts(background, Search{Query: "b"}, page)
	wantCode(t, err, problem.Malformed)
	_, err = acme.SearchArtifacts(background, Search{Query: "a", Tags: []string{"x"}}, page)
	wantCode(t, err, problem.Malformed)
	_, err = beta.SearchArtifacts(background, Search{Query: "a"}, page)
	wantCode(t, err, problem.Malformed)
	_, err = acme.SearchArtifacts(background, Search{Tags: make([]string, MaxSearchTags+1)}, Page{Limit: 501})
	wantCode(t, err, problem.Validation)
}

// TestSearchKnowsNothingOfOtherTenants gives two tenants the same library, and
// one of them a neighbour that changes all the time: what it is answered is the
// same to the byte, cursors but for their signature included.
func TestSearchKnowsNothingOfOtherTenants(t *testing.T) {
	answers := func(noisy bool) (all []string) {
		s := openStore(t)
		quiet := newTenant(t, s, "quiet")
		neighbour := newTenant(t, s, "neighbour")
		for i := range 30 {
			for k := range 5 {
				if noisy {
					a := newArtifact(t, neighbour, fmt.Sprint("churn model ", i, " ", k), func(f *registry.ArtifactFields) { f.Tags = []string{"churn"} })
					if k%2 == 0 {
						if err := neighbour.DeleteArtifact(background, a.ID, nil); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			newArtifact(t, quiet, fmt.Sprint("churn model ", i), func(f *registry.ArtifactFields) { f.Tags = []string{"churn"} })
		}
		s.cursorKey = make([]byte, 32)
		number := count(t, s, "SELECT num FROM tenants WHERE id = $1", quiet.scope.Tenant())
		for _, q := range []Search{{}, {Query: "churn"}, {Query: "mo"}, {Tags: []string{"churn"}}} {
			page := Page{Limit: 7}
			for {
				list, err := quiet.SearchArtifacts(background, q, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range list.Items {
					all = append(all, a.Name)
				}
				if page.Cursor = list.Next; page.Cursor == "" {
					break
				}
				at, err := quiet.decodeCursor(quiet.scope.Tenant(), "search "+q.fingerprint(), "", page.Cursor)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, fmt.Sprint(at.Value))
			}
		}
		lowest := count(t, s, "SELECT min(search_id) FROM artifacts WHERE tenant_id = $1", quiet.scope.Tenant())
		return append(all, fmt.Sprint(lowest-number*tenantRows))
	}
	if diff := gocmp.Diff(answers(false), answers(true)); diff != "" {
		t.Errorf("a neighbour changes the answers (-alone +beside it):\n%s", diff)
	}
}

// TestWhatAnUpgradeBroughtIsIndexed takes artifacts out of the index, as a
// database that comes from an older system has them, and has them found.
func TestWhatAnUpgradeBroughtIsIndexed(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	for i := range 2*indexSlice + 3 {
		newArtifact(t, tenant, fmt.Sprintf("imported %03d", i))
	}
	newArtifact(t, tenant, "inactive", func(f *registry.ArtifactFields) { f.IsActive = false })
	err := tenant.write(background, func(tx *Tx) error {
		if _, err := tx.exec("DELETE FROM artifact_search WHERE rowid > 0"); err != nil {
			return err
		}
		_, err := tx.exec("UPDATE artifacts SET search_id = NULL WHERE tenant_id = $1", tenant.scope.Tenant())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFound(t, tenant, Search{})
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	got := search(t, tenant, Search{Query: "imp"}, 500)
	if len(got) != 2*indexSlice+3 || got[0] != fmt.Sprintf("imported %03d", 2*indexSlice+2) {
		t.Errorf("found %d, the newest is %v", len(got), got[:min(1, len(got))])
	}
	wantFound(t, tenant, Search{Query: "inactive"})
}
