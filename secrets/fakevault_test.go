package secrets

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const roleID = "role-of-maestro"

// fakeVault speaks KV version 2 and AppRole as Vault does (its HTTP API's pages
// "KV - version 2" and "AppRole auth method"), over TLS. Where it refuses, it says
// everything that it was sent, and the secret too, as a hostile server would.
type fakeVault struct {
	fakeService
	logins int
	valid  map[string]bool // tokens
	life   int             // of an AppRole's token, in seconds
}

func newFakeVault(t *testing.T) *fakeVault {
	t.Helper()
	v := &fakeVault{valid: map[string]bool{canaryToken: true}, life: 3600}
	v.start(t, v.serve)
	return v
}

func (v *fakeVault) settings() Vault {
	return Vault{Address: v.URL, Roots: v.roots, Token: canaryToken}
}

func (v *fakeVault) appRole() Vault {
	return Vault{Address: v.URL, Roots: v.roots, RoleID: roleID, SecretID: canarySecretID}
}

func (v *fakeVault) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers as Vault does, and tells all that it knows.
func (v *fakeVault) refuse(w http.ResponseWriter, r *http.Request, status int, errors ...string) {
	errors = append(errors, strings.Join(canaries, " "), r.Header.Get("X-Vault-Token"))
	v.answer(w, status, map[string]any{"errors": errors})
}

func (v *fakeVault) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Vault-Request") != "true" {
		v.refuse(w, r, http.StatusPreconditionFailed, "no X-Vault-Request")
		return
	}
	if r.URL.Path == "/v1/auth/approle/login" && r.Method == http.MethodPost {
		v.logIn(w, r)
		return
	}
	if !v.valid[r.Header.Get("X-Vault-Token")] {
		v.refuse(w, r, http.StatusForbidden, "permission denied")
		return
	}
	metadata := map[string]any{"created_time": "2026-11-23T09:00:00Z", "deletion_time": "", "destroyed": false, "version": 3}
	found := func(data map[string]any) {
		v.answer(w, 200, map[string]any{"request_id": "x", "lease_id": "", "renewable": false, "lease_duration": 0, "data": map[string]any{"data": data, "metadata": metadata}})
	}
	gone := func(key string, value any) {
		metadata[key] = value
		v.answer(w, 404, map[string]any{"request_id": "x", "data": map[string]any{"data": nil, "metadata": metadata}})
	}
	switch r.URL.RequestURI() {
	case "/v1/kv/data/maestro":
		found(map[string]any{"metrics": canaryValue, "other": "second", "number": 7, "empty": ""})
	case "/v1/kv/data/maestro?version=2":
		found(map[string]any{"metrics": "the older " + canaryValue})
	case "/v1/team/kv/data/a%20b/c":
		found(map[string]any{"k/ey": canaryValue})
	case "/v1/kv/data/deleted":
		gone("deletion_time", "2026-11-23T10:00:00.123Z")
	case "/v1/kv/data/destroyed":
		gone("destroyed", true)
	case "/v1/old/data/maestro": // KV of version 1, with such a path
		v.answer(w, 200, map[string]any{"data": map[string]any{"metrics": canaryValue}})
	case "/v1/kv/data/secret-of-others":
		v.refuse(w, r, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	case "/v1/kv/data/long":
		found(map[string]any{"metrics": strings.Repeat("x", MaxBytes+1)})
	default:
		if strings.HasPrefix(r.URL.Path, "/v1/kv/data/") {
			v.answer(w, 404, map[string]any{"errors": []string{}})
			return
		}
		v.refuse(w, r, 404, fmt.Sprintf("no handler for route %q. route entry not found.", r.URL.Path))
	}
}

func (v *fakeVault) logIn(w http.ResponseWriter, r *http.Request) {
	var sent map[string]string
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || sent["role_id"] != roleID || sent["secret_id"] != canarySecretID {
		v.refuse(w, r, http.StatusBadRequest, "invalid role or secret ID")
		return
	}
	v.logins++
	token := fmt.Sprint(canaryRoleTok, v.logins)
	v.valid[token] = true
	v.answer(w, 200, map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": v.life, "renewable": true, "token_policies": []string{"default"}}})
}

// expire ends every token of the AppRole.
func (v *fakeVault) expire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for token := range v.valid {
		if token != canaryToken {
			delete(v.valid, token)
		}
	}
}
