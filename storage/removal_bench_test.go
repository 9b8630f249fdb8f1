package storage

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maestro/tracking"
)

// BenchmarkRemoveTenant deletes a tenant of a million rows while another tenant
// writes one project after the other, and reports how long those writes took
// beside the removal and before it.
func BenchmarkRemoveTenant(b *testing.B) {
	const projects, members = 250_000, 750_000
	for b.Loop() {
		b.StopTimer()
		s := openStore(b)
		doomed, other := newTenant(b, s, "doomed"), newTenant(b, s, "other")
		seed(b, doomed, projects, members)
		var written atomic.Int64
		write := func(stop <-chan struct{}) (times []time.Duration) {
			for {
				select {
				case <-stop:
					return times
				default:
				}
				start := time.Now()
				newProject(b, other, fmt.Sprint("p", written.Add(1)))
				times = append(times, time.Since(start))
			}
		}
		quiet := make(chan struct{})
		time.AfterFunc(2*time.Second, func() { close(quiet) })
		before := write(quiet)

		removed := make(chan struct{})
		var during []time.Duration
		var writer sync.WaitGroup
		writer.Go(func() { during = write(removed) })
		b.StartTimer()
		start := time.Now()
		if err := s.DeleteTenant(background, doomed.scope.Tenant(), nil); err != nil {
			b.Fatal(err)
		}
		if err := s.Maintain(background); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		b.StopTimer()
		close(removed)
		writer.Wait()
		if n := count(b, s, "SELECT count(*) FROM projects WHERE tenant_id = $1", doomed.scope.Tenant()); n != 0 {
			b.Fatalf("%d projects are left", n)
		}
		b.ReportMetric(float64(projects+members)/took.Seconds(), "rows/s")
		b.ReportMetric(percentile(before, 0.99), "before-p99-ms")
		b.ReportMetric(percentile(during, 0.99), "during-p99-ms")
		b.ReportMetric(percentile(during, 1), "during-max-ms")
		b.StartTimer()
	}
}

// seed records projects, and members spread over them, 256 at a time.
func seed(b *testing.B, t *Tenant, projects, members int) {
	b.Helper()
	ids := make([]tracking.Project, projects)
	inParallel(projects, func(i int) {
		ids[i] = newProject(b, t, fmt.Sprint("p", i))
	})
	inParallel(members, func(i int) {
		fields := tracking.MemberFields{Name: "Ann", Role: "devops", ExperienceLevel: "mid"}
		if _, _, err := t.CreateMember(background, ids[i%projects].ID, fields, Idempotency{}); err != nil {
			b.Error(err)
		}
	})
}

func inParallel(n int, f func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 256 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	workers.Wait()
}

// percentile returns the p-quantile in milliseconds.
func percentile(times []time.Duration, p float64) float64 {
	slices.Sort(times)
	return times[min(len(times)-1, int(p*float64(len(times))))].Seconds() * 1000
}
