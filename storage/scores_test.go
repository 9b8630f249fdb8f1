package storage

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"maestro/tenancy"
	"maestro/tracking"
)

func finish(t *testing.T, tenant *Tenant, name string, impact, cost float64, days int64) tracking.Project {
	t.Helper()
	start := tenancy.Time(1_700_000_000_000_000)
	p, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: name, Status: tracking.Completed,
		BusinessImpact: &impact, ComputeCost: &cost, StartDate: &start, CompletionDate: ptr(start + tenancy.Time(days*86_400_000_000)),
		ModelPerformance: ptr(0.5)}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantScores holds every stored score of a tenant to the formula over all.
func wantScores(t *testing.T, tenant *Tenant, weights tenancy.SuccessWeights, tolerance float64) {
	t.Helper()
	list, err := listProjects(tenant, Page{Limit: 500}, ProjectFilter{})
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make([]tracking.Outcome, len(list.Items))
	for i := range list.Items {
		outcomes[i] = list.Items[i].Outcome()
	}
	for i, want := range tracking.SuccessScores(outcomes, weights) {
		got := list.Items[i].SuccessScore
		if (got == nil) != (want == nil) || got != nil && math.Abs(*got-*want) > tolerance {
			t.Errorf("%s has score %v, want %v", list.Items[i].Name, deref(got), deref(want))
		}
		explained, err := tenant.SuccessParts(background, list.Items[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		if (explained.Score == nil) != (want == nil) || want != nil && math.Abs(*explained.Score-*want) > 1e-9 {
			t.Errorf("%s is explained as %v, want %v", list.Items[i].Name, deref(explained.Score), deref(want))
		}
	}
}

func deref(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

func TestAScoreIsExactInItsOwnWriteAndFollowsInOthers(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	random := rand.New(rand.NewPCG(3, 4))
	var last tracking.Project
	for i := range 30 {
		last = finish(t, tenant, fmt.Sprint("p", i), float64(random.IntN(8)), float64(random.IntN(8)), int64(random.IntN(30)))
		finish(t, other, fmt.Sprint("q", i), 1000, 1000, 1000)
		explained, err := tenant.SuccessParts(background, last.ID)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(*last.SuccessScore-*explained.Score) > 1e-9 {
			t.Fatalf("project %d was answered %v, the formula says %v", i, *last.SuccessScore, *explained.Score)
		}
	}
	info, err := s.TenantByID(background, tenant.scope.Tenant())
	if err != nil || info.ScoresStaleSince == nil {
		t.Fatalf("the lag is not visible: %+v, %v", info.ScoresStaleSince, err)
	}
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	wantScores(t, tenant, tenancy.DefaultSuccessWeights(), scoreTolerance)
	if info, err = s.TenantByID(background, tenant.scope.Tenant()); err != nil || info.ScoresStaleSince != nil {
		t.Errorf("stale since %v after rescoring, %v", info.ScoresStaleSince, err)
	}

	// A change, a deletion and other weights move all ranks again.
	if _, err := tenant.UpdateProject(background, last.ID, nil, func(f *tracking.ProjectFields) error { f.BusinessImpact = ptr(99.0); return nil }); err != nil {
		t.Fatal(err)
	}
	list, err := listProjects(tenant, Page{Limit: 1, Sort: "created_at"}, ProjectFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.DeleteProject(background, list.Items[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	weights := tenancy.SuccessWeights{BusinessImpact: 1, DeliverySpeed: 0.5}
	if _, err := s.UpdateTenant(background, tenant.scope.Tenant(), nil, func(f *tenancy.TenantFields) error { f.SuccessWeights = weights; return nil }); err != nil {
		t.Fatal(err)
	}
	clear(s.rescoreAfter)
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	wantScores(t, tenant, weights, scoreTolerance)
}

func TestStandingsFollowEveryAcknowledgedWrite(t *testing.T) {
	s := openStandingStore(t)
	tenant := newTenant(t, s, "acme")
	id := tenant.scope.Tenant()
	a := finish(t, tenant, "a", 1, 1, 1)
	finish(t, tenant, "b", 2, 2, 2)
	if _, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: "a", Status: tracking.Completed, BusinessImpact: ptr(3.0)}, Idempotency{}); err == nil {
		t.Fatal("a name was taken twice")
	}
	if err := tenant.DeleteProject(background, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	if err := release(); err != nil { // the writer has run what came before
		t.Fatal(err)
	}
	kept := s.standings[id]
	if len(kept.impacts) != 1 || kept.impacts[0] != 2 || len(kept.costs) != 1 || len(kept.times) != 1 {
		t.Errorf("standing is %+v, want the one finished project's", kept)
	}
}

// wantImpacts holds a tenant's kept standing to the impacts given, in order.
func wantImpacts(t *testing.T, tenant *Tenant, want ...float64) {
	t.Helper()
	err := tenant.writer.do(background, tenant.scope.Tenant(), func(*Tx) error { // after what the writer has run
		kept := tenant.standings[tenant.scope.Tenant()]
		if kept == nil || !slices.Equal(kept.impacts, want) {
			t.Errorf("standing is %+v, want the impacts %v", kept, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// queueFinished queues the creation of a finished project, as CreateProject
// writes it, and says what score it was given.
func queueFinished(t *testing.T, tenant *Tenant, impact float64, failure error) (score **float64, result <-chan error) {
	t.Helper()
	p := tracking.Project{ProjectFields: tracking.ProjectFields{Status: tracking.Completed, BusinessImpact: &impact}}
	score = new(*float64)
	return score, queue(t, tenant.Store, tenant.scope.Tenant(), func(tx *Tx) error {
		p.ID, p.TenantID, p.CreatedAt = tenancy.NewID(), tenant.scope.Tenant(), tx.Now
		if err := tenant.score(tx, nil, &p); err != nil {
			return err
		}
		*score = p.SuccessScore
		_, err := tx.exec(insertProject, p.ID, p.TenantID, p.ID.String(), "", nil, string(p.Status), nil, nil, nil, nil, nil, nil,
			p.BusinessImpact, "{}", "{}", p.SuccessScore, nil, p.CreatedAt)
		return errors.Join(err, failure)
	})
}

func queueDeletion(t *testing.T, tenant *Tenant, p tracking.Project) <-chan error {
	t.Helper()
	return queue(t, tenant.Store, tenant.scope.Tenant(), func(tx *Tx) error {
		if err := tenant.score(tx, &p, nil); err != nil {
			return err
		}
		_, err := tx.exec(deleteProject, tenant.scope.Tenant(), p.ID)
		return err
	})
}

// TestAStandingLoadedInAGroupCountsEachWriteOnce has the standing loaded, or
// forgotten, between two writes of one transaction.
func TestAStandingLoadedInAGroupCountsEachWriteOnce(t *testing.T) {
	group := func(name string, want []float64, between func(*Store), first func(*testing.T, *Tenant, tracking.Project) <-chan error) {
		t.Run(name, func(t *testing.T) {
			s := openStandingStore(t)
			tenant := newTenant(t, s, "acme")
			doomed := finish(t, tenant, "a", 1, 1, 1)
			finish(t, tenant, "b", 1, 1, 1)
			release := hold(t, s)
			forget := queue(t, s, tenant.scope.Tenant(), func(*Tx) error { clear(s.standings); return nil })
			earlier := first(t, tenant, doomed)
			meanwhile := queue(t, s, tenant.scope.Tenant(), func(*Tx) error { between(s); return nil })
			_, later := queueFinished(t, tenant, 5, nil)
			if err := errors.Join(release(), <-forget, <-earlier, <-meanwhile, <-later); err != nil {
				t.Fatal(err)
			}
			wantImpacts(t, tenant, want...)
		})
	}
	creation := func(t *testing.T, tenant *Tenant, _ tracking.Project) <-chan error {
		_, result := queueFinished(t, tenant, 3, nil)
		return result
	}
	group("a deletion, then a creation", []float64{1, 5}, func(*Store) {}, queueDeletion)
	group("two creations", []float64{1, 1, 3, 5}, func(*Store) {}, creation)
	group("two creations, forgotten between them", []float64{1, 1, 3, 5}, func(s *Store) { clear(s.standings) }, creation)
}

func TestAStandingForgetsWhatIsUndone(t *testing.T) {
	s := openStandingStore(t)
	tenant := newTenant(t, s, "acme")
	a := finish(t, tenant, "a", 1, 1, 1)
	finish(t, tenant, "b", 2, 2, 2)
	refusal := errors.New("no")

	release := hold(t, s)
	_, refused := queueFinished(t, tenant, 9, refusal)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, refusal) {
		t.Fatal(err)
	}
	wantImpacts(t, tenant, 1, 2)

	release = hold(t, s)
	clears := queue(t, s, tenant.scope.Tenant(), func(*Tx) error { clear(s.standings); return nil })
	deletion := queueDeletion(t, tenant, a)
	_, creation := queueFinished(t, tenant, 9, nil)
	breaks := queue(t, s, tenant.scope.Tenant(), func(tx *Tx) error {
		_, err := tx.exec("ROLLBACK")
		return err
	})
	if release() == nil || <-clears == nil || <-deletion == nil || <-creation == nil || <-breaks == nil {
		t.Fatal("acknowledged though the transaction was rolled back")
	}
	wantImpacts(t, tenant, 1, 2)
}

// TestScoresInOneGroupSeeEachOther holds each of the projects that complete in
// one transaction to the rank it has behind those before it.
func TestScoresInOneGroupSeeEachOther(t *testing.T) {
	s := openStandingStore(t)
	tenant := newTenant(t, s, "acme")
	for i := range 4 {
		finish(t, tenant, fmt.Sprint("p", i), float64(i), 1, 1)
	}
	release := hold(t, s)
	fifth, first := queueFinished(t, tenant, 10, nil)
	sixth, second := queueFinished(t, tenant, 20, nil)
	if err := errors.Join(release(), <-first, <-second); err != nil {
		t.Fatal(err)
	}
	outcome := func(impact float64) tracking.Outcome {
		return tracking.Outcome{Finished: true, BusinessImpact: &impact}
	}
	all := []tracking.Outcome{outcome(0), outcome(1), outcome(2), outcome(3), outcome(10), outcome(20)}
	for n, got := range map[int]*float64{5: *fifth, 6: *sixth} {
		want := tracking.SuccessScores(all[:n], tenancy.DefaultSuccessWeights())[n-1]
		if got == nil || math.Abs(*got-*want) > 1e-9 {
			t.Errorf("project %d has score %v, want %v", n, deref(got), deref(want))
		}
	}
}

func TestABigTenantsScoresFollowInTheBackground(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	s.standings[tenant.scope.Tenant()] = nil // as if it had more than maxStanding
	for i := range 6 {
		p := finish(t, tenant, fmt.Sprint("p", i), float64(i), float64(i), int64(i))
		if p.SuccessScore != nil {
			t.Fatalf("scored %v without its ranks", *p.SuccessScore)
		}
	}
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	wantScores(t, tenant, tenancy.DefaultSuccessWeights(), scoreTolerance)
}
