package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// TestAnArchiveThatBreaksOffSaysWhy has archives that fail behind their first bytes,
// few and many: a client that takes trailers learns why, and any other sees that the
// connection broke.
func TestAnArchiveThatBreaksOffSaysWhy(t *testing.T) {
	w := newWorld(t)
	tenant := tenancy.NewID()
	full := func(detail string) error { return problem.New(problem.StorageFull, "%s", detail) }
	for name, test := range map[string]struct{ fails, want error }{
		"nothing":           {nil, nil},
		"a full disk":       {problem.Wrap(io.ErrShortWrite, problem.StorageFull, "Kein Platz für \"x\".\nNirgends. 🎵"), full("Kein Platz für \"x\".\nNirgends. 🎵")},
		"a limit":           {fmt.Errorf("x: %w", &problem.Error{Code: problem.LimitReached, Detail: "d", Limit: &problem.Limit{Resource: "members", Limit: 1, Current: 2}}), &problem.Error{Code: problem.LimitReached, Detail: "d", Limit: &problem.Limit{Resource: "members", Limit: 1, Current: 2}}},
		"a broken trail":    {fmt.Errorf("x: %w", &audit.Fault{Tenant: &tenant, Sequence: 3, Reason: "it is missing"}), &audit.Fault{Tenant: &tenant, Sequence: 3, Reason: "it is missing"}},
		"the server stops":  {fmt.Errorf("x: %w", context.Canceled), problem.New(problem.Unavailable, "The server stops.")},
		"full and stopping": {errors.Join(context.Canceled, full("d")), full("d")},
		"a defect":          {errors.New("secret"), problem.New(problem.Internal, "Internal error. The server's log says why.")},
		"a long story":      {full(strings.Repeat("\x01", 5000)), full(strings.Repeat("\x01", maxTrailedRunes) + "…")},
		"many wrong values": {&problem.Error{Code: problem.Validation, Detail: "d", Violations: make([]problem.Violation, 100)}, problem.New(problem.Validation, "d")},
	} {
		for _, size := range []int{1, 1 << 20} {
			for _, trailers := range []bool{true, false} {
				t.Run(fmt.Sprint(name, size, trailers), func(t *testing.T) {
					server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
						w.server.sendArchive(out, r, "backup", func(out io.Writer) error {
							_, err := out.Write(make([]byte, size))
							return errors.Join(test.fails, err)
						})
					}))
					defer server.Close()
					request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
					if err != nil {
						t.Fatal(err)
					}
					if trailers {
						request.Header.Set("TE", "trailers")
					}
					response, err := http.DefaultClient.Do(request)
					if test.fails != nil && !trailers && err != nil {
						return // it broke before the head was on its way
					}
					if err != nil {
						t.Fatal(err)
					}
					n, err := io.Copy(io.Discard, response.Body)
					if err := response.Body.Close(); err != nil {
						t.Error(err)
					}
					if test.fails != nil && !trailers {
						if err == nil {
							t.Errorf("%d bytes are taken for whole", n)
						}
						return
					}
					if err != nil || n != int64(size) {
						t.Errorf("%d bytes, %v", n, err)
					}
					if diff := gocmp.Diff(test.want, ReadLateRefusal(response)); diff != "" {
						t.Errorf("it says (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

// TestATrailerThatIsNoneIsAFailure: what cannot be read is no proof of a whole archive.
func TestATrailerThatIsNoneIsAFailure(t *testing.T) {
	response := &http.Response{Trailer: http.Header{refusalTrailer: {"{"}}}
	if err := ReadLateRefusal(response); problem.CodeOf(err) != problem.Internal || err == nil {
		t.Errorf("got %v", err)
	}
}

// TestNoArchiveOverHTTP10: there a broken-off answer ends as a whole one does.
func TestNoArchiveOverHTTP10(t *testing.T) {
	w := newWorld(t)
	request := httptest.NewRequest("GET", "/backup", nil)
	request.Proto, request.ProtoMajor, request.ProtoMinor = "HTTP/1.0", 1, 0
	answer := httptest.NewRecorder()
	w.server.sendArchive(answer, request, "backup", func(io.Writer) error {
		t.Error("an archive was begun")
		return nil
	})
	if answer.Code != http.StatusBadRequest {
		t.Errorf("got %d %s, want %d", answer.Code, answer.Body, http.StatusBadRequest)
	}
}
