package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// checkEvery is how often the files of a Pair are looked at.
const checkEvery = 10 * time.Second

// Pair serves the certificate of two PEM files and follows them as they change.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]
	refused atomic.Pointer[error] // of the last look at the files

	mu        sync.Mutex // of Reload
	cert, key []byte     // what current was read from
}

// OpenPair reads the certificate chain and its private key. A key that everybody
// may read is refused. One that has expired is served with a warning, because
// there is no older one to keep.
func OpenPair(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, log: log, now: now}
	if err := checkKeyMode(keyFile); err != nil {
		return nil, err
	}
	cert, key, err := p.read()
	if err != nil {
		return nil, err
	}
	certificate, err := p.parse(cert, key)
	if err != nil {
		return nil, err
	}
	if expired := p.valid(certificate); expired != nil {
		log.Warn("the TLS certificate is not valid now; browsers and clients will refuse it", "cause", expired)
	}
	p.current.Store(certificate)
	p.cert, p.key = cert, key
	return p, nil
}

// checkKeyMode refuses a private key that everybody on the machine may read.
func checkKeyMode(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o007 != 0 && ownsModes {
		return fmt.Errorf("%s: everybody on this machine may read the private key (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return nil
}

// Certificate implements the GetCertificate of a tls.Config.
func (p *Pair) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.current.Load(), nil
}

// Reload reads the files and serves what they hold. When they hold nothing that
// can be served it returns why, each time, and what was served before stays.
func (p *Pair) Reload() error {
	err := p.follow()
	if err == nil {
		p.refused.Store(nil)
	} else {
		p.refused.Store(&err)
	}
	return err
}

func (p *Pair) follow() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cert, key, err := p.read()
	if err != nil {
		return err
	}
	if bytes.Equal(cert, p.cert) && bytes.Equal(key, p.key) {
		return nil
	}
	certificate, err := p.parse(cert, key)
	if err != nil {
		return err
	}
	if err := p.valid(certificate); err != nil {
		return err
	}
	p.current.Store(certificate)
	p.cert, p.key = cert, key
	p.log.Info("serving a new TLS certificate", "expires", certificate.Leaf.NotAfter.UTC())
	return nil
}

// Run follows the files until ctx ends. It logs why they cannot be served when
// that changes, and not at every look.
func (p *Pair) Run(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	logged := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := p.Reload()
			if err == nil {
				logged = ""
			} else if err.Error() != logged {
				logged = err.Error()
				p.log.Error("the new TLS certificate cannot be served; the old one stays", "cause", err)
			}
		}
	}
}

// read returns what the files hold.
func (p *Pair) read() (cert, key []byte, err error) {
	if cert, err = os.ReadFile(p.certFile); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(p.keyFile)
	return cert, key, err
}

func (p *Pair) parse(cert, key []byte) (*tls.Certificate, error) {
	certificate, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", p.certFile, p.keyFile, err)
	}
	return &certificate, nil
}

func (p *Pair) valid(c *tls.Certificate) error {
	now := p.now()
	switch {
	case now.After(c.Leaf.NotAfter):
		return fmt.Errorf("%s: expired at %s", p.certFile, c.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.Leaf.NotBefore):
		return fmt.Errorf("%s: is valid only from %s on", p.certFile, c.Leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// Leaf returns the certificate that is served.
func (p *Pair) Leaf() *x509.Certificate { return p.current.Load().Leaf }

// Refused returns why what lies in the files is not what is served; nil where it is.
func (p *Pair) Refused() error {
	if err := p.refused.Load(); err != nil {
		return *err
	}
	return nil
}

// Leaf reads the first certificate of a PEM file.
func Leaf(certFile string) (*x509.Certificate, error) {
	text, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	for block != nil && block.Type != "CERTIFICATE" { // what comes from an ACME directory begins with its key
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New(certFile + ": holds no certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	return leaf, nil
}

// Pool reads the certificates of authorities from a PEM file.
func Pool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New(path + ": holds no certificate in PEM")
	}
	return pool, nil
}
