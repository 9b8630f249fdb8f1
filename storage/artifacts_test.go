package storage

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

// artifactFields are fields that nothing is wrong with.
func artifactFields(name string, change ...func(*registry.ArtifactFields)) registry.ArtifactFields {
	f := registry.ArtifactFields{Name: name, Type: "model", Version: "1.0", IsActive: true}
	for _, c := range change {
		c(&f)
	}
	return f
}

func newArtifact(t testing.TB, tenant *Tenant, name string, change ...func(*registry.ArtifactFields)) registry.Artifact {
	t.Helper()
	a, _, err := tenant.CreateArtifact(background, artifactFields(name, change...), Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnArtifactComesBackAsItWasRecorded(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	fields := registry.ArtifactFields{
		Name: "Churn – features", Type: "feature_pipeline", Version: "2.1-β", Description: "Tenure, and \"more\".\nΣ 🙂", Tags: []string{"z\"q", "churn", "a,b", "churn"},
		ContentHash: ptr(strings.Repeat("ab", 32)), MediaType: "application/x-parquet", StorageURI: "s3://bucket/key", IsActive: true,
		Metadata: tenancy.Object(`{"rows":[1,2]}`),
	}
	made, _, err := tenant.CreateArtifact(background, fields, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	read, err := tenant.Artifact(background, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(made, read); diff != "" {
		t.Errorf("read differs from what create answered (-create +read):\n%s", diff)
	}
	fields.Tags = []string{"a,b", "churn", "z\"q"}
	if diff := gocmp.Diff(fields, read.ArtifactFields); diff != "" {
		t.Errorf("fields differ (-given +read):\n%s", diff)
	}
	if read.CreatedBy == nil || *read.CreatedBy != tenant.scope.Actor().ID || read.Revision != 1 || read.SizeBytes != nil || read.UsageCount != 0 || read.AvgImpactScore != nil {
		t.Errorf("provenance is %+v", read)
	}
}

func TestArtifactsAreUniqueByNameAndVersion(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	newArtifact(t, acme, "model")
	other := newArtifact(t, acme, "model", func(f *registry.ArtifactFields) { f.Version = "1.1" })
	newArtifact(t, beta, "model")
	_, _, err := acme.CreateArtifact(background, artifactFields("model"), Idempotency{})
	wantCode(t, err, problem.Conflict)
	_, err = acme.UpdateArtifact(background, other.ID, nil, func(f *registry.ArtifactFields) error { f.Version = "1.0"; return nil })
	wantCode(t, err, problem.Conflict)
	checkIntegrity(t, s)
}

func TestARepeatedCreateMakesOneArtifact(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	request := Idempotency{Key: "k", Fingerprint: []byte("f")}
	first, _, err := tenant.CreateArtifact(background, artifactFields("once"), request)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := tenant.CreateArtifact(background, artifactFields("once"), request)
	if err != nil || !replayed || again.ID != first.ID {
		t.Errorf("repetition: %v, replayed %v, id %v, want %v", err, replayed, again.ID, first.ID)
	}
	_, _, err = tenant.CreateArtifact(background, artifactFields("twice"), Idempotency{Key: "k", Fingerprint: []byte("g")})
	wantCode(t, err, problem.IdempotencyMismatch)
}

func TestUpdatingAnArtifact(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	a := newArtifact(t, tenant, "model")
	changed, err := tenant.UpdateArtifact(background, a.ID, func(revision int64) bool { return revision == 1 }, func(f *registry.ArtifactFields) error {
		f.Description, f.Tags = "better", []string{"b", "a", "b"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	read, err := tenant.Artifact(background, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(changed, read); diff != "" || read.Revision != 2 || !slices.Equal(read.Tags, []string{"a", "b"}) {
		t.Errorf("revision %d, tags %v, (-answer +read):\n%s", read.Revision, read.Tags, diff)
	}
	_, err = tenant.UpdateArtifact(background, a.ID, func(revision int64) bool { return revision == 1 }, func(*registry.ArtifactFields) error { return nil })
	wantCode(t, err, problem.PreconditionFailed)
	_, err = tenant.UpdateArtifact(background, a.ID, nil, func(f *registry.ArtifactFields) error { f.Name, f.Type = "", "song"; return nil })
	wantCode(t, err, problem.Validation)
	refused := errors.New("refused")
	_, err = tenant.UpdateArtifact(background, a.ID, nil, func(f *registry.ArtifactFields) error { f.Name = "x"; return refused })
	if !errors.Is(err, refused) {
		t.Errorf("the change's own error came as %v", err)
	}
	_, err = tenant.UpdateArtifact(background, tenancy.NewID(), nil, func(*registry.ArtifactFields) error { return nil })
	wantCode(t, err, problem.NotFound)
	if after, _ := tenant.Artifact(background, a.ID); !gocmp.Equal(read, after) {
		t.Errorf("refused changes left a trace: %+v", after)
	}
}

func TestDeletingAnArtifactGivesItsPlaceBack(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxArtifacts = 1 })
	a := newArtifact(t, tenant, "model")
	_, _, err := tenant.CreateArtifact(background, artifactFields("more"), Idempotency{})
	wantCode(t, err, problem.LimitReached)
	wantCode(t, tenant.DeleteArtifact(background, a.ID, func(int64) bool { return false }), problem.PreconditionFailed)
	if err := tenant.DeleteArtifact(background, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, tenant.DeleteArtifact(background, a.ID, nil), problem.NotFound)
	newArtifact(t, tenant, "more")
	checkIntegrity(t, s)
}

func TestTheLastPlaceForAnArtifactHasOneWinner(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxArtifacts = 2 })
	newArtifact(t, tenant, "first")
	var won, refused atomic.Int64
	var racers sync.WaitGroup
	for i := range 200 {
		racers.Go(func() {
			_, _, err := tenant.CreateArtifact(background, artifactFields(fmt.Sprint("racer ", i)), Idempotency{})
			switch problem.CodeOf(err) {
			case "":
				won.Add(1)
			case problem.LimitReached:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	racers.Wait()
	if won.Load() != 1 || refused.Load() != 199 {
		t.Errorf("%d won and %d were refused, want 1 and 199", won.Load(), refused.Load())
	}
	checkIntegrity(t, s)
}

// TestArtifactListsAgreeWithAModel pages through every order and filter and
// holds what comes to a sorted and filtered slice.
func TestArtifactListsAgreeWithAModel(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	random := rand.New(rand.NewPCG(4, 5))
	tags := []string{"churn", "nlp", `a"b`, `",b"`, "b", "<x>", "ü"}
	var all []registry.Artifact
	project := newProject(t, tenant, "p")
	for i := range 60 {
		change := func(f *registry.ArtifactFields) {
			f.Type = registry.ArtifactTypes[random.IntN(3)]
			f.Version = fmt.Sprint(i)
			f.IsActive = random.IntN(4) > 0
			for _, tag := range tags {
				if random.IntN(3) == 0 {
					f.Tags = append(f.Tags, tag)
				}
			}
		}
		a := newArtifact(t, tenant, fmt.Sprint("name ", random.IntN(10)), change)
		newArtifact(t, other, fmt.Sprint("other ", i), change)
		for range random.IntN(4) {
			fields := registry.UsageFields{ProjectID: project.ID}
			if random.IntN(3) > 0 {
				fields.ImpactScore = ptr(float64(random.IntN(101)))
			}
			if _, _, err := tenant.UseArtifact(background, a.ID, fields, Idempotency{}); err != nil {
				t.Fatal(err)
			}
		}
		a, err := tenant.Artifact(background, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	impact := func(a registry.Artifact) float64 {
		if a.AvgImpactScore == nil {
			return -1
		}
		return *a.AvgImpactScore
	}
	orders := map[string]func(a, b registry.Artifact) int{
		"created_at":       func(a, b registry.Artifact) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) },
		"updated_at":       func(a, b registry.Artifact) int { return cmp.Compare(a.UpdatedAt, b.UpdatedAt) },
		"name":             func(a, b registry.Artifact) int { return cmp.Compare(a.Name, b.Name) },
		"usage_count":      func(a, b registry.Artifact) int { return cmp.Compare(a.UsageCount, b.UsageCount) },
		"avg_impact_score": func(a, b registry.Artifact) int { return cmp.Compare(impact(a), impact(b)) },
	}
	filters := map[string]struct {
		f    ArtifactFilter
		keep func(registry.Artifact) bool
	}{
		"all":    {ArtifactFilter{}, func(registry.Artifact) bool { return true }},
		"type":   {ArtifactFilter{Type: "model_template"}, func(a registry.Artifact) bool { return a.Type == "model_template" }},
		"name":   {ArtifactFilter{Name: "name 3"}, func(a registry.Artifact) bool { return a.Name == "name 3" }},
		"active": {ArtifactFilter{IsActive: ptr(false)}, func(a registry.Artifact) bool { return !a.IsActive }},
		"impact": {ArtifactFilter{MinImpact: ptr(50.0)}, func(a registry.Artifact) bool { return impact(a) >= 50 }},
	}
	for _, tag := range append(tags, "c", `a`, `"b`, "churn2") {
		filters["tag "+tag] = struct {
			f    ArtifactFilter
			keep func(registry.Artifact) bool
		}{ArtifactFilter{Tag: tag}, func(a registry.Artifact) bool { return slices.Contains(a.Tags, tag) }}
	}
	ids := func(list []registry.Artifact) (names []string) {
		for _, a := range list {
			names = append(names, a.ID.String())
		}
		return names
	}
	for order, compare := range orders {
		for _, direction := range []string{"", "-"} {
			for name, filter := range filters {
				var want []registry.Artifact
				for _, a := range all {
					if filter.keep(a) {
						want = append(want, a)
					}
				}
				slices.SortFunc(want, func(a, b registry.Artifact) int {
					c := cmp.Or(compare(a, b), slices.Compare(a.ID[:], b.ID[:]))
					if direction == "-" {
						return -c
					}
					return c
				})
				var got []registry.Artifact
				page := Page{Limit: 1 + random.IntN(30), Sort: direction + order}
				for {
					list, err := tenant.Artifacts(background, page, filter.f)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, list.Items...)
					if page.Cursor = list.Next; page.Cursor == "" {
						break
					}
				}
				if diff := gocmp.Diff(ids(want), ids(got)); diff != "" {
					t.Errorf("%s%s, %s (-want +got):\n%s", direction, order, name, diff)
				}
			}
		}
	}
}

// TestTagsComeBackHoweverTheyWereWritten reads lists of tags as other writers of
// JSON put them.
func TestTagsComeBackHoweverTheyWereWritten(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: nil, `["a"]`: {"a"}, `["a","b"]`: {"a", "b"}, `["a", "b"]`: {"a", "b"}, `["a\"b","c"]`: {`a"b`, "c"}, `["\u00fc"]`: {"ü"}, `["a,b"]`: {"a,b"}, `[ ]`: {},
	} {
		if got := decodeTags(text); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestAnotherTenantsArtifactIsNotFound(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	a := newArtifact(t, acme, "secret")
	p, foreign := newProject(t, beta, "p"), newProject(t, acme, "p")
	own := newArtifact(t, beta, "own")
	for name, err := range map[string]error{
		"read":      second(beta.Artifact(background, a.ID)),
		"update":    second(beta.UpdateArtifact(background, a.ID, nil, func(*registry.ArtifactFields) error { return nil })),
		"delete":    beta.DeleteArtifact(background, a.ID, nil),
		"use":       third(beta.UseArtifact(background, a.ID, registry.UsageFields{ProjectID: p.ID}, Idempotency{})),
		"use in":    third(beta.UseArtifact(background, own.ID, registry.UsageFields{ProjectID: foreign.ID}, Idempotency{})),
		"usages":    second(beta.ArtifactUsages(background, a.ID, Page{Limit: 1})),
		"uses of":   second(beta.ProjectUsages(background, foreign.ID, Page{Limit: 1})),
		"analytics": second(beta.ArtifactAnalytics(background, a.ID)),
		"upload":    third(beta.PutContent(background, a.ID, NewContent{Body: strings.NewReader("x"), Size: 1})),
		"download":  second(beta.OpenContent(background, a.ID)),
	} {
		if problem.CodeOf(err) != problem.NotFound {
			t.Errorf("%s: %v, want not-found", name, err)
		}
	}
	checkIntegrity(t, s)
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }
