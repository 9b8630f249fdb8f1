package cli

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
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"maestro/server/certificate"
)

// Where the server's certificate comes from.
const (
	tlsOff   = "off"
	tlsFiles = "files" // two files, followed as they change
	tlsAuto  = "auto"  // a local authority in the data directory
	tlsACME  = "acme"  // a directory
)

// TLSSettings say how connections are encrypted.
type TLSSettings struct {
	Mode       string   // one of off, files, auto, acme
	Cert, Key  string   // the files, in PEM
	Names      []string // DNS names and addresses that the server is reached by
	ClientCA   string   // file of the authorities that clients' certificates must come from; "" asks for none
	ListenHTTP string   // host:port that sends browsers to the encrypted one; "" for none

	Directory      string // URL of the ACME directory
	DirectoryRoots string // file of the authorities that the directory's own certificate comes from
	Email          string // told to the directory
}

var tlsOptions = []option[ServeSettings]{
	{name: "tls", preset: tlsOff, unit: "MODE", help: "off; files (--tls-cert, --tls-key), followed as they change; auto: an authority of the installation's own (maestro cert root shows it); acme (--acme-directory)", apply: func(s *ServeSettings, text string) error {
		if !slices.Contains([]string{tlsOff, tlsFiles, tlsAuto, tlsACME}, text) {
			return errors.New("must be off, files, auto or acme")
		}
		s.TLS.Mode = text
		return nil
	}},
	{name: "tls-cert", unit: "FILE", help: "certificate chain in PEM", apply: func(s *ServeSettings, text string) error {
		s.TLS.Cert = text
		return nil
	}},
	{name: "tls-key", unit: "FILE", help: "its private key in PEM, which not everybody may read", apply: func(s *ServeSettings, text string) error {
		s.TLS.Key = text
		return nil
	}},
	{name: "tls-names", unit: "NAMES", help: "DNS names and addresses the server is reached by, with commas between; the machine's name and the address of --listen unless set", apply: func(s *ServeSettings, text string) error {
		s.TLS.Names = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	}},
	{name: "tls-client-ca", unit: "FILE", help: "only clients with a certificate from one of these authorities (PEM) may connect", apply: func(s *ServeSettings, text string) error {
		s.TLS.ClientCA = text
		return nil
	}},
	{name: "listen-http", unit: "HOST:PORT", help: "plain address that sends browsers to the encrypted one and serves nothing else", apply: func(s *ServeSettings, text string) error {
		address, err := parseListen(text)
		s.TLS.ListenHTTP = address
		return err
	}},
	{name: "acme-directory", unit: "URL", help: "ACME directory that certificates come from; asking it accepts its terms", apply: func(s *ServeSettings, text string) error {
		s.TLS.Directory = text
		return nil
	}},
	{name: "acme-ca", unit: "FILE", help: "authorities (PEM) that the directory's own certificate comes from; the system's unless set", apply: func(s *ServeSettings, text string) error {
		s.TLS.DirectoryRoots = text
		return nil
	}},
	{name: "acme-email", unit: "EMAIL", help: "told to the directory", apply: func(s *ServeSettings, text string) error {
		s.TLS.Email = text
		return nil
	}},
}

func (t *TLSSettings) on() bool { return t.Mode != tlsOff && t.Mode != "" }

// check says what is wrong with the settings together.
func (t *TLSSettings) check() error {
	var failure ConfigError
	refuse := func(wrong bool, text string) {
		if wrong {
			failure.Problems = append(failure.Problems, text)
		}
	}
	refuse(t.Mode == tlsFiles && (t.Cert == "" || t.Key == ""), "tls: files needs tls-cert and tls-key")
	refuse(t.Mode != tlsFiles && (t.Cert != "" || t.Key != ""), "tls-cert and tls-key: are used with tls=files only")
	refuse(t.Mode == tlsACME && t.Directory == "", "tls: acme needs acme-directory")
	refuse(t.Mode == tlsACME && len(t.Names) == 0, "tls: acme needs tls-names")
	refuse(t.Mode != tlsACME && (t.Directory != "" || t.DirectoryRoots != "" || t.Email != ""), "acme-directory, acme-ca and acme-email: are used with tls=acme only")
	refuse(!t.on() && (t.ClientCA != "" || t.ListenHTTP != ""), "tls-client-ca and listen-http: need tls")
	if len(failure.Problems) > 0 {
		return &failure
	}
	return nil
}

// encryption is the certificate that an appliance serves and what keeps it.
type encryption struct {
	source   string // the mode of the settings
	config   *tls.Config
	pair     *certificate.Pair      // nil for ACME
	own      *certificate.Authority // of tls=auto
	acme     *certificate.ACME
	names    []string
	redirect *http.Server // of ListenHTTP
}

// suites are those of TLS 1.2 with forward secrecy and authenticated encryption;
// TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// openTLS prepares what the settings ask for; nil when that is nothing.
func openTLS(t TLSSettings, dir string, listen net.Addr, log *slog.Logger) (e *encryption, err error) {
	if !t.on() {
		return nil, nil
	}
	defer func() {
		if err != nil {
			err = &ConfigError{Problems: []string{"tls: " + err.Error()}}
		}
	}()
	e = &encryption{source: t.Mode, config: &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{"h2", "http/1.1"}}, names: t.Names}
	if len(e.names) == 0 {
		e.names = ownNames(listen)
	}
	switch t.Mode {
	case tlsFiles:
		e.pair, err = certificate.OpenPair(t.Cert, t.Key, log, time.Now)
	case tlsAuto:
		e.own, e.pair, err = openOwn(dir, e.names, log)
	case tlsACME:
		e.acme, err = openACME(t, dir, log)
	}
	if err != nil {
		return nil, err
	}
	if e.acme != nil {
		e.config.GetCertificate = e.acme.Certificate
		e.config.GetConfigForClient = forProof(e.acme)
	} else {
		e.config.GetCertificate = e.pair.Certificate
	}
	if t.ClientCA != "" {
		if e.config.ClientCAs, err = certificate.Pool(t.ClientCA); err != nil {
			return nil, err
		}
		e.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return e, nil
}

// forProof answers the handshake in which a directory proves a name. A directory has
// no certificate of --tls-client-ca, and needs none: no request is served over it,
// and no session comes of it.
func forProof(a *certificate.ACME) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	proof := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{certificate.Protocol}, GetCertificate: a.Certificate, SessionTicketsDisabled: true}
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if certificate.Proof(hello) {
			return proof, nil
		}
		return nil, nil // as everybody else
	}
}

// tlsDir is where the data directory keeps what belongs to TLS.
func tlsDir(data string) string { return filepath.Join(data, "tls") }

func openOwn(dir string, names []string, log *slog.Logger) (*certificate.Authority, *certificate.Pair, error) {
	own, err := certificate.OpenAuthority(tlsDir(dir), names, time.Now)
	if err != nil {
		return nil, nil, err
	}
	if _, err := own.Renew(names, false); err != nil {
		return nil, nil, err
	}
	certFile, keyFile := own.Files()
	pair, err := certificate.OpenPair(certFile, keyFile, log, time.Now)
	return own, pair, err
}

func openACME(t TLSSettings, dir string, log *slog.Logger) (*certificate.ACME, error) {
	var roots *x509.CertPool
	var err error
	if t.DirectoryRoots != "" {
		if roots, err = certificate.Pool(t.DirectoryRoots); err != nil {
			return nil, err
		}
	}
	return certificate.NewACME(certificate.ACMEOptions{Directory: t.Directory, Roots: roots, Names: t.Names, Email: t.Email, Dir: tlsDir(dir), Log: log, Now: time.Now})
}

// ownNames are what a server is called that nobody named: as the machine, and the
// addresses that it listens on.
func ownNames(listen net.Addr) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, strings.ToLower(host))
	}
	address, err := netip.ParseAddrPort(listen.String())
	if err != nil {
		return names
	}
	if !address.Addr().IsUnspecified() {
		return append(names, address.Addr().String())
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return names
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsPrivate() {
			names = append(names, prefix.Addr().String())
		}
	}
	return names
}

// renewEvery is how often the local authority looks at the life of its leaf.
const renewEvery = time.Hour

// run keeps the certificate until ctx ends.
func (e *encryption) run(ctx context.Context, log *slog.Logger) {
	if e.acme != nil {
		e.acme.Run(ctx)
		return
	}
	if e.own == nil {
		e.pair.Run(ctx)
		return
	}
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { e.pair.Run(ctx) })
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := e.own.Renew(e.names, false); err != nil {
				log.Error("the TLS certificate cannot be renewed", "cause", err)
			}
		}
	}
}

// name returns what the server listening on host is called: a DNS name where one
// was given.
func (e *encryption) name(host string) string {
	for _, name := range e.names {
		if _, err := netip.ParseAddr(name); err != nil && name != "localhost" {
			return name
		}
	}
	return host
}

// close ends the plain address.
func (e *encryption) close() error {
	if e.redirect == nil {
		return nil
	}
	return e.redirect.Close()
}

// state returns what is shown to those who connect.
func (e *encryption) state() certificate.State {
	if e == nil {
		return certificate.State{Source: tlsOff}
	}
	s := certificate.State{Source: e.source, Clients: e.config.ClientCAs != nil}
	if e.acme != nil {
		s.Leaves = e.acme.Shown()
		return s
	}
	s.Leaves, s.Refused = []*x509.Certificate{e.pair.Leaf()}, e.pair.Refused()
	if e.own != nil {
		s.Root = e.own.Certificate()
	}
	return s
}

// reload reads the certificate's files now.
func (e *encryption) reload() error {
	if e == nil || e.pair == nil {
		return nil
	}
	return e.pair.Reload()
}

// plain answers on the plain address: browsers are sent to the encrypted one, and
// ACME's questions are answered. A program that speaks to the API is told, not
// redirected, because its token has already travelled readable.
func (e *encryption) plain(port int) http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Method != http.MethodGet && r.Method != http.MethodHead) || strings.HasPrefix(r.URL.Path, "/api/") || r.Header.Get("Authorization") != "" {
			http.Error(w, "This address is not encrypted and serves nothing. Use https, and replace every credential that was sent here.", http.StatusForbidden)
			return
		}
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if !slices.Contains(e.names, strings.ToLower(host)) {
			host = e.names[0]
		}
		if port != 443 {
			host = net.JoinHostPort(host, strconv.Itoa(port))
		} else if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		target := *r.URL
		target.Scheme, target.Host, target.User = "https", host, nil
		http.Redirect(w, r, target.String(), http.StatusMovedPermanently) // #nosec G710 -- to one of the server's own names
	})
	if e.acme != nil {
		h = e.acme.Challenges(h)
	}
	return h
}

// listenPlain begins to answer on the plain address.
func (e *encryption) listenPlain(ctx context.Context, address string, port int, log *slog.Logger) error {
	if address == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen-http: %w", err)
	}
	e.redirect = &http.Server{Handler: e.plain(port), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readHeaderTimeout, WriteTimeout: readHeaderTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() {
		if err := e.redirect.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the plain address ended", "cause", err)
		}
	}()
	return nil
}
