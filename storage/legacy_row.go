package storage

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

// legacyRow is one row of the older system, by column, as its driver gives it.
type legacyRow map[string]any

// misfit is what of a row has no place here as it is.
type misfit struct {
	field  string // "" for the row as a whole
	value  any
	reason string
}

// rawID is a row's id as the source writes it.
func rawID(row legacyRow) string {
	switch v := row["id"].(type) {
	case []byte:
		if len(v) == 16 {
			return hex.EncodeToString(v)
		}
		return string(v)
	case [16]byte:
		return tenancy.ID(v).String()
	default:
		return fmt.Sprint(v)
	}
}

// legacyReader reads one row into the values of the table here, and notes what
// does not fit.
type legacyReader struct {
	row     legacyRow
	used    map[string]bool
	misfits []misfit
	now     tenancy.Time
}

// readLegacy reads a row; values is nil for one that cannot come in.
func readLegacy(r *legacyReader, table *legacyTable, parent func(table string, id []byte) (bool, error)) (id tenancy.ID, values []any, err error) {
	id, ok := r.id("id")
	if !ok {
		r.misfits = []misfit{{"", r.row, "its id is none of 32 or 36 hexadecimal characters"}}
		return id, nil, nil
	}
	values = table.read(r)
	for column, of := range table.parents {
		if r.row[column] == nil && table.loose {
			continue
		}
		at := slices.Index(table.columns, column)
		found := false
		if values != nil && values[at] != nil {
			if found, err = parent(of, values[at].([]byte)); err != nil {
				return id, nil, err
			}
		}
		switch {
		case found:
		case table.loose:
			values[at] = nil
			r.refuse(column, rawValue(r.row[column]), "refers to nothing")
		default:
			r.misfits = []misfit{{"", r.row, column + " refers to nothing, or a value that must be there is missing"}}
			return id, nil, nil
		}
	}
	if values == nil {
		r.misfits = []misfit{{"", r.row, "a value that must be there is missing"}}
		return id, nil, nil
	}
	others := legacyRow{}
	for name, value := range r.row {
		if !r.used[name] && value != nil && !(table.name == "users" && (name == "role" || name == "roles")) {
			others[name] = value
		}
	}
	if len(others) > 0 {
		r.refuse("other columns", others, "there are no such columns here")
	}
	return id, values, nil
}

func rawValue(value any) any {
	if b, ok := value.([]byte); ok {
		return hex.EncodeToString(b)
	}
	return value
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
