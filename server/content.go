package server

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"

	"maestro/auth"
	"maestro/problem"
	"maestro/registry"
	"maestro/storage"
	"maestro/tenancy"
)

// maxRanges is how many ranges of content one request may ask for. One that asks
// for more gets all of it, as RFC 9110, section 14.2, lets a server do: each range
// costs a hundred times the bytes that it takes to ask for it.
const maxRanges = 32

func (s *Server) contentRoutes() {
	const tag, path = "artifacts", "/artifacts/{id}/content"
	handleStream(s, route{method: http.MethodPut, path: path, access: auth.Requires(auth.ArtifactsUpload), id: "putArtifactContent", tag: tag, accepts: anyMedia,
		summary: "Upload the content of an artifact",
		text: "The body is the content itself, streamed, in place of what there was. A SHA-256 in Content-Digest or Repr-Digest (RFC 9530), or the content_hash that the artifact was created with, must be its own. " +
			"The same content is kept, and counted, once in a tenant; uploads under way count towards what the tenant may hold. Answers 201 to an artifact's first content."}, putOperation(s.api.OpenAPI().Components.Schemas), s.putContent)
	handleStream(s, route{method: http.MethodGet, path: path, access: auth.Requires(auth.ArtifactsView), id: "getArtifactContent", tag: tag,
		summary: "Download the content of an artifact, or a range of it"}, getOperation("Content"), s.getContent)
	handleStream(s, route{method: http.MethodHead, path: path, access: auth.Requires(auth.ArtifactsView), id: "headArtifactContent", tag: tag,
		summary: "Read the size, digest and type of an artifact's content"}, getOperation("As of GET, without the content"), s.getContent)
}

func (s *Server) putContent(c *gin.Context) {
	artifact, first, err := s.receiveContent(c)
	if err != nil {
		refuse(c, err)
		return
	}
	header := c.Writer.Header()
	header["Etag"] = []string{contentTag(*artifact.ContentHash)}
	header["Content-Type"] = []string{"application/json"}
	status := http.StatusOK
	if first {
		status = http.StatusCreated
	}
	c.Status(status)
	_, _ = c.Writer.Write(encodeJSON(&artifact)) // a client that is gone needs no answer
}

func (s *Server) receiveContent(c *gin.Context) (a registry.Artifact, first bool, err error) {
	id, err := contentPath(c)
	if err != nil {
		return a, false, err
	}
	content, err := contentOf(c.Request)
	if err != nil {
		return a, false, err
	}
	caller := who(c.Request.Context())
	if !s.uploads.take(caller.Tenant) {
		return a, false, &problem.Error{Code: problem.Unavailable, RetryAfter: time.Second,
			Detail: "Too many uploads are on their way. Nothing of this one was kept; send it again when others are done."}
	}
	defer s.uploads.leave(caller.Tenant)
	body := newPacedReader(c, s.contentPace)
	content.Body = &body
	return s.store.Tenant(caller.Scope).PutContent(c.Request.Context(), id, content)
}

// contentPath reads the artifact's id from the path, and refuses parameters.
func contentPath(c *gin.Context) (id tenancy.ID, err error) {
	var checks problem.Checks
	for name := range c.Request.URL.Query() {
		checks.Refuse("query."+name, "unknown query parameter")
	}
	id, err = tenancy.ParseID(c.Param("id"))
	checks.Require(err == nil, "path.id", "must be a UUID in lower case")
	return id, checks.Err()
}

// contentOf reads what the headers say of the content in the body.
func contentOf(r *http.Request) (content storage.NewContent, err error) {
	if r.Header.Get("Content-Range") != "" { // RFC 9110, section 14.5
		return content, &problem.Error{Code: problem.Malformed, Detail: "Content is uploaded whole.",
			Violations: []problem.Violation{{Location: "header.content-range", Message: "must not be sent"}}}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return content, problem.New(problem.UnsupportedMedia, "Send the content without a Content-Encoding: its bytes are kept as they come.")
	}
	if content.MediaType, err = contentMediaType(r.Header.Get("Content-Type")); err != nil {
		return content, err
	}
	if content.Hashes, err = announcedHashes(r.Header); err != nil {
		return content, err
	}
	content.Size = r.ContentLength
	content.Match, err = contentMatch(r.Header)
	return content, err
}

// contentMediaType is the media type that the upload gives the content; empty
// when it says nothing of it, as does what clients send unasked.
func contentMediaType(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var checks problem.Checks
	registry.CheckMediaType(&checks, "header.content-type", text)
	if err := checks.Err(); err != nil {
		return "", err
	}
	switch mediaType, _, _ := mime.ParseMediaType(text); mediaType {
	case "application/octet-stream", "application/x-www-form-urlencoded":
		return "", nil
	case "multipart/form-data":
		return "", problem.New(problem.UnsupportedMedia, "Send the content itself as the body, not a form around it.")
	}
	return text, nil
}

// contentMatch reads the preconditions on the content that is there
// (RFC 9110, section 13).
func contentMatch(h http.Header) (storage.ContentMatch, error) {
	must, mustNot := strings.TrimSpace(h.Get("If-Match")), strings.TrimSpace(h.Get("If-None-Match"))
	wanted, wantedOK := parseTags(must)
	unwanted, unwantedOK := parseTags(mustNot)
	unread := unreadableTags()
	if must != "" && must != "*" && !wantedOK {
		unread.Violations = append(unread.Violations, noTags("header.if-match"))
	}
	if mustNot != "" && mustNot != "*" && !unwantedOK {
		unread.Violations = append(unread.Violations, noTags("header.if-none-match"))
	}
	if len(unread.Violations) > 0 {
		return nil, unread
	}
	return func(held string) bool {
		switch {
		case must == "*" && held == "", mustNot == "*" && held != "":
			return false
		}
		has := func(tags []string, weak bool) bool {
			for _, tag := range tags {
				if weak {
					tag = strings.TrimPrefix(tag, "W/")
				}
				if held != "" && tag == contentTag(held) {
					return true
				}
			}
			return false
		}
		return (wanted == nil || has(wanted, false)) && !has(unwanted, true)
	}, nil
}

func contentTag(hash string) string { return `"` + hash + `"` }

func (s *Server) getContent(c *gin.Context) {
	id, err := contentPath(c)
	if err != nil {
		refuse(c, err)
		return
	}
	content, err := s.store.Tenant(who(c.Request.Context()).Scope).OpenContent(c.Request.Context(), id)
	if err != nil {
		refuse(c, err)
		return
	}
	defer func() { _ = content.File.Close() }() // it was only read
	a := content.Artifact
	w := &contentWriter{ResponseWriter: c.Writer, digest: digestHeader(*a.ContentHash)}
	describeContent(w.Header(), &a)
	if strings.Count(c.GetHeader("Range"), ",") >= maxRanges {
		c.Request.Header.Del("Range")
	}
	http.ServeContent(w, c.Request, "", time.Time{}, content.File)
	if w.refused != 0 {
		s.refuseContent(c, w.refused)
	}
}

// describeContent sets the headers of content. Content is other people's: it is
// saved and not shown, and where a browser shows it all the same, it may do
// nothing.
func describeContent(h http.Header, a *registry.Artifact) {
	mediaType := a.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Disposition", attachment(a.Name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("ETag", contentTag(*a.ContentHash))
	h.Set("Repr-Digest", digestHeader(*a.ContentHash))
	h.Set(gzhttp.HeaderNoCompression, "true") // the digest is that of these bytes
}

// refuseContent answers what ServeContent could not serve.
func (s *Server) refuseContent(c *gin.Context, status int) {
	for _, name := range []string{"Content-Disposition", "Repr-Digest", "Content-Length", "Accept-Ranges", "Etag"} {
		c.Writer.Header().Del(name)
	}
	c.Writer.Header()["Cache-Control"] = s.headers["Cache-Control"] // which ServeContent took away
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		refuse(c, problem.New(problem.RangeNotSatisfiable, "The content does not have these bytes."))
	case http.StatusPreconditionFailed:
		refuse(c, problem.New(problem.PreconditionFailed, "The content was changed since you read it."))
	default:
		refuse(c, problem.New(problem.Internal, ""))
	}
}

// contentWriter writes what ServeContent serves. Its refusals are kept back, to
// be answered as problems; the digest of the whole content goes with the whole.
type contentWriter struct {
	http.ResponseWriter
	digest  string
	refused int
}

// WriteHeader implements http.ResponseWriter.
func (w *contentWriter) WriteHeader(status int) {
	if status >= 400 {
		w.refused = status
		return
	}
	if status == http.StatusOK {
		w.Header().Set("Content-Digest", w.digest)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *contentWriter) Write(b []byte) (int, error) {
	if w.refused != 0 {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}
