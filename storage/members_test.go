package storage

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func memberFields(name string) tracking.MemberFields {
	return tracking.MemberFields{Name: name, Role: "ml_engineer", ExperienceLevel: "senior", ContributionHours: 12.5, PerformanceScore: ptr(88.0)}
}

func newMember(t testing.TB, tenant *Tenant, project tenancy.ID, name string) tracking.Member {
	t.Helper()
	m, _, err := tenant.CreateMember(background, project, memberFields(name), Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func allMembers(t testing.TB, tenant *Tenant, project tenancy.ID, sort string, limit int) (members []tracking.Member) {
	t.Helper()
	for page := (Page{Limit: limit, Sort: sort}); ; {
		list, err := tenant.Members(background, project, page)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, list.Items...)
		if page.Cursor = list.Next; page.Cursor == "" {
			return members
		}
	}
}

func TestAMemberComesBackAsRecorded(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	made := newMember(t, tenant, project.ID, "Zoë")
	if diff := cmp.Diff(memberFields("Zoë"), made.MemberFields); diff != "" {
		t.Error(diff)
	}
	if made.ProjectID != project.ID || made.TenantID != tenant.scope.Tenant() || made.Revision != 1 {
		t.Errorf("got %+v", made)
	}
	plain, _, err := tenant.CreateMember(background, project.ID, tracking.MemberFields{Name: "n", Role: "other", ExperienceLevel: "junior"}, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]tracking.Member{made, plain}, allMembers(t, tenant, project.ID, "", 50)); diff != "" {
		t.Error(diff)
	}
}

func TestMembersAreListedByProject(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project, other := newProject(t, tenant, "p"), newProject(t, tenant, "other")
	var want []tracking.Member
	for i := range 7 {
		want = append(want, newMember(t, tenant, project.ID, fmt.Sprint("m", i)))
		newMember(t, tenant, other.ID, fmt.Sprint("o", i))
	}
	for _, limit := range []int{1, 2, 3, 7, 500} {
		if diff := cmp.Diff(want, allMembers(t, tenant, project.ID, "created_at", limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
		newest := allMembers(t, tenant, project.ID, "-created_at", limit)
		slices.Reverse(newest)
		if diff := cmp.Diff(want, newest); diff != "" {
			t.Errorf("newest first by %d: %s", limit, diff)
		}
	}
}

// TestMembersAreFoundByAnIndex holds the list to the project's own rows.
func TestMembersAreFoundByAnIndex(t *testing.T) {
	s := openStore(t)
	for _, descending := range []bool{false, true} {
		for _, after := range []*position{nil, {Value: int64(1)}} {
			text, args := memberList.statement(tenancy.ID{}, look{filters: []filter{{"project_id = %s", tenancy.ID{}}}}, memberList.sorts["created_at"], descending, after, 50)
			var plan []string
			err := s.read(background, func(c *conn) error {
				return c.query(background, "EXPLAIN QUERY PLAN "+text, args, func(r row) error {
					plan = append(plan, r.text(3))
					return nil
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(plan) != 1 || !strings.Contains(plan[0], "team_members_project (tenant_id=? AND project_id=?") {
				t.Errorf("the plan of %s is %q", text, plan)
			}
		}
	}
}

func TestARepeatedMemberIsAddedOnce(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	request := Idempotency{Key: "k", Fingerprint: []byte("f")}
	first, _, err := tenant.CreateMember(background, project.ID, memberFields("once"), request)
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := tenant.CreateMember(background, project.ID, memberFields("once"), request)
	if err != nil || !replayed || again.ID != first.ID {
		t.Errorf("got %+v, replayed %v, %v", again, replayed, err)
	}
	if n := len(allMembers(t, tenant, project.ID, "", 50)); n != 1 {
		t.Errorf("the team has %d members, want 1", n)
	}
}

func TestAMemberIsChangedUnderItsPrecondition(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	project := newProject(t, tenant, "p")
	m := newMember(t, tenant, project.ID, "m")
	at := func(revision int64) Match { return func(v int64) bool { return v == revision } }
	promote := func(f *tracking.MemberFields) error {
		f.ExperienceLevel, f.PerformanceScore = "principal", nil
		return nil
	}
	changed, err := tenant.UpdateMember(background, project.ID, m.ID, at(1), promote)
	if err != nil || changed.Revision != 2 || changed.ExperienceLevel != "principal" || changed.PerformanceScore != nil || changed.CreatedAt != m.CreatedAt {
		t.Fatalf("got %+v, %v", changed, err)
	}
	_, err = tenant.UpdateMember(background, project.ID, m.ID, at(1), promote)
	wantCode(t, err, problem.PreconditionFailed)
	wantCode(t, tenant.DeleteMember(background, project.ID, m.ID, at(1)), problem.PreconditionFailed)
	_, err = tenant.UpdateMember(background, project.ID, m.ID, nil, func(f *tracking.MemberFields) error { f.ContributionHours = math.NaN(); return nil })
	wantCode(t, err, problem.Validation)
	refusal := problem.New(problem.Conflict, "No.")
	_, err = tenant.UpdateMember(background, project.ID, m.ID, nil, func(*tracking.MemberFields) error { return refusal })
	wantCode(t, err, problem.Conflict)
	if diff := cmp.Diff([]tracking.Member{changed}, allMembers(t, tenant, project.ID, "", 50)); diff != "" {
		t.Error("a refused change left a trace:", diff)
	}
	if err := tenant.DeleteMember(background, project.ID, m.ID, at(2)); err != nil {
		t.Error(err)
	}
	wantCode(t, tenant.DeleteMember(background, project.ID, m.ID, nil), problem.NotFound)
}

func TestMembersOfOthersAreNotFound(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	project, theirs := newProject(t, acme, "p"), newProject(t, beta, "p")
	other := newProject(t, acme, "other")
	m := newMember(t, acme, project.ID, "m")
	unchanged := func(*tracking.MemberFields) error { return nil }
	for _, test := range []struct {
		name    string
		tenant  *Tenant
		project tenancy.ID
		id      tenancy.ID
	}{
		{"another tenant", beta, project.ID, m.ID},
		{"another tenant, through its own project", beta, theirs.ID, m.ID},
		{"another project of the tenant", acme, other.ID, m.ID},
		{"no such member", acme, project.ID, tenancy.NewID()},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.tenant.UpdateMember(background, test.project, test.id, nil, unchanged)
			wantCode(t, err, problem.NotFound)
			wantCode(t, test.tenant.DeleteMember(background, test.project, test.id, nil), problem.NotFound)
		})
	}
	_, err := beta.Members(background, project.ID, Page{Limit: 50})
	wantCode(t, err, problem.NotFound)
	_, _, err = beta.CreateMember(background, project.ID, memberFields("x"), Idempotency{})
	wantCode(t, err, problem.NotFound)
	if n := count(t, s, "SELECT count(*) FROM team_members"); n != 1 {
		t.Errorf("%d members are there, want 1", n)
	}
}

func TestAMemberThatCannotBeIsRefused(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	project := newProject(t, tenant, "p")
	for _, test := range []struct {
		name   string
		change func(*tracking.MemberFields)
		places []string
	}{
		{"a user that the tenant does not have", func(f *tracking.MemberFields) { f.UserID = ptr(tenancy.NewID()) }, []string{"body.user_id"}},
		{"everything", func(f *tracking.MemberFields) {
			*f = tracking.MemberFields{Role: "boss", ExperienceLevel: "some", ContributionHours: -1, PerformanceScore: ptr(101.0)}
		}, []string{"body.name", "body.role", "body.experience_level", "body.contribution_hours", "body.performance_score"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			fields := memberFields("m")
			test.change(&fields)
			_, _, err := tenant.CreateMember(background, project.ID, fields, Idempotency{})
			if diff := cmp.Diff(test.places, violations(t, err)); diff != "" {
				t.Error(diff)
			}
			if n := count(t, s, "SELECT count(*) FROM team_members"); n != 0 {
				t.Errorf("%d members are there", n)
			}
		})
	}
}
