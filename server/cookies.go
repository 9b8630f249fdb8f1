package server

import (
	"net/http"
	"time"

	"maestro/problem"
)

// A browser keeps its refresh token where no script can read it: in a cookie that
// is sent to the auth routes alone. A cookie comes along unasked, so a request
// that is authenticated by it must say that it comes from our own pages.
const (
	refreshCookie = "maestro_refresh"
	deviceCookie  = "maestro_device"
	cookiePath    = base + "/auth"

	deviceCookieLife = 90 * 24 * time.Hour // as long as a device token holds
)

// cookieName is the cookie's name on a connection. The prefix makes browsers take
// the cookie over TLS only.
func (s *Server) cookieName(r *http.Request, name string) string {
	if s.secure(r) {
		return "__Secure-" + name
	}
	return name
}

// secure reports whether the client's connection is encrypted.
func (s *Server) secure(r *http.Request) bool { return r.TLS != nil || s.behindTLS }

// setCookie returns a Set-Cookie header; an empty value deletes the cookie.
func (s *Server) setCookie(r *http.Request, name, value string, expires time.Time) string {
	// #nosec G124 -- Secure wherever the connection is: a laptop's is plain
	cookie := http.Cookie{
		Name: s.cookieName(r, name), Value: value, Path: cookiePath, Expires: expires.UTC(),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.secure(r),
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	return cookie.String()
}

// cookieValue returns the only cookie of that name, or "".
func (s *Server) cookieValue(r *http.Request, name string) string {
	cookies := r.CookiesNamed(s.cookieName(r, name))
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

// refreshTokenOf returns the refresh token of a request: from its body, or else
// from the browser's cookie, which holds for requests of our own pages only.
func (s *Server) refreshTokenOf(r *http.Request, given string) (token string, fromCookie bool, err error) {
	if given != "" {
		return given, false, nil
	}
	token = s.cookieValue(r, refreshCookie)
	if token == "" {
		return "", false, nil
	}
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" || s.crossOrigin.Check(r) != nil {
		return "", false, problem.New(problem.Forbidden, "The cookie holds for requests of this server's own pages only.")
	}
	return token, true, nil
}
