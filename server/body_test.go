package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maestro/tenancy"
)

// TestABodyHasItsRoutesLimit sends bodies of the largest size and of one byte
// more, with their length announced and in chunks.
func TestABodyHasItsRoutesLimit(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		caller       *caller
		method, path string
		open, close  string
		limit        int
		largest      int // status of the largest body
		larger       int
	}{
		{w.acme, "POST", "/projects", `{`, `}`, maxBody, 422, 413},
		{w.nobody, "POST", "/auth/login", `{`, `}`, maxBody, 422, 413},
		{w.nobody, "POST", "/projects", `{`, `}`, maxBody, 401, 401},
		{w.acme, "POST", "/metrics/batch", `[`, `]`, maxBatchBody, 201, 413},
		{w.acme, "PUT", "/artifacts/" + tenancy.NewID().String() + "/content", "", "", maxBody, 404, 404},
	} {
		for size, want := range map[int]int{test.limit: test.largest, test.limit + 1: test.larger} {
			body := test.open + strings.Repeat(" ", size-len(test.open)-len(test.close)) + test.close
			for name, reader := range map[string]io.Reader{"announced": strings.NewReader(body), "in chunks": struct{ io.Reader }{strings.NewReader(body)}} {
				request, err := http.NewRequest(test.method, base+test.path, reader)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", "application/json")
				if test.caller.credential != "" {
					request.Header.Set("Authorization", "Bearer "+test.caller.credential)
				}
				response := httptest.NewRecorder()
				w.server.ServeHTTP(response, request)
				if response.Code != want {
					t.Errorf("%s %s of %d bytes %s answered %d, want %d: %s", test.method, test.path, size, name, response.Code, want, response.Body)
				}
			}
		}
	}
}
