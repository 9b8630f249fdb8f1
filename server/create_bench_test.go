package server

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"maestro/auth"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking"
)

// BenchmarkCreateProject creates with 64 callers at a time: through the handler, without a
// socket, and in the store alone. Their difference is what HTTP's side of a create costs.
func BenchmarkCreateProject(b *testing.B) {
	dir := b.TempDir()
	store, err := storage.Open(background, storage.Options{Dir: dir, Readers: 4})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	identity, err := auth.Open(background, auth.Config{DataDir: dir, Clock: new(testClock), Hash: auth.HasherConfig{InsecureTestCost: 4}}, store)
	if err != nil {
		b.Fatal(err)
	}
	defer identity.Close(background)
	server := New(Options{Store: store, Auth: identity, Version: "bench"})
	fields := tenancy.NewTenantFields("Bench", "bench")
	fields.Limits = tenancy.Limits{MaxUsers: 10, MaxProjects: 1e9, MaxArtifacts: 10, MaxStorageBytes: 1}
	tenant, err := store.CreateTenant(background, fields, nil)
	if err != nil {
		b.Fatal(err)
	}
	user, err := identity.PrepareUser(background, auth.UserFields{Email: "bench@example.com", Name: "Bench", Roles: []string{auth.RoleTenantAdmin}, IsActive: true}, goodPassword)
	if err != nil {
		b.Fatal(err)
	}
	scope := tenancy.Issue(tenant.ID, tenancy.Actor{Kind: tenancy.ActorSystem})
	if _, err := store.CreateUser(background, scope, user, func(auth.RoleBook) error { return nil }); err != nil {
		b.Fatal(err)
	}
	grant, err := identity.Login(background, auth.Credentials{Email: "bench@example.com", Password: goodPassword}, auth.Client{})
	if err != nil {
		b.Fatal(err)
	}
	var made atomic.Int64
	b.Run("handler", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				body := fmt.Sprintf(`{"name":"churn model %d","description":"Scores customers by their risk of leaving, weekly.","problem_class":"classification","status":"active",`+
					`"complexity_score":42,"team_size":5,"start_date":"2026-01-05T00:00:00Z","attributes":{"rows":120000,"region":"north"},"metadata":{"source":"bench"}}`, made.Add(1))
				request := httptest.NewRequest("POST", "/api/v1/projects", strings.NewReader(body))
				request.Header.Set("Authorization", "Bearer "+grant.AccessToken)
				request.Header.Set("Content-Type", "application/json")
				answer := httptest.NewRecorder()
				server.ServeHTTP(answer, request)
				if answer.Code != 201 {
					b.Fatal(answer.Body)
				}
			}
		})
	})
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		class, complexity, size, start := "classification", 42.0, int64(5), tenancy.Time(1_767_571_200_000_000)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _, err := store.Tenant(scope).CreateProject(background, tracking.ProjectFields{
					Name: fmt.Sprintf("churn model %d", made.Add(1)), Description: "Scores customers by their risk of leaving, weekly.", ProblemClass: &class,
					Status: tracking.Active, ComplexityScore: &complexity, TeamSize: &size, StartDate: &start,
					Attributes: tracking.Attributes{"rows": 120000.0, "region": "north"}, Metadata: tenancy.Object(`{"source":"bench"}`),
				}, storage.Idempotency{})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
