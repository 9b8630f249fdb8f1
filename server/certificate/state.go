package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// EndsSoon is how long before its end a certificate should have been replaced. The
// local authority does so a month before.
const EndsSoon = 21 * 24 * time.Hour

// State is what a server shows to those who connect, and where it comes from.
type State struct {
	Source string // off, files, auto or acme, as the settings call it

	// Leaves are the certificates that are shown now; from an ACME directory, those
	// that were shown since the start, for a name each.
	Leaves []*x509.Certificate

	Root    *x509.Certificate // of the installation's own authority; nil without one
	Refused error             // why what lies in the files now is not what is shown; nil where it is
	Clients bool              // only clients with a certificate may connect
}

// Ends returns when the certificate that is served ends; zero without one, and for
// ACME, which renews by itself also what nobody asks for any more.
func (s State) Ends() time.Time {
	if s.Source == "acme" || len(s.Leaves) == 0 {
		return time.Time{}
	}
	return s.Leaves[0].NotAfter
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

// Authority returns the authority's own certificate.
func (a *Authority) Authority() *x509.Certificate { return a.root }

// Shown returns the certificates that were shown since the start, in the order of
// the names that they were asked for by.
func (a *ACME) Shown() []*x509.Certificate {
	var leaves []*x509.Certificate
	for _, name := range a.names {
		if leaf, ok := a.shown.Load(name); ok {
			leaves = append(leaves, leaf.(*x509.Certificate))
		}
	}
	return leaves
}

// keep remembers what was shown for a name of ours. What answers a question of the
// directory (RFC 8737) is no certificate of the server's.
func (a *ACME) keep(hello *tls.ClientHelloInfo, shown *tls.Certificate) {
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == Protocol || shown.Leaf == nil {
		return
	}
	for _, name := range a.names {
		if shown.Leaf.VerifyHostname(name) == nil {
			a.shown.Store(name, shown.Leaf)
		}
	}
}
