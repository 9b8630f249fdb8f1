package server

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"testing"
	"time"

	"maestro/problem"
	"maestro/server/certificate"
)

// issue returns the leaf and the root of an authority whose clock is off by slip.
func issue(t *testing.T, slip time.Duration) (leaf, root *x509.Certificate) {
	t.Helper()
	a, err := certificate.OpenAuthority(t.TempDir(), []string{"ml.example"}, func() time.Time { return time.Now().Add(slip) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Renew([]string{"ml.example", "10.1.2.3"}, true); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := a.Files()
	p, err := certificate.OpenPair(certFile, keyFile, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return p.Leaf(), a.Certificate()
}

func TestAServerWithoutTLSHasNoCertificates(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.BehindTLS = true })
	got := w.operator.send("GET", "/system/certificates", "").want(200).object()
	if items, ok := got["items"].([]any); got["source"] != "off" || got["behind_tls"] != true || !ok || len(items) != 0 || got["authority"] != nil {
		t.Errorf("it is told %v", got)
	}
	w.acme.send("GET", "/system/certificates", "").problem(problem.Forbidden)
	w.nobody.send("GET", "/system/certificates", "").problem(problem.Unauthenticated)
}

func TestTheOperatorSeesTheCertificates(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		slip time.Duration
		want string
	}{
		"new": {0, "good"}, "within three weeks of its end": {-70 * day, "ends_soon"}, "past its end": {-91 * day, "expired"}, "before it begins": {2 * day, "early"},
	} {
		t.Run(name, func(t *testing.T) {
			leaf, root := issue(t, c.slip)
			w := newWorld(t, func(o *Options) {
				o.Encryption = func() certificate.State {
					return certificate.State{Source: "auto", Leaves: []*x509.Certificate{leaf}, Root: root, Clients: true, Refused: errors.New("half written")}
				}
			})
			var got certificates
			w.operator.send("GET", "/system/certificates", "").want(200).into(&got)
			if got.Source != "auto" || !got.ClientCertificates || got.Refused != "half written" || len(got.Items) != 1 || got.Authority == nil {
				t.Fatalf("it is told %+v", got)
			}
			shown := got.Items[0]
			if shown.State != c.want || shown.NotAfter.Std().Unix() != leaf.NotAfter.Unix() {
				t.Errorf("it is %s until %s, want %s until %s", shown.State, shown.NotAfter.Std(), c.want, leaf.NotAfter)
			}
			if len(shown.Names) != 2 || shown.Names[0] != "ml.example" || shown.Names[1] != "10.1.2.3" {
				t.Errorf("it is for %q", shown.Names)
			}
			// What is handed out is the authority that the leaf comes from.
			block, _ := pem.Decode([]byte(got.Authority.PEM))
			if block == nil {
				t.Fatalf("the authority is %q", got.Authority.PEM)
			}
			authority, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if err := leaf.CheckSignatureFrom(authority); err != nil {
				t.Error(err)
			}
			if got.Authority.SHA256 == shown.SHA256 || len(got.Authority.SHA256) != 64 {
				t.Errorf("the fingerprints are %s and %s", got.Authority.SHA256, shown.SHA256)
			}
		})
	}
}
