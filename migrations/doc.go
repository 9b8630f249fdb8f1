// Package migrations owns the schema: versioned SQL for goose, applied in order,
// one transaction each.
//
// Version 1 is the single-tenant core as the older Python system had it; version
// 2 is the tenancy upgrade that every such database goes through; later ones
// bring the rest. A fresh installation runs through all of them, so there is one
// way to a schema and no second description of it.
//
// Every migration has a way down that loses nothing. What the older schema has no
// place for is kept in side tables, kept_<version>_<what>, which are no part of a
// schema, and the way up brings it back. Comments that begin with "-- +maestro"
// say so before the statements (script.go has the list): keep and restore tables
// and columns, work on a large table in chunks, set aside what refers to nothing.
// References are checked before the last commit.
//
// Conventions: tables are STRICT; ids are 16-byte blobs; times are integers,
// microseconds since 1970 in UTC; free objects and lists are JSON text. Every
// tenant-owned table has tenant_id first in its primary key and its indexes, and
// every reference between tenant-owned rows is a composite foreign key. Nothing
// here may be changed once released: a change is a new file.
//
// Indexes without tenant_id first are those that find whose something is, by what
// its bearer alone knows (users_any_email, api_tokens_digest, links_digest,
// hooks_id), and those of what background work has to do (sessions_ends, links_expires,
// tenant_use_stale). A series has a number of its own, which is the first column
// of its points; the search index has the tenant's number in every word and row.
// The audit trail stands in the order of writing, a tenant's events among others';
// each points to its tenant's event before.
package migrations
