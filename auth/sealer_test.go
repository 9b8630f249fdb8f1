package auth

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"maestro/tenancy"
)

func testSealer(t *testing.T, dir string) *Sealer {
	t.Helper()
	sealer, err := openSealer(testRing(t, dir, newTestClock()))
	must(t, err)
	return sealer
}

func TestWhatIsSealedOpensAtItsPlaceAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	sealer := testSealer(t, dir)
	place := Place{Table: "hooks", Column: "secret", Tenant: tenancy.NewID(), ID: tenancy.NewID()}
	sealed, err := sealer.Seal([]byte("the secret"), place)
	must(t, err)
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the sealed value shows what it is")
	}
	again, err := sealer.Seal([]byte("the secret"), place)
	must(t, err)
	if bytes.Equal(sealed, again) {
		t.Error("the same value is sealed alike twice: the nonce repeats")
	}
	for name, s := range map[string]*Sealer{"at once": sealer, "after a restart": testSealer(t, dir)} {
		if value, err := s.Open(sealed, place); err != nil || string(value) != "the secret" {
			t.Errorf("%s: opened %q, %v", name, value, err)
		}
	}
	for name, other := range map[string]Place{
		"table":        {"hook", "secret", place.Tenant, place.ID},
		"column":       {"hooks", "name", place.Tenant, place.ID},
		"names joined": {"hookss", "ecret", place.Tenant, place.ID},
		"tenant":       {"hooks", "secret", tenancy.NewID(), place.ID},
		"row":          {"hooks", "secret", place.Tenant, tenancy.NewID()},
		"swapped ids":  {"hooks", "secret", place.ID, place.Tenant},
	} {
		if _, err := sealer.Open(sealed, other); err == nil {
			t.Errorf("it opens at another place: %s", name)
		}
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, err := sealer.Open(damaged, place); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
	}
	if _, err := testSealer(t, filepath.Join(t.TempDir(), "keys")).Open(sealed, place); err == nil {
		t.Error("it opens in another installation")
	}
}

func TestTheSealingKeysAreSealedThemselves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	testSealer(t, dir)
	path := filepath.Join(dir, sealingFile)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %o", sealingFile, info.Mode().Perm())
	}
	content, err := os.ReadFile(path)
	must(t, err)
	other := filepath.Join(t.TempDir(), "keys")
	testRing(t, other, newTestClock())
	must(t, os.WriteFile(filepath.Join(other, sealingFile), content, 0o600))
	if _, err := openSealer(testRing(t, other, newTestClock())); err == nil {
		t.Error("the keyset opens without the secret that wraps it")
	}
	for name, damage := range map[string]func() error{
		"readable by others": func() error { return os.Chmod(path, 0o640) },
		"cut short": func() error {
			return os.WriteFile(path, content[:len(content)/2], 0o600)
		},
		"empty": func() error { return os.WriteFile(path, nil, 0o600) },
	} {
		must(t, damage())
		if _, err := openSealer(testRing(t, dir, newTestClock())); err == nil {
			t.Errorf("the keyset opens though it is %s", name)
		}
		must(t, os.Chmod(path, 0o600))
		must(t, os.WriteFile(path, content, 0o600))
	}
}
