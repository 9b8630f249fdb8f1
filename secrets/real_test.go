package secrets

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// realVault is the real program (vault or bao) in its development mode, with TLS.
type realVault struct {
	t       *testing.T
	address string
	roots   string
	client  *http.Client
}

// startReal starts the program that MAESTRO_TEST_VAULT names.
func startReal(t *testing.T) *realVault {
	t.Helper()
	name := os.Getenv("MAESTRO_TEST_VAULT")
	if name == "" {
		t.Skip("MAESTRO_TEST_VAULT names no vault or bao program")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := exec.Command(name, "server", "-dev-tls", "-dev-no-store-token", "-dev-tls-cert-dir="+dir, "-dev-root-token-id="+canaryToken, "-dev-listen-address="+address)
	command.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
	})
	v := &realVault{t: t, address: "https://" + address}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(dir, "*-ca.pem")); len(found) == 1 {
			v.roots = found[0]
			if pool, err := readRoots("x", v.roots); err == nil {
				v.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
				if response, err := v.client.Get(v.address + "/v1/sys/health"); err == nil {
					_ = response.Body.Close() // its status is enough
					if response.StatusCode == 200 {
						return v
					}
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("it was not ready within a minute")
		}
	}
}

// call does as the root token something that must succeed, and returns the data of
// the answer.
func (v *realVault) call(method, path string, body any) map[string]any {
	v.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := http.NewRequest(method, v.address+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", canaryToken)
	response, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	var answer map[string]any
	_ = json.NewDecoder(response.Body).Decode(&answer) // some have no body
	if response.StatusCode >= 300 {
		v.t.Fatalf("%s %s: %d %v", method, path, response.StatusCode, answer)
	}
	return answer
}

// TestTheRealVault does with the real program what the other tests do with a fake
// one, so that the fake is known to be faithful.
func TestTheRealVault(t *testing.T) {
	v := startReal(t)
	v.call("POST", "sys/mounts/kv", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	v.call("POST", "sys/mounts/team/kv", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	v.call("POST", "sys/mounts/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	put := func(path string, data map[string]any) { v.call("POST", path, map[string]any{"data": data}) }
	put("kv/data/maestro", map[string]any{"metrics": "the older " + canaryValue})
	put("kv/data/maestro", map[string]any{"metrics": canaryValue, "number": 7})
	put("team/kv/data/a%20b/c", map[string]any{"k/ey": canaryValue})
	put("kv/data/deleted", map[string]any{"metrics": canaryValue})
	v.call("DELETE", "kv/data/deleted", nil)
	put("kv/data/destroyed", map[string]any{"metrics": canaryValue})
	v.call("PUT", "kv/destroy/destroyed", map[string]any{"versions": []int{1}})
	put("kv/data/of-others", map[string]any{"metrics": canaryValue})
	v.call("POST", "old/data/maestro", map[string]any{"metrics": canaryValue})
	v.call("PUT", "sys/policies/acl/maestro", map[string]string{"policy": `path "kv/data/maestro" { capabilities = ["read"] }`})
	v.call("POST", "sys/auth/approle", map[string]string{"type": "approle"})
	v.call("POST", "auth/approle/role/maestro", map[string]any{"token_policies": "maestro", "secret_id_num_uses": 3, "token_ttl": "1h"})
	role := v.call("GET", "auth/approle/role/maestro/role-id", nil)["data"].(map[string]any)["role_id"].(string)
	secretID := v.call("POST", "auth/approle/role/maestro/secret-id", nil)["data"].(map[string]any)["secret_id"].(string)

	config := func(change func(*Vault)) Config {
		s := Vault{Address: v.address, Roots: v.roots, Token: canaryToken}
		if change != nil {
			change(&s)
		}
		c := quick(Config{Vault: s}, nil)
		c.Now = time.Now
		return c
	}
	appRole := func(s *Vault) { s.Token, s.RoleID, s.SecretID = "", role, secretID }
	t.Run("a token", func(t *testing.T) {
		reader := NewReader(config(nil))
		reads(t, reader, "vault://kv/maestro#metrics", canaryValue)
		reads(t, reader, "vault://kv/maestro?version=1#metrics", "the older "+canaryValue)
		reads(t, reader, "vault://team%2Fkv/a%20b/c#k%2Fey", canaryValue)
	})
	t.Run("without the secret", func(t *testing.T) {
		for reference, says := range map[string]string{
			"vault://kv/nothing#x":           "has no such secret in kv",
			"vault://kv/maestro?version=9#x": "has no such secret in kv, or no such version",
			"vault://kv/maestro#metrisc":     `has no key "metrisc"`,
			"vault://kv/maestro#number":      "is no text",
			"vault://kv/deleted#metrics":     "was deleted",
			"vault://kv/destroyed#metrics":   "was destroyed",
			"vault://nowhere/maestro#x":      "nothing mounted at nowhere",
			"vault://old/maestro#metrics":    "no KV of version 2",
		} {
			fails(t, NewReader(config(nil)), reference, says, false)
		}
	})
	t.Run("an AppRole", func(t *testing.T) {
		reader := NewReader(config(appRole))
		reads(t, reader, "vault://kv/maestro#metrics", canaryValue)
		v.call("POST", "auth/token/revoke", map[string]string{"token": reader.vault.token})
		reads(t, reader, "vault://kv/maestro?version=1#metrics", "the older "+canaryValue) // logs in again
		fails(t, reader, "vault://kv/of-others#metrics", "refuses the token for this path", false)
		fails(t, NewReader(config(appRole)), "vault://kv/maestro#metrics", "refuses the AppRole", false) // used three times
		fails(t, NewReader(config(func(s *Vault) { appRole(s); s.RoleID = "another" })), "vault://kv/maestro#metrics", "refuses the AppRole", false)
	})
	t.Run("refused", func(t *testing.T) {
		fails(t, NewReader(config(func(s *Vault) { s.Token = "hvs.unknown" })), "vault://kv/maestro#metrics", "refuses the token for this path", false)
		fails(t, NewReader(config(func(s *Vault) { s.Roots = "" })), "vault://kv/maestro#metrics", "authority that is not trusted", false)
		fails(t, NewReader(config(func(s *Vault) { s.Address = strings.Replace(s.Address, "https", "http", 1) })), "vault://kv/maestro#metrics", "does not take the request (400)", false)
	})
	t.Run("sealed", func(t *testing.T) {
		v.call("PUT", "sys/seal", nil)
		var waits []time.Duration
		c := config(nil)
		c.Wait = quick(Config{}, &waits).Wait
		fails(t, NewReader(c), "vault://kv/maestro#metrics", "is sealed or not ready (503)", true)
		if len(waits) != maxTries-1 {
			t.Errorf("waited %v", waits)
		}
	})
}
