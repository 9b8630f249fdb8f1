//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maestro/server/certificate"
)

// swapTime is how long a test swaps under load: shortly in the ordinary suite, for
// MAESTRO_SWAP_SECONDS in `make swap`.
func swapTime(t *testing.T) time.Duration {
	t.Helper()
	text, set := os.LookupEnv("MAESTRO_SWAP_SECONDS")
	if !set {
		return 3 * time.Second
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > 200 {
		t.Fatalf("MAESTRO_SWAP_SECONDS is %q, want 1 to 200: a ring holds 256 keys", text)
	}
	return time.Duration(seconds) * time.Second
}

// tokens is what a login and a refresh give.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signedBy reads which key signed a token.
func signedBy(t *testing.T, token string) string {
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Error(err)
	}
	var fields struct {
		Kid string `json:"kid"`
	}
	if err := json.Unmarshal(text, &fields); err != nil || fields.Kid == "" {
		t.Errorf("%s names no key: %v", text, err)
	}
	return fields.Kid
}

// TestKeysRotateUnderLoadWithoutA401 makes a new signing key every second. Half of the
// clients refresh their session all the time, the other half live on the access token
// of their login, which a key signed that has long been replaced.
func TestKeysRotateUnderLoadWithoutA401(t *testing.T) {
	const clients = 8
	s := serve(t, "", nil)
	operator := s.login()
	ctx, stop := context.WithCancel(t.Context())
	var (
		running            sync.WaitGroup
		requests, renewals atomic.Int64
		mu                 sync.Mutex
		keys               = map[string]bool{}
	)
	for n := range clients {
		var held tokens
		if status := s.call(ctx, "POST", "/auth/login", "", map[string]string{"email": killEmail, "password": killPassword}, &held); status != http.StatusOK {
			t.Fatalf("login answered %d", status)
		}
		running.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				if status := s.call(t.Context(), "GET", "/auth/me", held.Access, nil, nil); status != http.StatusOK {
					t.Errorf("request %d of client %d is answered %d", i, n, status)
					return
				}
				requests.Add(1)
				if n%2 == 0 || i%20 != 0 {
					continue
				}
				if status := s.call(t.Context(), "POST", "/auth/refresh", "", map[string]string{"refresh_token": held.Refresh}, &held); status != http.StatusOK {
					t.Errorf("a refresh of client %d is answered %d", n, status)
					return
				}
				renewals.Add(1)
				mu.Lock()
				keys[signedBy(t, held.Access)] = true
				mu.Unlock()
			}
		})
	}
	rotations := 0
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for end := time.Now().Add(swapTime(t)); time.Now().Before(end) && !t.Failed(); {
		<-every.C
		if status := s.call(t.Context(), "POST", "/system/keys/rotate", operator, nil, nil); status != http.StatusOK && status != http.StatusCreated {
			t.Errorf("rotation %d is answered %d", rotations+1, status)
		}
		rotations++
	}
	stop()
	running.Wait()
	t.Logf("%d rotations, %d requests, %d refreshes, signed by %d keys", rotations, requests.Load(), renewals.Load(), len(keys))
	if len(keys) < rotations/2 {
		t.Errorf("%d rotations, and the refreshes were signed by %d keys", rotations, len(keys))
	}
}

// swapRate is how many requests a second come while certificates are swapped, each on
// a connection of its own, as long as no more than swapAtOnce wait: a machine that
// cannot keep up would otherwise answer none of them in time, whatever is swapped.
const (
	swapRate   = 200
	swapAtOnce = 8
)

// TestCertificatesAreSwappedUnderLoad replaces the certificate again and again as
// careless programs do: the file is half written for a while. That changes nothing
// that is served, and no request fails.
func TestCertificatesAreSwappedUnderLoad(t *testing.T) {
	dir := t.TempDir()
	own, err := certificate.OpenAuthority(dir, []string{"127.0.0.1"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	issue := func() (cert, key []byte) {
		t.Helper()
		if _, err := own.Renew([]string{"127.0.0.1"}, true); err != nil {
			t.Fatal(err)
		}
		certFile, keyFile := own.Files()
		cert, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		if key, err = os.ReadFile(keyFile); err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	certFile, keyFile := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	put := func(file string, text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := issue()
	put(certFile, cert)
	put(keyFile, key)
	roots, err := certificate.Pool(filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	s := launch(t, "", nil, "--listen", address, "--tls", "files", "--tls-cert", certFile, "--tls-key", keyFile)
	caller := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	get := func() error {
		response, err := caller.Get("https://" + address + "/livez")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	s.until("it serves", func() bool { return get() == nil })

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var requests atomic.Int64
	load.Go(func() {
		every := time.NewTicker(time.Second / swapRate)
		defer every.Stop()
		waiting := make(chan struct{}, swapAtOnce)
		begun := time.Now()
		for sent := 0; ctx.Err() == nil; {
			<-every.C
			for ; sent < int(time.Since(begun).Seconds()*swapRate) && ctx.Err() == nil; sent++ { // a busy machine drops ticks
				waiting <- struct{}{}
				load.Go(func() {
					defer func() { <-waiting }()
					if err := get(); err != nil {
						t.Error(err)
						stop()
					}
					requests.Add(1)
				})
			}
		}
	})
	current := func() []byte {
		t.Helper()
		leaf, err := shown(address, "127.0.0.1", roots)
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Raw
	}
	refusals := func() int { return strings.Count(s.said.String(), "cannot be served") }
	hangUp := func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	swaps, begun := 0, time.Now()
	for end := begun.Add(swapTime(t)); time.Now().Before(end) && ctx.Err() == nil; swaps++ {
		before, refused := current(), refusals()
		cert, key := issue()
		put(certFile, cert[:len(cert)/3])
		hangUp()
		s.until("the half certificate is refused", func() bool { return refusals() > refused })
		if !bytes.Equal(before, current()) {
			t.Error("a half-written certificate changed what is served")
		}
		put(keyFile, key)
		put(certFile, cert)
		hangUp()
		s.until("the whole one is served", func() bool { return !bytes.Equal(before, current()) })
	}
	stop()
	load.Wait()
	t.Logf("%d swaps, each through a half-written file, under %.0f requests/s on connections of their own: %d requests",
		swaps, float64(requests.Load())/time.Since(begun).Seconds(), requests.Load())
	if swaps == 0 || requests.Load() == 0 {
		t.Errorf("%d swaps, %d requests", swaps, requests.Load())
	}
}
