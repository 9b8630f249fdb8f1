package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func TestAFreshInstallationHasTheDefaultTenant(t *testing.T) {
	s := openStore(t)
	tenant, err := s.TenantBySlug(background, tenancy.DefaultSlug)
	if err != nil {
		t.Fatal(err)
	}
	want := tenancy.NewTenantFields("Default", tenancy.DefaultSlug)
	if diff := gocmp.Diff(want, tenant.TenantFields); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

func TestTenantsAreKeptApartByNameAndSlug(t *testing.T) {
	s := openStore(t)
	fields := tenancy.NewTenantFields("Acme", "acme")
	fields.Metadata = tenancy.Object(`{"contract":7}`)
	fields.SuccessWeights = tenancy.SuccessWeights{ModelPerformance: 1}
	made, err := s.CreateTenant(background, fields, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(fields, made.TenantFields); diff != "" {
		t.Errorf("create differs (-given +made):\n%s", diff)
	}
	for _, taken := range []tenancy.TenantFields{tenancy.NewTenantFields("Acme", "other"), tenancy.NewTenantFields("Other", "acme")} {
		_, err := s.CreateTenant(background, taken, nil)
		wantCode(t, err, problem.Conflict)
	}
	_, err = s.CreateTenant(background, tenancy.NewTenantFields("", "UPPER"), nil)
	wantCode(t, err, problem.Validation)
	full := tenancy.NewTenantFields("Half", "half")
	full.MaxUsers = 0
	_, err = s.CreateTenant(background, full, newUser("first@example.com", auth.RoleTenantAdmin))
	wantCode(t, err, problem.LimitReached)
	if _, err := s.TenantBySlug(background, "half"); problem.CodeOf(err) != problem.NotFound {
		t.Error("a tenant whose first user was refused exists")
	}
	changed, err := s.UpdateTenant(background, made.ID, func(r int64) bool { return r == 1 }, func(f *tenancy.TenantFields) error { f.MaxProjects = 7; return nil })
	if err != nil || changed.MaxProjects != 7 || changed.Revision != 2 {
		t.Errorf("got %+v, %v", changed, err)
	}
	_, err = s.UpdateTenant(background, made.ID, func(r int64) bool { return r == 1 }, func(*tenancy.TenantFields) error { return nil })
	wantCode(t, err, problem.PreconditionFailed)
}

func TestADeletedTenantIsGoneAtOnceAndRemovedInSlices(t *testing.T) {
	s := openStore(t)
	doomed, stays := newTenant(t, s, "doomed"), newTenant(t, s, "stays")
	for i := range 3*removalSlice + 7 {
		newProject(t, doomed, fmt.Sprint("p", i))
	}
	kept := newProject(t, stays, "kept")
	id := doomed.scope.Tenant()
	if err := s.DeleteTenant(background, id, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TenantByID(background, id); problem.CodeOf(err) != problem.NotFound {
		t.Errorf("a deleted tenant is still found: %v", err)
	}
	_, _, err := doomed.CreateProject(background, tracking.ProjectFields{Name: "late", Status: tracking.Planned}, Idempotency{})
	wantCode(t, err, problem.NotFound)
	wantCode(t, s.DeleteTenant(background, id, nil), problem.NotFound)

	// The name is free again, and the new tenant is another one.
	again := newTenant(t, s, "doomed")
	if again.scope.Tenant() == id {
		t.Fatal("an id was used twice")
	}

	// A pass that is cut short, after two slices of projects, goes on later.
	before := slices.IndexFunc(removals, func(statement string) bool { return tableOf(statement) == "projects" })
	if err := s.removeDeletedTenants(&shortContext{background, before + 2}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	if n := count(t, s, "SELECT count(*) FROM projects WHERE tenant_id = $1", id); n != removalSlice+7 {
		t.Fatalf("%d projects are left by two slices, want %d", n, removalSlice+7)
	}
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"tenants WHERE id = $1", "projects WHERE tenant_id = $1", "tenant_use WHERE tenant_id = $1"} {
		if n := count(t, s, "SELECT count(*) FROM "+table, id); n != 0 {
			t.Errorf("%d rows are left of %s", n, table)
		}
	}
	if _, err := stays.Project(background, kept.ID); err != nil {
		t.Error("another tenant's project is gone:", err)
	}
	checkIntegrity(t, s)
}

// shortContext ends after it was asked so many times whether it has.
type shortContext struct {
	context.Context
	left int
}

func (c *shortContext) Err() error {
	if c.left == 0 {
		return context.Canceled
	}
	c.left--
	return nil
}

// TestRemovalCoversEveryTenantTable fails when a table of tenants' rows is added
// and the slices do not know it.
func TestRemovalCoversEveryTenantTable(t *testing.T) {
	s := openStore(t)
	tables := tenantTables(t, s)
	for _, removal := range removals {
		delete(tables, tableOf(removal))
	}
	delete(tables, "tenant_use")   // one row, which goes with the tenant's own
	delete(tables, "audit_events") // removed along their chain
	delete(tables, "audit_chains") // one row, after them
	for table := range tables {
		t.Errorf("no slice removes the rows of %s", table)
	}
}
