package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// directoryTimeout bounds one request to an ACME directory.
const directoryTimeout = 30 * time.Second

// ACMEOptions name the directory (RFC 8555) that certificates come from.
type ACMEOptions struct {
	Directory string         // its URL
	Roots     *x509.CertPool // that its own certificate must come from; the system's unless set
	Names     []string       // DNS names to ask certificates for
	Email     string         // told to the directory, when set
	Dir       string         // keeps the account's key and the certificates
}

// ACME obtains certificates from a directory when they are first needed and renews
// them. The directory finds out by TLS-ALPN-01 on the server's own port, or by
// HTTP-01 where Challenges is served on port 80, that the names are this server's.
type ACME struct {
	manager *autocert.Manager
	names   []string
	shown   sync.Map // of name, string, to *x509.Certificate: no more than there are names
}

// NewACME prepares to obtain certificates; nothing is asked for yet.
func NewACME(o ACMEOptions) (*ACME, error) {
	directory, err := url.Parse(o.Directory)
	if err != nil || directory.Scheme != "https" || directory.Host == "" {
		return nil, errors.New("the ACME directory must be an https URL")
	}
	if len(o.Names) == 0 {
		return nil, errors.New("ACME needs the names to ask certificates for")
	}
	for _, name := range o.Names {
		if _, err := netip.ParseAddr(name); err == nil {
			return nil, fmt.Errorf("%s: ACME certificates are for DNS names, not for addresses", name)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // no way but the one that the settings name
	transport.TLSClientConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	return &ACME{names: o.Names, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(o.Dir, "acme")), HostPolicy: autocert.HostWhitelist(o.Names...), Email: o.Email,
		Client: &acme.Client{DirectoryURL: o.Directory, UserAgent: "maestro", HTTPClient: &http.Client{
			Timeout: directoryTimeout, Transport: transport,
			CheckRedirect: func(r *http.Request, via []*http.Request) error {
				if r.URL.Host != via[0].URL.Host {
					return errors.New("the ACME directory redirects to another host")
				}
				return nil
			},
		}},
	}}, nil
}

// Protocol is what a server that answers TLS-ALPN-01 must offer (RFC 8737).
const Protocol = acme.ALPNProto

// Certificate implements the GetCertificate of a tls.Config.
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	shown, err := a.manager.GetCertificate(hello)
	if err == nil {
		a.keep(hello, shown)
	}
	return shown, err
}

// Challenges answers HTTP-01 and hands everything else to next.
func (a *ACME) Challenges(next http.Handler) http.Handler { return a.manager.HTTPHandler(next) }
