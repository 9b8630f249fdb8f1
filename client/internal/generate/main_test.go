package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// The committed client is the one that the committed document makes.
func TestCommittedClient(t *testing.T) {
	document, err := os.ReadFile("../../../server/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(document)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../api.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("client/api.gen.go is not what server/openapi.json makes: run make client")
	}
}

func TestGenerate(t *testing.T) {
	const document = `{
		"paths": {
			"/songs": {
				"get": {"operationId": "listSongs", "summary": "List songs.", "x-maestro-permission": "songs:view",
					"parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}, {"name": "cursor", "in": "query", "schema": {"type": "string"}},
						{"name": "loud", "in": "query", "schema": {"type": "boolean"}}, {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}],
					"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/SongList"}}}}}}},
			"/login": {"post": {"operationId": "login", "summary": "Log in", "x-maestro-permission": "public",
				"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/SongFields"}}}}, "responses": {"204": {}}}},
			"/songs/{id}/parts/{part_id}": {
				"put": {"operationId": "putPart", "summary": "Put", "x-maestro-permission": "songs:update",
					"requestBody": {"content": {"application/octet-stream": {}}}, "responses": {"204": {}}},
				"get": {"operationId": "getPart", "summary": "Get", "x-maestro-permission": "songs:view",
					"responses": {"200": {"content": {"application/octet-stream": {}}}}},
				"patch": {"operationId": "changePart", "summary": "Change", "x-maestro-permission": "songs:update",
					"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/SongPatch"}}}},
					"responses": {"200": {"headers": {"ETag": {}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Song"}}}}}}}
		},
		"components": {"schemas": {
			"Song": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "plays": {"type": "integer"}, "rating": {"type": ["number", "null"]}}},
			"SongFields": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "description": "Its title"}, "genre": {"type": "string"}, "plays": {"type": "integer"}, "rating": {"type": ["number", "null"]}, "tags": {"type": "array", "items": {"type": "string"}}}},
			"SongPatch": {"type": "object", "properties": {"name": {"type": "string"}, "rating": {"type": ["number", "null"]}}},
			"SongList": {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Song"}}, "next_cursor": {"type": ["string", "null"]}}}
		}}
	}`
	source, err := generate([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	// Spaces only align.
	got := strings.Join(strings.Fields(string(source)), " ")
	for _, want := range []string{
		// An answer has every member; only what may be null needs a pointer.
		"type Song struct { Name string `json:\"name\"` Plays int64 `json:\"plays\"` Rating *float64 `json:\"rating\"` // ETag names",
		// A request can leave out what is not required.
		"Genre string `json:\"genre,omitempty\"` // Its title Name string `json:\"name\"` Plays *int64 `json:\"plays,omitempty\"` Rating *float64 `json:\"rating,omitempty\"` Tags []string `json:\"tags,omitempty\"`",
		// A patch can also empty.
		"type SongPatch struct { Name *string `json:\"name,omitempty\"` Rating Change[float64] `json:\"rating,omitzero\"` }",
		"type ListSongsParams struct { Limit int64 `query:\"limit\"` Cursor string `query:\"cursor\"` Loud *bool `query:\"loud\"` }",
		"func (c *Client) AllSongs(ctx context.Context, params ListSongsParams) iter.Seq2[Song, error] {",
		"func (c *Client) Login(ctx context.Context, body SongFields) error { return c.call(ctx, request{method: \"POST\", path: \"/login\", public: true, body: body}, nil)",
		"func (c *Client) PutPart(ctx context.Context, id string, partID string, contentType string, body io.Reader) error {",
		`path: "/songs/" + url.PathEscape(id) + "/parts/" + url.PathEscape(partID)`,
		"func (c *Client) GetPart(ctx context.Context, id string, partID string) (*http.Response, error) {",
		"func (v *Song) setETag(tag string) { v.ETag = tag }",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the client lacks\n%s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", source)
	}
}

func TestGenerateStopsAtWhatItDoesNotKnow(t *testing.T) {
	const union = `{"components": {"schemas": {"Either": {"type": "object", "properties": {"value": {"type": ["string", "number"]}}}}}}`
	if _, err := generate([]byte(union)); err == nil {
		t.Error("a value of two types was given one")
	}
}
