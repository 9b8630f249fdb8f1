package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"maestro/tenancy"
)

// A refresh token is
//
//	msr_ base64url( tenant(16) session(16) generation(4) secret(32) tag(16) )
//
// The tag is a MAC over what precedes it. It proves that this installation made
// the token, so a token that is genuine and old is reuse, while an invented one
// ends nobody's session and costs no lookup. The secret of a successor is a MAC
// over its predecessor: within the grace the server can repeat the same
// successor though only its hash is kept. Neither the keys nor the database
// alone yields a token.
type refreshToken struct {
	tenant     tenancy.ID
	session    tenancy.ID
	generation uint32 // counts the rotations of the session, from 0
	secret     [32]byte
}

const (
	refreshBody  = 16 + 16 + 4 + 32
	refreshTag   = 16
	refreshChars = (refreshBody + refreshTag) / 3 * 4 // 84 bytes leave no bits over, so a token has one spelling
)

// refreshMint makes and reads refresh tokens.
type refreshMint struct {
	tagKey, successorKey [32]byte
}

func newRefreshMint(ring *KeyRing) *refreshMint {
	return &refreshMint{tagKey: ring.Derive("refresh token tag"), successorKey: ring.Derive("refresh token successor")}
}

// first returns the first token of a session; seed is 32 random bytes.
func (m *refreshMint) first(tenant, session tenancy.ID, seed [32]byte) refreshToken {
	return refreshToken{tenant: tenant, session: session, secret: seed}
}

// successor returns the one token that may follow t.
func (m *refreshMint) successor(t refreshToken) refreshToken {
	next := refreshToken{tenant: t.tenant, session: t.session, generation: t.generation + 1}
	mac := hmac.New(sha256.New, m.successorKey[:])
	mac.Write(t.body())
	mac.Sum(next.secret[:0])
	return next
}

func (m *refreshMint) text(t refreshToken) string {
	body := t.body()
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(body, m.tag(body)...))
}

// parse reads a token that this installation made.
func (m *refreshMint) parse(text string) (refreshToken, bool) {
	encoded, ok := strings.CutPrefix(text, refreshPrefix)
	if !ok || len(encoded) != refreshChars {
		return refreshToken{}, false
	}
	var raw [refreshBody + refreshTag]byte
	if n, err := base64.RawURLEncoding.Decode(raw[:], []byte(encoded)); err != nil || n != len(raw) {
		return refreshToken{}, false
	}
	if !hmac.Equal(raw[refreshBody:], m.tag(raw[:refreshBody])) {
		return refreshToken{}, false
	}
	t := refreshToken{generation: binary.BigEndian.Uint32(raw[32:36])}
	copy(t.tenant[:], raw[:16])
	copy(t.session[:], raw[16:32])
	copy(t.secret[:], raw[36:refreshBody])
	return t, true
}

func (m *refreshMint) tag(body []byte) []byte {
	mac := hmac.New(sha256.New, m.tagKey[:])
	mac.Write(body)
	return mac.Sum(nil)[:refreshTag]
}

func (t refreshToken) body() []byte {
	body := make([]byte, 0, refreshBody+sha256.Size)
	body = append(body, t.tenant[:]...)
	body = append(body, t.session[:]...)
	body = binary.BigEndian.AppendUint32(body, t.generation)
	return append(body, t.secret[:]...)
}
