package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWeakRootSecretsAreRefused: none of these was drawn by chance, and none is
// repeated in the refusal.
func TestWeakRootSecretsAreRefused(t *testing.T) {
	encode := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	counting, twice := make([]byte, 32), make([]byte, 16)
	for i := range counting {
		counting[i] = byte(100 + 3*i)
	}
	rand.Read(twice)
	drawn := make([]byte, 33)
	rand.Read(drawn)
	for name, text := range map[string]string{
		"nothing":            "",
		"a word":             "secret",
		"a placeholder":      "changeme",
		"31 bytes":           encode(drawn[:31]),
		"33 bytes":           encode(drawn),
		"no base64":          strings.Repeat("!", 44),
		"base64url":          "-_" + encode(drawn[:32])[2:],
		"no padding":         strings.TrimRight(encode(drawn[:32]), "="),
		"zeros":              encode(make([]byte, 32)),
		"one byte":           encode(bytes.Repeat([]byte{0xa7}, 32)),
		"a sequence":         encode(counting),
		"few bytes repeated": encode(bytes.Repeat(twice[:8], 4)),
		"base64 of a phrase": encode([]byte("correct horse battery staple 123")),
		"base64 of hex":      encode([]byte("9f86d081884c7d659a2feaa0c55ad015")),
	} {
		root, err := ParseRootSecret(text)
		if err == nil || root != nil {
			t.Errorf("%s is taken", name)
			continue
		}
		if text != "" && strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "openssl rand -base64 32") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 10_000 {
		rand.Read(drawn)
		if root, err := ParseRootSecret(encode(drawn[:32]) + "\n"); err != nil || !bytes.Equal(root, drawn[:32]) {
			t.Fatalf("%x was drawn by chance: %v", drawn[:32], err)
		}
	}
}

func TestTheRootSecretMayComeFromElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	root, other := make([]byte, 32), make([]byte, 32)
	rand.Read(root)
	rand.Read(other)
	open := func(root []byte) (*KeyRing, *Sealer, error) {
		ring, err := OpenKeyRing(dir, root, newTestClock(), testRetain)
		if err != nil {
			return nil, nil, err
		}
		sealer, err := openSealer(ring)
		return ring, sealer, err
	}
	refused := func(root []byte, says string) {
		t.Helper()
		_, _, err := open(root)
		var refusal *SecretError
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
		if err := CheckKeyRing(dir, root); !errors.As(err, &refusal) || !strings.Contains(err.Error(), says) {
			t.Errorf("the check says %v, want %q", err, says)
		}
	}
	ring, sealer, err := open(root)
	must(t, err)
	place := Place{Table: "t", Column: "c"}
	sealed, err := sealer.Seal([]byte("value"), place)
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, secretFile)); err == nil {
		t.Error("it is in the directory all the same")
	}
	purpose := ring.Derive("x")

	// It opens with that one again, and with no other.
	ring, sealer, err = open(root)
	must(t, err)
	must(t, CheckKeyRing(dir, root))
	if value, err := sealer.Open(sealed, place); err != nil || string(value) != "value" || ring.Derive("x") != purpose {
		t.Errorf("the same secret opens %q, %v", value, err)
	}
	refused(other, "does not open with this installation's secret")
	refused(nil, "root-secret: is not set")
	if _, err := os.Stat(filepath.Join(dir, secretFile)); err == nil {
		t.Error("a secret was made although there was one")
	}

	// Beside a file it must be the file's.
	must(t, os.WriteFile(filepath.Join(dir, secretFile), []byte(base64.StdEncoding.EncodeToString(root)), 0o600))
	_, _, err = open(root)
	must(t, err)
	_, _, err = open(nil)
	must(t, err)
	refused(other, "is another one than keys/secret.key")
	must(t, os.WriteFile(filepath.Join(dir, secretFile), []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600))
	refused(nil, "is not random")
}
