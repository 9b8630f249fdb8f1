package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"maestro/tenancy"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// forger makes tokens of any shape. It has the signing key, so that only what a
// case says is wrong.
type forger struct {
	mint *tokenMint
	key  ringKey
	now  time.Time
}

func newForger(t testing.TB) (*forger, *testClock) {
	clock := newTestClock()
	ring := testRing(t, filepath.Join(t.TempDir(), "keys"), clock)
	mint := newTokenMint(ring, clock, "maestro", "maestro", 64)
	return &forger{mint: mint, key: ring.current.Load().keys[0], now: clock.Now()}, clock
}

func (f *forger) header() map[string]any {
	return map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": f.key.kid}
}

func (f *forger) claims() map[string]any {
	return map[string]any{
		"iss": "maestro", "aud": "maestro", "sub": tenancy.NewID(), "jti": tenancy.NewID(), "sid": tenancy.NewID(),
		"tid": tenancy.NewID(), "uep": 1, "tep": 2, "gep": 3,
		"iat": f.now.Unix(), "nbf": f.now.Unix(), "exp": f.now.Add(15 * time.Minute).Unix(),
	}
}

func marshal(v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return encoded
}

func (f *forger) signRaw(header, claims []byte) string {
	input := b64(header) + "." + b64(claims)
	return input + "." + b64(ed25519.Sign(f.key.private, []byte(input)))
}

func (f *forger) sign(header, claims map[string]any) string {
	return f.signRaw(marshal(header), marshal(claims))
}

func with(m map[string]any, name string, value any) map[string]any {
	m[name] = value
	return m
}

func without(m map[string]any, name string) map[string]any {
	delete(m, name)
	return m
}

func TestGenuineTokensAreAccepted(t *testing.T) {
	f, _ := newForger(t)
	for name, token := range map[string]string{
		"plain":                    f.sign(f.header(), f.claims()),
		"typ in capitals":          f.sign(with(f.header(), "typ", "AT+JWT"), f.claims()),
		"typ with application/":    f.sign(with(f.header(), "typ", "application/at+jwt"), f.claims()),
		"jku, jwk and x5u ignored": f.sign(with(with(with(f.header(), "jku", "http://127.0.0.1:1/"), "jwk", map[string]string{}), "x5u", "x"), f.claims()),
	} {
		if _, err := f.mint.verify(token, f.now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	f, _ := newForger(t)
	good := f.sign(f.header(), f.claims())
	parts := strings.Split(good, ".")

	otherPublic, otherPrivate, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(f.key.public)
	must(t, err)
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)

	hs256 := func(key []byte) string {
		input := b64(marshal(with(f.header(), "alg", "HS256"))) + "." + parts[1]
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		return input + "." + b64(mac.Sum(nil))
	}
	foreign := func(header map[string]any) string {
		input := b64(marshal(header)) + "." + parts[1]
		return input + "." + b64(ed25519.Sign(otherPrivate, []byte(input)))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	called := make(chan struct{}, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			called <- struct{}{}
			_ = conn.Close()
		}
	}()

	forged := map[string]string{
		"empty": "", "dots": "..", "one segment": parts[0], "two segments": parts[0] + "." + parts[1],
		"four segments": good + "." + parts[2], "a thousand segments": strings.Repeat("a.", 1000),
		"no signature": parts[0] + "." + parts[1] + ".", "no payload": parts[0] + ".." + parts[2],
		"64 kB":              good + strings.Repeat("A", 64<<10),
		"padding":            good + "==",
		"newline at the end": good + "\n", "newline inside": good[:40] + "\n" + good[40:],
		"space before": " " + good, "tab inside": parts[0] + ".\t" + parts[1] + "." + parts[2],
		"NUL at the end":    good + "\x00",
		"trailing bits":     good[:len(good)-1] + flipLast(good[len(good)-1]),
		"standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
		"JSON serialised":   fmt.Sprintf(`{"payload":"%s","protected":"%s","signature":"%s"}`, parts[1], parts[0], parts[2]),
		"other signature":   parts[0] + "." + parts[1] + "." + strings.Split(f.sign(f.header(), f.claims()), ".")[2],
		"signature cut":     good[:len(good)-4],
		"signature of zero": parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)),

		"HS256 with the public key":         hs256(f.key.public),
		"HS256 with its PEM":                hs256(pemKey),
		"HS256 with its DER":                hs256(der),
		"HS256 with its JWK":                hs256(f.mint.ring.JWKS()),
		"HS256 with its base64":             hs256([]byte(b64(f.key.public))),
		"HS256 with an empty key":           hs256(nil),
		"signed by another key":             foreign(f.header()),
		"another key, its jwk in the token": foreign(with(f.header(), "jwk", map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64(otherPublic)})),
		"another key, jku":                  foreign(with(with(f.header(), "jku", "http://"+listener.Addr().String()+"/"), "kid", "elsewhere")),
		"another key, x5u":                  foreign(with(f.header(), "x5u", "http://"+listener.Addr().String()+"/")),

		"header null": f.signRaw([]byte("null"), marshal(f.claims())), "header list": f.signRaw([]byte("[]"), marshal(f.claims())),
		"header not JSON": f.signRaw([]byte("{"), marshal(f.claims())), "claims null": f.signRaw(marshal(f.header()), []byte("null")),
		"claims list": f.signRaw(marshal(f.header()), []byte("[]")), "claims empty": f.signRaw(marshal(f.header()), []byte("{}")),
		"claims twice":   f.signRaw(marshal(f.header()), append(marshal(f.claims()), '{', '}')),
		"claims UTF-16":  f.signRaw(marshal(f.header()), utf16Bytes(string(marshal(f.claims())))),
		"broken UTF-8":   f.signRaw(marshal(f.header()), []byte(strings.Replace(string(marshal(f.claims())), `"iss":"maestro"`, "\"iss\":\"maestro\xff\"", 1))),
		"sub twice":      f.signRaw(marshal(f.header()), []byte(`{"sub":"`+tenancy.NewID().String()+`",`+string(marshal(f.claims()))[1:])),
		"extra claim":    f.sign(f.header(), with(f.claims(), "is_operator", true)),
		"claims in caps": f.signRaw(marshal(f.header()), []byte(strings.Replace(string(marshal(f.claims())), `"exp"`, `"EXP"`, 1))),

		"typ JWT": f.sign(with(f.header(), "typ", "JWT"), f.claims()), "typ rt+jwt": f.sign(with(f.header(), "typ", "rt+jwt"), f.claims()),
		"no typ": f.sign(without(f.header(), "typ"), f.claims()), "typ a number": f.sign(with(f.header(), "typ", 1), f.claims()),
		"crit": f.sign(with(f.header(), "crit", []string{"exp"}), f.claims()),
	}
	for _, alg := range []any{"none", "NoNe", "NONE", "", "eddsa", "EDDSA", "Ed25519", "HS256", "HS512", "RS256", "PS256", "ES256", nil, 1, []string{"EdDSA"}} {
		forged[fmt.Sprintf("alg %v with our signature", alg)] = f.sign(with(f.header(), "alg", alg), f.claims())
		forged[fmt.Sprintf("alg %v without signature", alg)] = b64(marshal(with(f.header(), "alg", alg))) + "." + parts[1] + "."
	}
	forged["no alg"] = f.sign(without(f.header(), "alg"), f.claims())
	rs256 := b64(marshal(with(f.header(), "alg", "RS256"))) + "." + parts[1]
	digest := sha256.Sum256([]byte(rs256))
	signature, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, digest[:])
	must(t, err)
	forged["RS256"] = rs256 + "." + b64(signature)
	es256 := b64(marshal(with(f.header(), "alg", "ES256"))) + "." + parts[1]
	digest = sha256.Sum256([]byte(es256))
	r, s, err := ecdsa.Sign(rand.Reader, ecKey, digest[:])
	must(t, err)
	forged["ES256"] = es256 + "." + b64(append(pad32(r), pad32(s)...))

	for _, kid := range []any{"", "../../../dev/null", "' OR 1=1--", strings.Repeat("k", 1200), f.key.kid + "\x00", f.key.kid + " ", strings.ToUpper(f.key.kid), nil, 0, []string{f.key.kid}, f.key.file()} {
		forged[fmt.Sprintf("kid %.20v", kid)] = f.sign(with(f.header(), "kid", kid), f.claims())
	}
	forged["no kid"] = f.sign(without(f.header(), "kid"), f.claims())

	for claim := range f.claims() {
		forged["without "+claim] = f.sign(f.header(), without(f.claims(), claim))
		for name, value := range map[string]any{
			"null": nil, "true": true, "a list": []string{"maestro"}, "an object": map[string]int{}, "empty": "",
		} {
			forged[claim+" "+name] = f.sign(f.header(), with(f.claims(), claim, value))
		}
	}
	for _, claim := range []string{"iss", "aud"} {
		forged["another "+claim] = f.sign(f.header(), with(f.claims(), claim, "somebody"))
		forged[claim+" with a space"] = f.sign(f.header(), with(f.claims(), claim, "maestro "))
	}
	for _, claim := range []string{"sub", "jti", "sid", "tid"} {
		for _, value := range []any{"1", strings.ToUpper(tenancy.NewID().String()), tenancy.ID{}, 7, tenancy.NewID().String() + "\n"} {
			forged[fmt.Sprintf("%s %v", claim, value)] = f.sign(f.header(), with(f.claims(), claim, value))
		}
	}
	for _, claim := range []string{"exp", "iat", "nbf", "uep", "tep", "gep"} {
		for _, value := range []string{`"9999999999"`, "1e400", "1e9", "1.5", "-1", "-0", "9223372036854775808", "99999999999999"} {
			claims := string(marshal(with(f.claims(), claim, "@")))
			forged[claim+" "+value] = f.signRaw(marshal(f.header()), []byte(strings.Replace(claims, `"@"`, value, 1)))
		}
	}
	for _, claim := range []string{"exp", "iat", "nbf"} {
		forged[claim+" 0"] = f.sign(f.header(), with(f.claims(), claim, 0))
	}
	hour := int64(3600)
	forged["expired"] = f.sign(f.header(), with(with(with(f.claims(), "exp", f.now.Unix()-10), "iat", f.now.Unix()-900), "nbf", f.now.Unix()-900))
	forged["issued in the future"] = f.sign(f.header(), with(f.claims(), "iat", f.now.Unix()+60))
	forged["not valid yet"] = f.sign(f.header(), with(f.claims(), "nbf", f.now.Unix()+60))
	forged["lives a year"] = f.sign(f.header(), with(f.claims(), "exp", f.now.Unix()+365*24*hour))
	forged["expires before it was issued"] = f.sign(f.header(), with(f.claims(), "exp", f.now.Unix()-1))

	if len(forged) < 25 {
		t.Fatalf("only %d forgeries", len(forged))
	}
	for name, token := range forged {
		if claims, err := f.mint.verify(token, f.now); err == nil || claims != nil {
			t.Errorf("%s: accepted: %s", name, token)
		}
	}
	select {
	case <-called:
		t.Error("a token made the verifier open a connection")
	default:
	}
	if n := f.mint.verified.len(); n != 0 {
		t.Errorf("%d refused tokens are remembered", n)
	}
}

func flipLast(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

func utf16Bytes(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

func pad32(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }

func TestHostileTokensCostLittle(t *testing.T) {
	f, _ := newForger(t)
	for name, token := range map[string]string{
		"8 MB of dots": strings.Repeat(".", 8<<20), "8 MB of letters": strings.Repeat("a", 8<<20), "1000 segments": strings.Repeat("ab.", 1000),
	} {
		allocated := testing.AllocsPerRun(10, func() { _, _ = f.mint.verify(token, f.now) })
		if allocated > 2 {
			t.Errorf("%s: %.0f allocations", name, allocated)
		}
	}
}

func TestTokenTimes(t *testing.T) {
	f, _ := newForger(t)
	token := f.sign(f.header(), f.claims())
	exp := f.now.Add(15 * time.Minute)
	for _, c := range []struct {
		name string
		now  time.Time
		live bool
	}{
		{"at once", f.now, true},
		{"a second before the expiry", exp.Add(-time.Second), true},
		{"within the leeway", exp.Add(Leeway - time.Second), true},
		{"after the leeway", exp.Add(Leeway), false},
		{"clock set back within the leeway", f.now.Add(-Leeway), true},
		{"clock set back further", f.now.Add(-Leeway - time.Second), false},
	} {
		for _, state := range []string{"remembered", "not remembered"} {
			if state == "not remembered" {
				f.mint.verified = newTokenCache(64)
			}
			if claims := f.mint.verified.get(token, f.mint.ring.current.Load()); state == "remembered" && claims == nil {
				_, err := f.mint.verify(token, f.now)
				must(t, err)
			}
			f.mint.clock.(*testClock).wall = c.now
			if _, err := f.mint.verify(token, c.now); (err == nil) != c.live {
				t.Errorf("%s (%s): got %v, want live %v", c.name, state, err, c.live)
			}
			f.mint.clock.(*testClock).wall = f.now
		}
	}
}

func TestRotatedAndRetiredKeys(t *testing.T) {
	f, clock := newForger(t)
	token := f.sign(f.header(), f.claims())
	_, err := f.mint.verify(token, clock.Now())
	must(t, err)
	_, err = f.mint.ring.Rotate()
	must(t, err)
	if _, err := f.mint.verify(token, clock.Now()); err != nil {
		t.Errorf("the rotation ended a token: %v", err)
	}
	must(t, f.mint.ring.Retire(f.key.kid))
	if _, err := f.mint.verify(token, clock.Now()); err == nil {
		t.Error("the token of a retired key is accepted")
	}
}

func TestRotationUnderLoadRefusesNobody(t *testing.T) {
	t.Parallel()
	f, clock := newForger(t)
	stop := make(chan struct{})
	verified := make(chan struct{}) // keeps a minute from passing before a token is looked at
	failed := make(chan error, 1)
	go func() {
		defer close(verified)
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			case verified <- struct{}{}:
			default:
			}
			now := clock.Now()
			token, err := f.mint.sign(accessClaims{
				id: tenancy.NewID(), session: tenancy.NewID(), user: tenancy.NewID(), tenant: tenancy.NewID(),
				issuedAt: now.Unix(), notBefore: now.Unix(), expiresAt: now.Unix() + 900,
			})
			if err == nil {
				_, err = f.mint.verify(token, now)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	for range 100 {
		_, err := f.mint.ring.Rotate()
		must(t, err)
		<-verified
		clock.pass(time.Minute)
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a fresh token is refused during a rotation: %v", err)
	}
	if n := len(f.mint.ring.Keys()); n > 17 {
		t.Errorf("%d keys are left", n)
	}
}

func TestTokenCacheIsBounded(t *testing.T) {
	c := newTokenCache(64)
	set := &keySet{}
	for i := range 10_000 {
		c.put(fmt.Sprintf("token %06d", i*7919), &accessClaims{}, set)
	}
	if n := c.len(); n > 64+tokenShards {
		t.Errorf("the cache holds %d tokens, want about 64", n)
	}
	c.put("kept in use", &accessClaims{}, set)
	for i := range 10_000 {
		if c.get("kept in use", set) == nil {
			t.Fatalf("a token in use was forgotten after %d others", i)
		}
		c.put(fmt.Sprintf("other %06d", i*7919), &accessClaims{}, set)
	}
	if c.get("kept in use", &keySet{}) != nil {
		t.Error("a token verified with another state of the ring is remembered")
	}
}

func FuzzAccessToken(f *testing.F) {
	forge, _ := newForger(f)
	good := forge.sign(forge.header(), forge.claims())
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("e30.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := forge.mint.verify(text, forge.now)
		if err == nil && text != good {
			t.Errorf("accepted %q", text)
		}
	})
}

func FuzzClaims(f *testing.F) {
	forge, _ := newForger(f)
	f.Add(marshal(forge.claims()))
	f.Add([]byte(`{"exp":1e400}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var claims accessClaims
		if claims.UnmarshalJSON(data) != nil {
			return
		}
		again, err := claims.MarshalJSON()
		must(t, err)
		var second accessClaims
		must(t, second.UnmarshalJSON(again))
		if second != claims {
			t.Errorf("%s reads as %+v and %+v", data, claims, second)
		}
	})
}
