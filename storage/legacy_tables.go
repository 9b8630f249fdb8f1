package storage

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"maestro/auth"
	"maestro/registry"
	"maestro/tracking"
)

var (
	legacyStatuses = map[string]string{"in_progress": "active", "running": "active", "done": "completed", "finished": "completed", "complete": "completed",
		"cancelled": "abandoned", "canceled": "abandoned", "failed": "abandoned", "new": "planned", "draft": "planned"}
	legacyRoles = map[string]string{"admin": auth.RoleTenantAdmin, "developer": auth.RoleDataScientist, "viewer": auth.RoleViewer}
	legacyClass = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,49}$`)
	bcryptHash  = regexp.MustCompile(`^\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)
)

// legacyTable says how a table of the older system becomes one here. The first two
// of its columns are tenant_id and id.
type legacyTable struct {
	name    string
	columns []string                          // here, after tenant_id and id
	parents map[string]string                 // columns of the source, and the tables that they refer to
	loose   bool                              // a row whose parent is missing stays, without it
	unique  []int                             // positions among the columns that must be unique in the tenant, and are told apart by the last
	read    func(r *legacyReader) (row []any) // the columns' values
}

// legacyTables are imported in this order, parents first.
var legacyTables = []legacyTable{
	{name: "users", columns: []string{"email", "email_key", "name", "password_hash", "is_active", "is_operator", "is_service", "metadata", "created_at", "updated_at"}, unique: []int{1},
		read: func(r *legacyReader) []any {
			email := strings.TrimSpace(r.text(254, "email"))
			key, ok := auth.EmailKey(email)
			if !ok {
				return nil
			}
			var hash any
			if text := r.text(255, "password_hash", "hashed_password"); bcryptHash.MatchString(text) {
				hash = text
			} else if text != "" {
				r.refuse("password_hash", "", "is no bcrypt hash: the user needs a new password")
			}
			name := r.text(255, "name", "full_name", "username")
			if strings.TrimSpace(name) == "" {
				name, _, _ = strings.Cut(email, "@")
			}
			active := fmt.Sprint(r.take("is_active"))
			created := r.instant(nil, "created_at")
			return []any{email, key, name, hash, active != "0" && active != "false", false, false, r.object("metadata"), int64(created), int64(r.instant(&created, "updated_at"))}
		}},
	{name: "projects", unique: []int{0}, columns: []string{"name", "description", "problem_class", "status", "complexity_score", "team_size", "start_date", "completion_date",
		"model_performance", "compute_cost", "business_impact", "success_score", "metadata", "created_at", "updated_at"},
		read: func(r *legacyReader) []any {
			class := r.text(255, "problem_class", "problem_type")
			word := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(class)), " ", "_")
			if word != "" && !legacyClass.MatchString(word) {
				r.refuse("problem_class", class, "is no lower-case word")
				word = ""
			}
			start, end := r.time("start_date"), r.time("completion_date", "end_date")
			if start != nil && end != nil && *end < *start {
				r.refuse("completion_date", end.String(), "is before start_date")
				end = nil
			}
			status := "planned"
			if end != nil {
				status = "completed"
			}
			created := r.instant(nil, "created_at")
			return []any{r.named("name"), r.text(tracking.MaxDescriptionRunes, "description"), orNull(word), r.word(statusNames(), legacyStatuses, status, "status"),
				null(r.number(1, 100, "complexity_score")), null(r.whole(1, tracking.MaxTeamSize, "team_size")), null(start), null(end),
				null(r.number(0, 1, "model_performance")), null(r.number(0, math.MaxFloat64, "compute_cost")),
				null(r.number(-math.MaxFloat64, math.MaxFloat64, "business_impact")), null(r.number(0, 100, "success_score")),
				r.object("metadata", "metadata_json", "extra_metadata"), int64(created), int64(r.instant(&created, "updated_at"))}
		}},
	{name: "artifacts", unique: []int{0, 2}, columns: []string{"name", "type", "version", "description", "tags", "content_hash", "size_bytes", "storage_uri", "metadata", "created_at", "updated_at"},
		read: func(r *legacyReader) []any {
			hash := r.text(255, "content_hash")
			if hash != "" && !isSHA256(hash) {
				r.refuse("content_hash", hash, "is no SHA-256 in hexadecimal")
				hash = ""
			}
			version := r.text(100, "version")
			if version == "" {
				version = "1"
			}
			r.take("usage_count") // counted anew
			r.take("avg_impact_score")
			created := r.instant(nil, "created_at")
			return []any{r.named("name"), r.word(registry.ArtifactTypes[:], nil, "config", "type", "artifact_type"), version,
				r.text(tracking.MaxDescriptionRunes, "description"), r.tags("tags"), orNull(hash), null(r.whole(0, 1<<53, "size_bytes")), r.text(2048, "storage_uri", "storage_path"),
				r.object("metadata", "metadata_json", "extra_metadata"), int64(created), int64(r.instant(&created, "updated_at"))}
		}},
	{name: "artifact_usage", parents: map[string]string{"artifact_id": "artifacts", "project_id": "projects"},
		columns: []string{"artifact_id", "project_id", "used_at", "impact_score", "impact_source", "context"},
		read: func(r *legacyReader) []any {
			artifact, project := r.parent("artifact_id"), r.parent("project_id")
			if artifact == nil || project == nil {
				return nil
			}
			impact := r.number(0, 100, "impact_score")
			var source any
			if impact != nil {
				source = "reported"
			}
			return []any{artifact, project, int64(r.instant(nil, "used_at", "created_at")), null(impact), source, r.object("context")}
		}},
	{name: "team_members", parents: map[string]string{"project_id": "projects"},
		columns: []string{"project_id", "name", "role", "experience_level", "contribution_hours", "performance_score", "created_at", "updated_at"},
		read: func(r *legacyReader) []any {
			project := r.parent("project_id")
			if project == nil {
				return nil
			}
			hours := 0.0
			if n := r.number(0, math.MaxFloat64, "contribution_hours"); n != nil {
				hours = *n
			}
			created := r.instant(nil, "created_at")
			return []any{project, r.named("name", "member_name"), r.word(tracking.MemberRoles[:], nil, "other", "role"), r.word(tracking.ExperienceLevels[:], nil, "mid", "experience_level"),
				hours, null(r.number(0, 100, "performance_score")), int64(created), int64(r.instant(&created, "updated_at"))}
		}},
	{name: "process_metrics", parents: map[string]string{"project_id": "projects"}, columns: []string{"project_id", "metric_type", "metric_value", "timestamp", "metadata"},
		read: func(r *legacyReader) []any {
			project, value := r.parent("project_id"), r.number(-math.MaxFloat64, math.MaxFloat64, "metric_value", "value")
			kind := r.text(100, "metric_type")
			if project == nil || value == nil || kind == "" {
				return nil
			}
			return []any{project, kind, *value, int64(r.instant(nil, "timestamp", "recorded_at", "created_at")), r.object("metadata", "metadata_json", "extra_metadata")}
		}},
	{name: "predictions", parents: map[string]string{"project_id": "projects"}, loose: true, columns: []string{"project_id", "inputs", "predicted_success_score", "predicted_duration_days", "predicted_cost",
		"confidence", "recommendation", "model_version", "created_at"},
		read: func(r *legacyReader) []any {
			return []any{r.parent("project_id"), r.object("inputs", "input_features"), null(r.number(0, 100, "predicted_success_score")),
				null(r.number(0, math.MaxFloat64, "predicted_duration_days")), null(r.number(0, math.MaxFloat64, "predicted_cost")),
				null(r.number(0, 1, "confidence")), r.text(tracking.MaxDescriptionRunes, "recommendation", "recommendations"), r.text(255, "model_version"), int64(r.instant(nil, "created_at"))}
		}},
}

func statusNames() (names []string) {
	for _, s := range tracking.Statuses {
		names = append(names, string(s))
	}
	return names
}
