package storage

import (
	"encoding/json"
	"errors"
	"slices"

	"maestro/auth"
	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// A portable table is one whose rows go along when a tenant moves to another
// installation: a file of lines, one JSON object each, in the order of the key.
// What is derived of other rows is not in it, and neither is the tenant: an archive
// is of one, and its rows become those of whichever tenant the import makes.
type portableTable struct {
	name    string // of the table, and of the file before the ending
	columns []portableColumn
	key     int    // how many of the first columns tell rows apart; the lines rise by them
	read    string // selects the columns of tenant $1; $2 says whether password hashes go along
	insert  string // $1 is the tenant, then come the columns and what complete adds

	// unique returns what must differ from row to row beside the key.
	unique func(row portableRow) []any

	// check requires of a row what the API requires of its fields.
	check func(row portableRow) error
	// complete returns what the insert has beside the columns.
	complete func(row portableRow) []any
}

// portableColumn is a member of a line.
type portableColumn struct {
	name   string // of the column
	as     string // of the member, where it is another: as the API calls it
	kind   portableKind
	null   bool
	parent string // the table whose row of this id there must be
}

func (c *portableColumn) member() string {
	if c.as != "" {
		return c.as
	}
	return c.name
}

// portableRow is a line that was read.
type portableRow struct {
	table  *portableTable
	line   []byte
	values []any // of the columns
}

// value returns a column's value.
func (r portableRow) value(name string) any { return r.values[r.table.column(name)] }

// column returns where a column stands.
func (t *portableTable) column(name string) int {
	return slices.IndexFunc(t.columns, func(c portableColumn) bool { return c.name == name })
}

// costlyHash reports whether a user has a hash of a password that an import leaves out.
func costlyHash(user portableRow) bool {
	hash, has := user.value("password_hash").(string)
	return has && auth.CostlyHash(hash)
}

func valuesOf(names ...string) func(portableRow) []any {
	return func(row portableRow) (values []any) {
		for _, name := range names {
			values = append(values, row.value(name))
		}
		return values
	}
}

// fieldsHold reads a line into the fields that the API takes, and validates them.
func fieldsHold[T any, P interface {
	*T
	Validate() error
}](row portableRow) error {
	var fields T
	if err := json.Unmarshal(row.line, &fields); err != nil {
		return errors.New("its members are not of the types that they must be")
	}
	return P(&fields).Validate()
}

const (
	readPortableRoles = `SELECT name, description, permissions, created_at, updated_at, version FROM roles WHERE tenant_id = $1 ORDER BY name`
	readPortableUsers = `SELECT id, email, name, CASE WHEN $2 = 1 THEN password_hash END, is_active, is_service, last_login_at, password_changed_at, metadata,
		created_at, updated_at, version FROM users WHERE tenant_id = $1 ORDER BY id`
	readPortableUserRoles = `SELECT user_id, role FROM user_roles WHERE tenant_id = $1 ORDER BY user_id, role`
	readPortableProjects  = `SELECT id, name, description, problem_class, status, complexity_score, team_size, start_date, completion_date, model_performance,
		compute_cost, business_impact, success_score, attributes, metadata, created_by, created_at, updated_at, version FROM projects WHERE tenant_id = $1 ORDER BY id`
	readPortableArtifacts = `SELECT id, name, type, version, description, tags, content_hash, size_bytes, has_content, media_type, storage_uri, is_active,
		metadata, created_by, created_at, updated_at, revision FROM artifacts WHERE tenant_id = $1 ORDER BY id`
	readPortableMembers = `SELECT id, project_id, user_id, name, role, experience_level, contribution_hours, performance_score, created_at, updated_at, revision
		FROM team_members WHERE tenant_id = $1 ORDER BY id`
	readPortableUsages = `SELECT id, artifact_id, project_id, used_at, impact_score, impact_source, context, created_by FROM artifact_usage
		WHERE tenant_id = $1 ORDER BY id`
	readPortablePoints = `SELECT s.project_id, s.metric_type, p.time, p.seq, p.value, p.metadata, d.seq IS NOT NULL
		FROM series s CROSS JOIN points p ON p.series = s.id
		LEFT JOIN derived_points d ON d.tenant_id = s.tenant_id AND d.project_id = s.project_id AND d.metric_type = s.metric_type AND d.time = p.time AND d.seq = p.seq
		WHERE s.tenant_id = $1 ORDER BY s.project_id, s.metric_type, p.time, p.seq`
	readPortablePredictions = `SELECT id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost, confidence, recommendation,
		model_version, created_at, created_by, level, success_score_low, success_score_high, duration_days_low, duration_days_high, cost_low, cost_high, basis,
		explanation, actual_success_score, actual_duration_days, actual_cost, compared_at FROM predictions WHERE tenant_id = $1 ORDER BY id`
	readPortableRuns = `SELECT id, project_id, provider, run_id, name, status, branch, commit_sha, committed_at, started_at, finished_at, succeeded_at, seconds,
		deployment, environment, production, week, created_at, updated_at FROM pipeline_runs WHERE tenant_id = $1 ORDER BY id`
	readPortableCommits = `SELECT project_id, commit_sha, committed_at, created_at FROM commit_times WHERE tenant_id = $1 ORDER BY project_id, commit_sha`
	readPortableMisfits = `SELECT relation, row_id, field, value, reason, created_at FROM import_misfits WHERE tenant_id = $1 ORDER BY relation, row_id, field`
	readPortableBlobs   = `SELECT content_hash, size_bytes FROM blobs WHERE tenant_id = $1 ORDER BY content_hash`

	insertPortableRole = `INSERT INTO roles (tenant_id, name, description, permissions, created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	insertPortableUser = `INSERT INTO users (tenant_id, id, email, name, password_hash, is_active, is_service, last_login_at, password_changed_at, metadata,
		created_at, updated_at, version, email_key, is_operator) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0)`
	insertPortableUserRole = `INSERT INTO user_roles (tenant_id, user_id, role) VALUES ($1, $2, $3)`
	insertPortableProject  = `INSERT INTO projects (tenant_id, id, name, description, problem_class, status, complexity_score, team_size, start_date,
		completion_date, model_performance, compute_cost, business_impact, success_score, attributes, metadata, created_by, created_at, updated_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`
	insertPortableArtifact = `INSERT INTO artifacts (tenant_id, id, name, type, version, description, tags, content_hash, size_bytes, has_content, media_type,
		storage_uri, is_active, metadata, created_by, created_at, updated_at, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`
	insertPortableMember = `INSERT INTO team_members (tenant_id, id, project_id, user_id, name, role, experience_level, contribution_hours, performance_score,
		created_at, updated_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	insertPortableUsage = `INSERT INTO artifact_usage (tenant_id, id, artifact_id, project_id, used_at, impact_score, impact_source, context, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	insertPortablePrediction = `INSERT INTO predictions (tenant_id, id, project_id, inputs, predicted_success_score, predicted_duration_days, predicted_cost,
		confidence, recommendation, model_version, created_at, created_by, level, success_score_low, success_score_high, duration_days_low, duration_days_high,
		cost_low, cost_high, basis, explanation, actual_success_score, actual_duration_days, actual_cost, compared_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`
	insertPortableRun = `INSERT INTO pipeline_runs (tenant_id, id, project_id, provider, run_id, name, status, branch, commit_sha, committed_at, started_at,
		finished_at, succeeded_at, seconds, deployment, environment, production, week, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`
	insertPortableCommit = `INSERT INTO commit_times (tenant_id, project_id, commit_sha, committed_at, created_at) VALUES ($1, $2, $3, $4, $5)`
	insertPortableMisfit = `INSERT INTO import_misfits (tenant_id, relation, row_id, field, value, reason, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

// Names of the tables that are more to the export and the import than their rows.
const (
	blobTable     = "blobs"     // what content there is; the files follow
	pointTable    = "points"    // of all series; these have no rows of their own
	userTable     = "users"     // whose hashes of passwords may cost too much
	artifactTable = "artifacts" // hold content
	usageTable    = "artifact_usage"
	memberTable   = "team_members"
)

// contentList is the list of contents; the files that it names follow it.
var contentList = &portableTable{name: blobTable, key: 1, read: readPortableBlobs, columns: []portableColumn{{name: "content_hash", kind: asHash}, {name: "size_bytes", kind: asInt}}}

// portableTables are in the order in which an archive has them: parents first.
var portableTables = []*portableTable{
	contentList,
	{name: "roles", key: 1, read: readPortableRoles, insert: insertPortableRole, check: fieldsHold[auth.RoleFields], columns: []portableColumn{
		{name: "name", kind: asText}, {name: "description", kind: asText}, {name: "permissions", kind: asTexts}, {name: "created_at", kind: asTime},
		{name: "updated_at", kind: asTime}, {name: "version", kind: asCount}}},
	{name: userTable, key: 1, read: readPortableUsers, insert: insertPortableUser, check: portableUserHolds, complete: emailKeyOf, unique: emailKeyOf, columns: []portableColumn{
		{name: "id", kind: asID}, {name: "email", kind: asText}, {name: "name", kind: asText}, {name: "password_hash", kind: asText, null: true},
		{name: "is_active", kind: asBool}, {name: "is_service", kind: asBool}, {name: "last_login_at", kind: asTime, null: true},
		{name: "password_changed_at", kind: asTime, null: true}, {name: "metadata", kind: asObject}, {name: "created_at", kind: asTime},
		{name: "updated_at", kind: asTime}, {name: "version", kind: asCount}}},
	{name: "user_roles", key: 2, read: readPortableUserRoles, insert: insertPortableUserRole, columns: []portableColumn{
		{name: "user_id", kind: asID, parent: "users"}, {name: "role", kind: asText, parent: "roles"}}},
	{name: "projects", key: 1, read: readPortableProjects, insert: insertPortableProject, check: fieldsHold[tracking.ProjectFields], unique: valuesOf("name"), columns: []portableColumn{
		{name: "id", kind: asID}, {name: "name", kind: asText}, {name: "description", kind: asText}, {name: "problem_class", kind: asText, null: true},
		{name: "status", kind: asText}, {name: "complexity_score", kind: asFloat, null: true}, {name: "team_size", kind: asInt, null: true},
		{name: "start_date", kind: asTime, null: true}, {name: "completion_date", kind: asTime, null: true}, {name: "model_performance", kind: asFloat, null: true},
		{name: "compute_cost", kind: asFloat, null: true}, {name: "business_impact", kind: asFloat, null: true}, {name: "success_score", kind: asFloat, null: true},
		{name: "attributes", kind: asObject}, {name: "metadata", kind: asObject}, {name: "created_by", kind: asID, null: true},
		{name: "created_at", kind: asTime}, {name: "updated_at", kind: asTime}, {name: "version", kind: asCount}}},
	{name: artifactTable, key: 1, read: readPortableArtifacts, insert: insertPortableArtifact, check: fieldsHold[registry.ArtifactFields], unique: valuesOf("name", "version"), columns: []portableColumn{
		{name: "id", kind: asID}, {name: "name", kind: asText}, {name: "type", kind: asText}, {name: "version", kind: asText}, {name: "description", kind: asText},
		{name: "tags", kind: asTexts}, {name: "content_hash", kind: asHash, null: true}, {name: "size_bytes", kind: asInt, null: true},
		{name: "has_content", kind: asBool}, {name: "media_type", kind: asText}, {name: "storage_uri", kind: asText}, {name: "is_active", kind: asBool},
		{name: "metadata", kind: asObject}, {name: "created_by", kind: asID, null: true}, {name: "created_at", kind: asTime}, {name: "updated_at", kind: asTime},
		{name: "revision", kind: asCount}}},
	{name: memberTable, key: 1, read: readPortableMembers, insert: insertPortableMember, check: fieldsHold[tracking.MemberFields], columns: []portableColumn{
		{name: "id", kind: asID}, {name: "project_id", kind: asID, parent: "projects"}, {name: "user_id", kind: asID, null: true, parent: "users"},
		{name: "name", kind: asText}, {name: "role", kind: asText}, {name: "experience_level", kind: asText}, {name: "contribution_hours", kind: asFloat},
		{name: "performance_score", kind: asFloat, null: true}, {name: "created_at", kind: asTime}, {name: "updated_at", kind: asTime}, {name: "revision", kind: asCount}}},
	{name: usageTable, key: 1, read: readPortableUsages, insert: insertPortableUsage, check: portableUsageHolds, columns: []portableColumn{
		{name: "id", kind: asID}, {name: "artifact_id", kind: asID, parent: artifactTable}, {name: "project_id", kind: asID, parent: "projects"},
		{name: "used_at", kind: asTime}, {name: "impact_score", kind: asFloat, null: true}, {name: "impact_source", kind: asText, null: true},
		{name: "context", kind: asObject}, {name: "created_by", kind: asID, null: true}}},
	{name: pointTable, key: 4, read: readPortablePoints, check: portablePointHolds, columns: []portableColumn{
		{name: "project_id", kind: asID, parent: "projects"}, {name: "metric_type", kind: asText}, {name: "time", as: "timestamp", kind: asTime},
		{name: "seq", as: "sequence", kind: asCount}, {name: "value", as: "metric_value", kind: asFloat}, {name: "metadata", kind: asObject, null: true},
		{name: "derived", kind: asBool}}},
	{name: "predictions", key: 1, read: readPortablePredictions, insert: insertPortablePrediction, check: portablePredictionHolds, columns: []portableColumn{
		{name: "id", kind: asID}, {name: "project_id", kind: asID, null: true, parent: "projects"}, {name: "inputs", kind: asObject},
		{name: "predicted_success_score", kind: asFloat, null: true}, {name: "predicted_duration_days", kind: asFloat, null: true},
		{name: "predicted_cost", kind: asFloat, null: true}, {name: "confidence", kind: asFloat, null: true}, {name: "recommendation", kind: asText},
		{name: "model_version", kind: asText}, {name: "created_at", kind: asTime}, {name: "created_by", kind: asID, null: true}, {name: "level", kind: asFloat, null: true},
		{name: "success_score_low", kind: asFloat, null: true}, {name: "success_score_high", kind: asFloat, null: true},
		{name: "duration_days_low", kind: asFloat, null: true}, {name: "duration_days_high", kind: asFloat, null: true},
		{name: "cost_low", kind: asFloat, null: true}, {name: "cost_high", kind: asFloat, null: true}, {name: "basis", kind: asInt},
		{name: "explanation", kind: asLargeObject}, {name: "actual_success_score", kind: asFloat, null: true},
		{name: "actual_duration_days", kind: asFloat, null: true}, {name: "actual_cost", kind: asFloat, null: true}, {name: "compared_at", kind: asTime, null: true}}},
	{name: "pipeline_runs", key: 1, read: readPortableRuns, insert: insertPortableRun, check: portableRunHolds, unique: valuesOf("project_id", "provider", "run_id"), columns: []portableColumn{
		{name: "id", kind: asID}, {name: "project_id", kind: asID, parent: "projects"}, {name: "provider", kind: asText}, {name: "run_id", as: "run", kind: asText},
		{name: "name", kind: asText}, {name: "status", kind: asText}, {name: "branch", kind: asText}, {name: "commit_sha", kind: asText, null: true},
		{name: "committed_at", kind: asTime, null: true}, {name: "started_at", kind: asTime, null: true}, {name: "finished_at", kind: asTime, null: true},
		{name: "succeeded_at", kind: asTime, null: true}, {name: "seconds", as: "duration_seconds", kind: asFloat, null: true},
		{name: "deployment", kind: asBool}, {name: "environment", kind: asText}, {name: "production", kind: asBool}, {name: "week", kind: asTime, null: true},
		{name: "created_at", kind: asTime}, {name: "updated_at", kind: asTime}}},
	{name: "commit_times", key: 2, read: readPortableCommits, insert: insertPortableCommit, check: portableCommitHolds, columns: []portableColumn{
		{name: "project_id", kind: asID, parent: "projects"}, {name: "commit_sha", kind: asText}, {name: "committed_at", kind: asTime}, {name: "created_at", kind: asTime}}},
	{name: "import_misfits", key: 3, read: readPortableMisfits, insert: insertPortableMisfit, columns: []portableColumn{
		{name: "relation", kind: asText}, {name: "row_id", kind: asText}, {name: "field", kind: asText}, {name: "value", kind: asText},
		{name: "reason", kind: asText}, {name: "created_at", kind: asTime}}},
}

// portableUserHolds also refuses a hash that no login could compare, or that would
// make the server work for hours.
func portableUserHolds(row portableRow) error {
	fields := auth.UserFields{Email: row.value("email").(string), Name: row.value("name").(string), Roles: []string{auth.RoleViewer},
		IsService: row.value("is_service").(bool), Metadata: tenancy.Object(row.value("metadata").(string))}
	var c problem.Checks
	hash, has := row.value("password_hash").(string)
	c.Require(!has || auth.ReadableHash(hash) && !fields.IsService, "password_hash", "is no hash of a password that can be used")
	return errors.Join(fields.Validate(), c.Err())
}

func emailKeyOf(row portableRow) []any {
	key, _ := auth.EmailKey(row.value("email").(string)) // the check has found it to be an address
	return []any{key}
}

func portableUsageHolds(row portableRow) error {
	var c problem.Checks
	source, given := row.value("impact_source").(string)
	c.Require(given == (row.value("impact_score") != nil) && (!given || source == string(registry.Reported) || source == string(registry.Derived)),
		"impact_source", "must be reported or derived where there is a score, and null where there is none")
	return errors.Join(fieldsHold[registry.UsageFields](row), c.Err())
}

func portablePointHolds(row portableRow) error {
	metadata, _ := row.value("metadata").(string)
	point := tracking.Point{ProjectID: row.value("project_id").(tenancy.ID), MetricType: row.value("metric_type").(string),
		MetricValue: row.value("value").(float64), Metadata: tenancy.Object(metadata)}
	var c problem.Checks
	point.Check(&c, "")
	return c.Err()
}

func portablePredictionHolds(row portableRow) error {
	var kept explanation
	if err := json.Unmarshal([]byte(row.value("explanation").(string)), &kept); err != nil {
		return errors.New("explanation cannot be read")
	}
	return nil
}

func portableRunHolds(row portableRow) error {
	var c problem.Checks
	c.Require(slices.Contains(tracking.RunProviders[:], row.value("provider").(string)), "provider", "is none that runs are reported by")
	c.Require(slices.Contains(tracking.RunStatuses[:], tracking.RunStatus(row.value("status").(string))), "status", "is none of a run")
	tenancy.CheckLabel(&c, "run", row.value("run_id").(string), tracking.MaxRunIDRunes)
	for _, name := range []string{"name", "branch", "environment"} {
		tenancy.CheckText(&c, name, row.value(name).(string), 0, tracking.MaxRunNameRunes)
	}
	sha, given := row.value("commit_sha").(string)
	c.Require(!given || tracking.IsSHA(sha), "commit_sha", "must be 7 to 64 lower-case hexadecimal digits")
	return c.Err()
}

func portableCommitHolds(row portableRow) error {
	var c problem.Checks
	c.Require(tracking.IsSHA(row.value("commit_sha").(string)), "commit_sha", "must be 7 to 64 lower-case hexadecimal digits")
	return c.Err()
}
