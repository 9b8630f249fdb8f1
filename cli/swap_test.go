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

// swapping is how much a test swaps, and under what load: little in the ordinary
// suite, which shares its machine, and for MAESTRO_SWAP_SECONDS in `make swap`.
type swapping struct {
	begun time.Time
	lasts time.Duration // zero for a number of times
	rate  int           // requests a second, each on a connection of its own
}

const (
	swapTimes   = 3 // in the ordinary suite
	fewRequests = 20
	allRequests = 200

	requestsASwap = 3 // at least
)

func beginSwapping(t *testing.T) swapping {
	t.Helper()
	text, set := os.LookupEnv("MAESTRO_SWAP_SECONDS")
	if !set {
		return swapping{begun: time.Now(), rate: fewRequests}
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > 200 {
		t.Fatalf("MAESTRO_SWAP_SECONDS is %q, want 1 to 200: a ring holds 256 keys", text)
	}
	return swapping{begun: time.Now(), lasts: time.Duration(seconds) * time.Second, rate: allRequests}
}

// over reports whether that many swaps are enough.
func (s swapping) over(swaps int) bool {
	if s.lasts == 0 {
		return swaps >= swapTimes
	}
	return time.Since(s.begun) >= s.lasts
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

// TestKeysRotateUnderLoadWithoutA401 makes a new signing key, waits until a refresh is
// signed by it, and makes the next; every second in `make swap`. Half of the clients
// refresh their session all the time, the other half live on the access token of their
// login, which a key signed that has long been replaced.
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
	signs := func(kid string) bool {
		mu.Lock()
		defer mu.Unlock()
		return keys[kid]
	}
	rotations := 0
	for pace := beginSwapping(t); !pace.over(rotations) && !t.Failed(); {
		second := time.After(min(time.Second, pace.lasts))
		var made struct {
			Kid string `json:"kid"`
		}
		if status := s.call(t.Context(), "POST", "/system/keys/rotate", operator, nil, &made); status != http.StatusOK && status != http.StatusCreated {
			t.Errorf("rotation %d is answered %d", rotations+1, status)
		}
		rotations++
		s.until("the new key signs", func() bool { return t.Failed() || signs(made.Kid) })
		<-second
	}
	stop()
	running.Wait()
	t.Logf("%d rotations, %d requests, %d refreshes, signed by %d keys", rotations, requests.Load(), renewals.Load(), len(keys))
}

// swapAtOnce is how many requests may wait for their answer: a machine that cannot keep
// up would otherwise answer none of them in time, whatever is swapped.
const swapAtOnce = 8

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

	pace := beginSwapping(t)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var requests atomic.Int64
	load.Go(func() {
		every := time.NewTicker(time.Second / time.Duration(pace.rate))
		defer every.Stop()
		waiting := make(chan struct{}, swapAtOnce)
		for sent := 0; ctx.Err() == nil; {
			<-every.C
			for ; sent < int(time.Since(pace.begun).Seconds()*float64(pace.rate)) && ctx.Err() == nil; sent++ { // a busy machine drops ticks
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
	swaps := 0
	for ; !pace.over(swaps) && ctx.Err() == nil; swaps++ {
		before, refused, answered := current(), refusals(), requests.Load()
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
		s.until("requests came meanwhile", func() bool { return ctx.Err() != nil || requests.Load() >= answered+requestsASwap })
	}
	stop()
	load.Wait()
	t.Logf("%d swaps, each through a half-written file, under %.0f requests/s on connections of their own: %d requests",
		swaps, float64(requests.Load())/time.Since(pace.begun).Seconds(), requests.Load())
}
