// Package delivery reads what CI systems send to a hook: it says whether a
// delivery was sent by who knows the hook's secret, and what it reports.
//
// It is pure functions over headers and bytes. What a delivery says is hostile
// until Verify holds, and not to be trusted with more than its project afterwards:
// Read checks every value, and nothing in a delivery names a tenant or a project
// of ours.
package delivery
