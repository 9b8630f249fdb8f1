// Package storage keeps everything durable: the SQLite engine, one file a table,
// and content-addressed files beside it.
//
// # One writer
//
// SQLite has one writer at a time, so Maestro has one writer goroutine. A request
// hands it a function; it runs the functions that are waiting inside one
// transaction, a savepoint each, commits once, and only then acknowledges them
// all. Acknowledged therefore means on disk, and the cost of the disk is shared.
// Tenants take turns in the queue, so a busy one delays itself.
//
// # Readers
//
// A small pool of read-only connections, each with its prepared statements. The
// package speaks to SQLite's own interface (sqlite.go) instead of database/sql's,
// because the driver's mutexes, look-ups and scanning cost more than SQLite's own
// work for small reads. Migrations alone go through database/sql.
//
// # Invariants
//
//   - Tenant data is reached through Store.Tenant(scope) only, and every statement
//     on a tenant's table binds the scope's tenant id (a test reads them all).
//   - Nothing refused leaves a trace; nothing acknowledged is lost.
//   - The live database file is never opened by any other means: closing such a
//     descriptor would drop SQLite's locks.
//   - No statement's cost grows with another tenant's rows.
package storage
