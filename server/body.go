package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"maestro/problem"
)

// body is the JSON of a request, held to the schema of T and not yet applied. A
// create applies it onto T's defaults, a PATCH onto what is there: members that
// are absent stay as they are, null empties what may be empty (RFC 7396, with
// objects replaced whole).
type body[T any] struct {
	raw []byte
}

// UnmarshalJSON keeps the text.
func (b *body[T]) UnmarshalJSON(data []byte) error {
	b.raw = bytes.Clone(data)
	return nil
}

// Schema is T's.
func (body[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// onto applies the body to fields.
func (b body[T]) onto(fields *T) error {
	if err := json.Unmarshal(b.raw, fields); err != nil {
		return &problem.Error{Code: problem.Validation, Detail: "Some values are not allowed.", Err: err,
			Violations: []problem.Violation{{Location: "body", Message: "has a value of the wrong form"}}}
	}
	emptyNulls(b.raw, reflect.ValueOf(fields).Elem())
	return nil
}

// emptyNulls empties the text fields for which the JSON says null, which
// encoding/json leaves as they are.
func emptyNulls(raw []byte, fields reflect.Value) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || fields.Kind() != reflect.Struct {
		return
	}
	for _, field := range reflect.VisibleFields(fields.Type()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type.Kind() == reflect.String && string(members[name]) == "null" {
			fields.FieldByIndex(field.Index).SetZero()
		}
	}
}

// check applies the body of a create onto fields, which hold the defaults, and
// validates them, so that what the schema refuses and what the domain refuses is
// named in one answer.
func (b body[T]) check(fields *T) []error {
	if b.raw == nil {
		return nil // unreadable, and said so
	}
	// A value of the wrong type leaves its field as it was; the schema names it.
	misfit := json.Unmarshal(b.raw, fields)
	if v, ok := any(fields).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return []error{err}
		}
	}
	if misfit != nil {
		return []error{&problem.Error{Code: problem.Validation, Err: misfit,
			Violations: []problem.Violation{{Location: "body", Message: "has a value of the wrong form"}}}}
	}
	return nil
}

// fingerprint identifies the request for its idempotency key.
func (b body[T]) fingerprint(route string) []byte {
	sum := sha256.Sum256([]byte(route + "\x00" + string(b.raw)))
	return sum[:]
}

// patch is a body of which every member may be absent.
type patch[T any] struct{ body[T] }

// Schema is T's, with nothing required and without defaults.
func (patch[T]) Schema(r huma.Registry) *huma.Schema {
	full := r.SchemaFromRef(r.Schema(reflect.TypeFor[T](), true, "").Ref)
	name := reflect.TypeFor[T]().Name() + "Patch"
	if _, known := r.Map()[name]; !known {
		schema := *full
		schema.Required = nil
		minimum := 1
		schema.MinProperties = &minimum
		schema.Properties = make(map[string]*huma.Schema, len(full.Properties))
		for property, s := range full.Properties {
			member := *s
			member.Default = nil
			member.Nullable = member.Ref == "" && !slices.Contains(full.Required, property)
			schema.Properties[property] = &member
		}
		schema.PrecomputeMessages()
		r.Map()[name] = &schema
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// checkMediaType refuses a body that is not what the route reads. A browser's
// form cannot send JSON across origins, so this also keeps those out.
func checkMediaType(r *http.Request, accepted []string) error {
	if r.ContentLength == 0 {
		return nil
	}
	if r.Header.Get("Content-Type") == accepted[0] {
		return nil
	}
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	if err == nil && slices.Contains(accepted, mediaType) && (charset == "" || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	return problem.New(problem.UnsupportedMedia, "Send the body as %s.", strings.Join(accepted, " or "))
}
