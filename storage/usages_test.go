package storage

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

func play(t testing.TB, tenant *Tenant, artifact, project tenancy.ID, score *float64) registry.Usage {
	t.Helper()
	u, _, err := tenant.UseArtifact(background, artifact, registry.UsageFields{ProjectID: project, ImpactScore: score}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// complete records how a project turned out.
func complete(t testing.TB, tenant *Tenant, id tenancy.ID, performance float64) tracking.Project {
	t.Helper()
	p, err := tenant.UpdateProject(background, id, nil, func(f *tracking.ProjectFields) error {
		f.Status, f.ModelPerformance = tracking.Completed, &performance
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// libraryCounters are what an artifact counts.
type libraryCounters struct {
	Uses int64
	Mean *float64
}

func countersOf(t testing.TB, tenant *Tenant, id tenancy.ID) libraryCounters {
	t.Helper()
	a, err := tenant.Artifact(background, id)
	if err != nil {
		t.Fatal(err)
	}
	return libraryCounters{a.UsageCount, a.AvgImpactScore}
}

func TestAUseIsRecordedAndCounted(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a, p := newArtifact(t, tenant, "model"), newProject(t, tenant, "p")
	fields := registry.UsageFields{ProjectID: p.ID, ImpactScore: ptr(80.5), Context: tenancy.Object(`{"why":"baseline"}`)}
	request := Idempotency{Key: "k", Fingerprint: []byte("f")}
	made, _, err := tenant.UseArtifact(background, a.ID, fields, request)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := tenant.UseArtifact(background, a.ID, fields, request)
	if err != nil || !replayed {
		t.Fatal(err, replayed)
	}
	if diff := gocmp.Diff(made, again); diff != "" {
		t.Errorf("the repetition answers something else:\n%s", diff)
	}
	if made.ImpactSource == nil || *made.ImpactSource != registry.Reported || *made.ImpactScore != 80.5 || *made.CreatedBy != tenant.scope.Actor().ID {
		t.Errorf("recorded %+v", made)
	}
	plain := play(t, tenant, a.ID, p.ID, nil)
	if plain.ImpactScore != nil || plain.ImpactSource != nil {
		t.Errorf("an unfinished project gives a score: %+v", plain)
	}
	if diff := gocmp.Diff(libraryCounters{2, ptr(80.5)}, countersOf(t, tenant, a.ID)); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if read, _ := tenant.Artifact(background, a.ID); read.Revision != 3 || read.UpdatedAt != a.UpdatedAt {
		t.Errorf("two uses made revision %d, updated %v", read.Revision, read.UpdatedAt)
	}
	for _, list := range []List[registry.Usage]{
		first(t)(tenant.ArtifactUsages(background, a.ID, Page{Limit: 10})), first(t)(tenant.ProjectUsages(background, p.ID, Page{Limit: 10, Sort: "-used_at"})),
	} {
		if diff := gocmp.Diff([]registry.Usage{plain, made}, list.Items); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
	}
	_, _, err = tenant.UseArtifact(background, a.ID, registry.UsageFields{ImpactScore: ptr(101.0)}, Idempotency{})
	wantCode(t, err, problem.Validation)
	checkIntegrity(t, s)
}

func first(t testing.TB) func(List[registry.Usage], error) List[registry.Usage] {
	return func(list List[registry.Usage], err error) List[registry.Usage] {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
}

func TestUsagesArePagedWithinTheirArtifact(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a, b, p := newArtifact(t, tenant, "a"), newArtifact(t, tenant, "b"), newProject(t, tenant, "p")
	var want []tenancy.ID
	for range 7 {
		want = append(want, play(t, tenant, a.ID, p.ID, nil).ID)
		play(t, tenant, b.ID, p.ID, nil)
	}
	var got []tenancy.ID
	page := Page{Limit: 3, Sort: "used_at"}
	for {
		list := first(t)(tenant.ArtifactUsages(background, a.ID, page))
		for _, u := range list.Items {
			got = append(got, u.ID)
		}
		if list.Next == "" {
			break
		}
		page.Cursor = list.Next
		_, err := tenant.ArtifactUsages(background, b.ID, page)
		wantCode(t, err, problem.Malformed)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("paged (-want +got):\n%s", diff)
	}
	for index, l := range map[string]*listing{"artifact_usage_artifact": &artifactUsageList, "artifact_usage_project": &projectUsageList} {
		text, args := l.statement(tenancy.ID{}, look{filters: []filter{l.of(tenancy.ID{})}}, l.sorts["used_at"], true, &position{Value: int64(1)}, 50)
		plan := queryPlan(t, s, text, len(args))
		if want := "SEARCH artifact_usage USING INDEX " + index + " (tenant_id=? AND " + l.within + "=? AND (used_at,id)<(?,?))\n"; !strings.HasPrefix(plan, want) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "B-TREE") {
			t.Errorf("the list is read by\n%swant\n%s", plan, want)
		}
	}
}

func TestScoresAreDerivedFromTheProjectsSuccess(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a, b := newArtifact(t, tenant, "a"), newArtifact(t, tenant, "b")
	p := newProject(t, tenant, "p")
	reported := play(t, tenant, a.ID, p.ID, ptr(10.0))
	open := play(t, tenant, a.ID, p.ID, nil)
	play(t, tenant, b.ID, p.ID, nil)
	play(t, tenant, b.ID, p.ID, nil)
	want := func(when string, ofA, ofB libraryCounters) {
		t.Helper()
		if diff := gocmp.Diff([]libraryCounters{ofA, ofB}, []libraryCounters{countersOf(t, tenant, a.ID), countersOf(t, tenant, b.ID)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		checkIntegrity(t, s)
	}
	want("before the project ends", libraryCounters{2, ptr(10.0)}, libraryCounters{2, nil})

	complete(t, tenant, p.ID, 0.9)
	want("completed", libraryCounters{2, ptr(50.0)}, libraryCounters{2, ptr(90.0)})
	sources := map[tenancy.ID]string{}
	for _, u := range first(t)(tenant.ProjectUsages(background, p.ID, Page{Limit: 10})).Items {
		sources[u.ID] = fmt.Sprint(*u.ImpactSource, " ", *u.ImpactScore)
	}
	if sources[reported.ID] != "reported 10" || sources[open.ID] != "derived 90" {
		t.Errorf("sources are %v", sources)
	}
	late := play(t, tenant, b.ID, p.ID, nil)
	if *late.ImpactSource != registry.Derived || *late.ImpactScore != 90 {
		t.Errorf("a use of a completed project is %+v", late)
	}

	complete(t, tenant, p.ID, 0.5)
	want("scored anew", libraryCounters{2, ptr(30.0)}, libraryCounters{3, ptr(50.0)})

	revision := func() int64 { r, _ := tenant.Artifact(background, a.ID); return r.Revision }
	before := revision()
	if _, err := tenant.UpdateProject(background, p.ID, nil, func(f *tracking.ProjectFields) error { f.Description = "words"; return nil }); err != nil {
		t.Fatal(err)
	}
	if revision() != before {
		t.Error("a change of words changed the artifact")
	}

	if _, err := tenant.UpdateProject(background, p.ID, nil, func(f *tracking.ProjectFields) error { f.Status = tracking.Active; return nil }); err != nil {
		t.Fatal(err)
	}
	want("active again", libraryCounters{2, ptr(10.0)}, libraryCounters{3, nil})

	complete(t, tenant, p.ID, 0.7)
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil {
		t.Fatal(err)
	}
	want("deleted", libraryCounters{0, nil}, libraryCounters{0, nil})
}

// TestARescoringReachesTheArtifacts completes projects until the success of the
// earlier ones follows from the later: the background derives it, and with it
// what the artifacts they used are worth.
func TestARescoringReachesTheArtifacts(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	s, err := Open(background, Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tenant := newTenant(t, s, "acme")
	a := newArtifact(t, tenant, "a")
	var firstProject tracking.Project
	for i := range 8 {
		p := newProject(t, tenant, fmt.Sprint("p", i))
		if i == 0 {
			firstProject = p
			play(t, tenant, a.ID, p.ID, nil)
		}
		_, err := tenant.UpdateProject(background, p.ID, nil, func(f *tracking.ProjectFields) error {
			f.Status, f.ModelPerformance, f.BusinessImpact = tracking.Completed, ptr(0.5), ptr(float64(i))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := countersOf(t, tenant, a.ID)
	now = now.Add(time.Hour)
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	p, err := tenant.Project(background, firstProject.ID)
	if err != nil {
		t.Fatal(err)
	}
	if *before.Mean != 50 || *p.SuccessScore >= 50 {
		t.Fatalf("the score was %v and is %v: nothing was rescored", *before.Mean, *p.SuccessScore)
	}
	got := *countersOf(t, tenant, a.ID).Mean
	if d := got - *p.SuccessScore; d > 1e-9 || d < -1e-9 {
		t.Errorf("the artifact is worth %v, its only project %v", got, *p.SuccessScore)
	}
	checkIntegrity(t, s)
}

// TestCountersEqualTheRows does what people do, in any order, and has the
// database checked: every counter is what the rows say, to the billionth.
func TestCountersEqualTheRows(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	random := rand.New(rand.NewPCG(11, 12))
	var artifacts, projects []tenancy.ID
	for i := range 600 {
		switch n := random.IntN(12); {
		case n < 1 || len(artifacts) == 0:
			artifacts = append(artifacts, newArtifact(t, tenant, fmt.Sprint("a", i)).ID)
		case n < 3 || len(projects) == 0:
			projects = append(projects, newProject(t, tenant, fmt.Sprint("p", i)).ID)
		case n < 8:
			score := ptr(100 * random.Float64())
			if random.IntN(2) == 0 {
				score = nil
			}
			play(t, tenant, artifacts[random.IntN(len(artifacts))], projects[random.IntN(len(projects))], score)
		case n < 10:
			complete(t, tenant, projects[random.IntN(len(projects))], random.Float64())
		case n < 11 && random.IntN(3) == 0:
			k := random.IntN(len(projects))
			if err := tenant.DeleteProject(background, projects[k], nil); err != nil {
				t.Fatal(err)
			}
			projects = append(projects[:k], projects[k+1:]...)
		case random.IntN(6) == 0:
			k := random.IntN(len(artifacts))
			if err := tenant.DeleteArtifact(background, artifacts[k], nil); err != nil {
				t.Fatal(err)
			}
			artifacts = append(artifacts[:k], artifacts[k+1:]...)
		}
	}
	if n := count(t, s, "SELECT count(*) FROM artifact_usage"); n < 50 {
		t.Fatalf("only %d uses are left to compare", n)
	}
	checkIntegrity(t, s)
	// The mean that is kept is the mean of the rows.
	wrong := count(t, s, `SELECT count(*) FROM artifacts a WHERE abs(coalesce(avg_impact_score, -1) - coalesce(
		(SELECT avg(impact_score) FROM artifact_usage u WHERE u.artifact_id = a.id), -1)) > 1e-6`)
	if wrong != 0 {
		t.Errorf("%d artifacts have another mean than their uses", wrong)
	}
}
