package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"time"

	"maestro/auth"
	"maestro/server/certificate"
	"maestro/tenancy"
)

func (s *Server) certificateRoutes() {
	handle(s, route{method: http.MethodGet, path: "/system/certificates", access: auth.Operator, id: "getCertificates", tag: "installation",
		summary: "See the certificates that are shown to those who connect, and when they end",
		text:    "The authority's certificate is what clients import to trust an installation of its own making; its SHA-256 is what they compare."}, s.getCertificates)
}

// certificates is what an operator is told of the server's TLS.
type certificates struct {
	Source             string             `json:"source" enum:"off,files,auto,acme" doc:"Where they come from: nowhere, two files, the installation's own authority, an ACME directory"`
	BehindTLS          bool               `json:"behind_tls" doc:"A proxy ends TLS: its certificate is not known here"`
	ClientCertificates bool               `json:"client_certificates" doc:"Only clients with a certificate may connect"`
	Refused            string             `json:"refused" doc:"Why what lies in the files now is not what is shown; empty where it is"`
	Items              []shownCertificate `json:"items" nullable:"false" doc:"Those that are shown; from an ACME directory, the newest that it gave for each name; none while it has given none"`
	Authority          *shownCertificate  `json:"authority" null:"true" doc:"The installation's own authority, where the source is auto"`
}

type shownCertificate struct {
	Names     []string     `json:"names" nullable:"false" doc:"DNS names and addresses that it is for"`
	Subject   string       `json:"subject" doc:"Whom it is for, as a distinguished name (RFC 4514)"`
	Issuer    string       `json:"issuer" doc:"Who signed it, as a distinguished name"`
	Serial    string       `json:"serial" doc:"In hexadecimal"`
	SHA256    string       `json:"sha256" doc:"The fingerprint, in hexadecimal"`
	NotBefore tenancy.Time `json:"not_before" doc:"From when it is valid"`
	NotAfter  tenancy.Time `json:"not_after" doc:"Until when it is valid"`
	State     string       `json:"state" enum:"good,ends_soon,expired,early" doc:"ends_soon within 21 days of its end, or within the last quarter of its life where that is less; early before it begins"`
	PEM       string       `json:"pem" doc:"The certificate itself, in PEM, without the chain and without its key"`
}

func (s *Server) getCertificates(context.Context, *struct{}) (*struct{ Body *certificates }, error) {
	state := s.encryption()
	told := &certificates{Source: state.Source, BehindTLS: s.behindTLS, ClientCertificates: state.Clients, Items: []shownCertificate{}}
	if state.Refused != nil {
		told.Refused = state.Refused.Error()
	}
	for _, leaf := range state.Leaves {
		told.Items = append(told.Items, describe(leaf, s.now()))
	}
	if state.Root != nil {
		root := describe(state.Root, s.now())
		told.Authority = &root
	}
	return &struct{ Body *certificates }{told}, nil
}

func describe(c *x509.Certificate, now time.Time) shownCertificate {
	names := append([]string{}, c.DNSNames...)
	for _, address := range c.IPAddresses {
		names = append(names, address.String())
	}
	if c.IsCA {
		names = append(names, c.PermittedDNSDomains...)
		for _, block := range c.PermittedIPRanges {
			names = append(names, block.String())
		}
	}
	state := "good"
	switch {
	case now.After(c.NotAfter):
		state = "expired"
	case now.Before(c.NotBefore):
		state = "early"
	case certificate.EndsSoon(c, now):
		state = "ends_soon"
	}
	sum := sha256.Sum256(c.Raw)
	return shownCertificate{Names: names, Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.Text(16), SHA256: hex.EncodeToString(sum[:]),
		NotBefore: tenancy.TimeOf(c.NotBefore), NotAfter: tenancy.TimeOf(c.NotAfter), State: state,
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))}
}
