package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"maestro/problem"
	"maestro/tenancy"
)

// The life of tokens.
const (
	DefaultAccessLife  = 15 * time.Minute
	MaxAccessLife      = time.Hour
	DefaultRefreshLife = 7 * 24 * time.Hour // from the login; rotation does not extend it
	DefaultGrace       = 10 * time.Second   // for repeating the answer to a refresh

	// Leeway is how far the wall clock may have been set back since a token was
	// issued, and how long after its expiry a token is still accepted.
	Leeway = 5 * time.Second
)

// MaxTokenBytes bounds a credential. An access token has about 650 bytes.
const MaxTokenBytes = 2048

const (
	signingAlgorithm = "EdDSA"
	accessTokenType  = "at+jwt" // RFC 9068
)

var errInvalidToken = problem.New(problem.Unauthenticated, "The token is not valid, or not any more.")

// accessClaims are what an access token says. Every claim is required.
type accessClaims struct {
	issuer, audience string
	id               tenancy.ID // jti
	session          tenancy.ID // sid
	user             tenancy.ID // sub
	tenant           tenancy.ID // tid
	userEpoch        int64      // uep
	tenantEpoch      int64      // tep
	globalEpoch      int64      // gep
	issuedAt         int64      // iat, Unix seconds
	notBefore        int64      // nbf
	expiresAt        int64      // exp
}

// tokenMint signs and verifies access tokens.
type tokenMint struct {
	ring             *KeyRing
	clock            Clock
	issuer, audience string
	parser           *jwt.Parser
	verified         *tokenCache
}

func newTokenMint(ring *KeyRing, clock Clock, issuer, audience string, cacheSize int) *tokenMint {
	return &tokenMint{
		ring: ring, clock: clock, issuer: issuer, audience: audience,
		verified: newTokenCache(cacheSize),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{signingAlgorithm}),
			jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithIssuedAt(),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithLeeway(Leeway), jwt.WithTimeFunc(clock.Now),
		),
	}
}

// sign returns the token of claims, whose issuer and audience it fills in.
func (m *tokenMint) sign(claims accessClaims) (string, error) {
	claims.issuer, claims.audience = m.issuer, m.audience
	key := &m.ring.current.Load().keys[0]
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims)
	token.Header["typ"] = accessTokenType
	token.Header["kid"] = key.kid
	text, err := token.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return text, nil
}

// verify returns the claims of a token whose signature, issuer, audience and
// times hold at now. Nothing is said of why another one is refused.
func (m *tokenMint) verify(text string, now time.Time) (*accessClaims, error) {
	set := m.ring.current.Load()
	if claims := m.verified.get(text, set); claims != nil {
		if !claims.live(now) {
			return nil, errInvalidToken
		}
		return claims, nil
	}
	if !wellFormed(text) {
		return nil, errInvalidToken
	}
	claims := new(accessClaims)
	_, err := m.parser.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) {
		return m.key(token, set, now)
	})
	if err != nil || !claims.live(now) {
		return nil, errInvalidToken
	}
	m.verified.put(text, claims, set)
	return claims, nil
}

// key chooses the key from the ring alone. jku, jwk, x5c and the like are not
// looked at, and a token that asks for more to be understood is refused.
func (m *tokenMint) key(token *jwt.Token, set *keySet, now time.Time) (any, error) {
	kind, _ := token.Header["typ"].(string)
	kind = strings.ToLower(kind)
	if strings.TrimPrefix(kind, "application/") != accessTokenType {
		return nil, errors.New("not an access token")
	}
	if _, critical := token.Header["crit"]; critical {
		return nil, errors.New("critical header parameters")
	}
	kid, _ := token.Header["kid"].(string)
	key, ok := m.ring.find(set, kid, now)
	if !ok {
		return nil, errors.New("unknown key")
	}
	return key, nil
}

// wellFormed reports whether text has the size and alphabet of three base64url
// segments. It keeps everything else away from the decoders.
func wellFormed(text string) bool {
	if len(text) > MaxTokenBytes {
		return false
	}
	dots := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.':
			dots++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return dots == 2
}

// live reports whether the token's times hold at now.
func (c *accessClaims) live(now time.Time) bool {
	seconds, leeway := now.Unix(), int64(Leeway/time.Second)
	return seconds < c.expiresAt+leeway && seconds >= c.notBefore-leeway && seconds >= c.issuedAt-leeway
}

// MarshalJSON writes the claims in the form of RFC 9068.
func (c *accessClaims) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"iss": c.issuer, "aud": c.audience, "sub": c.user, "jti": c.id, "sid": c.session, "tid": c.tenant,
		"uep": c.userEpoch, "tep": c.tenantEpoch, "gep": c.globalEpoch,
		"iat": c.issuedAt, "nbf": c.notBefore, "exp": c.expiresAt,
	})
}

// UnmarshalJSON accepts exactly what MarshalJSON writes: every claim once, each
// of its type, and no others.
func (c *accessClaims) UnmarshalJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("claims are not UTF-8")
	}
	raw, err := uniqueMembers(data)
	if err != nil {
		return err
	}
	r := claimReader{raw: raw}
	*c = accessClaims{
		issuer: r.text("iss"), audience: r.text("aud"),
		user: r.id("sub"), id: r.id("jti"), session: r.id("sid"), tenant: r.id("tid"),
		userEpoch: r.integer("uep", 0), tenantEpoch: r.integer("tep", 0), globalEpoch: r.integer("gep", 0),
		issuedAt: r.integer("iat", 1), notBefore: r.integer("nbf", 1), expiresAt: r.integer("exp", 1),
	}
	switch {
	case r.err != nil:
		return r.err
	case r.read != len(raw):
		return errors.New("unknown claims")
	case c.expiresAt <= c.issuedAt, c.expiresAt-c.issuedAt > int64(MaxAccessLife/time.Second), c.notBefore > c.expiresAt:
		return errors.New("impossible times")
	}
	return nil
}

// uniqueMembers splits a JSON object and refuses a name that stands twice: the
// decoder of another program could read the other value.
func uniqueMembers(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("claims are not an object")
	}
	members := make(map[string]json.RawMessage)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		text, _ := name.(string)
		if _, twice := members[text]; twice {
			return nil, errors.New("a claim stands twice")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		members[text] = value
	}
	return members, nil
}

// claimReader reads typed claims and keeps the first error.
type claimReader struct {
	raw  map[string]json.RawMessage
	read int
	err  error
}

func (r *claimReader) next(name string) json.RawMessage {
	value, ok := r.raw[name]
	if ok {
		r.read++
	} else if r.err == nil {
		r.err = fmt.Errorf("no claim %s", name)
	}
	return value
}

func (r *claimReader) text(name string) string {
	value := r.next(name)
	var text string
	if err := json.Unmarshal(value, &text); (err != nil || text == "") && r.err == nil {
		r.err = fmt.Errorf("claim %s is not text", name)
	}
	return text
}

func (r *claimReader) id(name string) tenancy.ID {
	id, err := tenancy.ParseID(r.text(name))
	if (err != nil || id.IsZero()) && r.err == nil {
		r.err = fmt.Errorf("claim %s is not an id", name)
	}
	return id
}

// integer reads a whole number in plain digits, at least low and before the year
// 2200 when taken as seconds.
func (r *claimReader) integer(name string, low int64) int64 {
	value := string(r.next(name))
	n, err := strconv.ParseInt(value, 10, 64)
	if (err != nil || strconv.FormatInt(n, 10) != value || n < low || n >= tenancy.EndTime.Std().Unix()) && r.err == nil {
		r.err = fmt.Errorf("claim %s is not a whole number in its range", name)
	}
	return n
}

// The methods below implement jwt.Claims.

// GetExpirationTime implements jwt.Claims.
func (c *accessClaims) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(c.expiresAt) }

// GetIssuedAt implements jwt.Claims.
func (c *accessClaims) GetIssuedAt() (*jwt.NumericDate, error) { return numericDate(c.issuedAt) }

// GetNotBefore implements jwt.Claims.
func (c *accessClaims) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(c.notBefore) }

// GetIssuer implements jwt.Claims.
func (c *accessClaims) GetIssuer() (string, error) { return c.issuer, nil }

// GetSubject implements jwt.Claims.
func (c *accessClaims) GetSubject() (string, error) { return c.user.String(), nil }

// GetAudience implements jwt.Claims.
func (c *accessClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{c.audience}, nil
}

func numericDate(seconds int64) (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(seconds, 0)), nil
}
