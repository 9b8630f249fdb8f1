package storage

import (
	"fmt"
	"math"
	"math/rand/v2"
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
	list, err := tenant.Projects(background, Page{Limit: 500}, ProjectFilter{})
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
	list, err := tenant.Projects(background, Page{Limit: 1, Sort: "created_at"}, ProjectFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.DeleteProject(background, list.Items[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	weights := tenancy.SuccessWeights{BusinessImpact: 1, DeliverySpeed: 0.5}
	if _, err := s.UpdateTenant(background, tenant.scope.Tenant(), nil, func(f *tenancy.TenantFields) error { f.SuccessWeights = weights; return nil }, nil); err != nil {
		t.Fatal(err)
	}
	clear(s.rescoreAfter)
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	wantScores(t, tenant, weights, scoreTolerance)
}

func TestStandingsFollowEveryAcknowledgedWrite(t *testing.T) {
	s := openStore(t)
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
