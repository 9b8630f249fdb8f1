// Package server speaks HTTP: it owns the routes, what surrounds every request,
// the OpenAPI document and the problem documents.
//
// A request goes one way: request id, log and panic guard; the rate limit of its
// address; authentication, and the rate limits of its credential and tenant; the
// permission that its route declares; the query, the media type and the size of
// its body; the handler, which parses, calls the store and renders. Each of these
// stands in one place and no handler repeats one. A route that declares no
// permission does not start.
package server
