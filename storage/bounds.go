package storage

import (
	"maestro/auth"
	"maestro/registry"
	"maestro/tracking"
)

// boundedRows are the tables of which there may be only so many rows with the same
// values of some columns, and what these rows are called. A row with a null among
// them does not count. The API holds what is entered to the same bounds; this is for
// rows that come otherwise, from an archive or an older system.
var boundedRows = map[string]struct {
	name  string
	limit int64
	of    []string // columns; none: the whole tenant
	whose string   // says what %v, the last of their values, is
}{
	"roles":         {"roles", auth.MaxRoles, nil, "the tenant"},
	"user_roles":    {"roles", auth.MaxRolesPerUser, []string{"user_id"}, "the user %v"},
	memberTable:     {"members", tracking.MaxMembers, []string{"project_id"}, "the project %v"},
	usageTable:      {"usages", registry.MaxUsages, []string{"project_id"}, "the project %v"},
	"pipeline_runs": {"pipeline_runs", tracking.MaxRunsOfWeek, []string{"project_id", "week"}, "a project in the week %v"},
	"commit_times":  {"commit_times", maxCommitTimes + 1, []string{"project_id"}, "the project %v"}, // the last one comes before they are full
}
