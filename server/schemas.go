package server

import (
	"reflect"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"maestro/audit"
	"maestro/tenancy"
)

var problemType = reflect.TypeFor[Problem]()

// The types below stand in the document for types of rooms that know nothing of
// OpenAPI.

type idSchema struct{}

func (idSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid", Pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
		PatternDescription: "a UUID in lower case", Examples: []any{"01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69"}}
}

type timeSchema struct{}

func (timeSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^\d{4}-\d{2}-\d{2}([Tt].+)?$`, PatternDescription: "a time in RFC 3339, or a date",
		Description: "UTC, RFC 3339 with microseconds; a date alone means midnight", Examples: []any{"2026-11-23T09:00:00.000000Z"}}
}

type objectSchema struct{}

func (objectSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "Free JSON object of at most 16 KiB"}
}

type hashSchema struct{}

func (hashSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-f]{64}$", PatternDescription: "a SHA-256 in hexadecimal"}
}

func aliasTypes(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[tenancy.ID](), reflect.TypeFor[idSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[tenancy.Time](), reflect.TypeFor[timeSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[audit.Hash](), reflect.TypeFor[hashSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[tenancy.Object](), reflect.TypeFor[objectSchema]())
}

// schemaName names a type in the document: Project, and for a generic type its
// own name in front of what it holds: ProjectList.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if outer, inner, generic := strings.Cut(name, "["); generic {
		inner = strings.TrimSuffix(inner, "]")
		inner = inner[strings.LastIndexAny(inner, "./")+1:]
		name = inner + strings.ToUpper(outer[:1]) + outer[1:]
	}
	if name == "" {
		name = hint
	}
	runes := []rune(name)
	if len(runes) > 0 {
		runes[0] = unicode.ToUpper(runes[0])
	}
	return string(runes)
}

// nullObjects has the document say where an answer may hold null in place of an
// object: in the fields with the tag null:"true". The framework's own tag is for
// plain values only.
func nullObjects(r huma.Registry) {
	for name, schema := range r.Map() {
		t := r.TypeFromRef("#/components/schemas/" + name)
		if t == nil || t.Kind() != reflect.Struct {
			continue // a Patch has no type of its own; its members are plain
		}
		for _, field := range reflect.VisibleFields(t) {
			member, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			s := schema.Properties[member]
			if field.Tag.Get("null") != "true" || s == nil {
				continue
			}
			schema.Properties[member] = &huma.Schema{Description: s.Description, AnyOf: []*huma.Schema{{Ref: s.Ref}, {Type: "null"}}}
		}
	}
}
