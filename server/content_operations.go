package server

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"maestro/registry"
)

// What the document says of the content routes, which read and write by
// themselves.

func putOperation(schemas huma.Registry) huma.Operation {
	artifact := map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(reflect.TypeFor[registry.Artifact](), true, "")}}
	tag := map[string]*huma.Param{"ETag": {Description: "Names the content", Schema: &huma.Schema{Type: huma.TypeString}}}
	return huma.Operation{
		Parameters: []*huma.Param{
			artifactParam(),
			headerParam("Content-Digest", "Digest of the body, such as sha-256=:base64: (RFC 9530); 422 when it is another's"),
			headerParam("Repr-Digest", "As Content-Digest"),
			headerParam("If-Match", "ETag of the content that must still be there; 412 otherwise"),
			headerParam("If-None-Match", "* to upload only where there is no content; 412 otherwise"),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: anyContent()},
		Responses: map[string]*huma.Response{
			"200": {Description: "The content is in place of what there was", Headers: tag, Content: artifact},
			"201": {Description: "The artifact has its first content", Headers: tag, Content: artifact},
		},
	}
}

func getOperation(description string) huma.Operation {
	headers := map[string]*huma.Param{}
	for name, text := range map[string]string{
		"ETag": "Names the content: its SHA-256 in hexadecimal", "Repr-Digest": "Digest of the whole content (RFC 9530)",
		"Content-Digest": "Digest of the body, where that is the whole content", "Content-Disposition": "The artifact's name, to save it under",
	} {
		headers[name] = &huma.Param{Description: text, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return huma.Operation{
		Parameters: []*huma.Param{
			artifactParam(),
			headerParam("Range", "Bytes to send, such as bytes=0-1023; 416 when there are none such"),
			headerParam("If-Range", "ETag of the content that the range is of; otherwise all is sent"),
			headerParam("If-Match", "ETag of the content that must still be there; 412 otherwise"),
			headerParam("If-None-Match", "ETag of the content you have; 304 when it is still the current one"),
		},
		Responses: map[string]*huma.Response{
			"200": {Description: description, Headers: headers, Content: anyContent()},
			"206": {Description: description + ": the bytes asked for", Headers: headers, Content: anyContent()},
			"304": {Description: "You have it"},
		},
	}
}

func anyContent() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"*/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
}

func headerParam(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

func artifactParam() *huma.Param {
	return &huma.Param{Name: "id", In: "path", Required: true, Description: "The artifact", Schema: idSchema{}.Schema(nil)}
}
