package cli_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maestro/cli"
	"maestro/client"
	"maestro/server/certificate"
)

// encrypted runs an appliance with TLS of its own.
func encrypted(t *testing.T, change func(*cli.ServeSettings)) (appliance *cli.Appliance, trust *x509.CertPool) {
	t.Helper()
	settings := cli.ServeSettings{Data: t.TempDir(), Listen: "127.0.0.1:0", DrainTimeout: time.Second,
		TLS: cli.TLSSettings{Mode: "auto", Names: []string{"127.0.0.1", "ml.example"}}}
	if change != nil {
		change(&settings)
	}
	appliance = &cli.Appliance{Settings: settings}
	t.Cleanup(func() {
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := appliance.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	trust, err := certificate.Pool(filepath.Join(settings.Data, "tls", "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return appliance, trust
}

func address(a *cli.Appliance) string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(a.URL(), "https://"))
	return "127.0.0.1:" + port
}

func TestOnlyStrongTLSIsSpoken(t *testing.T) {
	appliance, trust := encrypted(t, nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} { // #nosec G402 -- that they are refused
		if conn, err := tls.Dial("tcp", address(appliance), &tls.Config{RootCAs: trust, MinVersion: version, MaxVersion: version}); err == nil {
			conn.Close()
			t.Errorf("version %#x is spoken", version)
		}
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		conn, err := tls.Dial("tcp", address(appliance), &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		strong := strings.HasPrefix(suite.Name, "TLS_ECDHE_ECDSA") && (strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305"))
		if (err == nil) != strong {
			t.Errorf("%s: spoken %v, want %v (%v)", suite.Name, err == nil, strong, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// TestThePlainAddressServesNothing reads what a plain request gets on both ports.
func TestThePlainAddressServesNothing(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	appliance, trust := encrypted(t, func(s *cli.ServeSettings) { s.TLS.ListenHTTP = plain })
	caller := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	send := func(method, url string, headers ...string) *http.Response {
		t.Helper()
		request, err := http.NewRequest(method, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
			if headers[i] == "Host" {
				request.Host = headers[i+1]
			}
		}
		response, err := caller.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if len(response.Cookies()) > 0 {
			t.Errorf("%s %s sets a cookie in plain", method, url)
		}
		return response
	}
	_, port, _ := net.SplitHostPort(address(appliance))
	for _, c := range []struct{ host, want string }{
		{"ml.example", "https://ml.example:" + port + "/projects?status=active"},
		{"evil.example", "https://127.0.0.1:" + port + "/projects?status=active"},
		{"127.0.0.1", "https://127.0.0.1:" + port + "/projects?status=active"},
	} {
		got := send("GET", "http://"+plain+"/projects?status=active", "Host", c.host)
		if got.StatusCode != http.StatusMovedPermanently || got.Header.Get("Location") != c.want {
			t.Errorf("a browser that asked %s is sent by %d to %q, want %q", c.host, got.StatusCode, got.Header.Get("Location"), c.want)
		}
	}
	for _, r := range [][]string{{"POST", "/"}, {"GET", "/api/v1/projects"}, {"GET", "/", "Authorization", "Bearer x"}} {
		if got := send(r[0], "http://"+plain+r[1], r[2:]...); got.StatusCode != http.StatusForbidden || got.Header.Get("Location") != "" {
			t.Errorf("%v answers %d to %q", r, got.StatusCode, got.Header.Get("Location"))
		}
	}
	if got := send("GET", "http://"+address(appliance)+"/api/v1/projects", "Authorization", "Bearer x"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("plain words on the encrypted port answer %d", got.StatusCode)
	}

	over := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	response, err := over.Get("https://" + address(appliance) + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Strict-Transport-Security"); response.StatusCode != 200 || got != "max-age=31536000" || response.ProtoMajor != 2 {
		t.Errorf("over TLS: %d, HSTS %q, %s", response.StatusCode, got, response.Proto)
	}
}

func TestClientsNeedACertificateWhereOneIsAsked(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	clients := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(clients, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	appliance, trust := encrypted(t, func(s *cli.ServeSettings) { s.TLS.ClientCA = clients })
	get := func(certificates ...tls.Certificate) (int, error) {
		caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, Certificates: certificates, MinVersion: tls.VersionTLS12}}}
		defer caller.CloseIdleConnections()
		response, err := caller.Get("https://" + address(appliance) + "/livez")
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	if status, err := get(tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}); err != nil || status != http.StatusOK {
		t.Errorf("with its certificate: %d, %v", status, err)
	}
	if status, err := get(); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %d, %v", status, err)
	}
}

func TestReloadTakesTheFilesAtOnce(t *testing.T) {
	appliance, trust := encrypted(t, nil)
	shown := func() []byte {
		t.Helper()
		conn, err := tls.Dial("tcp", address(appliance), &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Raw
	}
	before := shown()
	own, err := certificate.OpenAuthority(filepath.Join(appliance.Settings.Data, "tls"), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Renew(appliance.Settings.TLS.Names, true); err != nil {
		t.Fatal(err)
	}
	if err := appliance.Reload(appliance.Settings); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, shown()) {
		t.Error("the old certificate is still shown")
	}
}

func TestTheOperatorIsToldWhatIsShown(t *testing.T) {
	appliance, trust := encrypted(t, nil)
	token, err := os.ReadFile(filepath.Join(appliance.Settings.Data, "run", "setup-token"))
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}}
	url := "https://" + address(appliance) + "/api/v1"
	ask := func(method, path, bearer, body string, answer any) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", bearer)
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
		return response
	}
	var grant struct {
		AccessToken string `json:"access_token"`
	}
	ask("POST", "/auth/setup", "", `{"setup_token":"`+strings.TrimSpace(string(token))+`","email":"ada@acme.test","name":"Ada","password":"correct horse battery"}`, &grant)
	var told client.Certificates
	response := ask("GET", "/system/certificates", "Bearer "+grant.AccessToken, "", &told)
	sum := sha256.Sum256(response.TLS.PeerCertificates[0].Raw)
	if len(told.Items) != 1 || told.Items[0].Sha256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%x is shown, and the operator is told %+v", sum, told.Items)
	}
	if told.Source != "auto" || told.Authority == nil || told.Refused != "" {
		t.Errorf("the operator is told %+v", told)
	}
	certFile := filepath.Join(appliance.Settings.Data, "tls", "server.pem")
	if err := os.WriteFile(certFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := appliance.Reload(appliance.Settings); err == nil {
		t.Error("a file without a certificate is taken")
	}
	ask("GET", "/system/certificates", "Bearer "+grant.AccessToken, "", &told)
	if len(told.Items) != 1 || told.Items[0].Sha256 != hex.EncodeToString(sum[:]) || !strings.Contains(told.Refused, certFile) {
		t.Errorf("with a broken file the operator is told %+v", told)
	}
}
