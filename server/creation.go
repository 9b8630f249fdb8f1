package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"maestro/problem"
)

// creation is the body of a create. Nearly all of them are as they should be, so
// it is read once, straight onto the fields. Only what this reading or the
// fields' own validation refuses is held to the schema of T, which then names
// every violation. Whatever the short way takes, the long way takes too: a test
// compares them.
type creation[T any] struct{ body[T] }

// keep takes the text from the framework, which reuses data.
func (c *creation[T]) keep(data []byte) { c.raw = bytes.Clone(bytes.Trim(data, " \t\r\n")) }

// validator is what knows its own rules.
type validator interface{ Validate() error }

// onto applies the body to fields, which hold the defaults, and validates them.
func (c *creation[T]) onto(ctx huma.Context, fields *T) []error {
	if c.raw == nil {
		return nil // there is none, and that was said
	}
	f := formOf(ctx)
	misfit := read(c.raw, fields)
	var invalid error
	if v, ok := any(fields).(validator); ok {
		invalid = v.Validate()
	}
	if misfit == nil && invalid == nil && f.plain(c.raw) {
		return nil
	}
	// A value of the wrong type left its field as it was; the schema names it.
	errs := f.violations(c.raw)
	switch {
	case invalid != nil:
		errs = append(errs, invalid)
	case misfit != nil:
		errs = append(errs, &problem.Error{Code: problem.Validation, Err: misfit,
			Violations: []problem.Violation{{Location: "body", Message: "has a value of the wrong form"}}})
	}
	return errs
}

// scanner is what can read the JSON that most clients write faster than
// encoding/json, and leaves the rest to it.
type scanner interface{ ScanJSON(data []byte) bool }

// read is json.Unmarshal onto fields, which hold the defaults.
func read[T any](data []byte, fields *T) error {
	if s, ok := any(fields).(scanner); ok {
		defaults := *fields
		if s.ScanJSON(data) {
			return nil
		}
		*fields = defaults
	}
	return json.Unmarshal(data, fields)
}

// form is what the body of an operation is held to.
type form struct {
	schemas huma.Registry
	schema  *huma.Schema
}

// formKey is where an operation keeps its form.
const formKey = "form"

// isCreation reports whether the input of an operation has a creation as body.
func isCreation(input reflect.Type) bool {
	field, ok := input.FieldByName("Body")
	return ok && reflect.PointerTo(field.Type).Implements(reflect.TypeFor[interface{ keep([]byte) }]())
}

func formOf(ctx huma.Context) form {
	op := ctx.Operation()
	return form{schemas: op.Metadata[formKey].(huma.Registry), schema: op.RequestBody.Content["application/json"].Schema}
}

// full returns the schema itself where the operation refers to it.
func (f form) full() *huma.Schema {
	if f.schema.Ref != "" {
		return f.schemas.SchemaFromRef(f.schema.Ref)
	}
	return f.schema
}

// plain reports whether JSON that encoding/json could read is strict JSON in
// UTF-8 with all required members, none that is not known, and null only where it
// is a value.
func (f form) plain(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	full := f.full()
	required, known := len(full.Required), true
	nulls := bytes.Contains(data, []byte("null"))
	err := checkStrict(data, func(name []byte, null bool) {
		member := full.Properties[string(name)]
		if member == nil || holdsMore(member) || (null && !member.Nullable) || nulls && member.Type == huma.TypeArray {
			known = false
		}
		if slices.Contains(full.Required, string(name)) {
			required--
		}
	})
	return err == nil && known && required == 0
}

// holdsMore reports whether a member is, or holds, what has members or values of
// its own to know.
func holdsMore(member *huma.Schema) bool {
	values, typed := member.AdditionalProperties.(*huma.Schema)
	return member.Ref != "" || member.Items != nil && member.Items.Ref != "" || typed && values.Type != ""
}

// violations names everything in the body that the schema does not allow.
func (f form) violations(data []byte) []error {
	if err := checkJSON(data); err != nil {
		return []error{unreadableBody{&huma.ErrorDetail{Location: "body", Message: err.Error()}}}
	}
	var parsed any
	if err := json.Unmarshal(data, &parsed); err != nil {
		return []error{unreadableBody{&huma.ErrorDetail{Location: "body", Message: err.Error()}}}
	}
	var found huma.ValidateResult
	huma.Validate(f.schemas, f.schema, huma.NewPathBuffer([]byte("body"), len("body")), huma.ModeWriteToServer, parsed, &found)
	return found.Errors
}

// unreadableBody is a body that is no JSON: a malformed request, where the
// framework takes what a resolver says for an invalid one.
type unreadableBody struct{ *huma.ErrorDetail }

// Unwrap returns what is wrong and where.
func (u unreadableBody) Unwrap() error { return u.ErrorDetail }

// GetStatus implements huma.StatusError.
func (unreadableBody) GetStatus() int { return http.StatusBadRequest }
