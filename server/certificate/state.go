package certificate

import (
	"crypto/x509"
	"time"
)

// A certificate should have been replaced when endsSoon is left of it, or the share
// lateShare of its life where that is less. The local authority and ACME do so when
// a third is left.
const (
	endsSoon  = 21 * 24 * time.Hour
	lateShare = 4
)

// EndsSoon reports whether a certificate should have been replaced by now.
func EndsSoon(c *x509.Certificate, now time.Time) bool {
	return c.NotAfter.Sub(now) < min(endsSoon, c.NotAfter.Sub(c.NotBefore)/lateShare)
}

// State is what a server shows to those who connect, and where it comes from.
type State struct {
	Source string // off, files, auto or acme, as the settings call it

	// Leaves are the certificates that are shown now; from an ACME directory, the
	// newest that it gave for each name.
	Leaves []*x509.Certificate

	Root    *x509.Certificate // of the installation's own authority; nil without one
	Refused error             // why what lies in the files now is not what is shown; nil where it is
	Clients bool              // only clients with a certificate may connect
}

// Ends returns when the first of the certificates that are served ends; zero
// without one.
func (s State) Ends() (first time.Time) {
	for _, leaf := range s.Leaves {
		if first.IsZero() || leaf.NotAfter.Before(first) {
			first = leaf.NotAfter
		}
	}
	return first
}
