package cli

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"maestro/client"
	"maestro/problem"
	"maestro/server/certificate"
)

func (a *app) certCommand() *cobra.Command {
	return a.group("cert", "Show and renew the installation's own TLS certificate (--tls auto)", a.certRoot(), a.certRenew())
}

func (a *app) certRoot() *cobra.Command {
	c := &cobra.Command{Use: "root", Short: "Print the authority's certificate in PEM, and its SHA-256 on standard error", Args: cobra.NoArgs,
		Long: "Whoever trusts this certificate trusts the server's own ones, for the names and private addresses it was made for and for\n" +
			"nothing else. Browsers and systems import the PEM; the command line takes it (--ca-file) or its SHA-256 (maestro login --pin).",
		Example: "  maestro cert root --data /var/lib/maestro > root.pem\n  maestro login --url https://ml.example:8080 --pin 3f9a…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			own, _, err := a.authority(cmd)
			if err != nil {
				return err
			}
			text, fingerprint := own.Root()
			if a.form != formTable {
				return printDocument(a.out, a.form, map[string]string{"pem": string(text), "sha256": fingerprint})
			}
			if _, err := a.out.Write(text); err != nil {
				return err
			}
			a.note("SHA-256 %s", fingerprint)
			return nil
		}}
	certFlags(c)
	return c
}

func (a *app) certRenew() *cobra.Command {
	c := &cobra.Command{Use: "renew", Short: "Issue a new server certificate now", Args: cobra.NoArgs,
		Long: "The server does so by itself when a third of the certificate's life of 90 days is left. A running server takes the new one\n" +
			"within ten seconds. The authority stays, so nobody has to trust anything anew.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			own, names, err := a.authority(cmd)
			if err != nil {
				return err
			}
			if _, err := own.Renew(names, true); err != nil {
				return err
			}
			certFile, _ := own.Files()
			a.note("The certificate in %s is for %s.", certFile, strings.Join(names, ", "))
			return nil
		}}
	certFlags(c)
	return c
}

// certFlags are the settings of serve that say where the authority is and what for.
func certFlags(c *cobra.Command) {
	addFlags(c.Flags(), serveOptions)
	c.Flags().String("config", "", "configuration file [MAESTRO_CONFIG]")
	c.Flags().VisitAll(hideBut("data", "listen", "tls-names", "config"))
}

// certOptions are the settings that the authority is opened with: secrets are not
// among them, and so nobody is asked for one.
var certOptions = optionsNamed("data", "listen", "tls-names")

// authority opens the authority of the data directory, or makes it as the server
// with the same settings would, and returns the names that the server has.
func (a *app) authority(cmd *cobra.Command) (own *certificate.Authority, names []string, err error) {
	file, err := a.configFile(cmd)
	if err != nil {
		return nil, nil, err
	}
	settings, err := load(cmd.Context(), certOptions, cmd.Flags(), a.lookup, file)
	if err != nil {
		return nil, nil, err
	}
	names = settings.TLS.Names
	if len(names) == 0 {
		address, err := net.ResolveTCPAddr("tcp", settings.Listen)
		if err != nil {
			return nil, nil, err
		}
		names = ownNames(address)
	}
	own, err = certificate.OpenAuthority(tlsDir(settings.Data), names, time.Now)
	return own, names, err
}

// client returns one that speaks to the profile's server without a credential.
func (p *profile) client() (*client.Client, error) {
	roots, err := rootsOf(p.Roots)
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{URL: p.URL, UserAgent: "maestro/" + Version(), Roots: roots})
}

// rootsOf reads authorities in PEM; nil, for the system's, when there are none.
func rootsOf(text string) (*x509.CertPool, error) {
	if text == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, &usageError{errors.New("the file of authorities holds no certificate in PEM")}
	}
	return pool, nil
}

// pinned asks the server for its certificates and returns the authority whose
// SHA-256 is pin. Nothing secret is sent on this connection; those that follow are
// verified with the authority alone.
func pinned(ctx context.Context, server, pin string) (roots string, err error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" {
		return "", usage("--pin needs an https URL")
	}
	want := strings.ToLower(strings.ReplaceAll(pin, ":", ""))
	port := u.Port()
	if port == "" {
		port = "443"
	}
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true}} // #nosec G402 -- the fingerprint is the verification, and it follows
	ctx, cancel := context.WithTimeout(ctx, readHeaderTimeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return "", &client.ConnectionError{URL: server, Err: err}
	}
	defer func() { _ = conn.Close() }() // nothing was written to it
	for _, c := range conn.(*tls.Conn).ConnectionState().PeerCertificates {
		if sum := sha256.Sum256(c.Raw); c.IsCA && hex.EncodeToString(sum[:]) == want {
			return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})), nil
		}
	}
	return "", problem.New(problem.Unauthenticated, "%s shows no authority with the SHA-256 %s. Somebody may stand between you and the server: compare with maestro cert root on its machine.", server, pin)
}

// hideBut hides the flags that are not named.
func hideBut(names ...string) func(*pflag.Flag) {
	return func(f *pflag.Flag) { f.Hidden = !slices.Contains(names, f.Name) }
}
