package auth

import "maestro/tenancy"

// NewMemStore gives tests outside the package the double of the Store.
func NewMemStore() (store Store, newTenant func(slug string) tenancy.ID, setActive func(tenancy.ID, bool)) {
	m := newMemStore()
	return m, m.addTenant, m.setTenantActive
}
