package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the matrix reads of the OpenAPI document. Everything that it tries is
// found there: an author declares a route and the matrix tries it.

// schema is what the matrix needs of a JSON schema.
type schema struct {
	Ref           string             `json:"$ref"`
	Type          any                `json:"type"`
	Properties    map[string]*schema `json:"properties"`
	Required      []string           `json:"required"`
	MinProperties int                `json:"minProperties"`
	Items         *schema            `json:"items"`
	MinItems      int                `json:"minItems"`
	Enum          []any              `json:"enum"`
	Default       any                `json:"default"`
	Examples      []any              `json:"examples"`
	Format        string             `json:"format"`
	Pattern       string             `json:"pattern"`
	MinLength     int                `json:"minLength"`
	Minimum       float64            `json:"minimum"`
	Names         string             `json:"x-maestro-ref"`
}

// parameter is one of an operation.
type parameter struct {
	Name, In string
	Required bool
	Schema   *schema
	Names    string `json:"x-maestro-ref"`
}

// operation is a route as the document has it.
type operation struct {
	ID          string `json:"operationId"`
	Permission  string `json:"x-maestro-permission"`
	Session     bool   `json:"x-maestro-session"`
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]struct{ Schema *schema }
	}

	method, path string
}

func (o *operation) String() string { return o.method + " " + o.path }

// tenanted reports whether a permission in the caller's own tenant is asked for.
func (o *operation) tenanted() bool {
	return o.Permission != "public" && o.Permission != "authenticated" && o.Permission != "operator"
}

// reads reports whether the operation may change nothing: those of a safe method
// and those for which the permission to view is enough.
func (o *operation) reads() bool {
	return o.method == "GET" || o.method == "HEAD" || strings.HasSuffix(o.Permission, ":view")
}

// bodyType is the media type to send, and the body's schema: JSON where there is
// a choice.
func (o *operation) bodyType() (string, *schema) {
	if o.RequestBody == nil {
		return "", nil
	}
	if content, ok := o.RequestBody.Content["application/json"]; ok {
		return "application/json", content.Schema
	}
	for mediaType, content := range o.RequestBody.Content {
		return mediaType, content.Schema
	}
	return "", nil
}

// api is the document of a server.
type api struct {
	Paths      map[string]map[string]*operation
	Components struct{ Schemas map[string]*schema }

	all []*operation // by path and method
}

func readAPI(t testing.TB, document []byte) *api {
	t.Helper()
	var a api
	if err := json.Unmarshal(document, &a); err != nil {
		t.Fatal(err)
	}
	for path, methods := range a.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			a.all = append(a.all, o)
		}
	}
	slices.SortFunc(a.all, func(a, b *operation) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	return &a
}

// find returns the operation of a method and path, or nil.
func (a *api) find(method, path string) *operation { return a.Paths[path][strings.ToLower(method)] }

func (a *api) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = a.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// slot is a place of a request where an id, or another name of a thing, stands.
type slot struct {
	in    string // path, query or body
	name  string // of the parameter, or the members down to the id, each after a dot
	names string // what: project
	many  bool   // a list of them
	must  bool   // required
}

func (s slot) String() string { return s.in + "." + s.name }

// pathParameter finds the parameters in a path.
var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// slots lists every slot of an operation, those of the path first, in its order.
func (a *api) slots(o *operation) []slot {
	var all []slot
	for _, p := range o.Parameters {
		if p.Names != "" && (p.In == "path" || p.In == "query") {
			all = append(all, slot{in: p.In, name: p.Name, names: p.Names, must: p.Required})
		}
	}
	place := func(s slot) int { return strings.Index(o.path, "{"+s.name+"}") }
	slices.SortStableFunc(all, func(x, y slot) int {
		if x.in != y.in {
			return strings.Compare(x.in, y.in)
		}
		return place(x) - place(y)
	})
	_, body := o.bodyType()
	a.eachMember(body, "", true, func(path string, s *schema, must bool) {
		if s.Names != "" && s.Names != "request" {
			all = append(all, slot{in: "body", name: path, names: s.Names, many: s.kind() == "array", must: must})
		}
	})
	return all
}

// kind is the schema's type; of several, the first.
func (s *schema) kind() string {
	if choices, ok := s.Type.([]any); ok {
		kind, _ := choices[0].(string)
		return kind
	}
	kind, _ := s.Type.(string)
	return kind
}

// eachMember visits the members of a body, and those of what they hold; must says
// whether a valid body has the member.
func (a *api) eachMember(s *schema, path string, must bool, visit func(path string, s *schema, must bool)) {
	s = a.resolve(s)
	if s == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		member, needed := s.Properties[name], must && slices.Contains(s.Required, name)
		visit(strings.TrimPrefix(path+"."+name, "."), member, needed)
		a.eachMember(member, path+"."+name, needed, visit)
	}
	if s.Items != nil {
		a.eachMember(s.Items, path+".0", must, visit)
	}
}

// inventor makes up bodies that fit their schemas.
type inventor struct {
	api    *api
	text   string // part of every free text
	number int    // of the value, so that no two are the same
	refer  func(kind string) string
}

// value makes up a value of a schema.
func (v *inventor) value(s *schema) (any, error) {
	s = v.api.resolve(s)
	kind := s.kind()
	switch {
	case s.Names != "" && kind == "array":
		return []any{v.refer(s.Names)}, nil
	case s.Names != "":
		return v.refer(s.Names), nil
	case len(s.Enum) > 0:
		return s.Enum[0], nil
	case kind == "object":
		return v.object(s)
	case kind == "array":
		list := []any{}
		least := s.MinItems
		if items := v.api.resolve(s.Items); items != nil && items.kind() == "object" {
			least = max(least, 1)
		}
		for range least {
			item, err := v.value(s.Items)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	case kind == "integer", kind == "number":
		return max(s.Minimum, 1), nil
	case kind == "boolean":
		return s.Default == true, nil
	}
	v.number++
	switch {
	case s.Format == "email":
		return fmt.Sprintf("%s%d@matrix.example", strings.ToLower(v.text), v.number), nil
	case len(s.Examples) > 0:
		return s.Examples[0], nil
	case s.Pattern != "":
		return nil, fmt.Errorf("nothing that matches %s can be made up", s.Pattern)
	}
	text := fmt.Sprintf("%s%d", v.text, v.number)
	return text + strings.Repeat("x", max(0, s.MinLength-len(text))), nil
}

// object makes up an object of what is required, and of one member more where one
// must be there.
func (v *inventor) object(s *schema) (map[string]any, error) {
	made := map[string]any{}
	for _, name := range s.Required {
		member, err := v.value(s.Properties[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made[name] = member
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if len(made) >= s.MinProperties {
			break
		}
		if member, err := v.value(s.Properties[name]); err == nil && s.Properties[name].Names == "" {
			made[name] = member
		}
	}
	return made, nil
}

// put returns a body with a value in place of what stands at a path of member
// names; 0 is the first of a list.
func put(body any, path []string, value any) any {
	switch {
	case len(path) == 0:
		return value
	case path[0] == "0":
		var first any
		if list, ok := body.([]any); ok && len(list) > 0 {
			first = list[0]
		}
		return []any{put(first, path[1:], value)}
	}
	object, _ := body.(map[string]any)
	object = maps.Clone(object)
	if object == nil {
		object = map[string]any{}
	}
	object[path[0]] = put(object[path[0]], path[1:], value)
	return object
}
