// Package server speaks HTTP: it owns the routes, what surrounds every request,
// the OpenAPI document and the problem documents.
//
// A request goes one way: request id, log and panic guard; the rate limit of its
// address; authentication, and the rate limits of its credential and tenant; the
// permission that its route declares; the query, the media type and the size of
// its body; the handler, which parses, calls the store and renders. Each of these
// stands in one place and no handler repeats one. A route that declares no
// permission does not start.
//
// A route that is added is tried by the matrix (matrix_test.go) without a word:
// from everybody, with everybody's ids, beside tenants that have the same ids. What
// the document does not say of it, the failure asks for: what an id is the id of
// (references.go), a body that its schema does not tell, how a thing is made
// (matrix_fixture_test.go).
package server
