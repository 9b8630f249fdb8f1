package cli_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/auth"
	"maestro/cli"
)

// TestTheEnvironmentsOperatorIsMadeOnce starts twice in the same directory. The
// second start has a password that may not be set and does not mind: that there
// is an operator is known before a password is looked at, let alone hashed.
func TestTheEnvironmentsOperatorIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	start := func(password string) error {
		t.Helper()
		appliance := &cli.Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: cli.ServeSettings{Data: dir, Listen: "127.0.0.1:0",
			AdminEmail: operatorEmail, AdminPassword: password, DrainTimeout: 5 * time.Second}}
		err := appliance.Run(t.Context())
		if err == nil {
			loggedIn(t, appliance.URL())
		}
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
		return err
	}
	if err := start("short"); err == nil {
		t.Error("the first start takes a password that may not be set")
	}
	if err := start(operatorPassword); err != nil {
		t.Fatal(err)
	}
	if err := start("short"); err != nil {
		t.Errorf("the second start: %v", err)
	}
}

// TestLargeHeadersAreRefusedEarly sends more of a header than is ever needed. What
// fits is refused as any token that is none; the rest is not read to its end.
func TestLargeHeadersAreRefusedEarly(t *testing.T) {
	appliance := &cli.Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: cli.ServeSettings{Data: t.TempDir(), Listen: "127.0.0.1:0", DrainTimeout: 5 * time.Second}}
	if err := appliance.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, test := range map[string]struct {
		header string
		want   int
	}{
		"a token of 32 KiB":          {"Authorization: Bearer " + strings.Repeat("a", 32<<10), 401},
		"20 000 segments":            {"Authorization: Bearer " + strings.Repeat("a.", 20_000), 401},
		"a token of 8 MiB of dots":   {"Authorization: Bearer " + strings.Repeat(".", 8<<20), 431},
		"100 000 headers":            {strings.Repeat("X: y\r\n", 100_000) + "X: y", 431},
		"8 MiB of another header":    {"X-Request-Id: " + strings.Repeat("a", 8<<20), 431},
		"a name that does not end":   {strings.Repeat("a", 8<<20), 431},
		"a cookie of half a million": {"Cookie: " + strings.Repeat("a=b; ", 100_000), 431},
	} {
		connection, err := net.Dial("tcp", strings.TrimPrefix(appliance.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		go func() { // the server stops reading before the end, so the writing may fail
			_, _ = connection.Write([]byte("GET /api/v1/projects HTTP/1.1\r\nHost: x\r\n" + test.header + "\r\n\r\n"))
		}()
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		switch {
		case test.want == 431 && errors.Is(err, syscall.ECONNRESET): // cut off while it still sends
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			if response.StatusCode != test.want {
				t.Errorf("%s: answered %d, want %d", name, response.StatusCode, test.want)
			}
			response.Body.Close()
		}
		connection.Close()
	}
}

// TestClientsBehindATrustedProxyAreToldApart is the setting at work: each client
// behind the proxy has its one request.
func TestClientsBehindATrustedProxyAreToldApart(t *testing.T) {
	settings := cli.ServeSettings{Data: t.TempDir(), Listen: "127.0.0.1:0", DrainTimeout: 5 * time.Second, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	settings.Rates.Address.PerSecond, settings.Rates.Address.Burst = 0.001, 1
	appliance := &cli.Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: settings}
	if err := appliance.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		client string
		want   int
	}{{"192.0.2.1", 401}, {"192.0.2.2", 401}, {"192.0.2.1", 429}, {"10.9.9.9, 192.0.2.2", 429}} {
		request, err := http.NewRequest(http.MethodGet, appliance.URL()+"/api/v1/projects", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Forwarded-For", c.client)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != c.want {
			t.Errorf("%s: answered %d, %v; want %d", c.client, response.StatusCode, err, c.want)
		}
	}
}
