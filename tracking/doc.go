// Package tracking owns what is recorded about ML work: projects, the people in
// them, process metrics, and the scores that follow from those.
//
// It is values and pure functions: what a valid project is, how a score is
// computed. It does no I/O and knows nothing of SQL or HTTP.
package tracking
