package auth

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maestro/tenancy"
)

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// mutations returns every text that differs from text in one character, is cut
// short, or has something added.
func mutations(text string) []string {
	var all []string
	for i := range text {
		all = append(all, text[:i])
		for _, c := range base64URL {
			if byte(c) != text[i] {
				all = append(all, text[:i]+string(c)+text[i+1:])
			}
		}
		all = append(all, text[:i]+"\n"+text[i:], text[:i]+"\n"+text[i+1:], text[:i]+"="+text[i+1:])
	}
	return append(all, text+"A", text+"=", text+"\n", " "+text, strings.ToUpper(text))
}

func TestSecretsHaveOneSpelling(t *testing.T) {
	secret := newSecret(apiTokenPrefix)
	digest, ok := ParseAPIToken(secret)
	if !ok || digest != digestOf(secret) || !strings.HasPrefix(secret, "mst_") || len(secret) != 4+secretChars {
		t.Fatalf("%d characters, parsed %v", len(secret), ok)
	}
	for _, changed := range mutations(secret) {
		if _, ok := ParseAPIToken(changed); ok {
			t.Errorf("%q is accepted for %q", changed, secret)
		}
	}
	if newSecret(apiTokenPrefix) == secret {
		t.Error("two secrets are the same")
	}
}

func TestKindsOfSecretsDoNotMix(t *testing.T) {
	prefixes := []string{apiTokenPrefix, invitationPrefix, resetPrefix, setupPrefix}
	for _, made := range prefixes {
		secret := newSecret(made)
		for _, asked := range prefixes {
			if _, ok := parseSecret(asked, secret); ok != (asked == made) {
				t.Errorf("a %s secret as %s: %v", made, asked, ok)
			}
			if made != asked {
				if _, ok := parseSecret(asked, asked+secret[len(made):]); ok {
					t.Errorf("a %s secret with the prefix %s is accepted", made, asked)
				}
			}
		}
	}
}

func testRefreshMint(t testing.TB) *refreshMint {
	return newRefreshMint(testRing(t, filepath.Join(t.TempDir(), "keys"), newTestClock()))
}

func TestRefreshTokensHaveOneSpelling(t *testing.T) {
	mint := testRefreshMint(t)
	token := mint.successor(mint.first(tenancy.NewID(), tenancy.NewID(), [32]byte{9}))
	text := mint.text(token)
	if got, ok := mint.parse(text); !ok || got != token || token.generation != 1 {
		t.Fatalf("got %+v, %v; want %+v", got, ok, token)
	}
	for _, changed := range mutations(text) {
		if _, ok := mint.parse(changed); ok {
			t.Errorf("%q is accepted for %q", changed, text)
		}
	}
	if _, ok := testRefreshMint(t).parse(text); ok {
		t.Error("another installation accepts the token")
	}
	first, again := mint.successor(token), mint.successor(token)
	if first != again || first.secret == token.secret {
		t.Error("the successor is not one and another")
	}
}

func TestDeviceTokens(t *testing.T) {
	clock := newTestClock()
	mint := newDeviceMint(testRing(t, filepath.Join(t.TempDir(), "keys"), clock), clock)
	ada := UserKey{Tenant: tenancy.NewID(), User: tenancy.NewID()}
	text := mint.issue(ada)
	if _, ok := mint.holds(text, ada); !ok {
		t.Error("the token does not hold for its account")
	}
	for _, other := range []UserKey{{Tenant: ada.Tenant, User: tenancy.NewID()}, {Tenant: tenancy.NewID(), User: ada.User}, {Tenant: ada.User, User: ada.Tenant}, {}} {
		if _, ok := mint.holds(text, other); ok {
			t.Errorf("the token holds for %+v", other)
		}
	}
	for _, changed := range mutations(text) {
		if _, ok := mint.holds(changed, ada); ok {
			t.Errorf("%q is accepted for %q", changed, text)
		}
	}
	clock.pass(deviceLife - time.Second)
	if _, ok := mint.holds(text, ada); !ok {
		t.Error("the token expires early")
	}
	clock.pass(time.Second)
	if _, ok := mint.holds(text, ada); ok {
		t.Error("the token does not expire")
	}
}

func FuzzAPIToken(f *testing.F) {
	f.Add(newSecret(apiTokenPrefix))
	f.Add("mst_")
	f.Fuzz(func(t *testing.T, text string) {
		digest, ok := ParseAPIToken(text)
		if ok && (digest != digestOf(text) || len(text) != 4+secretChars) {
			t.Errorf("%q is accepted", text)
		}
	})
}

func FuzzRefreshToken(f *testing.F) {
	mint := testRefreshMint(f)
	good := mint.text(mint.first(tenancy.NewID(), tenancy.NewID(), [32]byte{9}))
	f.Add(good)
	f.Add("msr_")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := mint.parse(text); ok && text != good {
			t.Errorf("%q is accepted", text)
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add(newSecret(invitationPrefix))
	f.Add(newSecret(resetPrefix))
	f.Fuzz(func(t *testing.T, text string) {
		kind, digest, ok := parseLink(text)
		if ok && (digest != digestOf(text) || !strings.HasPrefix(text, kind.prefix())) {
			t.Errorf("%q is accepted as %s", text, kind)
		}
	})
}

func FuzzDeviceToken(f *testing.F) {
	clock := newTestClock()
	mint := newDeviceMint(testRing(f, filepath.Join(f.TempDir(), "keys"), clock), clock)
	ada := UserKey{Tenant: tenancy.ID{1}, User: tenancy.ID{2}}
	good := mint.issue(ada)
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := mint.holds(text, ada); ok && text != good {
			t.Errorf("%q holds", text)
		}
	})
}
