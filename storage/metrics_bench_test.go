package storage

import (
	"context"
	"fmt"
	"testing"

	"maestro/tenancy"
	"maestro/tracking"
)

// BenchmarkAddPoints is the rate of durable points in batches of 1 000, from one
// caller and from several, whose batches share commits.
func BenchmarkAddPoints(b *testing.B) {
	for _, callers := range []int{1, 8} {
		for _, types := range []int{1, 10} {
			b.Run(fmt.Sprintf("callers=%d/types=%d", callers, types), func(b *testing.B) {
				t := benchTenant(b)
				b.SetParallelism(max(1, callers/2)) // times GOMAXPROCS goroutines
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					points := benchPoints(b, t, 1000, types)
					at := tenancy.Time(0)
					for pb.Next() {
						for i := range points {
							at += 1_000_000
							*points[i].Timestamp = at
						}
						if _, err := t.AddPoints(context.Background(), points, Idempotency{}); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "points/s")
			})
		}
	}
}

// benchPoints returns points of one new project, their types in turn.
func benchPoints(b *testing.B, t *Tenant, n, types int) []tracking.Point {
	b.Helper()
	p, _, err := t.CreateProject(context.Background(), tracking.ProjectFields{Name: tenancy.NewID().String(), Status: tracking.Active}, Idempotency{})
	if err != nil {
		b.Fatal(err)
	}
	points := make([]tracking.Point, n)
	for i := range points {
		points[i] = tracking.Point{ProjectID: p.ID, MetricType: fmt.Sprint("metric ", i%types), MetricValue: float64(i) / 7, Timestamp: new(tenancy.Time)}
	}
	return points
}

// BenchmarkSamples is a chart of 500 points from a series that is held whole, and
// from one that is reduced while it is read.
func BenchmarkSamples(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := benchTenant(b)
			points := benchPoints(b, t, 10_000, 1)
			for at := tenancy.Time(0); at < tenancy.Time(n); {
				for i := range points {
					*points[i].Timestamp = at
					at++
				}
				if _, err := t.AddPoints(context.Background(), points, Idempotency{}); err != nil {
					b.Fatal(err)
				}
			}
			r := PointRange{Project: points[0].ProjectID, MetricType: points[0].MetricType}
			b.ReportAllocs()
			for b.Loop() {
				if samples, err := t.Samples(context.Background(), r, 500); err != nil || len(samples) < 490 {
					b.Fatal(len(samples), err)
				}
			}
		})
	}
}
