package storage

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

func TestTheLastPlaceForAUserHasOneWinner(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxUsers = 2 })
	createUser(t, tenant, "first@example.com", auth.RoleViewer)
	var won, refused atomic.Int64
	var racers sync.WaitGroup
	for i := range 200 {
		racers.Go(func() {
			user := newUser(fmt.Sprintf("racer%d@example.com", i), auth.RoleViewer)
			_, err := tenant.CreateUser(background, tenant.scope, *user, func(auth.RoleBook) error { return nil })
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
	checkIntegrity(t, s)
}
