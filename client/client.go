package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Credential is where a Client's token comes from. It is called concurrently.
type Credential interface {
	// Token returns the token to send, "" for none.
	Token(ctx context.Context) (string, error)

	// Renew returns a token in place of one that the server refused, or "" when
	// there is none to be had.
	Renew(ctx context.Context, refused string) (string, error)
}

// Token is a Credential that stays as it is: an API token.
type Token string

// Token implements Credential.
func (t Token) Token(context.Context) (string, error) { return string(t), nil }

// Renew implements Credential: there is no other token.
func (t Token) Renew(context.Context, string) (string, error) { return "", nil }

// Defaults of Options.
const (
	defaultAttempts = 4
	maxWait         = 30 * time.Second // before a repetition, whatever the server asks for
	firstWait       = 250 * time.Millisecond
)

// Options configures a Client. URL is needed.
type Options struct {
	URL        string // where the server is: https://host:port
	Credential Credential
	HTTP       *http.Client // one with sensible bounds unless set
	UserAgent  string

	// Roots are the authorities that the server's certificate must come from; the
	// system's unless set. They are not used when HTTP is set.
	Roots *x509.CertPool

	// Attempts is how often a request is sent in all while the server answers 429
	// or 503; 4 unless set.
	Attempts int

	// Wait sleeps between attempts, or returns early with the context's error; a
	// real sleep unless set.
	Wait func(ctx context.Context, d time.Duration) error
}

// Client calls one server. Its methods may be used concurrently.
type Client struct {
	base       string
	credential Credential
	http       *http.Client
	agent      string
	attempts   int
	wait       func(context.Context, time.Duration) error
}

// New returns a Client. It fails when the URL is not one of a server.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("the server's URL must be http://HOST:PORT or https://HOST:PORT, without user and query")
	}
	c := &Client{base: strings.TrimSuffix(o.URL, "/"), credential: o.Credential, http: o.HTTP, agent: o.UserAgent, attempts: o.Attempts, wait: o.Wait}
	if c.credential == nil {
		c.credential = Token("")
	}
	if c.http == nil {
		c.http = defaultHTTP(o.Roots)
	}
	if c.attempts <= 0 {
		c.attempts = defaultAttempts
	}
	if c.wait == nil {
		c.wait = sleep
	}
	return c, nil
}

// defaultHTTP bounds every step but the transfer of bodies, which may be long.
// Redirects are not followed: the API has none, and a token must not travel.
func defaultHTTP(roots *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.ResponseHeaderTimeout = 2 * time.Minute
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// request is one call as the generated methods state it.
type request struct {
	method      string
	path        string
	public      bool // needs no credential
	params      any  // a struct whose fields say where they go, or nil
	body        any  // sent as JSON, unless nil
	contentType string
	stream      io.Reader // sent as it is, unless nil
}

// call sends r and decodes the answer's JSON into out, unless that is nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	response, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, response.Body) // so that the connection is used again
		return c.lost(err)
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return c.lost(fmt.Errorf("the answer cannot be read: %w", err))
	}
	if tagged, ok := out.(interface{ setETag(string) }); ok {
		tagged.setETag(response.Header.Get("ETag"))
	}
	return nil
}

// open sends r, again while the server asks for that, and returns the answer of
// success. Any other is an *Error.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	body, err := r.rewindable()
	if err != nil {
		return nil, err
	}
	token := ""
	if !r.public {
		if token, err = c.credential.Token(ctx); err != nil {
			return nil, err
		}
	}
	renewed := r.public
	for attempt := 1; ; attempt++ {
		failure, response, err := c.send(ctx, r, body, token)
		if err != nil || response != nil {
			return response, err
		}
		again := body.rewind()
		switch {
		case failure.Status == http.StatusUnauthorized && !renewed && again:
			renewed = true
			fresh, err := c.credential.Renew(ctx, token)
			if err != nil {
				return nil, err
			}
			if fresh == "" {
				return nil, failure
			}
			token = fresh
		case failure.temporary() && attempt < c.attempts && again:
			wait := failure.RetryAfter
			if wait <= 0 {
				wait = firstWait << (attempt - 1)
			}
			if err := c.wait(ctx, min(wait, maxWait)); err != nil {
				return nil, err
			}
		default:
			return nil, failure
		}
	}
}

// send sends r once.
func (c *Client) send(ctx context.Context, r request, body *body, token string) (*Error, *http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body.reader())
	if err != nil {
		return nil, nil, err
	}
	encodeParams(request, r.params)
	if body != nil {
		request.Header.Set("Content-Type", body.contentType)
		request.ContentLength = body.size
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if c.agent != "" {
		request.Header.Set("User-Agent", c.agent)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, c.lost(err)
	}
	if response.StatusCode/100 == 2 {
		return nil, response, nil
	}
	defer response.Body.Close()
	return readError(response), nil, nil
}

// lost says that the exchange with the server broke, unless the caller ended it.
func (c *Client) lost(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		err = transport.Err
	}
	return &ConnectionError{URL: c.base, Err: err}
}

// body is a request's body that can be sent again.
type body struct {
	contentType string
	content     io.Reader
	size        int64 // -1 when unknown
	start       int64
}

func (r *request) rewindable() (*body, error) {
	if r.stream != nil {
		b := &body{contentType: r.contentType, content: r.stream, size: -1}
		if s, ok := r.stream.(io.Seeker); ok {
			var err error
			if b.start, err = s.Seek(0, io.SeekCurrent); err != nil {
				return nil, err
			}
			end, err := s.Seek(0, io.SeekEnd)
			if err != nil {
				return nil, err
			}
			b.size = end - b.start
			if _, err := s.Seek(b.start, io.SeekStart); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	if r.body == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(r.body)
	if err != nil {
		return nil, err
	}
	return &body{contentType: "application/json", content: bytes.NewReader(encoded), size: int64(len(encoded))}, nil
}

// reader hands the content to the transport, which must not close it: it may be
// needed again.
func (b *body) reader() io.Reader {
	if b == nil {
		return nil
	}
	if b.size == 0 {
		return http.NoBody
	}
	return io.NopCloser(b.content)
}

// rewind reports whether the request can be sent again.
func (b *body) rewind() bool {
	if b == nil {
		return true
	}
	s, ok := b.content.(io.Seeker)
	if !ok {
		return false
	}
	_, err := s.Seek(b.start, io.SeekStart)
	return err == nil
}

// URL returns where the server is.
func (c *Client) URL() string { return c.base }
