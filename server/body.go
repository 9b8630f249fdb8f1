package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"maestro/problem"
	"maestro/storage"
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
	if err := b.empty(fields); err != nil {
		return err
	}
	if err := json.Unmarshal(b.raw, fields); err != nil {
		return &problem.Error{Code: problem.Validation, Detail: "Some values are not allowed.", Err: err,
			Violations: []problem.Violation{{Location: "body", Message: "has a value of the wrong form"}}}
	}
	return nil
}

// empty empties what the body gives as null: encoding/json leaves a text as it
// was. A number or a bool that is always there has no empty value, so null is
// refused; whether a text may be empty, its validation says.
func (b body[T]) empty(fields *T) error {
	var given map[string]json.RawMessage
	if !bytes.Contains(b.raw, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(b.raw, &given); err != nil {
		return nil //nolint:nilerr // onto and check say what is wrong with the JSON
	}
	var checks problem.Checks
	value := reflect.ValueOf(fields).Elem()
	for _, field := range reflect.VisibleFields(value.Type()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if string(given[name]) != "null" {
			continue
		}
		switch field.Type.Kind() {
		case reflect.String, reflect.Pointer, reflect.Slice, reflect.Map:
			value.FieldByIndex(field.Index).SetZero()
		default:
			checks.Refuse("body."+name, "must not be null")
		}
	}
	return checks.Err()
}

// idempotency is what makes the request safe to repeat on its route.
func (b body[T]) idempotency(h IdempotencyKey, route string) storage.Idempotency {
	if h.Key == "" {
		return storage.Idempotency{}
	}
	sum := sha256.Sum256([]byte(route + "\x00" + string(b.raw)))
	return storage.Idempotency{Key: h.Key, Fingerprint: sum[:]}
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
			member.Nullable = !slices.Contains(full.Required, property) && mayBeEmpty(s)
			schema.Properties[property] = &member
		}
		schema.PrecomputeMessages()
		r.Map()[name] = &schema
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// mayBeEmpty reports whether null is a value of a member of a PATCH, as empty
// sees it: not of a number, a bool or one of a few words that is always there.
func mayBeEmpty(s *huma.Schema) bool {
	switch s.Type {
	case huma.TypeString:
		return s.Nullable || s.Enum == nil
	case huma.TypeArray, huma.TypeObject:
		return s.Ref == ""
	}
	return s.Nullable
}

// checkMediaType refuses a body that is not what the route reads. A browser's
// form cannot send JSON across origins, so this also keeps those out.
func checkMediaType(r *http.Request, accepted []string) error {
	if r.ContentLength == 0 {
		return nil
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return problem.New(problem.UnsupportedMedia, "Send the body without a Content-Encoding.")
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

// clientBody reads the body of a request. That it breaks off is the client's
// failure, where the framework takes it for the server's.
type clientBody struct{ io.ReadCloser }

// Read implements io.Reader.
func (b clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, unreadable(err)
	}
	return n, err
}
