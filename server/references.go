package server

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// refMark marks a member or parameter of the document that names something, with
// what that is: project, user. Clients find the links between resources by it,
// and the tests every place where somebody else's id could be put.
const refMark = "x-maestro-ref"

// references are the names that do not say by themselves what they name, as
// project_id does: of a member or parameter everywhere, or of a query parameter
// of one operation.
var references = map[string]string{
	"created_by": "user",
	"sub":        "user", // RFC 7662
	"sid":        "session",
	"roles":      "role",
	"request_id": "request",
	"actor_id":   "user",

	"listUsers.role": "role",
}

// collections are the segments of paths that do not say what they hold, as
// projects does.
var collections = map[string]string{
	"tokens": "api_token",
}

// referent returns what a member or parameter names, or "".
func referent(operation, name string) string {
	if kind, ok := references[operation+"."+name]; ok {
		return kind
	}
	if kind, ok := references[name]; ok {
		return kind
	}
	for _, ending := range []string{"_ids", "_id"} {
		if kind, ok := strings.CutSuffix(name, ending); ok {
			return kind
		}
	}
	return ""
}

// pathReferent returns what a parameter of a path names: a thing of the
// collection that the segment before it is.
func pathReferent(path, name string) string {
	before, _, found := strings.Cut(path, "/{"+name+"}")
	if !found {
		return ""
	}
	collection := before[strings.LastIndexByte(before, '/')+1:]
	if kind, ok := collections[collection]; ok {
		return kind
	}
	if stem, ok := strings.CutSuffix(collection, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(collection, "s")
}

// markReferences marks the whole document.
func markReferences(document *huma.OpenAPI) {
	for _, schema := range document.Components.Schemas.Map() {
		markSchema(schema)
	}
	for path, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Head, item.Patch} {
			if op == nil {
				continue
			}
			for _, p := range op.Parameters {
				kind := ""
				switch p.In {
				case "path":
					kind = pathReferent(path, p.Name)
				case "query":
					kind = referent(op.OperationID, p.Name)
				}
				if kind != "" {
					p.Extensions = mark(p.Extensions, kind)
				}
			}
			if op.RequestBody != nil {
				for _, content := range op.RequestBody.Content {
					markSchema(content.Schema)
				}
			}
		}
	}
}

func markSchema(s *huma.Schema) {
	if s == nil {
		return
	}
	for name, member := range s.Properties {
		if kind := referent("", name); kind != "" {
			member.Extensions = mark(member.Extensions, kind)
		}
		markSchema(member)
	}
	markSchema(s.Items)
}

func mark(extensions map[string]any, kind string) map[string]any {
	if extensions == nil {
		extensions = map[string]any{}
	}
	extensions[refMark] = kind
	return extensions
}
