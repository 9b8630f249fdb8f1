package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// directoryTimeout bounds one request to an ACME directory.
const directoryTimeout = 30 * time.Second

// Between two attempts at a first certificate. autocert itself makes none within a
// minute of one that failed.
const (
	firstRetry = time.Minute + time.Second
	lastRetry  = 30 * time.Minute
)

// ACMEOptions name the directory (RFC 8555) that certificates come from.
type ACMEOptions struct {
	Directory string         // its URL
	Roots     *x509.CertPool // that its own certificate must come from; the system's unless set
	Names     []string       // DNS names to ask certificates for
	Email     string         // told to the directory, when set
	Dir       string         // keeps the account's key and the certificates
	Log       *slog.Logger
	Now       func() time.Time
}

// ACME obtains certificates from a directory and renews them when a third of their
// life is left. The directory finds out by TLS-ALPN-01 on the server's own port, or by
// HTTP-01 where Challenges is served on port 80, that the names are this server's.
type ACME struct {
	manager *autocert.Manager
	names   []string
	log     *slog.Logger
	now     func() time.Time
	obtain  func(ctx context.Context, name string) (*x509.Certificate, error) // as a client would get it

	mu     sync.Mutex
	served map[string]*x509.Certificate // the newest by name
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
		if !strings.Contains(strings.Trim(name, "."), ".") {
			return nil, fmt.Errorf("%s: ACME certificates are for names with a domain, such as %s.example", name, strings.Trim(name, "."))
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // no way but the one that the settings name
	transport.TLSClientConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	a := &ACME{names: o.Names, log: o.Log, now: o.Now, served: map[string]*x509.Certificate{}, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(acmeDir(o.Dir)), HostPolicy: autocert.HostWhitelist(o.Names...), Email: o.Email,
		Client: &acme.Client{DirectoryURL: o.Directory, UserAgent: "maestro", HTTPClient: &http.Client{
			Timeout: directoryTimeout, Transport: &overheard{transport, o.Log},
			CheckRedirect: func(r *http.Request, via []*http.Request) error {
				if r.URL.Host != via[0].URL.Host {
					return errors.New("the ACME directory redirects to another host")
				}
				return nil
			},
		}},
	}}
	a.obtain = a.handshake
	return a, nil
}

// acmeDir is where dir keeps what comes from a directory.
func acmeDir(dir string) string { return filepath.Join(dir, "acme") }

// ACMEFile is where an ACME in dir keeps the certificate for a name, behind its key.
func ACMEFile(dir, name string) string {
	return filepath.Join(acmeDir(dir), strings.ToLower(strings.TrimSuffix(name, ".")))
}

// overheard logs what goes wrong between here and the directory. autocert says it
// of the first certificate alone, and of none that it renews.
type overheard struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (o *overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.next.RoundTrip(r)
	switch {
	case errors.Is(err, context.Canceled): // nobody waits any more
	case err != nil:
		o.log.Warn("the ACME directory cannot be asked", "url", r.URL.Redacted(), "cause", err)
	case response.StatusCode > http.StatusBadRequest: // 400 is also a nonce that was used up, which is asked again
		o.log.Warn("the ACME directory refuses", "url", r.URL.Redacted(), "status", response.Status)
	}
	return response, err
}

// Protocol is what a server that answers TLS-ALPN-01 must offer (RFC 8737).
const Protocol = acme.ALPNProto

// Proof reports whether a handshake is a directory's that proves a name by
// TLS-ALPN-01. Nothing is served over it.
func Proof(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == Protocol
}

// Certificate implements the GetCertificate of a tls.Config. A client that names no
// server, because it was given an address, is shown the first name's certificate.
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if Proof(hello) {
		return a.manager.GetCertificate(hello)
	}
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = a.names[0]
		hello = &named
	}
	c, err := a.manager.GetCertificate(hello)
	if err != nil {
		return nil, err
	}
	a.serve(hello.ServerName, c.Leaf)
	return c, nil
}

// serve notes and logs that leaf is served for name, when that is new.
func (a *ACME) serve(name string, leaf *x509.Certificate) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	a.mu.Lock()
	defer a.mu.Unlock()
	if before := a.served[name]; before != nil && !leaf.NotAfter.After(before.NotAfter) {
		return
	}
	a.served[name] = leaf
	a.log.Info("serving a new TLS certificate", "name", name, "expires", leaf.NotAfter.UTC())
}

// Shown returns the certificates that are served, in the order of their names; none
// of a name for which the directory has given none.
func (a *ACME) Shown() []*x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	var leaves []*x509.Certificate
	for _, name := range a.names {
		if leaf := a.served[strings.ToLower(name)]; leaf != nil {
			leaves = append(leaves, leaf)
		}
	}
	return leaves
}

// Challenges answers HTTP-01 and hands everything else to next. A private directory
// may come on another port than 80 and then names it, which autocert does not know.
func (a *ACME) Challenges(next http.Handler) http.Handler {
	h := a.manager.HTTPHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil || !strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			h.ServeHTTP(w, r)
			return
		}
		bare := *r
		bare.Host = host
		h.ServeHTTP(w, &bare)
	})
}

// Run obtains the certificates, so that no client has to wait for one, and says
// when they are not renewed, until ctx ends. The server must be listening already.
func (a *ACME) Run(ctx context.Context) {
	var each sync.WaitGroup
	defer each.Wait()
	for _, name := range a.names {
		each.Go(func() { a.keep(ctx, name) })
	}
}

// keep looks after the certificate of one name.
func (a *ACME) keep(ctx context.Context, name string) {
	retry := firstRetry
	for {
		leaf, err := a.obtain(ctx, name)
		wait := retry
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.log.Error("there is no TLS certificate yet", "name", name, "cause", err, "again_in", wait)
			retry = min(2*retry, lastRetry)
		default:
			retry = firstRetry
			if EndsSoon(leaf, a.now()) {
				a.log.Error("the TLS certificate is not renewed", "name", name, "expires", leaf.NotAfter.UTC())
			}
			wait = min(max(leaf.NotAfter.Sub(leaf.NotBefore)/(2*lateShare), time.Second), time.Hour)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// handshake returns the certificate for a name as a client would get it. autocert
// waits minutes for a directory and cannot be told to stop, so it is left alone
// when ctx ends.
func (a *ACME) handshake(ctx context.Context, name string) (*x509.Certificate, error) {
	type answer struct {
		certificate *tls.Certificate
		err         error
	}
	answers := make(chan answer, 1)
	go func() {
		c, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}) // it takes ECDSA, as all do
		answers <- answer{c, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-answers:
		if got.err != nil {
			return nil, got.err
		}
		return got.certificate.Leaf, nil
	}
}
