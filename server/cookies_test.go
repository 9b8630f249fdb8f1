package server

import (
	"net/http"
	"strings"
	"testing"

	"maestro/auth"
	"maestro/problem"
)

// browser is what a login with cookie leaves: the cookies, and the access token.
type browser struct {
	cookies map[string]*http.Cookie
	access  string
}

func (w *world) browse(t *testing.T, email string) browser {
	t.Helper()
	a := w.nobody.in(t).send("POST", "/auth/login", `{"email":"`+email+`","password":"`+goodPassword+`","cookie":true}`).want(200)
	var grant auth.Grant
	a.into(&grant)
	if grant.RefreshToken != "" || grant.Device != "" || strings.Contains(a.body, "msr_") || strings.Contains(a.body, "msd_") {
		t.Errorf("a script can read %s", a.body)
	}
	b := browser{cookies: cookiesOf(a), access: grant.AccessToken}
	return b
}

func cookiesOf(a answer) map[string]*http.Cookie {
	cookies := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		cookies[c.Name] = c
	}
	return cookies
}

func (b browser) header(name string) string { return name + "=" + b.cookies[name].Value }

var ownPage = []string{"Sec-Fetch-Site", "same-origin"}

func TestABrowserKeepsItsRefreshTokenInACookie(t *testing.T) {
	w := newWorld(t)
	b := w.browse(t, "viewer@acme.example")
	for _, name := range []string{refreshCookie, deviceCookie} {
		c := b.cookies[name]
		if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/api/v1/auth" || c.Domain != "" || c.Secure || c.Expires.IsZero() {
			t.Errorf("the cookie %s is %+v", name, c)
		}
	}
	refresh := append([]string{"Cookie", b.header(refreshCookie)}, ownPage...)
	a := w.nobody.send("POST", "/auth/refresh", "", refresh...).want(200)
	var grant auth.Grant
	a.into(&grant)
	next := cookiesOf(a)[refreshCookie]
	if next == nil || next.Value == b.cookies[refreshCookie].Value || grant.RefreshToken != "" || grant.AccessToken == "" {
		t.Errorf("refreshed as %s with %v", a.body, next)
	}
	w.nobody.with(grant.AccessToken).send("GET", "/projects", "").want(200)
	w.nobody.send("GET", "/projects", "", refresh...).problem(problem.Unauthenticated) // a cookie is no credential of the API

	out := w.nobody.with(grant.AccessToken).send("POST", "/auth/logout", "", append([]string{"Cookie", refreshCookie + "=" + next.Value}, ownPage...)...).want(204)
	if c := cookiesOf(out)[refreshCookie]; c == nil || c.MaxAge >= 0 || c.Value != "" || out.header.Get("Clear-Site-Data") == "" {
		t.Errorf("the logout sends %v", out.header)
	}
	w.nobody.send("POST", "/auth/refresh", "", append([]string{"Cookie", refreshCookie + "=" + next.Value}, ownPage...)...).problem(problem.Unauthenticated)
	w.nobody.with(grant.AccessToken).send("GET", "/projects", "").problem(problem.Unauthenticated)
}

// A cookie comes along with requests that other sites cause: those are refused and
// change nothing.
func TestOtherSitesCannotUseTheCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browse(t, "viewer@acme.example")
	cookie := b.header(refreshCookie)
	for name, headers := range map[string][]string{
		"no word of where it comes from": {},
		"another site":                   {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a sibling":                      {"Sec-Fetch-Site", "same-site", "Origin", "https://other.example"},
		"an old browser":                 {"Origin", "https://evil.example"},
		"an opaque origin":               {"Origin", "null"},
		"a form":                         {"Sec-Fetch-Site", "cross-site", "Content-Type", "application/x-www-form-urlencoded"},
	} {
		for _, path := range []string{"/auth/refresh", "/auth/logout"} {
			a := w.nobody.send("POST", path, "", append([]string{"Cookie", cookie}, headers...)...)
			if a.status != 403 {
				t.Errorf("%s: POST %s answers %d", name, path, a.status)
			}
		}
	}
	w.nobody.send("POST", "/auth/refresh", "{}", "Cookie", cookie, "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin").problem(problem.UnsupportedMedia)
	w.nobody.send("GET", "/auth/refresh", "", append([]string{"Cookie", cookie}, ownPage...)...).problem(problem.MethodNotAllowed)
	w.nobody.with(b.access).send("GET", "/projects", "").want(200)
	w.nobody.send("POST", "/auth/refresh", "", append([]string{"Cookie", cookie}, ownPage...)...).want(200)
	w.nobody.send("POST", "/auth/refresh", "", "Cookie", cookie, "Origin", w.url).want(200) // within the grace
	twice := cookie + "; " + cookie
	w.nobody.send("POST", "/auth/refresh", "", append([]string{"Cookie", twice}, ownPage...)...).problem(problem.Unauthenticated)
}

func TestOverTLSTheCookieIsSecure(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.BehindTLS = true })
	b := w.browse(t, "viewer@acme.example")
	for _, name := range []string{"__Secure-" + refreshCookie, "__Secure-" + deviceCookie} {
		if c := b.cookies[name]; c == nil || !c.Secure {
			t.Errorf("the cookie %s is %+v", name, c)
		}
	}
	planted := strings.TrimPrefix(b.header("__Secure-"+refreshCookie), "__Secure-")
	w.nobody.send("POST", "/auth/refresh", "", append([]string{"Cookie", planted}, ownPage...)...).problem(problem.Unauthenticated)
	w.nobody.send("POST", "/auth/refresh", "", append([]string{"Cookie", "__Secure-" + planted}, ownPage...)...).want(200)
}

func TestAKnownBrowserIsNotSlowedDown(t *testing.T) {
	w := newWorld(t)
	b := w.browse(t, "viewer@acme.example")
	for range auth.AccountPace.Free {
		w.nobody.send("POST", "/auth/login", `{"email":"viewer@acme.example","password":"wrong"}`).problem(problem.Unauthenticated)
	}
	w.tryLogin("viewer@acme.example").problem(problem.TooManyRequests)
	w.tryLogin("viewer@acme.example", "Cookie", b.header(deviceCookie)).want(200)
	w.tryLogin("viewer@acme.example", "Cookie", b.header(refreshCookie)).want(200)
}
