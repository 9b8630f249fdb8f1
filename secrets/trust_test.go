package secrets

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pauseShortly waits a moment of the real clock.
func pauseShortly(ctx context.Context, _ time.Duration) error { return pause(ctx, time.Millisecond) }

// remotes are both kinds of servers at an address, with the reference of a secret.
func remotes(address, roots string) map[string]Config {
	return map[string]Config{
		"vault://kv/maestro#metrics": {Vault: Vault{Address: address, Roots: roots, Token: canaryToken}},
		"awssm://maestro#metrics":    {AWS: AWS{Region: "eu-central-1", Endpoint: address, Roots: roots, AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canaryKey}},
	}
}

// TestOnlyWhoeverProvesItsNameIsAsked: nothing is sent to a server whose
// certificate does not hold.
func TestOnlyWhoeverProvesItsNameIsAsked(t *testing.T) {
	asked := 0
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ })
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	roots := authorityFile(t, server)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ address, roots, says string }{
		"an unknown authority": {server.URL, "", "from an authority that is not trusted: name it"},
		"another name":         {"https://localhost:" + port, roots, "a certificate that does not hold"},
		"no TLS":               {strings.Replace(plain.URL, "http://", "https://", 1), roots, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			for reference, config := range remotes(test.address, test.roots) {
				fails(t, NewReader(quick(config, nil)), reference, test.says, false)
			}
		})
	}
	if asked > 0 {
		t.Errorf("was asked %d times", asked)
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for reference, config := range remotes("https://"+listener.Addr().String(), "") {
		var waits []time.Duration
		fails(t, NewReader(quick(config, &waits)), reference, "cannot be reached", true)
		if len(waits) != maxTries-1 {
			t.Errorf("%s: waited %v", reference, waits)
		}
	}
	for reference, config := range remotes("https://vault.invalid:8200", "") {
		fails(t, NewReader(quick(config, nil)), reference, "cannot be found", true)
	}
}

// TestNoProxyOfTheEnvironmentIsUsed: it would be an address that the configuration
// does not name.
func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	asked := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	for reference, config := range remotes("https://vault.invalid:8200", "") {
		fails(t, NewReader(quick(config, nil)), reference, "cannot be found", true)
		e, err := newEndpoint("x", "x", "x", "https://vault.invalid", "", &config)
		if err != nil || e.client.Transport.(*http.Transport).Proxy != nil {
			t.Errorf("%s: a proxy would be asked for (%v)", reference, err)
		}
	}
	if asked > 0 {
		t.Errorf("the proxy was asked %d times", asked)
	}
}

// TestWhoAsksMayLeave: a server that hangs holds nobody who is told to stop.
func TestWhoAsksMayLeave(t *testing.T) {
	v := newFakeVault(t)
	ctx, cancel := context.WithCancel(t.Context())
	v.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	}
	_, err := NewReader(Config{Vault: v.settings(), Timeout: time.Minute}).Read(ctx, "vault://kv/maestro#metrics")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
