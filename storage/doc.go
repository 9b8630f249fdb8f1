// Package storage keeps everything durable: the SQLite engine, one file a table,
// and content-addressed files beside it.
//
// # One writer
//
// SQLite has one writer at a time, so Maestro has one writer goroutine. A request
// hands it a function; it runs the functions that are waiting inside one
// transaction, commits once, and only then acknowledges them all. Acknowledged
// therefore means on disk, and the cost of the disk is shared. Each function has a
// savepoint, so that its failure undoes only itself; those that may run again share
// one (doAgain). Tenants take turns in the queue, so a busy one delays itself.
//
// # Readers
//
// A small pool of read-only connections, each with its prepared statements. The
// package speaks to SQLite's own interface (sqlite.go) instead of database/sql's,
// because the driver's mutexes, look-ups and scanning cost more than SQLite's own
// work for small reads. Migrations and the import of an older database alone go through database/sql.
//
// # The audit trail
//
// Every change that somebody asks for leaves an event, in its transaction. It is one
// line, the last of the change but for remember:
//
//	return t.record(tx, audit.ProjectUpdate, p.ID, projectChanges(&before, &p))
//
// or tx.record where there is no Tenant; installationChain names the trail of what
// belongs to no tenant. Who asks, from where and in which request is in the context
// (audit.Origin) and comes along by itself; work without one is the server's own. A
// new kind of change needs its constant in audit/action.go, its function in
// audit_changes.go that names the fields to be told one by one, never a secret or a
// free text, and its line in the test of server/audit_test.go, which fails for an
// operation that it does not know. What the server derives by itself (scores, the
// search index) and forgets by itself (expired sessions and keys) leaves no event.
//
// # Invariants
//
//   - Tenant data is reached through Store.Tenant(scope) only, and every statement
//     on a tenant's table binds the scope's tenant id (a test reads them all).
//   - Nothing refused leaves a trace but in the audit trail; nothing acknowledged
//     is lost, nor its event.
//   - The live database file is never opened by any other means: closing such a
//     descriptor would drop SQLite's locks.
//   - No statement's cost grows with another tenant's rows.
package storage
