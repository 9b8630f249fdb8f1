// Package tenancy owns what separates one customer from another: ids, the
// Tenant with its limits, and Scope, the only proof that a caller may act in a
// tenant.
//
// Invariants: an id is a UUID and is never used twice; a Scope names exactly one
// tenant and one actor and cannot be changed after it was issued; nothing here
// does I/O. Only authentication and the store's background work may issue a Scope
// (house_test.go holds the list of callers).
package tenancy
