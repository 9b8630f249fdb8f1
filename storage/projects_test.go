package storage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func ptr[T any](v T) *T { return &v }

func TestAProjectComesBackAsItWasRecorded(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	fields := tracking.ProjectFields{
		Name: "Churn – Phase Ⅱ", Description: "Who leaves, and why.\nΣ 🙂", ProblemClass: ptr("classification"), Status: tracking.Completed,
		ComplexityScore: ptr(57.5), TeamSize: ptr(int64(4)), StartDate: ptr(tenancy.Time(1_000_000)), CompletionDate: ptr(tenancy.EndTime - 1),
		ModelPerformance: ptr(0.93), ComputeCost: ptr(0.0), BusinessImpact: ptr(-12.25),
		Attributes: tracking.Attributes{"function_points": 302.0, "language": "go", "outsourced": false},
		Metadata:   tenancy.Object(`{"ticket":[1,2,{"a":null}]}`),
	}
	made, _, err := tenant.CreateProject(background, fields, Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	read, err := tenant.Project(background, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(made, read); diff != "" {
		t.Errorf("read differs from what create answered (-create +read):\n%s", diff)
	}
	if diff := gocmp.Diff(fields, read.ProjectFields); diff != "" {
		t.Errorf("fields differ (-given +read):\n%s", diff)
	}
	if read.CreatedBy == nil || *read.CreatedBy != tenant.scope.Actor().ID || read.Version != 1 || read.TenantID != tenant.scope.Tenant() {
		t.Errorf("provenance is %+v", read)
	}
}

func TestProjectNamesAreUniqueInTheirTenant(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	newProject(t, acme, "Churn")
	other := newProject(t, acme, "Other")
	_, _, err := acme.CreateProject(background, tracking.ProjectFields{Name: "Churn", Status: tracking.Planned}, Idempotency{})
	wantCode(t, err, problem.Conflict)
	_, err = acme.UpdateProject(background, other.ID, nil, func(f *tracking.ProjectFields) error { f.Name = "Churn"; return nil })
	wantCode(t, err, problem.Conflict)
	newProject(t, beta, "Churn")
	if n := count(t, s, "SELECT projects FROM tenant_use WHERE tenant_id = $1", acme.scope.Tenant()); n != 2 {
		t.Errorf("the refused create is counted: %d projects, want 2", n)
	}
}

// Creates share a savepoint, and of those that race for a name all but one are refused:
// each of the others is there once, counted once and in the trail once.
func TestRefusedCreatesAmongOthers(t *testing.T) {
	s := openStore(t)
	tenants := []*Tenant{newTenant(t, s, "acme"), newTenant(t, s, "beta")}
	const names = 150
	release := hold(t, s)
	var made atomic.Int64
	var racers sync.WaitGroup
	for i := range 2 * names * len(tenants) {
		racers.Go(func() {
			name := fmt.Sprint("project ", i/len(tenants)%names)
			p, _, err := tenants[i%len(tenants)].CreateProject(background, tracking.ProjectFields{Name: name, Status: tracking.Abandoned}, Idempotency{})
			switch {
			case err == nil && p.Name == name:
				made.Add(1)
			case problem.CodeOf(err) != problem.Conflict:
				t.Errorf("%q: %v", p.Name, err)
			}
		})
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	racers.Wait()
	if want := int64(names * len(tenants)); made.Load() != want {
		t.Errorf("%d creates were acknowledged, want %d", made.Load(), want)
	}
	for _, tenant := range tenants {
		id := tenant.scope.Tenant()
		for what, query := range map[string]string{
			"rows":            "SELECT count(*) FROM projects WHERE tenant_id = $1",
			"projects":        "SELECT projects FROM tenant_use WHERE tenant_id = $1",
			"project changes": "SELECT project_changes FROM tenant_use WHERE tenant_id = $1",
			"history changes": "SELECT history_changes FROM tenant_use WHERE tenant_id = $1",
			"events":          "SELECT count(*) FROM audit_events WHERE tenant_id = $1 AND action = 'project.create'",
		} {
			if n := count(t, s, query, id); n != names {
				t.Errorf("%s: %d, want %d", what, n, names)
			}
		}
	}
	wantSound(t, s)
}

func TestARepeatedCreateMakesOneProject(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	fields := tracking.ProjectFields{Name: "once", Status: tracking.Planned}
	request := Idempotency{Key: "k", Fingerprint: []byte("f")}
	first, replayed, err := tenant.CreateProject(background, fields, request)
	if err != nil || replayed {
		t.Fatal(err, replayed)
	}
	again, replayed, err := tenant.CreateProject(background, fields, request)
	if err != nil || !replayed || again.ID != first.ID {
		t.Errorf("repetition: %v, replayed %v, id %v, want %v", err, replayed, again.ID, first.ID)
	}
	_, _, err = tenant.CreateProject(background, tracking.ProjectFields{Name: "other", Status: tracking.Planned}, Idempotency{Key: "k", Fingerprint: []byte("g")})
	wantCode(t, err, problem.IdempotencyMismatch)

	colleague := tenant.Store.Tenant(tenancy.Issue(tenant.scope.Tenant(), tenancy.Actor{ID: tenancy.NewID()}))
	if _, replayed, err := colleague.CreateProject(background, tracking.ProjectFields{Name: "theirs", Status: tracking.Planned}, request); err != nil || replayed {
		t.Errorf("another user's key is mistaken for the first one's: %v, %v", err, replayed)
	}
}

func TestUpdateHoldsToItsPrecondition(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	p := newProject(t, tenant, "p")
	at := func(version int64) Match { return func(v int64) bool { return v == version } }
	rename := func(name string) func(*tracking.ProjectFields) error {
		return func(f *tracking.ProjectFields) error { f.Name = name; return nil }
	}
	changed, err := tenant.UpdateProject(background, p.ID, at(1), rename("q"))
	if err != nil || changed.Version != 2 || changed.Name != "q" {
		t.Fatalf("got %+v, %v", changed, err)
	}
	_, err = tenant.UpdateProject(background, p.ID, at(1), rename("r"))
	wantCode(t, err, problem.PreconditionFailed)
	wantCode(t, tenant.DeleteProject(background, p.ID, at(1)), problem.PreconditionFailed)
	_, err = tenant.UpdateProject(background, p.ID, nil, rename(strings.Repeat("x", 256)))
	wantCode(t, err, problem.Validation)
	read, err := tenant.Project(background, p.ID)
	if err != nil || read.Name != "q" || read.Version != 2 {
		t.Errorf("refused changes left a trace: %+v, %v", read, err)
	}
	if err := tenant.DeleteProject(background, p.ID, at(2)); err != nil {
		t.Error(err)
	}
	_, err = tenant.Project(background, p.ID)
	wantCode(t, err, problem.NotFound)
}

func TestLastPlaceHasOneWinner(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxProjects = 3 })
	newProject(t, tenant, "one")
	newProject(t, tenant, "two")
	var won, refused atomic.Int64
	var racers sync.WaitGroup
	for i := range 200 {
		racers.Go(func() {
			_, _, err := tenant.CreateProject(background, tracking.ProjectFields{Name: fmt.Sprint("racer ", i), Status: tracking.Planned}, Idempotency{})
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
	id := tenant.scope.Tenant()
	counter, rows := count(t, s, "SELECT projects FROM tenant_use WHERE tenant_id = $1", id), count(t, s, "SELECT count(*) FROM projects WHERE tenant_id = $1", id)
	if counter != 3 || rows != 3 {
		t.Errorf("the counter says %d and there are %d rows, want 3 and 3", counter, rows)
	}
}

// TestListsAgreeWithAModel pages through every list of random projects and holds
// what comes to a sorted and filtered slice.
func TestListsAgreeWithAModel(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	random := rand.New(rand.NewPCG(1, 2))
	var all []tracking.Project
	for i := range 120 {
		fields := tracking.ProjectFields{Name: fmt.Sprintf("%c %03d", 'a'+random.IntN(26), i), Status: tracking.Statuses[random.IntN(4)]}
		if random.IntN(3) > 0 {
			fields.ProblemClass = ptr([]string{"nlp", "vision"}[random.IntN(2)])
		}
		if random.IntN(2) == 0 {
			fields.ModelPerformance = ptr(float64(random.IntN(5)) / 4)
		}
		for _, owner := range []*Tenant{tenant, other} {
			p, _, err := owner.CreateProject(background, fields, Idempotency{})
			if err != nil {
				t.Fatal(err)
			}
			if owner == tenant {
				all = append(all, p)
			}
		}
	}
	score := func(p tracking.Project) float64 {
		if p.SuccessScore == nil {
			return -1
		}
		return *p.SuccessScore
	}
	keys := map[string]func(a, b tracking.Project) int{
		"created_at":    func(a, b tracking.Project) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) },
		"updated_at":    func(a, b tracking.Project) int { return cmp.Compare(a.UpdatedAt, b.UpdatedAt) },
		"name":          func(a, b tracking.Project) int { return cmp.Compare(a.Name, b.Name) },
		"success_score": func(a, b tracking.Project) int { return cmp.Compare(score(a), score(b)) },
	}
	rapid.Check(t, func(t *rapid.T) {
		sort := rapid.SampledFrom([]string{"created_at", "updated_at", "name", "success_score"}).Draw(t, "sort")
		descending := rapid.Bool().Draw(t, "descending")
		limit := rapid.IntRange(1, 130).Draw(t, "limit")
		filter := ProjectFilter{
			Status:       rapid.SampledFrom([]tracking.Status{"", tracking.Planned, tracking.Completed}).Draw(t, "status"),
			ProblemClass: rapid.SampledFrom([]string{"", "nlp", "none"}).Draw(t, "class"),
		}
		if rapid.Bool().Draw(t, "bounded") {
			filter.MinSuccess = ptr(50.0)
		}
		var want []tracking.Project
		for _, p := range all {
			if (filter.Status == "" || p.Status == filter.Status) &&
				(filter.ProblemClass == "" || p.ProblemClass != nil && *p.ProblemClass == filter.ProblemClass) &&
				(filter.MinSuccess == nil || score(p) >= *filter.MinSuccess) {
				want = append(want, p)
			}
		}
		slices.SortFunc(want, func(a, b tracking.Project) int {
			order := cmp.Or(keys[sort](a, b), slices.Compare(a.ID[:], b.ID[:]))
			if descending {
				return -order
			}
			return order
		})
		page := Page{Limit: limit, Sort: sort}
		if descending {
			page.Sort = "-" + sort
		}
		var got []tracking.Project
		for {
			list, err := listProjects(tenant, page, filter)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, list.Items...)
			if page.Cursor = list.Next; page.Cursor == "" {
				break
			}
			if len(list.Items) != limit {
				t.Fatalf("a page that is not the last has %d items, want %d", len(list.Items), limit)
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("list by %s differs (-model +list):\n%s", page.Sort, diff)
		}
	})
}

func TestCursorsBelongToTheirListAndTenant(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	for i := range 3 {
		newProject(t, acme, fmt.Sprint("p", i))
		newProject(t, beta, fmt.Sprint("p", i))
	}
	list, err := listProjects(acme, Page{Limit: 1}, ProjectFilter{})
	if err != nil {
		t.Fatal(err)
	}
	cursor := list.Next
	_, err = listProjects(beta, Page{Limit: 1, Cursor: cursor}, ProjectFilter{})
	wantCode(t, err, problem.Malformed)
	_, err = listProjects(acme, Page{Limit: 1, Cursor: cursor, Sort: "name"}, ProjectFilter{})
	wantCode(t, err, problem.Malformed)
	for i := range cursor {
		forged := []byte(cursor)
		forged[i] ^= 1
		_, err := listProjects(acme, Page{Limit: 1, Cursor: string(forged)}, ProjectFilter{})
		wantCode(t, err, problem.Malformed)
	}
	_, err = listProjects(acme, Page{Limit: 1, Sort: "name; DROP TABLE projects"}, ProjectFilter{})
	wantCode(t, err, problem.Validation)
	_, err = listProjects(acme, Page{Limit: 501}, ProjectFilter{})
	wantCode(t, err, problem.Validation)
}

func TestAnotherTenantsProjectIsNotFound(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	secret := newProject(t, acme, "secret")
	_, foreign := beta.Project(background, secret.ID)
	_, unknown := beta.Project(background, tenancy.NewID())
	wantCode(t, foreign, problem.NotFound)
	if foreign.Error() != unknown.Error() {
		t.Errorf("foreign %q and unknown %q can be told apart", foreign, unknown)
	}
	_, err := beta.UpdateProject(background, secret.ID, nil, func(*tracking.ProjectFields) error { t.Error("was shown the foreign project"); return nil })
	wantCode(t, err, problem.NotFound)
	wantCode(t, beta.DeleteProject(background, secret.ID, nil), problem.NotFound)
	if _, err := acme.Project(background, secret.ID); err != nil {
		t.Error(err)
	}
}

// listProjects returns one page of the tenant's projects, to keep.
func listProjects(t *Tenant, page Page, f ProjectFilter) (list List[tracking.Project], err error) {
	list.Next, err = t.EachProject(background, page, f, func(lent *tracking.Project) {
		var p tracking.Project
		if err := json.Unmarshal(lent.AppendJSON(nil), &p); err != nil {
			panic(err)
		}
		if len(p.Attributes) == 0 {
			p.Attributes = nil
		}
		if string(p.Metadata) == "{}" {
			p.Metadata = nil
		}
		list.Items = append(list.Items, p)
	})
	return list, err
}

// A page's projects lie one after the other in the same room: what one has must not
// be seen in the next, which lacks it.
func TestAProjectOfAPageIsTheProject(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	class, f, size, at := "nlp", 12.5, int64(3), tenancy.Time(1_700_000_000_000_000)
	var want []string
	for i := range 9 {
		fields := tracking.ProjectFields{Name: fmt.Sprint("é", i), Status: tracking.Planned}
		if i%2 == 0 {
			fields = tracking.ProjectFields{
				Name: fmt.Sprint("full ", i), Description: strings.Repeat("x", 9_000), Status: tracking.Completed, ProblemClass: &class, ComplexityScore: &f, TeamSize: &size,
				StartDate: &at, CompletionDate: &at, ModelPerformance: new(0.5), ComputeCost: &f, BusinessImpact: &f,
				Attributes: tracking.Attributes{"a": "b<", "c": 1.5, "d": true}, Metadata: tenancy.Object(`{"k":[1]}`),
			}
		}
		made, _, err := tenant.CreateProject(background, fields, Idempotency{})
		if err != nil {
			t.Fatal(err)
		}
		read, err := tenant.Project(background, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(string(made.AppendJSON(nil)), string(read.AppendJSON(nil))); diff != "" {
			t.Error(diff)
		}
		want = append(want, string(made.AppendJSON(nil)))
	}
	var got []string
	next, err := tenant.EachProject(background, Page{Limit: 9, Sort: "created_at"}, ProjectFilter{}, func(p *tracking.Project) {
		got = append(got, string(p.AppendJSON(nil)))
	})
	if diff := gocmp.Diff(want, got); diff != "" || next != "" || err != nil {
		t.Error(diff, next, err)
	}
}
