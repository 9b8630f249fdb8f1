package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document is the part of an OpenAPI 3.1 document that the client is made of.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string      `json:"operationId"`
	Summary     string      `json:"summary"`
	Description string      `json:"description"`
	Permission  string      `json:"x-maestro-permission"`
	Parameters  []parameter `json:"parameters"`
	RequestBody *struct {
		Content map[string]content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]content         `json:"content"`
		Headers map[string]json.RawMessage `json:"headers"`
	} `json:"responses"`

	method, path string
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type content struct {
	Schema *schema `json:"schema"`
}

type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 types              `json:"type"`
	Description          string             `json:"description"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	Items                *schema            `json:"items"`
	AnyOf                []*schema          `json:"anyOf"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
}

// UnmarshalJSON reads a schema. One of an object or null is the object's, and
// nullable.
func (s *schema) UnmarshalJSON(data []byte) error {
	type plain schema
	if err := json.Unmarshal(data, (*plain)(s)); err != nil {
		return err
	}
	if len(s.AnyOf) == 2 && s.AnyOf[0].Ref != "" && s.AnyOf[1].Type.nullable {
		s.Ref, s.Type.nullable = s.AnyOf[0].Ref, true
	}
	return nil
}

// types is a schema's type: one name, or one and "null".
type types struct {
	name     string
	nullable bool
}

func (t *types) UnmarshalJSON(data []byte) error {
	var names []string
	if err := json.Unmarshal(data, &names); err != nil {
		names = []string{""}
		if err := json.Unmarshal(data, &names[0]); err != nil {
			return err
		}
	}
	for _, name := range names {
		switch {
		case name == "null":
			t.nullable = true
		case t.name == "":
			t.name = name
		default:
			return fmt.Errorf("a value of %s or %s has no Go type", t.name, name)
		}
	}
	return nil
}

// name is the component that the schema refers to, or "".
func (s *schema) name() string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }

// operations lists what the document offers, by the operations' names.
func (d *document) operations() []operation {
	var all []operation
	for path, methods := range d.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// sent returns the names of the components that requests carry. What only
// answers carry is complete, so its members need no pointers.
func (d *document) sent() map[string]bool {
	reached := make(map[string]bool)
	var visit func(s *schema)
	visit = func(s *schema) {
		if s == nil {
			return
		}
		if name := s.name(); name != "" {
			if reached[name] {
				return
			}
			reached[name] = true
			s = d.Components.Schemas[name]
		}
		for _, property := range s.Properties {
			visit(property)
		}
		visit(s.Items)
		visit(s.additional())
	}
	for _, o := range d.operations() {
		if o.RequestBody != nil {
			for _, c := range o.RequestBody.Content {
				visit(c.Schema)
			}
		}
	}
	return reached
}

// additional is the schema of an object's free members, or nil.
func (s *schema) additional() *schema {
	var extra schema
	if len(s.AdditionalProperties) == 0 || json.Unmarshal(s.AdditionalProperties, &extra) != nil {
		return nil // absent, true or false
	}
	return &extra
}

// answer is what success carries: the schema of its JSON, whether it is
// something else to stream, and whether an ETag comes with it.
func (o *operation) answer() (json *schema, stream, tagged bool) {
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if status[0] != '2' {
			continue
		}
		response := o.Responses[status]
		_, tagged = response.Headers["ETag"]
		if c, ok := response.Content["application/json"]; ok {
			return c.Schema, false, tagged
		}
		return nil, len(response.Content) > 0, tagged
	}
	return nil, false, false
}
