package storage

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// classProject is a project of a class.
func classProject(t testing.TB, tenant *Tenant, name, class string) tracking.Project {
	t.Helper()
	fields := tracking.ProjectFields{Name: name, Status: tracking.Active}
	if class != "" {
		fields.ProblemClass = &class
	}
	p, _, err := tenant.CreateProject(background, fields, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func top(t testing.TB, tenant *Tenant, f TopFilter, limit int) (names []string, estimates []float64) {
	t.Helper()
	ranked, err := tenant.TopArtifacts(background, f, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range ranked {
		names, estimates = append(names, r.Name), append(estimates, r.RankingEstimate)
	}
	return names, estimates
}

func TestOneBrilliantPlayDoesNotMakeTheTop(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	p, q := newProject(t, tenant, "p"), newProject(t, other, "p")
	proven, lucky, poor := newArtifact(t, tenant, "proven"), newArtifact(t, tenant, "lucky"), newArtifact(t, tenant, "poor")
	newArtifact(t, tenant, "unplayed")
	if names, _ := top(t, tenant, TopFilter{}, 10); names != nil {
		t.Errorf("without a score the top is %v", names)
	}
	for range 30 {
		play(t, tenant, proven.ID, p.ID, ptr(80.0))
		play(t, tenant, poor.ID, p.ID, ptr(20.0))
	}
	play(t, tenant, lucky.ID, p.ID, ptr(100.0))
	loud := newArtifact(t, other, "loud")
	play(t, other, loud.ID, q.ID, ptr(100.0))

	names, estimates := top(t, tenant, TopFilter{}, 10)
	if want := []string{"proven", "lucky", "poor"}; !slices.Equal(names, want) {
		t.Errorf("the top is %v, want %v", names, want)
	}
	mean := (30*80.0 + 30*20 + 100) / 61
	want := []float64{(30*80 + 5*mean) / 35, (100 + 5*mean) / 6, (30*20 + 5*mean) / 35}
	for i := range want {
		if math.Abs(estimates[i]-want[i]) > 1e-9 {
			t.Errorf("%s is estimated %v, want %v", names[i], estimates[i], want[i])
		}
	}
	if _, err := tenant.UpdateArtifact(background, proven.ID, nil, func(f *registry.ArtifactFields) error { f.IsActive = false; return nil }); err != nil {
		t.Fatal(err)
	}
	if names, _ := top(t, tenant, TopFilter{}, 1); !slices.Equal(names, []string{"lucky"}) {
		t.Errorf("without the inactive one the top is %v", names)
	}
	_, err := tenant.TopArtifacts(background, TopFilter{}, 0)
	wantCode(t, err, problem.Validation)
}

// TestTheTopAgreesWithAModel ranks a random library by its formula.
func TestTheTopAgreesWithAModel(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	random := rand.New(rand.NewPCG(31, 32))
	classes := []string{"nlp", "vision", ""}
	var projects []tracking.Project
	for i := range 9 {
		projects = append(projects, classProject(t, tenant, fmt.Sprint("p", i), classes[i%3]))
	}
	var all []registry.Artifact
	scores := map[tenancy.ID]map[string][]float64{} // of an artifact, by class
	for i := range 40 {
		a := newArtifact(t, tenant, fmt.Sprint("a", i), func(f *registry.ArtifactFields) { f.Type = registry.ArtifactTypes[i%2]; f.IsActive = i%7 > 0 })
		all, scores[a.ID] = append(all, a), map[string][]float64{}
		for range random.IntN(6) {
			k := random.IntN(len(projects))
			score := float64(random.IntN(1000)) / 10
			play(t, tenant, a.ID, projects[k].ID, &score)
			scores[a.ID][classes[k%3]] = append(scores[a.ID][classes[k%3]], score)
			play(t, tenant, a.ID, projects[k].ID, nil)
		}
	}
	for _, class := range []string{"", "nlp", "vision", "audio"} {
		for _, kind := range []string{"", registry.ArtifactTypes[1]} {
			impact := func(id tenancy.ID) (i registry.Impact) {
				for c, values := range scores[id] {
					for _, v := range values {
						if class == "" || c == class {
							i = i.And(registry.Impact{Sum: v, Count: 1})
						}
					}
				}
				return i
			}
			var mean registry.Impact
			for _, a := range all {
				mean = mean.And(impact(a.ID))
			}
			type ranked struct {
				name     string
				id       tenancy.ID
				estimate float64
			}
			var want []ranked
			for _, a := range all {
				if own := impact(a.ID); own.Count > 0 && a.IsActive && (kind == "" || a.Type == kind) {
					want = append(want, ranked{a.Name, a.ID, *registry.Ranking(own, mean)})
				}
			}
			slices.SortFunc(want, func(a, b ranked) int {
				return cmp.Or(cmp.Compare(b.estimate, a.estimate), slices.Compare(a.id[:], b.id[:]))
			})
			want = want[:min(len(want), 8)]
			names, estimates := top(t, tenant, TopFilter{Type: kind, ProblemClass: class}, 8)
			var wantNames []string
			for i, w := range want {
				wantNames = append(wantNames, w.name)
				if i < len(estimates) && math.Abs(estimates[i]-w.estimate) > 1e-9 {
					t.Errorf("class %q, type %q: place %d is estimated %v, want %v", class, kind, i, estimates[i], w.estimate)
				}
			}
			if diff := gocmp.Diff(wantNames, names); diff != "" {
				t.Errorf("class %q, type %q (-want +got):\n%s", class, kind, diff)
			}
		}
	}
}
