// Package registry owns the library of reusable artifacts and the proof of
// which ones help: artifacts, their usages, the ranking and the uplift.
//
// It is values and pure functions. It does no I/O and knows nothing of SQL or
// HTTP.
package registry
