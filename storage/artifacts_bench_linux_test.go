package storage

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"maestro/registry"
)

// orderIndexes are those that a list's order alone needs.
var orderIndexes = []string{"artifacts_updated", "artifacts_usage", "artifacts_impact"}

// BenchmarkCreateArtifact creates artifacts of one tenant and of 100, durably, 64
// callers at once, with the indexes of the lists' orders and without: what a sort
// that is at hand costs a write. core-µs/op is of the whole process.
func BenchmarkCreateArtifact(b *testing.B) {
	for _, tenants := range []int{1, 100} {
		for _, indexed := range []bool{true, false} {
			b.Run(fmt.Sprintf("tenants=%d/orders=%v", tenants, indexed), func(b *testing.B) {
				s := openStore(b)
				made := make([]*Tenant, tenants)
				for i := range made {
					made[i] = newTenant(b, s, fmt.Sprint("tenant-", i))
				}
				if !indexed {
					err := made[0].write(background, func(tx *Tx) error {
						for _, name := range orderIndexes {
							if _, err := tx.exec("DROP INDEX " + name); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				var n atomic.Int64
				b.SetParallelism(32) // times GOMAXPROCS goroutines
				before := coreTime(b)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						i := n.Add(1)
						fields := registry.ArtifactFields{Name: fmt.Sprint("artifact ", i), Type: registry.ArtifactTypes[i%8], Version: "1.0", Tags: []string{"a", "b"}, Description: "Reusable", IsActive: true}
						if _, _, err := made[i%int64(tenants)].CreateArtifact(background, fields, Idempotency{}); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64((coreTime(b)-before)/time.Microsecond)/float64(b.N), "core-µs/op")
			})
		}
	}
}
