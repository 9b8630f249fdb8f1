package certificate

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestTheNewestCertificateOfEachNameIsShown(t *testing.T) {
	c := new(clock)
	older := pair(t, authority(t, c, "ml.example"), c, quiet()).Leaf()
	c.pass(time.Hour)
	newer := pair(t, authority(t, c, "ml.example"), c, quiet()).Leaf()
	a := &ACME{names: []string{"other.example", "ml.example"}, log: quiet(), served: map[string]*x509.Certificate{}}
	if got := a.Shown(); len(got) != 0 {
		t.Errorf("before any handshake there are %d", len(got))
	}
	for _, leaf := range []*x509.Certificate{older, newer, older} {
		a.serve("ML.example.", leaf)
	}
	if got := a.Shown(); len(got) != 1 || got[0] != newer {
		t.Errorf("%d are shown, want the newer one alone", len(got))
	}
}
