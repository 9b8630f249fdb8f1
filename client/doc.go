// Package client speaks to a Maestro server.
//
// The types and one method for each operation, with an iterator for each list,
// are generated from the server's committed OpenAPI document (make client). What
// is written by hand is what all of them share: credentials and their renewal,
// retries, errors, pages, streams.
//
// The package knows nothing of the server's own packages, so that it shows what
// any client can know.
package client

//go:generate go run ./internal/generate ../server/openapi.json api.gen.go
