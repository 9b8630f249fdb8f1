package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maestro/cli"
	"maestro/server/certificate"
)

// TestADirectoryProvesTheNameWithoutACertificate: a directory has none of
// --tls-client-ca. Before, its handshake failed with TLS 1.2, and with TLS 1.3 was
// refused as soon as the directory read.
func TestADirectoryProvesTheNameWithoutACertificate(t *testing.T) {
	const name = "ml.example"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	certificates := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	pair := append(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), certificates...)
	acme := filepath.Join(data, "tls", "acme")
	if err := os.MkdirAll(acme, 0o700); err != nil {
		t.Fatal(err)
	}
	clients := filepath.Join(data, "tls", "clients.pem")
	// The server has a certificate, and waits for the directory that proves the name.
	for file, content := range map[string][]byte{filepath.Join(acme, name): pair, filepath.Join(acme, name+"+token"): pair, clients: certificates} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	appliance := &cli.Appliance{Settings: cli.ServeSettings{Data: data, Listen: "127.0.0.1:0", DrainTimeout: time.Second,
		TLS: cli.TLSSettings{Mode: "acme", Names: []string{name}, Directory: "https://127.0.0.1:1/directory", ClientCA: clients}}}
	t.Cleanup(func() {
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := appliance.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	// ask is a handshake without a certificate, a request over it, and what came back.
	ask := func(version uint16, protocols ...string) (negotiated string, answer []byte, err error) {
		conn, err := tls.Dial("tcp", address(appliance), &tls.Config{ServerName: name, NextProtos: protocols, MinVersion: version, MaxVersion: version,
			InsecureSkipVerify: true}) // #nosec G402 -- a directory takes any
		if err != nil {
			return "", nil, err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return "", nil, err
		}
		_, _ = fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", name) // the server may be gone already
		answer, err = io.ReadAll(conn)
		return conn.ConnectionState().NegotiatedProtocol, answer, err
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		negotiated, answer, err := ask(version, certificate.Protocol)
		var alert tls.AlertError
		if negotiated != certificate.Protocol || errors.As(err, &alert) || strings.Contains(fmt.Sprint(err), "tls:") {
			t.Errorf("%s: a directory spoke %q and got %v", tls.VersionName(version), negotiated, err)
		}
		if len(answer) > 0 {
			t.Errorf("%s: a directory was served %q", tls.VersionName(version), answer)
		}
		for _, protocols := range [][]string{{"http/1.1"}, {"http/1.1", certificate.Protocol}, {certificate.Protocol, "h2"}, nil} {
			if _, answer, err := ask(version, protocols...); err == nil || !strings.Contains(err.Error(), "tls:") || len(answer) > 0 {
				t.Errorf("%s: a client of %q without a certificate was answered %q, %v", tls.VersionName(version), protocols, answer, err)
			}
		}
	}
}
