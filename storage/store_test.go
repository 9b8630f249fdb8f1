package storage

import (
	"fmt"
	"testing"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// TestWritesAfterTheTenantsDeletionFindNothing has a caller whose tenant is
// deleted, and its rows still there, go on as if nothing were.
func TestWritesAfterTheTenantsDeletionFindNothing(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "doomed")
	p, a := newProject(t, tenant, "p"), newArtifact(t, tenant, "a")
	if err := s.DeleteTenant(background, tenant.scope.Tenant(), nil); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func() error{
		"create": func() error {
			_, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: "late", Status: tracking.Planned}, Idempotency{})
			return err
		},
		"update": func() error {
			_, err := tenant.UpdateProject(background, p.ID, nil, func(f *tracking.ProjectFields) error { f.Name = "late"; return nil })
			return err
		},
		"point": func() error {
			_, _, err := tenant.AddPoint(background, tracking.Point{ProjectID: p.ID, MetricType: "commits", MetricValue: 1}, Idempotency{})
			return err
		},
		"usage": func() error {
			_, _, err := tenant.UseArtifact(background, a.ID, registry.UsageFields{ProjectID: p.ID}, Idempotency{})
			return err
		},
		"delete": func() error { return tenant.DeleteProject(background, p.ID, nil) },
	} {
		if err := write(); problem.CodeOf(err) != problem.NotFound {
			t.Errorf("%s got %v, want not-found", name, err)
		}
	}
	rows := fmt.Sprint(count(t, s, "SELECT count(*) FROM projects WHERE name = 'p'"), count(t, s, "SELECT count(*) FROM series"),
		count(t, s, "SELECT count(*) FROM artifact_usage"))
	if rows != "1 0 0" {
		t.Errorf("projects, series and usages are %s, want 1 0 0", rows)
	}
}

// TestADeletedTenantDoesNotHoldUpTheScoresOfOthers deletes the tenant whose scores
// have been behind for longest.
func TestADeletedTenantDoesNotHoldUpTheScoresOfOthers(t *testing.T) {
	s := openStore(t)
	doomed, stays := newTenant(t, s, "doomed"), newTenant(t, s, "stays")
	for _, tenant := range []*Tenant{doomed, stays} {
		for i := range 5 {
			finish(t, tenant, fmt.Sprint("p", i), float64(i), 1, 1)
		}
	}
	if err := s.DeleteTenant(background, doomed.scope.Tenant(), nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, doomed.rescore(background, 5), problem.NotFound)
	if err := s.Rescore(background); err != nil {
		t.Fatal(err)
	}
	wantScores(t, stays, tenancy.DefaultSuccessWeights(), scoreTolerance)
}
