package server

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// FuzzAuthorization holds the reading of the Authorization header to what the
// schemes say: whatever is taken for a credential stands in the header whole, as
// the rest of a Bearer or as what follows the first colon of a Basic.
func FuzzAuthorization(f *testing.F) {
	for _, header := range []string{"", "Bearer", "Bearer ", "bearer a.b.c", "Bearer  a", "Bearer a b", "Basic", "Basic Ojo=", "basic dTpwYXNz", "Basic dTpwYXNz=",
		"Basic dTpw\nYXNz", "Digest x", "\x00", "Bearer\ta", "BASIC OnA=", "Basic bm9jb2xvbg=="} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := credentialOf(&http.Request{Header: http.Header{"Authorization": {header}}})
		if err != nil {
			return
		}
		scheme, rest, _ := strings.Cut(header, " ")
		want := rest
		if strings.EqualFold(scheme, "basic") {
			decoded, err := base64.StdEncoding.DecodeString(rest)
			if err != nil {
				t.Fatalf("a credential from %q, which is no base64", header)
			}
			_, want, _ = strings.Cut(string(decoded), ":")
		} else if !strings.EqualFold(scheme, "bearer") {
			t.Fatalf("a credential of another scheme: %q", header)
		}
		if got != want {
			t.Errorf("%q holds %q, read as %q", header, want, got)
		}
		twice := &http.Request{Header: http.Header{"Authorization": {header, header}}}
		if _, err := credentialOf(twice); err == nil {
			t.Errorf("two headers are read as one: %q", header)
		}
	})
}

// FuzzCookie holds the reading of the browser's tokens to this: what is taken is
// the value of the only cookie of that name, and stands in the header.
func FuzzCookie(f *testing.F) {
	for _, header := range []string{"", "maestro_refresh=msr_x", "maestro_refresh=a; maestro_refresh=b", "maestro_refresh", `maestro_refresh="a"`, "a=b; maestro_refresh=c",
		"maestro_refresh=;", "Maestro_Refresh=x", "maestro_refresh=a,b", "__Secure-maestro_refresh=x", "maestro_refresh=\x00"} {
		f.Add(header)
	}
	s := &Server{}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		got := s.cookieValue(r, refreshCookie)
		if got == "" {
			return
		}
		if !strings.Contains(header, refreshCookie) || !strings.Contains(header, got) {
			t.Errorf("%q is read as %q", header, got)
		}
		if strings.ContainsAny(got, "\x00\r\n;\\") {
			t.Errorf("%q lets %q through", header, got)
		}
		r.Header["Cookie"] = []string{header, refreshCookie + "=another"}
		if again := s.cookieValue(r, refreshCookie); again != "" {
			t.Errorf("of two cookies %q is taken", again)
		}
	})
}
