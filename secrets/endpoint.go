package secrets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"time"

	"maestro/problem"
)

// Bounds of what is asked of another server.
const (
	maxTries       = 4
	firstWait      = 250 * time.Millisecond // before the second try; doubled before each further one
	triesInTime    = 3                      // how often a try that hangs fits into the timeout
	maxAnswerBytes = 1 << 20                // above what either server can hold
	maxHeaderBytes = 64 << 10
	maxRootsBytes  = 1 << 20
)

// endpoint is a server that is asked for secrets.
type endpoint struct {
	what   string // what it is, for people
	option string // the options' first word
	base   *url.URL
	client *http.Client
	config *Config
}

// newEndpoint reads the address of a server and the file of the authorities that
// its certificate must come from, which are the system's when it is "".
func newEndpoint(what, option, addressOption, address, roots string, config *Config) (*endpoint, error) {
	base, err := parseAddress(addressOption, address)
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != "" {
		if trust.RootCAs, err = readRoots(option+"-ca", roots); err != nil {
			return nil, err
		}
	}
	e := &endpoint{what: what, option: option, base: base, config: config}
	e.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // one that the environment names is not named by the configuration
			TLSClientConfig:        trust,
			DisableKeepAlives:      true, // a connection left open may say things, which net/http would log
			DisableCompression:     true, // the bound is on what is read
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		// The answer is what the address itself says. Elsewhere the token would go
		// to who was not named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// parseAddress reads the URL of a server, whose traffic is a secret.
func parseAddress(option, text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return nil, problem.New(problem.Malformed, "%s must be a URL such as https://secrets.example:8200, without a user, query or fragment", option)
	}
	local := parsed.Hostname() == "localhost"
	if address, err := netip.ParseAddr(parsed.Hostname()); err == nil {
		local = address.IsLoopback()
	}
	if parsed.Scheme != "https" && (parsed.Scheme != "http" || !local) {
		return nil, problem.New(problem.Malformed, "%s must begin with https://; http:// is for this machine's loopback only", option)
	}
	return parsed, nil
}

func readRoots(option, path string) (*x509.CertPool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRootsBytes {
		return nil, problem.New(problem.Malformed, "%s: %s is no file of certificates", option, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, problem.New(problem.Malformed, "%s: %s holds no certificate in PEM", option, path)
	}
	return pool, nil
}

// answer is what the server said, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends what request makes until judge takes the answer, or says that another
// try is of no use, or the tries or the time are over. The request is made anew
// for each try, because it may be signed for its time.
func (e *endpoint) ask(ctx context.Context, request func(context.Context) (*http.Request, error), judge func(*answer) error) error {
	within, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	end := time.Now().Add(e.config.Timeout)
	for try := 1; ; try++ {
		a, err := e.once(within, request)
		if err == nil {
			err = judge(a)
		}
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != problem.Unavailable || try == maxTries {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err() // who asked does not want to know any more
		}
		wait := max(firstWait<<(try-1), p.RetryAfter)
		if wait >= time.Until(end) || e.config.Wait(within, wait) != nil {
			return err
		}
	}
}

func (e *endpoint) once(ctx context.Context, request func(context.Context) (*http.Request, error)) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout/triesInTime)
	defer cancel()
	r, err := request(ctx)
	if err != nil {
		return nil, err
	}
	response, err := e.client.Do(r)
	if err != nil {
		return nil, e.lost(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read, or is of no use
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err == nil {
		err = ctx.Err() // net/http sometimes ends a body that it gave up as if it were whole (seen 1 time in 60)
	}
	if err != nil {
		return nil, e.lost(err)
	}
	if len(body) > maxAnswerBytes {
		return nil, e.refuse(problem.Malformed, "answered with more than %d bytes", maxAnswerBytes)
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return nil, e.refuse(problem.Malformed, "answered with a redirect (%d), which is not followed: the address must be that of the server itself", response.StatusCode)
	}
	return &answer{response.StatusCode, response.Header, body}, nil
}

// refuse is a failure of what the server answered.
func (e *endpoint) refuse(code problem.Code, format string, args ...any) *problem.Error {
	return problem.New(code, e.what+" at "+e.base.Host+" "+format, args...)
}

// busy is a failure that another try may mend, after the time that the answer
// asks for.
func (e *endpoint) busy(a *answer, format string, args ...any) *problem.Error {
	p := e.refuse(problem.Unavailable, format, args...)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = min(time.Duration(seconds), time.Hour/time.Second) * time.Second
	}
	return p
}

// lost says why there was no answer, in words that hold nothing of what was sent
// or came back: the texts of net/http's errors do.
func (e *endpoint) lost(err error) error {
	var (
		unknown  x509.UnknownAuthorityError
		verified *tls.CertificateVerificationError
		name     *net.DNSError
		op       *net.OpError
		timeout  net.Error
	)
	switch {
	case errors.As(err, &unknown):
		return e.refuse(problem.Unauthenticated, "has a certificate from an authority that is not trusted: name it (%s-ca)", e.option)
	case errors.As(err, &verified):
		return e.refuse(problem.Unauthenticated, "has a certificate that does not hold: it is for another name, or its time is over")
	case errors.Is(err, http.ErrSchemeMismatch):
		return e.refuse(problem.Unauthenticated, "does not speak TLS")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return e.refuse(problem.Unavailable, "gave no whole answer within %s", e.config.Timeout/triesInTime)
	case errors.As(err, &name):
		return e.refuse(problem.Unavailable, "cannot be found: the name resolves to nothing")
	case errors.As(err, &op) && op.Op == "dial":
		return e.refuse(problem.Unavailable, "cannot be reached")
	}
	return e.refuse(problem.Unavailable, "broke the connection off")
}
