package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maestro/problem"
)

const testRetain = 15 * time.Minute

func testRing(t testing.TB, dir string, clock Clock) *KeyRing {
	t.Helper()
	ring, err := OpenKeyRing(dir, nil, clock, testRetain)
	must(t, err)
	return ring
}

func TestKeyFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	testRing(t, dir, newTestClock())
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %o", info.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 {
		t.Fatalf("the ring has %d files, want a key and the secret", len(entries))
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", entry.Name(), info.Mode().Perm())
		}
		must(t, os.Chmod(path, 0o640))
		if _, err := OpenKeyRing(dir, nil, newTestClock(), testRetain); err == nil {
			t.Errorf("the ring opens though others may read %s", entry.Name())
		}
		must(t, os.Chmod(path, 0o600))
	}
	must(t, os.Chmod(dir, 0o755))
	if _, err := OpenKeyRing(dir, nil, newTestClock(), testRetain); err == nil {
		t.Error("the ring opens though others may enter the directory")
	}
}

func TestDamagedKeysStopTheStart(t *testing.T) {
	for name, damage := range map[string]func(dir, key string) error{
		"empty key":  func(dir, key string) error { return os.WriteFile(filepath.Join(dir, key), nil, 0o600) },
		"other name": func(dir, key string) error { return os.Rename(filepath.Join(dir, key), filepath.Join(dir, "1-x.pem")) },
		"short secret": func(dir, _ string) error {
			return os.WriteFile(filepath.Join(dir, secretFile), []byte("c2hvcnQ="), 0o600)
		},
		"symbolic link": func(dir, key string) error {
			path := filepath.Join(dir, key)
			if err := os.Rename(path, path+".real"); err != nil {
				return err
			}
			return os.Symlink(path+".real", path)
		},
		"not Ed25519": func(dir, key string) error {
			content, err := os.ReadFile(filepath.Join(dir, key))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, key), bytes.Replace(content, []byte("MC4C"), []byte("MC4D"), 1), 0o600)
		},
	} {
		dir := filepath.Join(t.TempDir(), "keys")
		ring := testRing(t, dir, newTestClock())
		if err := damage(dir, ring.current.Load().keys[0].file()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := OpenKeyRing(dir, nil, newTestClock(), testRetain); err == nil {
			t.Errorf("%s: the ring opens", name)
		}
	}
}

func TestRotationOverlaps(t *testing.T) {
	clock := newTestClock()
	dir := filepath.Join(t.TempDir(), "keys")
	ring := testRing(t, dir, clock)
	first := ring.Keys()[0].ID
	secret := ring.Derive("something")

	clock.pass(time.Hour)
	second, err := ring.Rotate()
	must(t, err)
	usable := func(kid string) bool {
		_, ok := ring.find(ring.current.Load(), kid, clock.Now())
		return ok
	}
	clock.pass(testRetain - time.Second)
	if keys := ring.Keys(); keys[0].ID != second.ID || !usable(first) || !usable(second.ID) {
		t.Errorf("within the overlap: keys %+v, first usable %v", keys, usable(first))
	}

	ring = testRing(t, dir, clock) // a restart remembers all of it
	if keys := ring.Keys(); len(keys) != 2 || keys[0].ID != second.ID || keys[1].RetiredAt == nil || !usable(first) {
		t.Errorf("after a restart: %+v", keys)
	}
	if ring.Derive("something") != secret || ring.Derive("something else") == secret {
		t.Error("derived keys are not stable, or not distinct")
	}

	clock.pass(time.Second)
	if usable(first) {
		t.Error("the old key verifies longer than its tokens live")
	}
	must(t, ring.Prune())
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	must(t, err)
	if len(files) != 1 || len(ring.Keys()) != 1 {
		t.Errorf("after the overlap %d files and %d keys are left", len(files), len(ring.Keys()))
	}
}

func TestRetireKey(t *testing.T) {
	ring := testRing(t, filepath.Join(t.TempDir(), "keys"), newTestClock())
	first := ring.Keys()[0].ID
	mustCode(t, "retire the signing key", ring.Retire(first), problem.Conflict)
	mustCode(t, "retire an unknown key", ring.Retire("../secret.key"), problem.NotFound)
	_, err := ring.Rotate()
	must(t, err)
	must(t, ring.Retire(first))
	if keys := ring.Keys(); len(keys) != 1 || keys[0].ID == first {
		t.Errorf("after retiring: %+v", keys)
	}
}

func TestJWKSHasNoSecret(t *testing.T) {
	ring := testRing(t, filepath.Join(t.TempDir(), "keys"), newTestClock())
	_, err := ring.Rotate()
	must(t, err)
	var document struct{ Keys []map[string]string }
	must(t, json.Unmarshal(ring.JWKS(), &document))
	if len(document.Keys) != 2 {
		t.Fatalf("the set has %d keys, want 2", len(document.Keys))
	}
	for i, key := range document.Keys {
		if key["kty"] != "OKP" || key["crv"] != "Ed25519" || key["alg"] != "EdDSA" || key["use"] != "sig" || key["kid"] != ring.Keys()[i].ID {
			t.Errorf("key %d is %v", i, key)
		}
		if _, private := key["d"]; private || len(key) != 6 {
			t.Errorf("key %d shows more than its public half: %v", i, key)
		}
	}
	if strings.Contains(string(ring.JWKS()), "PRIVATE") {
		t.Error("the set holds a private key")
	}
}

func TestKeysAreReplacedOnSchedule(t *testing.T) {
	w := newWorld(t)
	w.config.KeyLife = 30 * 24 * time.Hour
	var told []string
	refusal := errors.New("the disk is full")
	w.config.KeyRotated = func(_ context.Context, kid string) error {
		told = append(told, kid)
		return refusal
	}
	w.reopen()
	first := w.service.Keys()[0].ID
	w.clock.pass(30*24*time.Hour - time.Second)
	w.service.Maintain(w.ctx)
	if got := w.service.Keys()[0].ID; got != first {
		t.Fatal("a key was replaced before its time")
	}
	grant := w.login("ada@example.com")
	w.clock.pass(time.Second)
	w.service.Maintain(w.ctx)
	second := w.service.Keys()[0].ID
	if second == first || len(w.service.Keys()) != 2 {
		t.Fatalf("the keys are %+v", w.service.Keys())
	}
	refusal = nil
	w.service.Maintain(w.ctx)
	w.service.Maintain(w.ctx)
	if !slices.Equal(told, []string{second, second}) { // once it failed, and never after it was kept
		t.Errorf("of the rotation to %s was told %v", second, told)
	}
	w.mustLive("a token of the key before", grant.AccessToken)
	w.clock.pass(DefaultAccessLife + Leeway + rotationMargin)
	w.service.Maintain(w.ctx)
	if keys := w.service.Keys(); len(keys) != 1 || keys[0].ID != second {
		t.Errorf("after the life of a token the keys are %+v", keys)
	}
	w.refresh(grant.RefreshToken)

	w.config.KeyLife = 0
	w.reopen()
	w.clock.pass(365 * 24 * time.Hour)
	w.service.Maintain(w.ctx)
	if got := w.service.Keys()[0].ID; got != second {
		t.Error("a key was replaced though nothing was scheduled")
	}
	w.config.KeyLife = MinKeyLife - 1
	if err := w.config.complete(); err == nil {
		t.Error("keys may be replaced every few minutes")
	}
}

func TestTheRingIsBounded(t *testing.T) {
	clock := newTestClock()
	ring := testRing(t, filepath.Join(t.TempDir(), "keys"), clock)
	for range maxKeys - 1 {
		_, err := ring.Rotate()
		must(t, err)
	}
	_, err := ring.Rotate()
	mustCode(t, "one more", err, problem.TooManyRequests)
	if wait := retryAfter(err); wait <= 0 || wait > ring.retain {
		t.Errorf("Retry-After is %s", wait)
	}
	clock.pass(retryAfter(err))
	_, err = ring.Rotate()
	must(t, err)
}
