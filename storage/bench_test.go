package storage

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"maestro/tenancy"
	"maestro/tracking"
)

// BenchmarkCreateProject is the engine's own group commit: 64 callers, each
// create durable before it returns.
func BenchmarkCreateProject(b *testing.B) {
	t := benchTenant(b)
	var n atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS goroutines
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			fields := tracking.ProjectFields{Name: fmt.Sprint("project ", n.Add(1)), Status: tracking.Planned}
			if _, _, err := t.CreateProject(context.Background(), fields, Idempotency{}); err != nil {
				b.Error(err)
			}
		}
	})
	stats, _ := t.WriterStats()
	b.ReportMetric(float64(stats.Writes.Load())/float64(stats.Commits.Load()), "writes/commit")
}

func BenchmarkProject(b *testing.B) {
	t := benchTenant(b)
	p, _, err := t.CreateProject(context.Background(), tracking.ProjectFields{Name: "one", Status: tracking.Planned}, Idempotency{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Project(context.Background(), p.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProjects(b *testing.B) {
	t := benchTenant(b)
	for i := range 200 {
		if _, _, err := t.CreateProject(context.Background(), tracking.ProjectFields{Name: fmt.Sprint("project ", i), Status: tracking.Planned}, Idempotency{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.EachProject(context.Background(), Page{Limit: 50}, ProjectFilter{}, func(*tracking.Project) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchTenant(b *testing.B) *Tenant {
	b.Helper()
	s, err := Open(context.Background(), Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	fields := tenancy.NewTenantFields("Bench", "bench")
	fields.MaxProjects = 1 << 40
	tenant, err := s.CreateTenant(context.Background(), fields, nil)
	if err != nil {
		b.Fatal(err)
	}
	return s.Tenant(tenancy.Issue(tenant.ID, tenancy.Actor{}))
}

// BenchmarkCreateProjectManyTenants spreads the creates over 100 tenants: every
// row goes to leaves of its own in every index.
func BenchmarkCreateProjectManyTenants(b *testing.B) {
	s, err := Open(context.Background(), Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	tenants := make([]*Tenant, 100)
	for i := range tenants {
		tenants[i] = newTenant(b, s, fmt.Sprint("tenant-", i))
	}
	var n atomic.Int64
	create := func() error {
		i := n.Add(1)
		fields := tracking.ProjectFields{Name: fmt.Sprint("project ", i), Status: tracking.Planned, Description: "The churn of our customers, by segment"}
		_, _, err := tenants[i%100].CreateProject(context.Background(), fields, Idempotency{})
		return err
	}
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := create(); err != nil {
				b.Error(err)
			}
		}
	})
}
