package load

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

func TestAppendRequestIsReadByNetHTTP(t *testing.T) {
	for _, c := range []struct{ method, path, token, body string }{
		{"GET", "/api/v1/projects?limit=50", "abc.def", ""},
		{"POST", "/api/v1/projects", "abc", `{"name":"é"}`},
		{"DELETE", "/x", "", ""},
	} {
		var body []byte
		if c.body != "" {
			body = []byte(c.body)
		}
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(AppendRequest(nil, c.method, c.path, c.token, body))))
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		got, err := io.ReadAll(request.Body)
		if err != nil || request.Method != c.method || request.RequestURI != c.path || string(got) != c.body {
			t.Errorf("%+v: got %s %s %q, %v", c, request.Method, request.RequestURI, got, err)
		}
		want := ""
		if c.token != "" {
			want = "Bearer " + c.token
		}
		if got := request.Header.Get("Authorization"); got != want {
			t.Errorf("%+v: Authorization %q, want %q", c, got, want)
		}
	}
}
