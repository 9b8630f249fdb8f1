package storage

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

// TestTheTrailOfBothInstallations: the export is in the trail, which the archive has;
// the tenant's new trail begins with where it comes from.
func TestTheTrailOfBothInstallations(t *testing.T) {
	s, tenant, name := full(t, false)
	dir := newDirectory(t)
	report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	if err != nil {
		t.Fatal(err)
	}
	trail := events(t, tenant, EventFilter{})
	if head := trail[len(trail)-1]; head.Action != "tenant.export" || head.Link() != report.TrailHead {
		t.Errorf("the trail ends with %s, and the archive with %+v", head.Action, report.TrailHead)
	}
	if got := actions(installationEvents(t, s)); !slices.Contains(got, "tenant.export") {
		t.Errorf("the installation's trail has %v", got)
	}
	to := reopenStore(t, dir)
	wantSound(t, to)
	imported := events(t, to.Tenant(tenant.scope), EventFilter{})
	if len(imported) != 1 || imported[0].Action != "tenant.import" {
		t.Fatalf("the new trail has %v", actions(imported))
	}
	var after map[string]any
	if err := json.Unmarshal(imported[0].After, &after); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"source_id": tenant.scope.Tenant().String(), "source_slug": "acme", "last_sequence": float64(report.TrailHead.Sequence),
		"last_hash": report.TrailHead.Hash.String(), "archive": report.Digest}
	for name, value := range want {
		if after[name] != value {
			t.Errorf("the event says %s is %v, want %v", name, after[name], value)
		}
	}
	if got := actions(installationEvents(t, to)); !slices.Contains(got, "tenant.import") {
		t.Errorf("the other installation's trail has %v", got)
	}
}

// TestWhoComesCannotActOnHisOldRights: nobody is an operator, nobody has a session or
// token, and tokens of a tenant that was here before do not hold again.
func TestWhoComesCannotActOnHisOldRights(t *testing.T) {
	dir := t.TempDir()
	first := opened(t, dir)
	tenant := newTenant(t, first, "acme")
	fillTenant(t, first, tenant, func(n int) int { return n - 1 })
	operator := newUser("operator@example.com", auth.RoleViewer)
	operator.IsOperator = true
	runs := newTenant(t, first, "runs")
	if _, err := runs.CreateUser(background, runs.scope, *operator, func(auth.RoleBook) error { return nil }); err != nil {
		t.Fatal(err)
	}
	name, _ := exported(t, first, "acme", true)
	id := tenant.scope.Tenant()
	old, err := first.TenantState(background, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.DeleteTenant(background, id, nil); err != nil {
		t.Fatal(err)
	}
	closeStore(t, first)
	// It is still there as a deleted one, which is removed first.
	report, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	if err != nil {
		t.Fatal(err)
	}
	s := reopenStore(t, dir)
	if report.ID != id {
		t.Errorf("the tenant has the id %s, want its own, %s", report.ID, id)
	}
	now, err := s.TenantState(background, id)
	if err != nil || now.Epoch <= old.Epoch {
		t.Errorf("the epoch is %d, and was %d: %v", now.Epoch, old.Epoch, err)
	}
	for _, table := range []string{"users WHERE is_operator = 1 AND", "sessions WHERE", "api_tokens WHERE", "links WHERE", "hooks WHERE", "hook_deliveries WHERE", "idempotency_keys WHERE"} {
		if n := count(t, s, "SELECT count(*) FROM "+table+" tenant_id = $1", id); n != 0 {
			t.Errorf("%d rows of %s tenant_id came", n, table)
		}
	}
	if report.LeftBehind != (LeftBehind{APITokens: 1, Hooks: 1, Operators: 1}) {
		t.Errorf("left behind: %+v", report.LeftBehind)
	}
	if n := count(t, s, "SELECT count(*) FROM users WHERE tenant_id = $1 AND password_hash IS NOT NULL", id); n != report.Rows["users"] {
		t.Errorf("%d of %d users have their password", n, report.Rows["users"])
	}
	checkIntegrity(t, s)
}

// TestATenantWhoseIDIsTaken is what everybody's default tenant meets: it needs another
// slug and name, and gets another id. The one that is there stays as it is.
func TestATenantWhoseIDIsTaken(t *testing.T) {
	s := openStore(t)
	found, err := s.TenantBySlug(background, tenancy.DefaultSlug)
	if err != nil {
		t.Fatal(err)
	}
	newProject(t, s.Tenant(tenancy.Issue(found.ID, tenancy.Actor{Kind: tenancy.ActorSystem})), "mine")
	name, _ := exported(t, s, tenancy.DefaultSlug, false)
	dir := newDirectory(t)
	_, err = ImportTenant(background, ImportTenantOptions{Dir: dir, File: name})
	wantCode(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "--slug") {
		t.Errorf("%v names no way", err)
	}
	_, err = ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Slug: "moved"})
	wantCode(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "--name") {
		t.Errorf("%v names no way", err)
	}
	o := ImportTenantOptions{Dir: dir, File: name, Slug: "moved", Name: "Moved", DryRun: true}
	if report, err := ImportTenant(background, o); err != nil || report.Imported {
		t.Errorf("the trial: %+v, %v", report, err)
	}
	o.DryRun = false
	report, err := ImportTenant(background, o)
	if err != nil || report.ID == found.ID || report.Source != found.ID || report.Slug != "moved" {
		t.Fatalf("%+v, %v", report, err)
	}
	to := reopenStore(t, dir)
	if n := count(t, to, "SELECT count(*) FROM projects WHERE tenant_id = $1", report.ID); n != 1 {
		t.Errorf("%d projects came", n)
	}
	if n := count(t, to, "SELECT count(*) FROM projects WHERE tenant_id = $1", found.ID); n != 0 {
		t.Errorf("%d projects came to the other tenant", n)
	}
	checkIntegrity(t, to)
}

func TestATenantMovesEncrypted(t *testing.T) {
	s := openStore(t)
	newProject(t, newTenant(t, s, "acme"), "hidden words")
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	name, report := exported(t, s, "acme", true, key.Recipient())
	if bytes.Contains(read(t, name), []byte("hidden words")) || !report.Encrypted {
		t.Error("the archive is readable")
	}
	dir := newDirectory(t)
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name}); err == nil || !strings.Contains(err.Error(), "--identity") {
		t.Errorf("without the key: %v", err)
	}
	if _, err := ImportTenant(background, ImportTenantOptions{Dir: dir, File: name, Identities: []age.Identity{key}}); err != nil {
		t.Error(err)
	}
}
