package auth

import (
	"testing"

	"maestro/tenancy"
)

func filledIndex(count int) (*Revocations, []tenancy.ID) {
	r := &Revocations{}
	ids := someIDs(count)
	for i := range ids {
		r.index.add(RevokedSession, ids[i], 1<<40, 0)
	}
	r.open.Store(true)
	return r, ids
}

func TestLookupZeroAlloc(t *testing.T) {
	r, ids := filledIndex(1000)
	miss := tenancy.NewID()
	if n := testing.AllocsPerRun(1000, func() {
		if r.Check(miss, ids[7], 1) != VerdictRevoked || r.Check(miss, miss, 1) != VerdictLive {
			panic("wrong answer")
		}
	}); n != 0 {
		t.Errorf("a lookup allocates %.1f times", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	r, ids := filledIndex(1_000_000)
	token := tenancy.NewID()
	b.Run("live", func(b *testing.B) { lookUpLive(b, r) })
	b.Run("revoked", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if r.Check(token, ids[i*7919%len(ids)], 1) != VerdictRevoked {
				b.Fatal("live")
			}
		}
	})
	b.Run("live parallel", func(b *testing.B) {
		misses := someIDs(1 << 16)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if r.Check(token, misses[i%len(misses)], 1) != VerdictLive {
					b.Error("revoked")
				}
			}
		})
	})
}

// lookUpLive looks up sessions that are not revoked, another one each time.
func lookUpLive(b *testing.B, r *Revocations) {
	token, misses := tenancy.NewID(), someIDs(1<<16)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if r.Check(token, misses[i%len(misses)], 1) != VerdictLive {
			b.Fatal("revoked")
		}
	}
}

func someIDs(count int) []tenancy.ID {
	ids := make([]tenancy.ID, count)
	for i := range ids {
		ids[i] = tenancy.NewID()
	}
	return ids
}
