package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// The canaries: none of them may be in an error.
const (
	canaryValue    = "canary-value-5f1d"
	canaryToken    = "canary-token-77b0"
	canaryRoleTok  = "canary-approle-token-0c21"
	canarySecretID = "canary-secret-id-91e4"
	canaryKey      = "canary-aws-secret-access-key-3d"
	canarySession  = "canary-aws-session-token-e8"
)

var canaries = []string{canaryValue, canaryToken, canaryRoleTok, canarySecretID, canaryKey, canarySession}

const roleID = "role-of-maestro"

// fakeVault speaks KV version 2 and AppRole as Vault does (its HTTP API's pages
// "KV - version 2" and "AppRole auth method"), over TLS. Where it refuses, it says
// everything that it was sent, and the secret too, as a hostile server would.
type fakeVault struct {
	*httptest.Server
	roots string // file of its authority

	mu        sync.Mutex
	intercept func(w http.ResponseWriter, r *http.Request) bool // answers in its place
	requests  []string
	logins    int
	valid     map[string]bool // tokens
	life      int             // of an AppRole's token, in seconds
}

func newFakeVault(t *testing.T) *fakeVault {
	t.Helper()
	v := &fakeVault{valid: map[string]bool{canaryToken: true}, life: 3600}
	v.Server = httptest.NewTLSServer(http.HandlerFunc(v.serve))
	v.Config.ErrorLog = discard
	t.Cleanup(v.Close)
	v.roots = authorityFile(t, v.Server)
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
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests = append(v.requests, r.Method+" "+r.URL.RequestURI())
	body, err := io.ReadAll(r.Body) // all of it, or nobody sees the client leave
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if v.intercept != nil && v.intercept(w, r) {
		return
	}
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

func (v *fakeVault) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.requests...)
}

// faults are what happens to servers of any kind, by name: how a server answers
// with the n-th request, what the reader says of it, and how often it asks.
type fault struct {
	name, says string
	temporary  bool
	tries      int
	serve      func(w http.ResponseWriter, r *http.Request, n int)
}

// echo writes every secret there is.
func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, strings.Join(canaries, "\n"))
	_ = r.Header.Write(w)
}

func commonFaults(elsewhere string) []fault {
	return []fault{
		{"429 without a word when", "too many requests", true, 4, func(w http.ResponseWriter, r *http.Request, _ int) { w.WriteHeader(429); echo(w, r) }},
		{"429 for longer than there is time", "too many requests", true, 1, func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(429)
			echo(w, r)
		}},
		{"500", "failed (500)", true, 4, func(w http.ResponseWriter, r *http.Request, _ int) { w.WriteHeader(500); echo(w, r) }},
		{"502 of what stands between", "failed (502)", true, 4, func(w http.ResponseWriter, r *http.Request, _ int) { w.WriteHeader(502); echo(w, r) }},
		{"redirect to another host", "redirect (307), which is not followed", false, 1, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Location", elsewhere+"/"+canaryToken)
			w.WriteHeader(307)
		}},
		{"redirect to itself", "redirect (301), which is not followed", false, 1, func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Location", r.URL.RequestURI())
			w.WriteHeader(301)
		}},
		{"truncated JSON", "no whole JSON document", false, 1, func(w http.ResponseWriter, _ *http.Request, _ int) {
			fmt.Fprint(w, `{"SecretString":"`+canaryValue+`","data":{"data":{"metrics":"`+canaryValue)
		}},
		{"no JSON", "no whole JSON document", false, 1, echoOK},
		{"cut off", "broke the connection off", true, 4, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"data":"`+canaryValue)
		}},
		{"no HTTP", "broke the connection off", true, 4, func(w http.ResponseWriter, _ *http.Request, _ int) {
			connection, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = connection.Write([]byte(strings.Join(canaries, " ") + "\r\n\r\n"))
				_ = connection.Close()
			}
		}},
		{"oversized", "more than 1048576 bytes", false, 1, func(w http.ResponseWriter, _ *http.Request, _ int) {
			fmt.Fprint(w, `{"filler":"`+strings.Repeat(canaryValue, 2<<20/len(canaryValue))+`"}`)
		}},
		{"hang", "no whole answer within", true, 3, func(_ http.ResponseWriter, r *http.Request, _ int) {
			<-r.Context().Done() // the client leaves
		}},
		{"slow drip", "no whole answer within", true, 3, func(w http.ResponseWriter, r *http.Request, _ int) {
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-r.Context().Done():
					return
				case <-ticker.C:
					fmt.Fprint(w, " ")
					w.(http.Flusher).Flush()
				}
			}
		}},
		{"418", "does not take the request (418)", false, 1, func(w http.ResponseWriter, r *http.Request, _ int) { w.WriteHeader(418); echo(w, r) }},
	}
}

func echoOK(w http.ResponseWriter, r *http.Request, _ int) { echo(w, r) }
