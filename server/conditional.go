package server

import (
	"strconv"
	"strings"

	"maestro/problem"
	"maestro/storage"
)

// etag is the validator of a resource at a change counter.
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// etagWith is the validator of a resource that also shows something that is no
// change of it, such as when a user last logged in. It differs when that does,
// and If-Match looks at the counter alone: a login is in nobody's way.
func etagWith(revision, shown int64) string {
	return `"` + strconv.FormatInt(revision, 10) + "." + strconv.FormatInt(shown, 36) + `"`
}

// counterTag is the etag of the change counter in a tag of either form.
func counterTag(tag string) string {
	if counter, _, two := strings.Cut(tag, "."); two && strings.HasSuffix(tag, `"`) {
		return counter + `"`
	}
	return tag
}

// IfMatch is the precondition of a change.
type IfMatch struct {
	Tags string `header:"If-Match" maxLength:"1024" doc:"ETag that the resource must still have; 412 otherwise"`
}

// match reads the header: * admits any state, a list any of its tags. Weak tags
// never match (RFC 9110, section 13.1.1).
func (h IfMatch) match() (storage.Match, error) {
	if h.Tags == "" || strings.TrimSpace(h.Tags) == "*" {
		return nil, nil
	}
	tags, ok := parseTags(h.Tags)
	if !ok {
		return nil, unreadableTags(noTags("header.if-match"))
	}
	return func(revision int64) bool {
		for _, tag := range tags {
			if counterTag(tag) == etag(revision) {
				return true
			}
		}
		return false
	}, nil
}

// unreadableTags refuses a precondition that cannot be read; see noTags.
func unreadableTags(places ...problem.Violation) *problem.Error {
	return &problem.Error{Code: problem.Malformed, Detail: "A precondition cannot be read.", Violations: places}
}

func noTags(location string) problem.Violation {
	return problem.Violation{Location: location, Message: "must be * or a list of entity tags"}
}

// IfNoneMatch is the precondition of a read.
type IfNoneMatch struct {
	KnownTags string `header:"If-None-Match" maxLength:"1024" doc:"ETag of the state you have; 304 when it is still the current one"`
}

// current reports whether the client has this state already. The comparison is
// weak (RFC 9110, section 13.1.2).
func (h IfNoneMatch) current(tag string) bool {
	if h.KnownTags == "" {
		return false
	}
	if strings.TrimSpace(h.KnownTags) == "*" {
		return true
	}
	tags, _ := parseTags(h.KnownTags)
	for _, t := range tags {
		if strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// parseTags splits a list of entity tags.
func parseTags(text string) (tags []string, ok bool) {
	for text = strings.TrimSpace(text); text != ""; {
		start := 0
		if strings.HasPrefix(text, "W/") {
			start = 2
		}
		if start >= len(text) || text[start] != '"' {
			return nil, false
		}
		end := strings.IndexByte(text[start+1:], '"')
		if end < 0 {
			return nil, false
		}
		end += start + 2
		tags = append(tags, text[:end])
		text = strings.TrimSpace(text[end:])
		if text == "" {
			break
		}
		if text[0] != ',' {
			return nil, false
		}
		text = strings.TrimSpace(text[1:])
	}
	return tags, len(tags) > 0
}

// resource is the answer that carries one resource.
type resource[T any] struct {
	ETag   string `header:"ETag" doc:"Names this state of the resource"`
	Status int    `json:"-"`
	Body   *T
}

// createdResource is the answer of a create.
type createdResource[T any] struct {
	ETag     string `header:"ETag" doc:"Names this state of the resource"`
	Location string `header:"Location" doc:"Where the new resource is"`
	Replayed string `header:"Idempotency-Replayed" doc:"true when the request was a repetition and the resource exists since the first one"`
	Body     *T
}

// IdempotencyKey is what makes a create safe to repeat.
type IdempotencyKey struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"A value of your making, such as a UUID. The same request with the same key creates once, however often it is sent within a day"`
}

// shown answers with a resource, or 304 when the client has this state.
func shown[T any](value *T, revision int64, h IfNoneMatch) *resource[T] {
	return shownAs(value, etag(revision), h)
}

// shownAs is shown for a resource whose validator is not its counter alone.
func shownAs[T any](value *T, tag string, h IfNoneMatch) *resource[T] {
	r := &resource[T]{ETag: tag, Status: 200, Body: value}
	if h.current(r.ETag) {
		r.Status, r.Body = 304, nil
	}
	return r
}

// made answers a create.
func made[T any](value *T, revision int64, path string, replayed bool) *createdResource[T] {
	r := &createdResource[T]{ETag: etag(revision), Location: base + path, Body: value}
	if replayed {
		r.Replayed = "true"
	}
	return r
}
