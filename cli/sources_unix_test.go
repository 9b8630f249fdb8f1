//go:build unix

package cli_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"maestro/client"
)

// vaultOfCLI is a Vault with one secret, or one that answers with a status alone.
// What it speaks is that of package secrets' tests, which have every case; here it
// is about what the program makes of it.
type vaultOfCLI struct {
	*httptest.Server
	roots string

	mu      sync.Mutex
	status  int
	members map[string]string
}

const (
	vaultToken  = "hvs.canary-of-the-vault-token"
	firstMeter  = "the-first-4711-mountain-radio"
	secondMeter = "the-other-2209-orchard-violin"
	vaultRoot   = "SnK1aaQ3kAcOQSNWzz2zFJo8B2q2Tg0YDBJBqhBwZpw="
)

func startVault(t *testing.T) *vaultOfCLI {
	t.Helper()
	v := &vaultOfCLI{status: 200, members: map[string]string{"metrics": firstMeter, "root": vaultRoot, "password": killPassword}}
	v.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch {
		case v.status != 200:
			w.WriteHeader(v.status)
			_, _ = io.WriteString(w, `{"errors":["`+vaultToken+" "+vaultRoot+" "+v.members["metrics"]+`"]}`)
		case r.URL.Path != "/v1/kv/data/maestro" || r.Header.Get("X-Vault-Token") != vaultToken:
			w.WriteHeader(403)
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"data": v.members, "metadata": map[string]any{"version": 1}}})
		}
	}))
	v.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(v.Close)
	v.roots = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(v.roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vaultOfCLI) set(status int, metrics string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.members["metrics"] = status, metrics
}

// environment is that of a program whose secrets are all in the Vault but for the
// token that opens it.
func (v *vaultOfCLI) environment(t *testing.T) []string {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(vaultToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"MAESTRO_VAULT_ADDRESS=" + v.URL, "MAESTRO_VAULT_CA=" + v.roots, "MAESTRO_VAULT_TOKEN=file://" + token, "MAESTRO_SECRETS_TIMEOUT=2s",
		"MAESTRO_ADMIN_EMAIL=" + killEmail, "MAESTRO_ADMIN_PASSWORD=vault://kv/maestro#password",
		"MAESTRO_ROOT_SECRET=vault://kv/maestro#root", "MAESTRO_METRICS_TOKEN=vault://kv/maestro#metrics"}
}

func showsNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, canary := range []string{vaultToken, vaultRoot, firstMeter, secondMeter, killPassword} {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows a secret: %s", what, text)
		}
	}
}

// TestTheExitCodeSaysWhetherAnotherStartMayHelp: nobody starts a server again whose
// configuration is wrong; one whose Vault is sealed should be.
func TestTheExitCodeSaysWhetherAnotherStartMayHelp(t *testing.T) {
	v := startVault(t)
	maestro := program(t)
	for _, test := range []struct {
		status, code int
		says         string
		args         []string
	}{
		{200, 0, "The configuration holds", []string{"config", "check"}},
		{503, 7, "secrets could not be read", []string{"config", "check"}},
		{503, 7, "MAESTRO_ROOT_SECRET: vault://kv/maestro#root: Vault at", []string{"serve", "--data", "none"}},
		{503, 78, "drain-timeout: must be", []string{"serve", "--data", "none", "--drain-timeout", "soon"}},
		{403, 78, "refuses the token for this path", []string{"serve", "--data", "none"}},
		{404, 78, "MAESTRO_METRICS_TOKEN: vault://kv/maestro#metrics: Vault at", []string{"serve", "--data", "none"}},
		{307, 78, "redirect (307), which is not followed", []string{"serve", "--data", "none"}},
		{503, 1, "fail  secrets: not all could be read", []string{"doctor", "--data", "none"}},
		{200, 0, "ok    secrets: all that the configuration names can be read", []string{"doctor", "--data", "none", "--listen", "127.0.0.1:0"}},
		{503, 0, "vault://kv/maestro#root", []string{"config", "print"}},
		{503, 0, "vault://kv/maestro#root", []string{"config", "print", "--redact=false"}},
		{503, 0, "", []string{"cert", "root", "--data", t.TempDir()}}, // needs no secret
	} {
		v.set(test.status, firstMeter)
		command := exec.Command(maestro, test.args...)
		command.Dir = t.TempDir()
		command.Env = append(os.Environ(), v.environment(t)...)
		output, _ := command.CombinedOutput() // its code says how it ended
		if code := command.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(output), test.says) {
			t.Errorf("with %d, maestro %v ended with %d, want %d and %q: %s", test.status, test.args, code, test.code, test.says, output)
		}
		showsNoSecret(t, strings.Join(test.args, " "), string(output))
		if _, err := os.Stat(filepath.Join(command.Dir, "none")); err == nil {
			t.Errorf("maestro %v made the data directory", test.args)
		}
	}
	// Of a client, an answer that does not come is a matter of the network too.
	v.set(503, firstMeter)
	command := exec.Command(maestro, "whoami")
	command.Env = append(os.Environ(), append(v.environment(t), "MAESTRO_TOKEN=vault://kv/maestro#token")...)
	if output, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != 7 {
		t.Errorf("whoami ended with %d: %s", command.ProcessState.ExitCode(), output)
	}
}

// TestHangupReadsSecretsAgain: the token for the metrics is replaced at its source
// while the server runs; a source that does not answer changes nothing, and the
// installation's secret stays what it is.
func TestHangupReadsSecretsAgain(t *testing.T) {
	v := startVault(t)
	s := serve(t, "", func(c *exec.Cmd) { c.Env = append(c.Env, v.environment(t)...) })
	meter := func(token string) int {
		t.Helper()
		request, err := http.NewRequest(http.MethodGet, s.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // its status is enough
		return response.StatusCode
	}
	hangUp := func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if first, other := meter(firstMeter), meter(secondMeter); first != 200 || other != 401 {
		t.Fatalf("at the start: %d for the token, %d for another", first, other)
	}
	v.set(503, secondMeter)
	hangUp()
	s.until("it says that the Vault is sealed", func() bool { return s.says("everything stays as it was") && s.says("is sealed") })
	if got := meter(firstMeter); got != 200 {
		t.Errorf("after the Vault was sealed the token is answered with %d", got)
	}
	v.set(200, secondMeter)
	hangUp()
	s.until("it takes the other token over", func() bool { return meter(secondMeter) == 200 })
	if got := meter(firstMeter); got != 401 {
		t.Errorf("the old token is answered with %d", got)
	}
	if s.says("root-secret is another one") {
		t.Error("the installation's secret is said to have changed, and did not")
	}
	v.mu.Lock()
	v.members["root"] = "SnK1n0a2mVh1ypBZ0Q8kwSTO2uGvVg5O7o9wZkVbXnM="
	v.mu.Unlock()
	hangUp()
	s.until("it says that the installation's secret changed", func() bool { return s.says("root-secret is another one now; the old one stays") })
	if _, err := os.Stat(filepath.Join(s.dir, "keys", "secret.key")); err == nil {
		t.Error("the installation's secret is in the data directory all the same")
	}
	stranger, err := client.New(client.Options{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.LogIn(t.Context(), client.LoginRequest{Email: killEmail, Password: killPassword}); err != nil {
		t.Errorf("the operator whose password the Vault has: %v", err)
	}
	if !s.says("read a secret") || !s.says("from=vault://kv/maestro#root") {
		t.Errorf("what was read from where is not in the log: %s", s.said)
	}
	showsNoSecret(t, "the log", s.said.String())
}
