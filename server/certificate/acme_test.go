package certificate

import (
	"crypto/tls"
	"testing"
)

func TestWhatWasShownIsKeptByName(t *testing.T) {
	c := new(clock)
	first, second := pair(t, authority(t, c, "ml.example"), c, quiet()), pair(t, authority(t, c, "ml.example"), c, quiet())
	a := &ACME{names: []string{"other.example", "ml.example"}}
	show := func(p *Pair, protocols ...string) {
		shown, _ := p.Certificate(nil)
		a.keep(&tls.ClientHelloInfo{ServerName: "ml.example", SupportedProtos: protocols}, shown)
	}
	if got := a.Shown(); len(got) != 0 {
		t.Errorf("before any handshake there are %d", len(got))
	}
	show(first, Protocol) // the directory asks
	if got := a.Shown(); len(got) != 0 {
		t.Errorf("an answer to the directory counts as %d certificates", len(got))
	}
	show(first, "h2", "http/1.1")
	show(second, "h2")
	if got := a.Shown(); len(got) != 1 || got[0] != second.Leaf() {
		t.Errorf("%d were shown, want the second alone", len(got))
	}
}
