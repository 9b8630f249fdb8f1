package auth_test

import (
	"testing"

	"maestro/auth"
	"maestro/auth/storetest"
)

func TestTheDoubleKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Subject {
		store, newTenant, setActive := auth.NewMemStore()
		return storetest.Subject{Store: store, NewTenant: newTenant, SetActive: setActive}
	})
}
