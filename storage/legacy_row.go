package storage

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"maestro/auth"
	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
	"maestro/tracking"
)

// legacyRow is one row of the older system, by column, as its driver gives it.
type legacyRow map[string]any

// misfit is what of a row has no place here as it is.
type misfit struct {
	field  string // "" for the row as a whole
	value  any
	reason string
}

// legacyReader reads one row into the values of the table here, and notes what
// does not fit.
type legacyReader struct {
	row     legacyRow
	used    map[string]bool
	misfits []misfit
	now     tenancy.Time
}

// take returns the first of some columns that the row has a value in.
func (r *legacyReader) take(names ...string) any {
	var value any
	for _, name := range names {
		r.used[name] = true
		if v := r.row[name]; v != nil && value == nil {
			value = v
		}
	}
	if b, ok := value.([]byte); ok && utf8.Valid(b) {
		return string(b)
	}
	return value
}

func (r *legacyReader) refuse(field string, value any, reason string) {
	r.misfits = append(r.misfits, misfit{field, value, reason})
}

// text reads text of at most so many characters; more is cut off.
func (r *legacyReader) text(most int, names ...string) string {
	value := r.take(names...)
	text := ""
	switch v := value.(type) {
	case nil:
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		text = fmt.Sprint(v)
	}
	clean := strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
	if runes := []rune(clean); len(runes) > most {
		clean = string(runes[:most])
	}
	if clean != text {
		r.refuse(names[0], text, fmt.Sprintf("is longer than %d characters, or no text", most))
	}
	return clean
}

// word reads one of some words; others become instead, and "" for nothing there.
func (r *legacyReader) word(words []string, same map[string]string, instead string, names ...string) string {
	text := r.text(255, names...)
	word := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), " ", "_")
	if other, ok := same[word]; ok {
		word = other
	}
	if slices.Contains(words, word) {
		return word
	}
	if text != "" {
		r.refuse(names[0], text, "is none of "+strings.Join(words, ", "))
	}
	return instead
}

// number reads a number in a range; nil when there is none that fits.
func (r *legacyReader) number(low, high float64, names ...string) *float64 {
	value := r.take(names...)
	var n float64
	switch v := value.(type) {
	case nil:
		return nil
	case float64:
		n = v
	case int64:
		n = float64(v)
	default:
		parsed, err := strconv.ParseFloat(strings.TrimSpace(fmt.Sprint(v)), 64)
		if err != nil {
			r.refuse(names[0], value, "is no number")
			return nil
		}
		n = parsed
	}
	if !(n >= low && n <= high) || math.IsInf(n, 0) {
		r.refuse(names[0], fmt.Sprint(value), fmt.Sprintf("is not %s", bounds(low, high)))
		return nil
	}
	return &n
}

func bounds(low, high float64) string {
	switch {
	case math.IsInf(high, 1) && math.IsInf(low, -1), high == math.MaxFloat64 && low == -math.MaxFloat64:
		return "a finite number"
	case high == math.MaxFloat64:
		return fmt.Sprintf("%g or more", low)
	}
	return fmt.Sprintf("%g to %g", low, high)
}

func (r *legacyReader) whole(low, high float64, names ...string) *int64 {
	n := r.number(low, high, names...)
	if n == nil {
		return nil
	}
	if *n != math.Trunc(*n) {
		r.refuse(names[0], *n, "is no whole number")
		return nil
	}
	return new(int64(*n))
}

// legacyTimes are the forms in which the older system wrote times. Those without
// an offset are UTC.
var legacyTimes = []string{"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999-07", "2006-01-02 15:04", "2006-01-02"}

func (r *legacyReader) time(names ...string) *tenancy.Time {
	switch v := r.take(names...).(type) {
	case nil:
	case time.Time:
		return r.inRange(names[0], v)
	case string:
		for _, form := range legacyTimes {
			if t, err := time.Parse(form, strings.TrimSpace(v)); err == nil {
				return r.inRange(names[0], t)
			}
		}
		r.refuse(names[0], v, "is no time")
	default:
		r.refuse(names[0], fmt.Sprint(v), "is no time")
	}
	return nil
}

// inRange takes a time that an input could name: an archive has no other.
func (r *legacyReader) inRange(name string, t time.Time) *tenancy.Time {
	if at := tenancy.TimeOf(t); isTime(at) {
		return &at
	}
	r.refuse(name, t.Format(time.RFC3339Nano), "is no time from 1970 to 2199")
	return nil
}

// instant is a time that there must be: another's, or now, when there is none.
func (r *legacyReader) instant(instead *tenancy.Time, names ...string) tenancy.Time {
	if t := r.time(names...); t != nil {
		return *t
	}
	if instead != nil {
		return *instead
	}
	return r.now
}

// id reads an id of 32 or 36 hexadecimal characters, or 16 bytes.
func (r *legacyReader) id(name string) (id tenancy.ID, ok bool) {
	r.used[name] = true
	switch v := r.row[name].(type) {
	case [16]byte:
		return v, true
	case []byte:
		if len(v) == 16 {
			return tenancy.ID(v), true
		}
		return parseLegacyID(string(v))
	case string:
		return parseLegacyID(v)
	}
	return id, false
}

func parseLegacyID(text string) (id tenancy.ID, ok bool) {
	digits := strings.ReplaceAll(strings.TrimSpace(text), "-", "")
	bytes, err := hex.DecodeString(digits)
	if err != nil || len(bytes) != len(id) || len(text) != 32 && len(text) != 36 {
		return id, false
	}
	return tenancy.ID(bytes), true
}

// object reads a JSON object, in text or as the database's own type.
func (r *legacyReader) object(names ...string) string {
	value := r.take(names...)
	var text string
	switch v := value.(type) {
	case nil:
		return "{}"
	case string:
		text = v
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			r.refuse(names[0], fmt.Sprint(v), "is no JSON object")
			return "{}"
		}
		text = string(encoded)
	}
	if text = strings.TrimSpace(text); text == "" || text == "null" {
		return "{}"
	}
	var object tenancy.Object
	var c problem.Checks
	if err := json.Unmarshal([]byte(text), &object); err == nil {
		object.Check(&c, "")
	}
	if len(object) == 0 && text != "{}" || c.Err() != nil {
		r.refuse(names[0], text, "is no JSON object that may be kept here")
		return "{}"
	}
	return encodeObject(object)
}

func (r *legacyReader) tags(names ...string) string {
	value := r.take(names...)
	text, _ := value.(string)
	if value == nil || text == "" || text == "null" {
		return "[]"
	}
	var tags []string
	if err := json.Unmarshal([]byte(text), &tags); err != nil {
		r.refuse(names[0], text, "is no list of texts")
		return "[]"
	}
	fields := registry.ArtifactFields{Name: "n", Type: "model", Version: "1", Tags: tags}
	if err := fields.Validate(); err != nil {
		r.refuse(names[0], text, "has a tag that may not be")
		return "[]"
	}
	fields.Normalise()
	encoded, err := json.Marshal(fields.Tags)
	if err != nil {
		panic(err) // it is a list of texts
	}
	return string(encoded)
}

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

// named reads a name that there must be.
func (r *legacyReader) named(names ...string) string {
	if name := strings.TrimSpace(r.text(255, names...)); name != "" {
		return name
	}
	return "unnamed"
}

// parent reads the id of another row; nil when there is none.
func (r *legacyReader) parent(name string) any {
	if id, ok := r.id(name); ok {
		return id[:]
	}
	return nil
}

func null[T any](p *T) any {
	if p == nil {
		return nil
	}
	switch v := any(*p).(type) {
	case tenancy.Time:
		return int64(v)
	default:
		return v
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
