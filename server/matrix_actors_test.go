package server

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maestro/auth"
	"maestro/tenancy"
)

// actor is somebody who sends requests.
type actor struct {
	name    string
	headers http.Header
	query   string // that it adds to every request

	// Of one whose credential holds: a credential that holds now, and what it may.
	fresh func() string
	holds func(permission string) bool
	job   bool // an API token, not a person's session
}

// presented is an actor with one Authorization header.
func presented(name, authorization string) actor {
	return actor{name: name, headers: http.Header{"Authorization": {authorization}}}
}

func bearer(name, credential string) actor { return presented(name, "Bearer "+credential) }

// signer makes access tokens as the server does, with its key, and wrong ones.
type signer struct {
	kid string
	key ed25519.PrivateKey
}

// signingKey reads the key that signs, the newest, from the data directory.
func signingKey(t *testing.T, dir string) signer {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*.pem"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no key: %v", err)
	}
	slices.Sort(files)
	newest := files[len(files)-1]
	text, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, kid, _ := strings.Cut(strings.TrimSuffix(filepath.Base(newest), ".pem"), "-")
	return signer{kid, key.(ed25519.PrivateKey)}
}

type claimSet = map[string]any

// claimsOf reads the claims of a token.
func claimsOf(t *testing.T, token string) claimSet {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims claimSet
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.UseNumber() // or the times would come back as floats
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func segment(v any) string { return base64.RawURLEncoding.EncodeToString([]byte(encode(v))) }

// token signs claims under a header; changes are laid over the header that is right.
func (s signer) token(claims, changes claimSet) string {
	header := claimSet{"alg": "EdDSA", "typ": "at+jwt", "kid": s.kid}
	maps.Copy(header, changes)
	input := segment(header) + "." + segment(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key, []byte(input)))
}

// hmacToken signs claims with HS256 and any bytes as the key.
func (s signer) hmacToken(claims claimSet, secret []byte) string {
	input := segment(claimSet{"alg": "HS256", "typ": "at+jwt", "kid": s.kid}) + "." + segment(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// with returns claims with some changed.
func with(claims claimSet, changes ...any) claimSet {
	changed := maps.Clone(claims)
	for i := 0; i < len(changes); i += 2 {
		changed[changes[i].(string)] = changes[i+1]
	}
	return changed
}

// strangers are actors without a credential that could be one.
func (m *matrix) strangers(good string) []actor {
	both := http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}
	return []actor{
		{name: "no token"},
		{name: "the token in the query", query: "access_token=" + good},
		{name: "the token in a cookie", headers: http.Header{"Cookie": {"access_token=" + good + "; maestro_refresh=" + good}}},
		{name: "the token in another header", headers: http.Header{"X-Access-Token": {good}, "X-Api-Key": {good}}},
		{name: "headers that name a user", headers: http.Header{"X-User-Id": {m.w.acme.principal.User.String()}, "X-User-Role": {"admin"}, "X-Tenant-Id": {m.w.acme.principal.Tenant.String()}}},
		{name: "two credentials", headers: both},
		presented("an empty header", ""),
		presented("the bare token", good),
		presented("another scheme", "Token "+good),
		presented("Basic that is no base64", "Basic %%%"),
	}
}

// forgers are actors with a token that was not issued, or not as it is.
func (m *matrix) forgers(claims claimSet) []actor {
	right := signingKey(m.t, m.w.dir)
	public := right.key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		m.t.Fatal(err)
	}
	_, strange, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	wrong := signer{right.kid, strange}
	jwk := claimSet{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(strange.Public().(ed25519.PublicKey))}
	now := m.w.clock.Now().Unix()
	good := right.token(claims, nil)
	unsigned := func(algorithm string) string {
		return segment(claimSet{"alg": algorithm, "typ": "at+jwt", "kid": right.kid}) + "." + segment(claims) + "."
	}
	return []actor{
		bearer("expired", right.token(with(claims, "iat", now-1000, "nbf", now-1000, "exp", now-100), nil)),
		bearer("not yet valid", right.token(with(claims, "iat", now+500, "nbf", now+500, "exp", now+900), nil)),
		bearer("a life of a year", right.token(with(claims, "exp", now+365*24*3600), nil)),
		bearer("wrong issuer", right.token(with(claims, "iss", "another"), nil)),
		bearer("wrong audience", right.token(with(claims, "aud", "another"), nil)),
		bearer("no audience", right.token(without(claims, "aud"), nil)),
		bearer("no expiry", right.token(without(claims, "exp"), nil)),
		bearer("no session", right.token(without(claims, "sid"), nil)),
		bearer("no tenant", right.token(without(claims, "tid"), nil)),
		bearer("an older user epoch", right.token(with(claims, "uep", 0), nil)),
		bearer("a later user epoch", right.token(with(claims, "uep", 1_000_000), nil)),
		bearer("an older tenant epoch", right.token(with(claims, "tep", 0), nil)),
		bearer("an older global epoch", right.token(with(claims, "gep", 0), nil)),
		bearer("a user who never was", right.token(with(claims, "sub", tenancy.NewID()), nil)),
		bearer("a tenant that never was", right.token(with(claims, "tid", tenancy.NewID()), nil)),
		bearer("the user in another tenant", right.token(with(claims, "tid", m.w.beta.principal.Tenant), nil)),
		bearer("no algorithm", unsigned("none")),
		bearer("NoNe as algorithm", unsigned("NoNe")),
		bearer("an empty algorithm", unsigned("")),
		bearer("HS256 by the public key", right.hmacToken(claims, public)),
		bearer("HS256 by the public key as DER", right.hmacToken(claims, der)),
		bearer("HS256 by the public key as PEM", right.hmacToken(claims, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))),
		bearer("HS256 by an empty key", right.hmacToken(claims, nil)),
		bearer("another key", wrong.token(claims, nil)),
		bearer("another key, sent along", wrong.token(claims, claimSet{"jwk": jwk})),
		bearer("a key that is unknown", wrong.token(claims, claimSet{"kid": "../../dev/null"})),
		bearer("no key named", right.token(claims, claimSet{"kid": ""})),
		bearer("a critical extension", right.token(claims, claimSet{"crit": []string{"exp"}})),
		bearer("the type of a refresh token", right.token(claims, claimSet{"typ": "rt+jwt"})),
		bearer("the type of any JWT", right.token(claims, claimSet{"typ": "JWT"})),
		bearer("other claims under the signature", strings.Split(good, ".")[0]+"."+segment(with(claims, "sub", m.w.viewer.principal.User))+"."+strings.Split(good, ".")[2]),
		bearer("the signature cut", good[:len(good)-1]),
		bearer("padded", good+"="),
		bearer("a segment more", good+".x"),
		bearer("a refresh token", m.w.acme.grant.RefreshToken),
		presented("a refresh token as password", "Basic "+basic("x", m.w.acme.grant.RefreshToken)),
		presented("the user's password", "Basic "+basic(m.w.acme.email, goodPassword)),
		bearer("no token after the scheme", ""),
		bearer("a word", "garbage"),
		bearer("an API token nobody made", "mst_"+strings.Repeat("A", 48)),
		bearer("a thousand segments", strings.Repeat("a.", 1000)),
		bearer("64 KiB of dots", strings.Repeat(".", 64<<10)),
		bearer("64 KiB of token", good+strings.Repeat("A", 64<<10)),
	}
}

func without(claims claimSet, name string) claimSet {
	rest := maps.Clone(claims)
	delete(rest, name)
	return rest
}

// ends are what makes a credential stop, by the name of its former owner. Each
// gets a user, logged in, with an API token of its own; it returns what stops of
// the two.
var ends = map[string]func(m *matrix, victim *caller) (session, token bool){
	"logged out": func(m *matrix, victim *caller) (bool, bool) {
		m.must(victim, "POST", "/api/v1/auth/logout", "")
		return true, false
	},
	"logged out by the refresh token": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.nobody, "POST", "/api/v1/auth/logout", `{"refresh_token":"`+victim.grant.RefreshToken+`"}`)
		return true, false
	},
	"logged out everywhere": func(m *matrix, victim *caller) (bool, bool) {
		m.must(victim, "POST", "/api/v1/auth/logout-all", "")
		return true, false
	},
	"session ended from another": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.login(victim.email), "DELETE", "/api/v1/auth/sessions/"+victim.principal.Session.String(), "")
		return true, false
	},
	"password changed": func(m *matrix, victim *caller) (bool, bool) {
		m.must(victim, "POST", "/api/v1/auth/password", `{"current_password":"`+goodPassword+`","new_password":"another kettle under rain"}`)
		return true, false
	},
	"revoked by an admin": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.acme, "POST", "/api/v1/users/"+victim.principal.User.String()+"/revoke", "")
		return true, true
	},
	"refresh token used twice": func(m *matrix, victim *caller) (bool, bool) {
		refresh := func(token string) (next string) {
			next, _ = m.must(m.w.nobody, "POST", "/api/v1/auth/refresh", `{"refresh_token":"`+token+`"}`).object()["refresh_token"].(string)
			return next
		}
		refresh(refresh(victim.grant.RefreshToken))
		if a := m.w.tryRefresh(victim.grant.RefreshToken); a.status != 401 {
			m.t.Fatalf("a refresh token holds twice: %d", a.status)
		}
		return true, false
	},
	"demoted": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.acme, "PATCH", "/api/v1/users/"+victim.principal.User.String(), `{"roles":["viewer"]}`)
		return true, false
	},
	"disabled": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.acme, "PATCH", "/api/v1/users/"+victim.principal.User.String(), `{"is_active":false}`)
		return true, true
	},
	"deleted": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.acme, "DELETE", "/api/v1/users/"+victim.principal.User.String(), "")
		return true, true
	},
	"of a suspended tenant": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.operator, "PATCH", "/api/v1/tenants/"+victim.principal.Tenant.String(), `{"is_active":false}`)
		return true, true
	},
	"of a deleted tenant": func(m *matrix, victim *caller) (bool, bool) {
		m.must(m.w.operator, "DELETE", "/api/v1/tenants/"+victim.principal.Tenant.String(), "")
		return true, true
	},
}

// formers are actors with a credential that held once: the access token itself, a
// second one of the same session, both in Basic too, and the API token where it
// stopped as well.
func (m *matrix) formers() (actors []actor) {
	for i, name := range slices.Sorted(maps.Keys(ends)) {
		tenant := m.w.acme.principal.Tenant
		if strings.HasSuffix(name, "tenant") {
			tenant = m.w.tenant(fmt.Sprintf("former-%d", i))
		}
		victim := m.w.enter(tenant, fmt.Sprintf("former%d@acme.example", i), auth.RoleTenantAdmin)
		sibling := signingKey(m.t, m.w.dir).token(with(claimsOf(m.t, victim.credential), "jti", tenancy.NewID()), nil)
		job := m.token(victim, auth.APITokenFields{Scopes: auth.EveryPermission.Names()})
		for _, credential := range []string{victim.credential, sibling, job} {
			m.must(victim.with(credential), "GET", "/api/v1/auth/me", "")
		}
		session, token := ends[name](m, victim)
		if session {
			actors = append(actors, bearer(name, victim.credential), bearer(name+", another token of the session", sibling),
				presented(name+", as password", "Basic "+basic("x", victim.credential)))
		}
		if token {
			actors = append(actors, bearer(name+", by API token", job), presented(name+", by API token as password", "Basic "+basic("x", job)))
		}
	}
	expires := tenancy.TimeOf(m.w.clock.Now().Add(time.Second))
	expired := m.token(m.w.acme, auth.APITokenFields{Scopes: []string{"projects:view"}, ExpiresAt: &expires})
	removed := m.token(m.w.acme, auth.APITokenFields{Scopes: []string{"projects:view"}})
	var page struct{ Items []auth.APIToken }
	m.must(m.w.acme, "GET", "/api/v1/auth/tokens?limit=1", "").into(&page)
	m.must(m.w.acme, "DELETE", "/api/v1/auth/tokens/"+page.Items[0].ID.String(), "")
	now := m.w.clock.Now().Unix()
	lapsed := signingKey(m.t, m.w.dir).token(with(claimsOf(m.t, m.w.acme.credential), "iat", now-60, "nbf", now-60, "exp", now+1), nil)
	m.must(m.w.acme.with(lapsed), "GET", "/api/v1/auth/me", "")
	m.w.clock.pass(time.Second + auth.Leeway + time.Second)
	return append(actors, bearer("expired since it was used", lapsed), bearer("an expired API token", expired), bearer("a deleted API token", removed), bearer("an API token with a letter changed", m.damaged()))
}

// damaged is an API token that holds but for one letter.
func (m *matrix) damaged() string {
	token := []byte(m.token(m.w.acme, auth.APITokenFields{Scopes: []string{"projects:view"}}))
	at := len(token) - 20
	token[at] = 'A' + (token[at]-'A'+1)%26
	return string(token)
}

// ofRetiredKey is an actor whose token was signed by a key that was taken out of
// use. Everybody of the world logs in again.
func (m *matrix) ofRetiredKey() actor {
	old := signingKey(m.t, m.w.dir)
	token := old.token(claimsOf(m.t, m.w.acme.credential), nil)
	if _, err := m.w.auth.RotateKeys(); err != nil {
		m.t.Fatal(err)
	}
	m.must(m.w.acme.with(token), "GET", "/api/v1/auth/me", "") // it verifies still
	if err := m.w.auth.RetireKey(old.kid); err != nil {
		m.t.Fatal(err)
	}
	for _, c := range []**caller{&m.w.acme, &m.w.beta, &m.w.viewer, &m.w.operator} {
		*c = m.w.login((*c).email)
	}
	return bearer("signed by a retired key", token)
}

// person is an actor with a session, whose permissions are those of roles. Each
// request has a token of its own, signed here, as if it were refreshed for it.
func (m *matrix) person(name string, c *caller, grants auth.Permissions, operator bool) actor {
	key := signingKey(m.t, m.w.dir)
	claims := claimsOf(m.t, c.credential)
	return actor{name: name,
		fresh: func() string {
			token := key.token(with(claims, "jti", tenancy.NewID()), nil)
			if _, err := m.w.auth.Authenticate(background, token); err != nil { // a request ended its sessions
				claims = claimsOf(m.t, m.w.login(c.email).credential)
				token = key.token(claims, nil)
			}
			return token
		},
		holds: func(permission string) bool { return granted(permission, grants, operator) },
	}
}

// granted decides whether what a route declares is held.
func granted(permission string, grants auth.Permissions, operator bool) bool {
	if permission == auth.Operator.String() {
		return operator
	}
	p, known := auth.ParsePermission(permission)
	return !known || grants.Has(p)
}

// people are actors whose credential holds: every system role, one whose role
// grants nothing, an operator, and a job whose owner lost what it was made with.
func (m *matrix) people() []actor {
	acme := m.w.acme.principal.Tenant
	m.w.user(acme, "an-operator@acme.example", func(u *auth.UserFields) { u.IsOperator = true }, "nothing")
	actors := []actor{
		m.person("somebody whose role grants nothing", m.w.enter(acme, "nothing@acme.example", "nothing"), 0, false),
		m.person("an operator", m.w.login("an-operator@acme.example"), 0, true),
	}
	for _, role := range auth.SystemRoles() {
		actors = append(actors, m.person("a "+role.Name, m.w.enter(acme, "a-"+role.Name+"@acme.example", role.Name), role.Grants, false))
	}
	owner := m.w.enter(acme, "demoted-owner@acme.example", auth.RoleTenantAdmin)
	job := m.job("an API token whose owner became a viewer", owner, auth.EveryPermission.Names()...)
	m.must(m.w.acme, "PATCH", "/api/v1/users/"+owner.principal.User.String(), `{"roles":["viewer"]}`)
	viewer, _ := auth.SystemRole(auth.RoleViewer)
	job.holds = func(permission string) bool { return granted(permission, viewer, false) }
	return append(actors, job)
}

// job is an actor with an API token of scopes.
func (m *matrix) job(name string, owner *caller, scopes ...string) actor {
	token := m.token(owner, auth.APITokenFields{Scopes: scopes})
	return actor{name: name, job: true, fresh: func() string { return token },
		holds: func(asked string) bool { return asked == auth.Authenticated.String() || slices.Contains(scopes, asked) }}
}

// jobs are actors with an API token for each permission that is declared: with
// that scope alone, and with every other one.
func (m *matrix) jobs() map[string][]actor {
	acme := m.w.acme.principal.Tenant
	owner := m.w.enter(acme, "jobs@acme.example", auth.RoleTenantAdmin)
	m.w.user(acme, "both@acme.example", func(u *auth.UserFields) { u.IsOperator = true }, auth.RoleTenantAdmin)
	both := m.w.login("both@acme.example")
	jobs := map[string][]actor{
		auth.Operator.String(): {
			m.job("an operator's API token of that scope alone", both, auth.ScopeOperator),
			m.job("an operator's API token of every other scope", both, auth.EveryPermission.Names()...),
		},
		auth.Authenticated.String(): {m.job("an API token", owner, auth.ProjectsView.String())},
	}
	for _, o := range m.api.all {
		if p, ok := auth.ParsePermission(o.Permission); ok && jobs[o.Permission] == nil {
			jobs[o.Permission] = []actor{
				m.job("an API token of that scope alone", owner, o.Permission),
				m.job("an API token of every other scope", owner, (auth.EveryPermission &^ auth.PermissionsOf(p)).Names()...),
			}
		}
	}
	return jobs
}
