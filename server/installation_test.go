package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"maestro/auth"
	"maestro/problem"
)

func TestTheOperatorSeesTheInstallation(t *testing.T) {
	w := newWorld(t)
	info := w.operator.send("GET", "/system/info", "").want(200).object()
	for member, want := range map[string]any{
		"version": "test", "go_version": runtime.Version(), "tenants": 3.0, "signing_keys": 1.0, "revocations": 0.0, "schema_version": float64(w.store.Schema()),
	} {
		if info[member] != want {
			t.Errorf("%s is %v, want %v", member, info[member], want)
		}
	}
	if size, _ := info["database_bytes"].(float64); size < 4096 {
		t.Errorf("the database has %v bytes", info["database_bytes"])
	}
	w.viewer.send("POST", "/auth/logout", "").want(204)
	if got := w.operator.send("GET", "/system/info", "").want(200).object()["revocations"]; got != 1.0 {
		t.Errorf("after a logout there are %v revocations", got)
	}
	for _, path := range []string{"GET /system/info", "GET /system/keys", "POST /system/keys/rotate", "DELETE /system/keys/x", "POST /system/unlock"} {
		method, path, _ := strings.Cut(path, " ")
		body := ""
		if path == "/system/unlock" {
			body = `{"email":"admin@acme.example"}`
		}
		w.acme.send(method, path, body).problem(problem.Forbidden)
		w.nobody.send(method, path, body).problem(problem.Unauthenticated)
	}
}

// published returns the ids of the keys in the JWKS, in its order.
func (w *world) published() []string {
	w.t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	w.nobody.send("GET", "//.well-known/jwks.json", "").want(200).into(&set)
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	return ids
}

func TestAKeyIsRotatedAndGoes(t *testing.T) {
	w := newWorld(t)
	first := w.published()[0]
	rotated := w.operator.send("POST", "/system/keys/rotate", "").want(201).object()
	second, _ := rotated["kid"].(string)
	if got := w.published(); len(got) != 2 || got[0] != second || got[1] != first {
		t.Fatalf("after the rotation %v are published, want %s and %s", got, second, first)
	}
	w.operator.send("DELETE", "/system/keys/"+second, "").problem(problem.Conflict)
	w.operator.send("DELETE", "/system/keys/nosuch", "").problem(problem.NotFound)

	// To the end of their lives the old key's tokens are good.
	w.clock.pass(auth.DefaultAccessLife - time.Second)
	w.acme.send("GET", "/auth/me", "").want(200)
	w.clock.pass(auth.Leeway + 2*time.Minute)
	w.auth.Maintain(background)
	if got := w.published(); len(got) != 1 || got[0] != second {
		t.Errorf("after the life of a token %v are published, want %s", got, second)
	}
	w.acme.send("GET", "/auth/me", "").problem(problem.Unauthenticated)
	w.tryRefresh(w.acme.grant.RefreshToken).want(200)
}

func TestARetiredKeysTokensEndOnTheNextRequest(t *testing.T) {
	w := newWorld(t)
	old := w.published()[0]
	w.operator.send("POST", "/system/keys/rotate", "").want(201)
	w.acme.send("GET", "/auth/me", "").want(200)
	w.operator.send("DELETE", "/system/keys/"+old, "").want(204)
	w.acme.send("GET", "/auth/me", "").problem(problem.Unauthenticated)
	var grant auth.Grant
	w.tryRefresh(w.acme.grant.RefreshToken).want(200).into(&grant)
	w.acme.with(grant.AccessToken).send("GET", "/auth/me", "").want(200)
}

// TestRotationUnderLoadRefusesNobody rotates the keys again and again while
// clients use tokens of every age and refresh.
func TestRotationUnderLoadRefusesNobody(t *testing.T) {
	w := newWorld(t)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for i := range 8 {
		c := w.enter(w.acme.principal.Tenant, fmt.Sprintf("client%d@acme.example", i), auth.RoleViewer)
		clients.Go(func() {
			tokens, refresh := []string{c.credential}, c.grant.RefreshToken
			for n := 0; ; n++ {
				select {
				case <-stop:
					mu.Lock()
					sent += n
					mu.Unlock()
					return
				default:
				}
				if n%4 == 3 {
					var grant auth.Grant
					answer := w.tryRefresh(refresh)
					if answer.status != http.StatusOK || json.Unmarshal([]byte(answer.body), &grant) != nil {
						t.Errorf("a refresh during rotations answers %d %s", answer.status, answer.body)
						return
					}
					refresh = grant.RefreshToken
					tokens = append(tokens, grant.AccessToken)
				}
				if answer := c.with(tokens[n%len(tokens)]).send("GET", "/auth/me", ""); answer.status != http.StatusOK {
					t.Errorf("a request during rotations answers %d %s", answer.status, answer.body)
					return
				}
			}
		})
	}
	const rotations = 100
	for range rotations {
		w.operator.send("POST", "/system/keys/rotate", "").want(201)
	}
	close(stop)
	clients.Wait()
	if got := len(w.published()); got != rotations+1 {
		t.Errorf("%d keys are published, want %d", got, rotations+1)
	}
	if sent < rotations {
		t.Errorf("only %d requests were sent during %d rotations: the test did not test", sent, rotations)
	}
}

func TestAnUnlockForgetsFailedLogins(t *testing.T) {
	w := newWorld(t)
	for range auth.AccountPace.Free {
		w.nobody.send("POST", "/auth/login", `{"email":"viewer@acme.example","password":"wrong"}`).problem(problem.Unauthenticated)
	}
	w.tryLogin("viewer@acme.example").problem(problem.TooManyRequests)
	w.operator.send("POST", "/system/unlock", `{"email":"VIEWER@acme.example"}`).want(204)
	w.tryLogin("viewer@acme.example").want(200)
}
