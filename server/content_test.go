package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"maestro/problem"
	"maestro/tenancy"
)

func hexDigest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// sha256Member is the content's digest as a Content-Digest carries it.
func sha256Member(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func TestContentIsServedAsItWasUploaded(t *testing.T) {
	w := newWorld(t)
	path := "/artifacts/" + w.acme.artifact("Modell „Größe“ 100%.json") + "/content"
	w.acme.send("GET", path, "").problem(problem.NotFound)
	content := `{"weights":[` + strings.Repeat("1,", 2000) + `1]}`
	tag := `"` + hexDigest(content) + `"`

	put := w.acme.send("PUT", path, content, "Content-Digest", "unixsum=:AAA=:, "+sha256Member(content)+";q=1").want(201)
	if a := put.object(); put.header.Get("ETag") != tag || a["content_hash"] != hexDigest(content) || a["size_bytes"] != float64(len(content)) || a["media_type"] != "application/json" {
		t.Errorf("uploaded: ETag %s, %s", put.header.Get("ETag"), put.body)
	}
	if again := w.acme.send("PUT", path, content, "Content-Type", "").want(200); again.header.Get("ETag") != tag {
		t.Errorf("uploaded again: ETag %s", again.header.Get("ETag"))
	}

	whole := w.viewer.send("GET", path, "", "Accept-Encoding", "gzip").want(200)
	if whole.body != content {
		t.Errorf("%d bytes came back, want %d", len(whole.body), len(content))
	}
	want := map[string]string{
		"Content-Type": "application/json", "Content-Length": fmt.Sprint(len(content)), "Etag": tag, "Accept-Ranges": "bytes", "Content-Encoding": "",
		"Content-Digest": sha256Member(content), "Repr-Digest": sha256Member(content), "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store", "No-Gzip-Compression": "",
		"Content-Disposition": `attachment; filename="Modell _Gr__e_ 100_.json"; filename*=UTF-8''Modell%20%E2%80%9EGr%C3%B6%C3%9Fe%E2%80%9C%20100%25.json`,
	}
	for name, value := range want {
		if got := whole.header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	head := w.viewer.send("HEAD", path, "").want(200)
	for name, value := range want {
		if got := head.header.Get(name); got != value || head.body != "" {
			t.Errorf("HEAD: %s is %q, want %q", name, got, value)
		}
	}

	part := w.viewer.send("GET", path, "", "Range", "bytes=2-8").want(206)
	if part.body != content[2:9] || part.header.Get("Content-Range") != fmt.Sprintf("bytes 2-8/%d", len(content)) ||
		part.header.Get("Repr-Digest") != sha256Member(content) || part.header.Get("Content-Digest") != "" {
		t.Errorf("a part is %q, %v", part.body, part.header)
	}
	if last := w.viewer.send("GET", path, "", "Range", "bytes=-2", "If-Range", tag).want(206); last.body != "]}" {
		t.Errorf("the last two are %q", last.body)
	}
	w.viewer.send("GET", path, "", "Range", "bytes=-2", "If-Range", `"old"`).want(200)
	if two := w.viewer.send("GET", path, "", "Range", "bytes=0-0,2-2").want(206); !strings.HasPrefix(two.header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two parts come as %s", two.header.Get("Content-Type"))
	}
	beyond := w.viewer.send("GET", path, "", "Range", "bytes=99999-")
	beyond.problem(problem.RangeNotSatisfiable)
	if got := beyond.header.Get("Content-Range"); got != fmt.Sprintf("bytes */%d", len(content)) || beyond.header.Get("Content-Disposition") != "" {
		t.Errorf("beyond the end: Content-Range %q", got)
	}
	if known := w.viewer.send("GET", path, "", "If-None-Match", `"x", W/`+tag).want(304); known.body != "" || known.header.Get("ETag") != tag {
		t.Errorf("known: %v", known.header)
	}
	w.viewer.send("GET", path, "", "If-Match", `"old"`).problem(problem.PreconditionFailed)
	w.viewer.send("PUT", path, "x").problem(problem.Forbidden)
	w.operator.send("GET", path, "").problem(problem.Forbidden)
	w.nobody.send("GET", path, "").problem(problem.Unauthenticated)
}

func TestWhatAnUploadMayNotBe(t *testing.T) {
	w := newWorld(t)
	declared := w.acme.artifact("declared", `"content_hash":"`+hexDigest("good")+`"`)
	path := "/artifacts/" + w.acme.artifact("a") + "/content"
	for _, test := range []struct {
		name    string
		path    string
		headers []string
		want    problem.Code
		places  []string
	}{
		{"an id that is none", "/artifacts/x/content", nil, problem.Validation, []string{"path.id"}},
		{"an artifact that is not there", "/artifacts/" + tenancy.NewID().String() + "/content", nil, problem.NotFound, nil},
		{"a parameter", path + "?append=true", nil, problem.Validation, []string{"query.append"}},
		{"another's digest", path, []string{"Content-Digest", sha256Member("other")}, problem.DigestMismatch, nil},
		{"another's digest, in the other field", path, []string{"Content-Digest", sha256Member("content"), "Repr-Digest", sha256Member("other")}, problem.DigestMismatch, nil},
		{"not what the artifact was created with", "/artifacts/" + declared + "/content", nil, problem.DigestMismatch, nil},
		{"digests that are none", path, []string{"Content-Digest", "sha-256=abc", "Repr-Digest", "sha-256=:AAAA:"}, problem.Validation, []string{"header.content-digest", "header.repr-digest"}},
		{"a part", path, []string{"Content-Range", "bytes 0-6/9"}, problem.Malformed, []string{"header.content-range"}},
		{"in another coding", path, []string{"Content-Encoding", "gzip"}, problem.UnsupportedMedia, nil},
		{"a form", path, []string{"Content-Type", "multipart/form-data; boundary=x"}, problem.UnsupportedMedia, nil},
		{"a media type that is none", path, []string{"Content-Type", "text"}, problem.Validation, []string{"header.content-type"}},
		{"tags that are none", path, []string{"If-Match", "x", "If-None-Match", `"y`}, problem.Malformed, []string{"header.if-match", "header.if-none-match"}},
		{"in place of what is not there", path, []string{"If-Match", "*"}, problem.PreconditionFailed, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := w.acme.in(t).send("PUT", test.path, "content", test.headers...).problem(test.want)
			if got := p.places(); !slices.Equal(got, test.places) {
				t.Errorf("names %v, want %v", got, test.places)
			}
			w.acme.in(t).send("GET", path, "").problem(problem.NotFound)
		})
	}
	w.acme.send("POST", path, "content").problem(problem.MethodNotAllowed)
}

func TestUploadsHoldToTheirPrecondition(t *testing.T) {
	w := newWorld(t)
	path := "/artifacts/" + w.acme.artifact("a") + "/content"
	tag := func(content string) string { return `"` + hexDigest(content) + `"` }
	w.acme.send("PUT", path, "one", "If-None-Match", "*").want(201)
	w.acme.send("PUT", path, "two", "If-None-Match", "*").problem(problem.PreconditionFailed)
	w.acme.send("PUT", path, "two", "If-Match", tag("zero")+", W/"+tag("one")).problem(problem.PreconditionFailed)
	w.acme.send("PUT", path, "two", "If-None-Match", "W/"+tag("one")).problem(problem.PreconditionFailed)
	w.acme.send("PUT", path, "two", "If-Match", tag("zero")+", "+tag("one")).want(200)
	w.acme.send("PUT", path, "three", "If-Match", "*", "If-None-Match", tag("one")).want(200)
	if got := w.acme.send("GET", path, "").want(200); got.body != "three" {
		t.Errorf("the content is %q", got.body)
	}
}

// TestAStreamOfUnknownLength uploads in chunks what is larger than any buffer.
func TestAStreamOfUnknownLength(t *testing.T) {
	w := newWorld(t)
	path := "/artifacts/" + w.acme.artifact("a") + "/content"
	content := make([]byte, 1<<20+1)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	request, err := http.NewRequest("PUT", w.url+"/api/v1"+path, io.MultiReader(bytes.NewReader(content))) // a reader of no known length
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.acme.credential)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if request.ContentLength != 0 || response.StatusCode != 201 {
		t.Fatalf("of length %d: status %d", request.ContentLength, response.StatusCode)
	}
	got := w.acme.send("GET", path, "").want(200)
	if got.body != string(content) || got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d bytes of %s came back", len(got.body), got.header.Get("Content-Type"))
	}
}

// TestAnUploadThatStopsLeavesNothing ends a body before its announced end.
func TestAnUploadThatStopsLeavesNothing(t *testing.T) {
	w := newWorld(t)
	path := "/artifacts/" + w.acme.artifact("a") + "/content"
	request, err := http.NewRequest("PUT", w.url+"/api/v1"+path, io.LimitReader(strings.NewReader("short"), 5))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = 10
	request.Header.Set("Authorization", "Bearer "+w.acme.credential)
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		if response.StatusCode < 400 {
			t.Errorf("answered %d", response.StatusCode)
		}
	}
	w.acme.send("GET", path, "").problem(problem.NotFound)
}

// TestStorageLimitsAreToldAndHeld uploads to a tenant with little room.
func TestStorageLimitsAreToldAndHeld(t *testing.T) {
	w := newWorld(t)
	w.operator.send("PATCH", "/tenants/"+w.acme.principal.Tenant.String(), `{"max_storage_bytes":10}`).want(200)
	a, b := "/artifacts/"+w.acme.artifact("a")+"/content", "/artifacts/"+w.acme.artifact("b")+"/content"
	w.acme.send("PUT", a, "12345678").want(201)
	p := w.acme.send("PUT", b, "abc").problem(problem.LimitReached)
	if p.Resource != "storage_bytes" || *p.Limit != 10 || *p.Current != 8 {
		t.Errorf("the limit is told as %s %d of %d", p.Resource, *p.Current, *p.Limit)
	}
	w.acme.send("PUT", b, "12345678").want(201) // it is there already
	w.acme.send("PUT", b, "ab").want(200)
	use := w.acme.send("GET", "/tenant", "").want(200).object()["use"].(map[string]any)
	if use["storage_bytes"] != 10.0 {
		t.Errorf("%v bytes are held, want 10", use["storage_bytes"])
	}
}

// TestDigestsTellNothingOfOtherTenants uploads what another tenant has, and asks
// with its digest: nothing in the answers says that it is known.
func TestDigestsTellNothingOfOtherTenants(t *testing.T) {
	w := newWorld(t)
	theirs := "/artifacts/" + w.beta.artifact("theirs") + "/content"
	w.beta.send("PUT", theirs, "secret plans").want(201)
	w.acme.send("GET", theirs, "").problem(problem.NotFound)
	w.acme.send("HEAD", theirs, "").want(404)
	w.acme.send("PUT", theirs, "secret plans").problem(problem.NotFound)
	var answers []string
	for i, guess := range []string{"secret plans", "public plans"} {
		path := "/artifacts/" + w.acme.artifact(fmt.Sprint("guess ", i), `"content_hash":"`+hexDigest(guess)+`"`) + "/content"
		get, wrong := w.acme.send("GET", path, ""), w.acme.send("PUT", path, "other", "Content-Digest", sha256Member(guess))
		get.problem(problem.NotFound)
		wrong.problem(problem.DigestMismatch)
		empty := func(s string) string { return strings.ReplaceAll(s, get.header.Get("X-Request-Id"), "") }
		answers = append(answers, empty(get.body)+strings.ReplaceAll(wrong.body, wrong.header.Get("X-Request-Id"), ""))
	}
	if answers[0] != answers[1] {
		t.Errorf("a known digest answers\n%s\nan unknown one\n%s", answers[0], answers[1])
	}
}

func TestAttachmentNames(t *testing.T) {
	for name, want := range map[string]string{
		"model.pkl":           `attachment; filename="model.pkl"`,
		`a";x=.html`:          `attachment; filename="a_;x=.html"; filename*=UTF-8''a%22%3Bx%3D.html`,
		"../../etc/passwd":    `attachment; filename=".._.._etc_passwd"`,
		`..\x`:                `attachment; filename=".._x"`,
		"..":                  `attachment; filename="artifact"`,
		"a\r\nSet-Cookie: x":  `attachment; filename="a__Set-Cookie: x"`,
		"naïve €.csv":         `attachment; filename="na_ve _.csv"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.csv`,
		"50%41.txt":           `attachment; filename="50_41.txt"; filename*=UTF-8''50%2541.txt`,
		"exe\u202Efdp.report": `attachment; filename="exe_fdp.report"`,
	} {
		if got := attachment(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

func TestDigestFields(t *testing.T) {
	sum := sha256Member("x")
	for field, want := range map[string]struct {
		hash string
		ok   bool
	}{
		"": {"", true}, sum: {hexDigest("x"), true}, "sha-512=:AAAA:": {"", true}, "md5=:AAAA:, " + sum: {hexDigest("x"), true},
		sha256Member("y") + "," + sum: {hexDigest("x"), true}, " " + sum + " ;a=b": {hexDigest("x"), true},
		"sha-256": {"", false}, "sha-256=::": {"", false}, "sha-256=AAAA": {"", false}, "sha-256=:not base64:": {"", false}, "sha-256=:AAAA:": {"", false},
		"sha-512=x, " + sum: {"", false}, ",": {"", false}, "sha-256=:": {"", false},
	} {
		hash, ok := sha256Digest(field)
		if hash != want.hash || ok != want.ok {
			t.Errorf("%q: got %q %v, want %q %v", field, hash, ok, want.hash, want.ok)
		}
	}
}
