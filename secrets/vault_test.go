package secrets

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVaultGivesASecret(t *testing.T) {
	v := newFakeVault(t)
	for name, settings := range map[string]Vault{"a token": v.settings(), "an AppRole": v.appRole()} {
		t.Run(name, func(t *testing.T) {
			v.requests = nil
			reader := NewReader(quick(Config{Vault: settings}, nil))
			reads(t, reader, "vault://kv/maestro#metrics", canaryValue)
			reads(t, reader, "vault://kv/maestro#other", "second")
			reads(t, reader, "vault://kv/maestro?version=2#metrics", "the older "+canaryValue)
			reads(t, reader, "vault://team%2Fkv/a%20b/c#k%2Fey", canaryValue)
			want := []string{"GET /v1/kv/data/maestro", "GET /v1/kv/data/maestro?version=2", "GET /v1/team/kv/data/a%20b/c"}
			if settings.RoleID != "" {
				want = append([]string{"POST /v1/auth/approle/login"}, want...)
			}
			if diff := cmp.Diff(want, v.seen()); diff != "" {
				t.Errorf("asked once each (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVaultWithoutTheSecret(t *testing.T) {
	v := newFakeVault(t)
	for reference, says := range map[string]string{
		"vault://kv/nothing#x":               "has no such secret in kv",
		"vault://kv/maestro?version=9#x":     "has no such secret in kv, or no such version",
		"vault://kv/maestro#metrisc":         `has no key "metrisc"`,
		"vault://kv/maestro#number":          "is no text",
		"vault://kv/maestro#empty":           "is empty",
		"vault://kv/deleted#metrics":         "was deleted",
		"vault://kv/destroyed#metrics":       "was destroyed",
		"vault://nowhere/maestro#metrics":    "nothing mounted at nowhere",
		"vault://old/maestro#metrics":        "no KV of version 2",
		"vault://kv/secret-of-others#x":      "refuses the token for this path",
		"vault://kv/long#metrics":            "longer than 65536 bytes",
		"vault://kv/../../sys/health#sealed": "is no reference",
	} {
		fails(t, NewReader(quick(Config{Vault: v.settings()}, nil)), reference, says, false)
	}
}

// TestVaultFailing has every way in which a server fails, for the read and for the
// login before it.
func TestVaultFailing(t *testing.T) {
	own := []fault{
		{"sealed", "is sealed or not ready (503)", true, 4, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = w.Write([]byte(`{"errors":["Vault is sealed"]}`))
		}},
		{"standby", "is a standby", true, 4, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(473); echo(w, r) }},
	}
	for path, settings := range map[string]func(*fakeVault) Vault{"read": (*fakeVault).settings, "login": (*fakeVault).appRole} {
		t.Run(path, func(t *testing.T) {
			failing(t, "vault://kv/maestro#metrics", own, func(t *testing.T) (*fakeService, Config) {
				v := newFakeVault(t)
				return &v.fakeService, Config{Vault: settings(v)}
			})
		})
	}
}

// TestWhatPassesIsWaitedFor: a server that is busy says for how long, or is asked
// after a while, and gives its secret then.
func TestWhatPassesIsWaitedFor(t *testing.T) {
	v := newFakeVault(t)
	statuses := []int{429, 503, 500}
	v.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if len(statuses) == 0 {
			return false
		}
		if statuses[0] == 429 {
			w.Header().Set("Retry-After", "2")
		}
		v.refuse(w, r, statuses[0])
		statuses = statuses[1:]
		return true
	}
	var waits []time.Duration
	reads(t, NewReader(quick(Config{Vault: v.settings()}, &waits)), "vault://kv/maestro#metrics", canaryValue)
	if want := []time.Duration{2 * time.Second, 500 * time.Millisecond, time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waited %v, want %v", waits, want)
	}
}

// TestATryThatHangsIsFollowedByAnother: one that hangs does not use up the time.
func TestATryThatHangsIsFollowedByAnother(t *testing.T) {
	v := newFakeVault(t)
	first := true
	v.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if !first {
			return false
		}
		first = false
		<-r.Context().Done() // the client leaves
		return true
	}
	config := quick(Config{Vault: v.settings(), Timeout: 3 * time.Second}, nil)
	reads(t, NewReader(config), "vault://kv/maestro#metrics", canaryValue)
}

func TestAnAppRoleLogsInAgainWhenItsTokenEnds(t *testing.T) {
	t.Run("by the clock", func(t *testing.T) {
		v := newFakeVault(t)
		v.life = 60
		config := quick(Config{Vault: v.appRole()}, nil)
		at := now()
		config.Now = func() time.Time { return at }
		reader := NewReader(config)
		reads(t, reader, "vault://kv/maestro#metrics", canaryValue)
		at = at.Add(56 * time.Second)
		reads(t, reader, "vault://kv/maestro?version=2#metrics", "the older "+canaryValue)
		if v.logins != 2 {
			t.Errorf("logged in %d times, want 2", v.logins)
		}
	})
	t.Run("because it was ended", func(t *testing.T) {
		v := newFakeVault(t)
		reader := NewReader(quick(Config{Vault: v.appRole()}, nil))
		reads(t, reader, "vault://kv/maestro#metrics", canaryValue)
		v.expire()
		reads(t, reader, "vault://kv/maestro?version=2#metrics", "the older "+canaryValue)
		if v.logins != 2 {
			t.Errorf("logged in %d times, want 2", v.logins)
		}
		fails(t, reader, "vault://kv/secret-of-others#x", "refuses the token for this path", false)
		if v.logins != 3 {
			t.Errorf("a path that is refused led to %d logins more, want one", v.logins-2)
		}
	})
}

func TestANewTokenThatIsRefusedIsNotReplaced(t *testing.T) {
	v := newFakeVault(t)
	fails(t, NewReader(quick(Config{Vault: v.appRole()}, nil)), "vault://kv/secret-of-others#x", "refuses the token for this path", false)
	if v.logins != 1 {
		t.Errorf("logged in %d times, want 1", v.logins)
	}
}

func TestAnAppRoleThatIsRefused(t *testing.T) {
	v := newFakeVault(t)
	wrong := v.appRole()
	wrong.RoleID = "another"
	fails(t, NewReader(quick(Config{Vault: wrong}, nil)), "vault://kv/maestro#metrics", "refuses the AppRole", false)
	wrong = v.appRole()
	wrong.AuthMount = "elsewhere"
	fails(t, NewReader(quick(Config{Vault: wrong}, nil)), "vault://kv/maestro#metrics", "refuses the AppRole", false) // Vault says 403 of what is not mounted
	v.intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		v.answer(w, 200, map[string]any{"auth": map[string]any{"mfa_requirement": "x"}})
		return true
	}
	fails(t, NewReader(quick(Config{Vault: v.appRole()}, nil)), "vault://kv/maestro#metrics", "without a token", false)
}

func TestVaultIsReachedAsItIsConfiguredOrNotAtAll(t *testing.T) {
	v := newFakeVault(t)
	for name, test := range map[string]struct {
		says   string
		change func(*Vault)
	}{
		"no address":         {"vault-address does not say", func(s *Vault) { s.Address = "" }},
		"no credential":      {"vault-token is not set", func(s *Vault) { s.Token = "" }},
		"half an AppRole":    {"vault-role-id with vault-secret-id", func(s *Vault) { s.Token, s.RoleID = "", "x" }},
		"two credentials":    {"not both", func(s *Vault) { s.RoleID, s.SecretID = "x", canarySecretID }},
		"plain HTTP":         {"must begin with https://", func(s *Vault) { s.Address = "http://vault.example:8200" }},
		"a user in it":       {"without a user", func(s *Vault) { s.Address = "https://" + canaryToken + "@vault.example" }},
		"no URL":             {"must be a URL", func(s *Vault) { s.Address = "://" + canaryToken }},
		"a token of 2 lines": {"vault-token is not one line", func(s *Vault) { s.Token = canaryToken + "\nX: y" }},
		"no such authority":  {"there is no file", func(s *Vault) { s.Roots = "/nowhere/ca.pem" }},
		"no authority in it": {"holds no certificate", func(s *Vault) { s.Roots = "vault_test.go" }},
		"no path":            {"vault-auth-mount is no path", func(s *Vault) { s.AuthMount = "../sys" }},
	} {
		t.Run(name, func(t *testing.T) {
			settings := v.settings()
			test.change(&settings)
			fails(t, NewReader(quick(Config{Vault: settings}, nil)), "vault://kv/maestro#metrics", test.says, false)
		})
	}
	if seen := v.seen(); len(seen) > 0 {
		t.Errorf("asked all the same: %v", seen)
	}
}

func TestANamespaceIsSent(t *testing.T) {
	v := newFakeVault(t)
	var got []string
	v.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		got = append(got, r.Header.Get("X-Vault-Namespace"))
		return false
	}
	settings := v.appRole()
	settings.Namespace = "team/ml"
	reads(t, NewReader(quick(Config{Vault: settings}, nil)), "vault://kv/maestro#metrics", canaryValue)
	if !slices.Equal(got, []string{"team/ml", "team/ml"}) {
		t.Errorf("namespaces of login and read: %q", got)
	}
}
