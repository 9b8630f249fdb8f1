//go:build unix

package cli_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"maestro/server/certificate"
)

// pebbleVariable names the program of Pebble, the ACME server that Let's Encrypt
// tests clients with. make acme builds it and sets this.
const pebbleVariable = "MAESTRO_TEST_PEBBLE"

// acmeName is the server's name in these tests. Only the tests' own DNS knows it.
const acmeName = "ml.example"

// freePort returns an address of loopback on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func portOf(t *testing.T, address string) (port int) {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(text, &port); err != nil {
		t.Fatal(err)
	}
	return port
}

// answerNames is a DNS server to which every name is 127.0.0.1.
func answerNames(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			end := 12 // behind the header is the name, then two bytes of type and two of class
			for end < n && query[end] != 0 {
				end += int(query[end]) + 1
			}
			if end += 5; end > n {
				continue
			}
			answers := byte(0)
			if query[end-3] == 1 { // type A
				answers = 1
			}
			reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, query[12:end]...)
			if answers == 1 {
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
			}
			_, _ = conn.WriteTo(reply, from) // who asked asks again
		}
	}()
	return conn.LocalAddr().String()
}

// directory is a real Pebble that validates what it is told: it asks a DNS server of
// the test's and comes to the server on its ports. Its own certificate is from a
// private authority.
type directory struct {
	t                  *testing.T
	address, manage    string
	config, ca, dns    string
	said               *lines
	process            *exec.Cmd
	tlsPort, plainPort int
}

// newDirectory prepares a directory that validates on the ports of two addresses and
// whose certificates live for life. It does not run yet.
func newDirectory(t *testing.T, encrypted, plain string, life time.Duration) *directory {
	t.Helper()
	if os.Getenv(pebbleVariable) == "" {
		t.Skip(pebbleVariable + " names no Pebble: make acme builds one and runs this")
	}
	dir := t.TempDir()
	own, err := certificate.OpenAuthority(dir, []string{"127.0.0.1"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Renew([]string{"127.0.0.1"}, true); err != nil {
		t.Fatal(err)
	}
	cert, key := own.Files()
	d := &directory{t: t, address: freePort(t), manage: freePort(t), config: filepath.Join(dir, "pebble.json"), ca: filepath.Join(dir, "root.pem"), dns: answerNames(t),
		tlsPort: portOf(t, encrypted), plainPort: portOf(t, plain)}
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": d.address, "managementListenAddress": d.manage, "certificate": cert, "privateKey": key, "tlsPort": d.tlsPort, "httpPort": d.plainPort,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": int(life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// start runs the directory. What it knew before is forgotten.
func (d *directory) start() {
	d.t.Helper()
	d.said = &lines{}
	d.process = exec.Command(os.Getenv(pebbleVariable), "-config", d.config, "-dnsserver", d.dns)
	d.process.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	d.process.Stdout, d.process.Stderr = d.said, d.said
	if err := d.process.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(d.stop)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", d.address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("Pebble does not answer: %v\n%s", err, d.said)
		}
	}
}

func (d *directory) stop() {
	if d.process != nil {
		_ = d.process.Process.Kill() // it may have ended
		_ = d.process.Wait()         // by that signal
		d.process = nil
	}
}

// roots are the authorities that the directory's certificates come from.
func (d *directory) roots() *x509.CertPool {
	d.t.Helper()
	trust, err := certificate.Pool(d.ca)
	if err != nil {
		d.t.Fatal(err)
	}
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}}
	defer caller.CloseIdleConnections()
	response, err := caller.Get("https://" + d.manage + "/roots/0")
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		d.t.Fatalf("Pebble's root is no certificate: %s", text)
	}
	return pool
}

// issued counts the certificates that the directory gave since it started.
func (d *directory) issued() int { return strings.Count(d.said.String(), "Issued certificate serial") }

// serveACME starts a server whose certificates come from d.
func serveACME(t *testing.T, d *directory, encrypted string, more ...string) *server {
	t.Helper()
	args := append([]string{"--listen", encrypted, "--tls", "acme", "--tls-names", acmeName, "--acme-directory", "https://" + d.address + "/dir", "--acme-ca", d.ca}, more...)
	return launch(t, "", nil, args...)
}

// shown shakes hands with a server and returns the certificate that it shows for a
// name, which roots must vouch for.
func shown(address, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", address, &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// readyOverTLS asks /readyz by the name of the certificate.
func readyOverTLS(address string, roots *x509.CertPool) error {
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: acmeName, MinVersion: tls.VersionTLS12}}}
	defer caller.CloseIdleConnections()
	response, err := caller.Get("https://" + address + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// TestACMEGivesACertificateThatARestartKeeps: the second server gets along without the
// directory, and a client that names no server is shown the same certificate.
func TestACMEGivesACertificateThatARestartKeeps(t *testing.T) {
	encrypted := freePort(t)
	d := newDirectory(t, encrypted, freePort(t), 90*24*time.Hour)
	d.start()
	roots := d.roots()
	s := serveACME(t, d, encrypted)
	s.until("a certificate was obtained", func() bool { return s.says("serving a new TLS certificate") })
	if err := readyOverTLS(encrypted, roots); err != nil {
		t.Fatalf("over HTTPS: %v\n%s", err, s.said)
	}
	first, err := shown(encrypted, acmeName, roots)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.issued(); got != 1 {
		t.Errorf("%d certificates were issued, want 1:\n%s", got, d.said)
	}
	for _, other := range []string{"evil.example", "127.0.0.1.evil.example"} {
		if c, err := shown(encrypted, other, roots); err == nil {
			t.Errorf("%s is shown a certificate for %v", other, c.DNSNames)
		}
	}
	if info, err := os.Stat(certificate.ACMEFile(filepath.Join(s.dir, "tls"), acmeName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key and the certificate are kept as %v, %v; want mode 0600", info, err)
	}

	d.stop()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.done
	again := launch(t, "rm -rf \"$DIR\"; cp -a "+s.dir+" \"$DIR\"", nil, "--listen", encrypted, "--tls", "acme", "--tls-names", acmeName, "--acme-directory", "https://"+d.address+"/dir", "--acme-ca", d.ca)
	again.until("it serves", func() bool { return readyOverTLS(encrypted, roots) == nil })
	second, err := shown(encrypted, acmeName, roots)
	if err != nil {
		t.Fatal(err)
	}
	if first.SerialNumber.Cmp(second.SerialNumber) != 0 {
		t.Errorf("after a restart the certificate is %v, want the %v of before", second.SerialNumber, first.SerialNumber)
	}
	conn, err := tls.Dial("tcp", encrypted, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) // #nosec G402 -- it is looked at
	if err != nil {
		t.Fatalf("a client that names no server: %v", err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().PeerCertificates[0]; got.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Errorf("a client that names no server is shown %v", got.DNSNames)
	}
}

// TestACMEProvesTheNameOnThePlainAddress: nobody can reach the encrypted one from
// where the directory is.
func TestACMEProvesTheNameOnThePlainAddress(t *testing.T) {
	encrypted, plain := freePort(t), freePort(t)
	d := newDirectory(t, freePort(t), plain, 90*24*time.Hour)
	d.start()
	s := serveACME(t, d, encrypted, "--listen-http", plain)
	s.until("a certificate was obtained", func() bool { return s.says("serving a new TLS certificate") })
	if err := readyOverTLS(encrypted, d.roots()); err != nil {
		t.Error(err)
	}
}

// TestACMEProvesTheNameWhereClientsNeedACertificate: the directory has none.
func TestACMEProvesTheNameWhereClientsNeedACertificate(t *testing.T) {
	encrypted := freePort(t)
	d := newDirectory(t, encrypted, freePort(t), 90*24*time.Hour)
	d.start()
	s := serveACME(t, d, encrypted, "--tls-client-ca", d.ca)
	s.until("a certificate was obtained", func() bool { return s.says("serving a new TLS certificate") })
	if err := readyOverTLS(encrypted, d.roots()); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a client without a certificate: %v", err)
	}
}

// TestACMERenewsInTimeAndNoHandshakeFails: certificates live 30 seconds, and another
// one comes when ten are left.
func TestACMERenewsInTimeAndNoHandshakeFails(t *testing.T) {
	encrypted := freePort(t)
	d := newDirectory(t, encrypted, freePort(t), 30*time.Second)
	d.start()
	roots := d.roots()
	s := serveACME(t, d, encrypted)
	s.until("a certificate was obtained", func() bool { return s.says("serving a new TLS certificate") })
	serials := map[string]bool{}
	for deadline := time.Now().Add(90 * time.Second); len(serials) < 3; time.Sleep(50 * time.Millisecond) {
		leaf, err := shown(encrypted, acmeName, roots)
		if err != nil {
			t.Fatalf("after %d certificates a handshake failed: %v\n%s", len(serials), err, s.said)
		}
		serials[leaf.SerialNumber.String()] = true
		if time.Now().After(deadline) {
			t.Fatalf("after 90 seconds %d certificates of 30 seconds were shown, want 3:\n%s", len(serials), s.said)
		}
	}
	if got := d.issued(); got > len(serials)+1 {
		t.Errorf("%d certificates were issued and %d shown", got, len(serials))
	}
}

// TestACMEWaitsForItsDirectory: the server runs, the log says why there is no
// certificate, and there is one once the directory answers.
func TestACMEWaitsForItsDirectory(t *testing.T) {
	encrypted := freePort(t)
	d := newDirectory(t, encrypted, freePort(t), 90*24*time.Hour)
	s := serveACME(t, d, encrypted)
	s.until("the log says why", func() bool { return s.says("there is no TLS certificate yet") && s.says("connection refused") })
	if _, err := shown(encrypted, acmeName, nil); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("a handshake without a certificate: %v", err)
	}
	d.start()
	roots := d.roots()
	for deadline := time.Now().Add(2 * time.Minute); !s.says("serving a new TLS certificate"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("two minutes after the directory came back: %s", s.said)
		}
	}
	if err := readyOverTLS(encrypted, roots); err != nil {
		t.Error(err)
	}
}

// TestACMERefusesADirectoryOfAnotherAuthority: no account is made with it.
func TestACMERefusesADirectoryOfAnotherAuthority(t *testing.T) {
	encrypted := freePort(t)
	d := newDirectory(t, encrypted, freePort(t), 90*24*time.Hour)
	d.start()
	other, err := certificate.OpenAuthority(t.TempDir(), []string{"127.0.0.1"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := other.Root()
	wrong := filepath.Join(t.TempDir(), "wrong.pem")
	if err := os.WriteFile(wrong, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveACME(t, d, encrypted, "--acme-ca", wrong)
	s.until("the log says why", func() bool {
		return s.says("there is no TLS certificate yet") && s.says("certificate signed by unknown authority")
	})
	if said := d.said.String(); strings.Contains(said, "POST /sign-me-up") || d.issued() > 0 {
		t.Errorf("it was spoken with: %s", said)
	}
}
