package server

import (
	"context"
	"net/http"
	"time"

	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

func (s *Server) authRoutes() {
	const tag = "auth"
	const cookies = "With cookie the refresh token comes as an HttpOnly cookie in place of the answer's member, for browsers."
	handle(s, route{method: http.MethodGet, path: "/auth/setup", access: auth.Public, id: "getSetup", tag: tag,
		summary: "Tell whether the installation waits for its first operator"}, s.getSetup)
	handle(s, route{method: http.MethodPost, path: "/auth/setup", access: auth.Public, id: "completeSetup", tag: tag,
		summary: "Create the first operator with the setup token, and log in", text: "The token is printed at the start and stands in run/setup-token of the data directory. " + cookies,
		status: http.StatusCreated}, s.completeSetup)
	handle(s, route{method: http.MethodPost, path: "/auth/login", access: auth.Public, id: "logIn", tag: tag,
		summary: "Log in", text: "Every wrong combination is the same 401. " + cookies}, s.logIn)
	handle(s, route{method: http.MethodPost, path: "/auth/refresh", access: auth.Public, id: "refresh", tag: tag,
		summary: "Exchange a refresh token for its successor and a new access token",
		text:    "The token may be repeated for ten seconds, for a client that lost the answer. Used later, it ends the session. Without a body the browser's cookie is exchanged."}, s.refresh)
	handle(s, route{method: http.MethodPost, path: "/auth/logout", access: auth.Public, recognises: true, id: "logOut", tag: tag,
		summary: "End the session", text: "By its access token, its refresh token, or both. All its tokens stop at once.", status: http.StatusNoContent}, s.logOut)
	handle(s, route{method: http.MethodPost, path: "/auth/logout-all", access: auth.Authenticated, session: true, id: "logOutEverywhere", tag: tag,
		summary: "End every session of yours", text: "API tokens stay.", status: http.StatusNoContent}, s.logOutEverywhere)
	handle(s, route{method: http.MethodGet, path: "/auth/me", access: auth.Authenticated, id: "getMe", tag: tag,
		summary: "See who you are and what you may do"}, s.getMe)
	handle(s, route{method: http.MethodPost, path: "/auth/password", access: auth.Authenticated, session: true, id: "changePassword", tag: tag,
		summary: "Change your password", text: "Every session of yours ends; the answer opens a new one. " + cookies}, s.changePassword)
	handle(s, route{method: http.MethodPost, path: "/auth/redeem", access: auth.Public, id: "redeemLink", tag: tag,
		summary: "Set a password with an invitation or a password reset", text: "The token holds once. Log in afterwards."}, s.redeemLink)
	handle(s, route{method: http.MethodPost, path: "/auth/introspect", access: auth.Authenticated, id: "introspect", tag: tag,
		summary: "Tell what a token is (RFC 7662)", text: "Your own, or with tokens:view any of your tenant. Anything else is not active."}, s.introspect)
}

// client is where a request comes from.
func (s *Server) client(ctx context.Context, known string) auth.Client {
	r := exchangeOf(ctx).request
	for _, name := range []string{deviceCookie, refreshCookie} {
		if known == "" {
			known = s.cookieValue(r, name)
		}
	}
	return auth.Client{Address: clientAddress(ctx), UserAgent: r.UserAgent(), Known: known}
}

// grantOutput is the answer that opens or continues a session.
type grantOutput struct {
	SetCookie []string `header:"Set-Cookie" doc:"The browser's refresh token and device token"`
	Body      *auth.Grant
}

// granted answers with a grant; for a browser its long-lived tokens are cookies.
func (s *Server) granted(ctx context.Context, grant auth.Grant, asCookie bool) *grantOutput {
	out := &grantOutput{Body: &grant}
	if !asCookie {
		return out
	}
	r := exchangeOf(ctx).request
	out.SetCookie = append(out.SetCookie, s.setCookie(r, refreshCookie, grant.RefreshToken, grant.SessionExpires.Std()))
	if grant.Device != "" {
		out.SetCookie = append(out.SetCookie, s.setCookie(r, deviceCookie, grant.Device, s.now().Add(deviceCookieLife)))
	}
	grant.RefreshToken, grant.Device = "", ""
	return out
}

type setupState struct {
	Needed bool `json:"needed" doc:"There is no operator yet"`
}

func (s *Server) getSetup(ctx context.Context, _ *struct{}) (*struct{ Body *setupState }, error) {
	installation, err := s.store.Installation(ctx)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *setupState }{&setupState{Needed: !installation.HasOperator}}, nil
}

type setupRequest struct {
	SetupToken string `json:"setup_token"`
	Email      string `json:"email"`
	Password   string `json:"password"`
	Name       string `json:"name"`
	Cookie     bool   `json:"cookie,omitempty" doc:"Keep the refresh token in a cookie"`
}

func (s *Server) completeSetup(ctx context.Context, in *struct{ Body setupRequest }) (*grantOutput, error) {
	client := s.client(ctx, "")
	_, err := s.auth.CompleteSetup(ctx, in.Body.SetupToken, auth.FirstOperator{Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name}, client)
	if err != nil {
		return nil, err
	}
	grant, err := s.auth.Login(ctx, auth.Credentials{Email: in.Body.Email, Password: in.Body.Password, Tenant: tenancy.DefaultSlug}, client)
	if err != nil {
		return nil, err
	}
	return s.granted(ctx, grant, in.Body.Cookie), nil
}

// loginRequest has no bounds: what cannot be right is answered like what is wrong.
type loginRequest struct {
	Email       string `json:"email"`
	Password    string `json:"password"`
	Tenant      string `json:"tenant,omitempty" doc:"The tenant's slug; may be left out when the e-mail belongs to one account only"`
	KnownClient string `json:"known_client,omitempty" doc:"The device token or refresh token of an earlier login: it spares you the delays that strangers' failures cause, and opens nothing"`
	Cookie      bool   `json:"cookie,omitempty" doc:"Keep the refresh token in a cookie"`
}

func (s *Server) logIn(ctx context.Context, in *struct{ Body loginRequest }) (*grantOutput, error) {
	grant, err := s.auth.Login(ctx, auth.Credentials{Email: in.Body.Email, Password: in.Body.Password, Tenant: in.Body.Tenant}, s.client(ctx, in.Body.KnownClient))
	if err != nil {
		return nil, err
	}
	return s.granted(ctx, grant, in.Body.Cookie), nil
}

type refreshRequest struct {
	RefreshToken string `json:"refresh_token,omitempty" doc:"Left out by a browser, which has it in a cookie"`
}

func (r *refreshRequest) token() string {
	if r == nil {
		return ""
	}
	return r.RefreshToken
}

func (s *Server) refresh(ctx context.Context, in *struct{ Body *refreshRequest }) (*grantOutput, error) {
	token, fromCookie, err := s.refreshTokenOf(exchangeOf(ctx).request, in.Body.token())
	if err != nil {
		return nil, err
	}
	grant, err := s.auth.Refresh(ctx, token)
	if err != nil {
		return nil, err
	}
	return s.granted(ctx, grant, fromCookie), nil
}

// loggedOut is the answer to a logout: the browser forgets what it had.
type loggedOut struct {
	SetCookie     []string `header:"Set-Cookie" doc:"Deletes the browser's refresh token"`
	ClearSiteData string   `header:"Clear-Site-Data" doc:"Empties the browser's cache of this server"`
}

func (s *Server) logOut(ctx context.Context, in *struct{ Body *refreshRequest }) (*loggedOut, error) {
	caller := who(ctx)
	token, _, err := s.refreshTokenOf(exchangeOf(ctx).request, in.Body.token())
	if err != nil {
		return nil, err
	}
	if caller.User.IsZero() && token == "" {
		return nil, problem.New(problem.Unauthenticated, "There is no session to end: send its access token or its refresh token.")
	}
	if err := s.auth.Logout(ctx, caller, token); err != nil {
		return nil, err
	}
	return s.forgotten(ctx), nil
}

func (s *Server) forgotten(ctx context.Context) *loggedOut {
	out := &loggedOut{ClearSiteData: `"cache"`}
	if r := exchangeOf(ctx).request; s.cookieValue(r, refreshCookie) != "" {
		out.SetCookie = []string{s.setCookie(r, refreshCookie, "", time.Unix(0, 0))}
	}
	return out
}

func (s *Server) logOutEverywhere(ctx context.Context, _ *struct{}) (*loggedOut, error) {
	if err := s.auth.LogoutAll(ctx, who(ctx)); err != nil {
		return nil, err
	}
	return s.forgotten(ctx), nil
}

// me is what a caller is told of itself.
type me struct {
	User        *auth.User  `json:"user"`
	Tenant      ownTenant   `json:"tenant"`
	Permissions []string    `json:"permissions" nullable:"false" doc:"What this credential may do in the tenant"`
	IsOperator  bool        `json:"is_operator" doc:"This credential may run the installation"`
	Credential  string      `json:"credential" enum:"access_token,api_token"`
	Session     *tenancy.ID `json:"session_id,omitempty"`
	ExpiresAt   int64       `json:"expires_at" doc:"When the credential expires, Unix seconds"`
}

type ownTenant struct {
	ID   tenancy.ID `json:"id"`
	Name string     `json:"name"`
	Slug string     `json:"slug"`
}

func (s *Server) getMe(ctx context.Context, _ *struct{}) (*struct{ Body *me }, error) {
	caller := who(ctx)
	user, err := s.store.Tenant(caller.Scope).User(ctx, caller.User)
	if err != nil {
		return nil, err
	}
	tenant, err := s.store.TenantByID(ctx, caller.Tenant)
	if err != nil {
		return nil, err
	}
	self := &me{User: &user, Tenant: ownTenant{tenant.ID, tenant.Name, tenant.Slug}, Permissions: caller.Permissions.Names(),
		IsOperator: caller.Operator, Credential: "access_token", Session: &caller.Session, ExpiresAt: caller.ExpiresAt}
	if !caller.Interactive() {
		self.Credential, self.Session = "api_token", nil
	}
	return &struct{ Body *me }{self}, nil
}

type passwordRequest struct {
	CurrentPassword string `json:"current_password"`
	NewPassword     string `json:"new_password"`
	Cookie          bool   `json:"cookie,omitempty" doc:"Keep the refresh token in a cookie"`
}

func (s *Server) changePassword(ctx context.Context, in *struct{ Body passwordRequest }) (*grantOutput, error) {
	grant, err := s.auth.ChangePassword(ctx, who(ctx), in.Body.CurrentPassword, in.Body.NewPassword, s.client(ctx, ""))
	if err != nil {
		return nil, err
	}
	return s.granted(ctx, grant, in.Body.Cookie), nil
}

type redeemRequest struct {
	Token    string `json:"token" doc:"The invitation or password reset that was handed to you"`
	Password string `json:"password" doc:"The password to set"`
}

func (s *Server) redeemLink(ctx context.Context, in *struct{ Body redeemRequest }) (*struct{ Body *auth.User }, error) {
	user, err := s.auth.RedeemLink(ctx, in.Body.Token, in.Body.Password, s.client(ctx, ""))
	if err != nil {
		return nil, err
	}
	return &struct{ Body *auth.User }{&user}, nil
}

type introspectRequest struct {
	Token string `json:"token"`
}

func (s *Server) introspect(ctx context.Context, in *struct{ Body introspectRequest }) (*struct{ Body *auth.Introspection }, error) {
	answer, err := s.auth.Introspect(ctx, who(ctx), in.Body.Token)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *auth.Introspection }{&answer}, nil
}
