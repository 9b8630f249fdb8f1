package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// authority makes an authority for names, with its first leaf.
func authority(t *testing.T, c *clock, names ...string) *Authority {
	t.Helper()
	a, err := OpenAuthority(filepath.Join(t.TempDir(), "tls"), names, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := a.Renew(names, false); err != nil || !made {
		t.Fatalf("the first leaf: %v, %v", made, err)
	}
	return a
}

func pair(t *testing.T, a *Authority, c *clock, log *slog.Logger) *Pair {
	t.Helper()
	certFile, keyFile := a.Files()
	p, err := OpenPair(certFile, keyFile, log, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// server answers with p's certificate, and returns its address.
func server(t *testing.T, p *Pair) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: p.Certificate, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(listener) })
	t.Cleanup(func() {
		_ = s.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// dial shakes hands with a server by a name, trusting root alone, and returns what it
// showed.
func dial(address string, root []byte, name string) (*x509.Certificate, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func TestALocalAuthorityVouchesForItsNames(t *testing.T) {
	c := new(clock)
	a := authority(t, c, "ml.example", "10.1.2.3", "127.0.0.1")
	root, fingerprint := a.Root()
	s := server(t, pair(t, a, c, quiet()))
	for _, name := range []string{"ml.example", "10.1.2.3", "127.0.0.1"} {
		if _, err := dial(s, root, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := dial(s, root, "other.example"); err == nil {
		t.Error("the certificate is taken for a name that it was not made for")
	}
	again, err := OpenAuthority(a.dir, nil, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := again.Root(); got != fingerprint || len(got) != 64 {
		t.Errorf("the second opening has another root: %s, not %s", got, fingerprint)
	}
}

// TestARootVouchesForNoOtherName would let whoever steals the box's key pass for the
// bank of everybody who trusts its root.
func TestARootVouchesForNoOtherName(t *testing.T) {
	a := authority(t, new(clock), "ml.example")
	for _, name := range []string{"bank.example", "example", "notml.example", "8.8.8.8"} {
		if made, err := a.Renew([]string{name}, false); err == nil || made {
			t.Errorf("a certificate was issued for %s", name)
		}
	}
	for _, name := range []string{"sub.ml.example", "ml.example", "localhost", "192.168.7.7", "fd00::1"} {
		if made, err := a.Renew([]string{name}, false); err != nil || !made {
			t.Errorf("%s: %v, %v", name, made, err)
		}
	}
	if _, err := a.Renew([]string{"with space"}, false); err == nil {
		t.Error("a name that is none was taken")
	}
}

func TestALeafIsRenewedInTime(t *testing.T) {
	c := new(clock)
	a := authority(t, c, "ml.example")
	p := pair(t, a, c, quiet())
	first := p.Leaf().NotAfter
	renew := func(want bool) {
		t.Helper()
		made, err := a.Renew([]string{"ml.example"}, false)
		if err != nil || made != want {
			t.Fatalf("renewed: %v, %v; want %v", made, err, want)
		}
		if err := p.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := p.Leaf().NotAfter.After(first); got != want {
			t.Fatalf("a later end: %v, want %v", got, want)
		}
	}
	c.pass(59 * 24 * time.Hour)
	renew(false)
	c.pass(2 * 24 * time.Hour)
	renew(true)
	if made, err := a.Renew([]string{"ml.example", "127.0.0.1"}, false); err != nil || !made {
		t.Errorf("another name: renewed %v, %v", made, err)
	}
	if made, err := a.Renew([]string{"ml.example", "127.0.0.1"}, true); err != nil || !made {
		t.Errorf("forced: renewed %v, %v", made, err)
	}
}

func TestWhatCannotBeServedChangesNothing(t *testing.T) {
	c := new(clock)
	a, other := authority(t, c, "ml.example"), authority(t, c, "ml.example")
	var log bytes.Buffer
	p := pair(t, a, c, slog.New(slog.NewTextHandler(&log, nil)))
	s := server(t, p)
	root, _ := a.Root()
	before, err := dial(s, root, "ml.example")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := a.Files()
	cert, key := read(t, certFile), read(t, keyFile)
	otherCert, otherKey := other.Files()
	stays := func(what string) {
		t.Helper()
		if err := p.Reload(); err == nil {
			t.Errorf("%s: Reload says nothing", what)
		} else if strings.Contains(err.Error(), "PRIVATE KEY") || strings.Contains(err.Error(), string(key[40:60])) {
			t.Errorf("%s: the error shows the key: %v", what, err)
		}
		after, err := dial(s, root, "ml.example")
		if err != nil || !after.Equal(before) {
			t.Errorf("%s: the old certificate is not served any more: %v", what, err)
		}
	}
	put(t, certFile, cert[:len(cert)/3])
	stays("half a certificate")
	put(t, certFile, read(t, otherCert))
	stays("a certificate without its key")
	put(t, certFile, cert)
	put(t, keyFile, key[:50])
	stays("half a key")
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	stays("no key")
	put(t, keyFile, []byte{})
	stays("an empty key")

	late := new(clock)
	late.pass(-100 * 24 * time.Hour)
	expired := authority(t, late, "ml.example")
	expiredCert, expiredKey := expired.Files()
	put(t, certFile, read(t, expiredCert))
	put(t, keyFile, read(t, expiredKey))
	stays("an expired certificate")

	early := new(clock)
	early.pass(48 * time.Hour)
	future := authority(t, early, "ml.example")
	futureCert, futureKey := future.Files()
	put(t, certFile, read(t, futureCert))
	put(t, keyFile, read(t, futureKey))
	stays("a certificate of tomorrow")
	c.pass(48 * time.Hour)
	if err := p.Reload(); err != nil {
		t.Errorf("tomorrow it is refused too: %v", err)
	}

	put(t, certFile, read(t, otherCert))
	put(t, keyFile, read(t, otherKey))
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	otherRoot, _ := other.Root()
	if _, err := dial(s, otherRoot, "ml.example"); err != nil {
		t.Errorf("a good pair is not served: %v", err)
	}
}

// TestNoHandshakeFailsWhileCertificatesChange swaps certificates of one authority
// under connections that all begin anew.
func TestNoHandshakeFailsWhileCertificatesChange(t *testing.T) {
	c := new(clock)
	a := authority(t, c, "ml.example")
	p := pair(t, a, c, quiet())
	s := server(t, p)
	root, _ := a.Root()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	var failed, done atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := tls.Dial("tcp", s, &tls.Config{RootCAs: pool, ServerName: "ml.example", MinVersion: tls.VersionTLS12})
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				_ = conn.Close()
				done.Add(1)
			}
		})
	}
	for swaps := 0; swaps < 50 || done.Load() < 200; swaps++ {
		if failed.Load() > 0 {
			break
		}
		if _, err := a.Renew([]string{"ml.example"}, true); err != nil {
			t.Fatal(err)
		}
		if err := p.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	clients.Wait()
}

func TestAKeyThatEverybodyMayReadIsRefused(t *testing.T) {
	if !ownsModes {
		t.Skip("modes do not say who may read a file here")
	}
	a := authority(t, new(clock), "ml.example")
	certFile, keyFile := a.Files()
	for path, want := range map[string]os.FileMode{certFile: 0o600, keyFile: 0o600, filepath.Join(a.dir, rootKeyFile): 0o600, a.dir: 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPair(certFile, keyFile, quiet(), time.Now); err == nil {
		t.Error("a key of mode 0644 is served")
	}
	if err := os.Chmod(filepath.Join(a.dir, rootKeyFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(a.dir, nil, time.Now); err == nil {
		t.Error("a root key of mode 0644 is used")
	}
}

func TestADamagedAuthorityIsRefused(t *testing.T) {
	for name, damage := range map[string]func(a *Authority){
		"another's key": func(a *Authority) {
			other := authority(t, new(clock), "x.example")
			put(t, filepath.Join(a.dir, rootKeyFile), read(t, filepath.Join(other.dir, rootKeyFile)))
		},
		"no PEM in the root": func(a *Authority) { put(t, filepath.Join(a.dir, rootFile), []byte("nothing")) },
		"no PEM in the key":  func(a *Authority) { put(t, filepath.Join(a.dir, rootKeyFile), []byte("nothing")) },
	} {
		a := authority(t, new(clock), "ml.example")
		damage(a)
		if _, err := OpenAuthority(a.dir, []string{"ml.example"}, time.Now); err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
}

func TestAnExpiredCertificateIsServedWithAWarningAtStart(t *testing.T) {
	old := new(clock)
	old.pass(-100 * 24 * time.Hour)
	a := authority(t, old, "ml.example")
	var log bytes.Buffer
	p := pair(t, a, new(clock), slog.New(slog.NewTextHandler(&log, nil)))
	if p.Leaf().NotAfter.After(time.Now()) || !strings.Contains(log.String(), "expired") {
		t.Errorf("no warning: %s", log.String())
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestABrokenPairIsRefusedAgain: once the second Reload of the same broken files
// returned nil, as if they were served.
func TestABrokenPairIsRefusedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(clock)
		a := authority(t, c, "ml.example")
		var log bytes.Buffer
		p := pair(t, a, c, slog.New(slog.NewTextHandler(&log, nil)))
		certFile, keyFile := a.Files()
		cert, key := read(t, certFile), read(t, keyFile)
		late := new(clock)
		late.pass(-100 * 24 * time.Hour)
		expiredCert, expiredKey := authority(t, late, "ml.example").Files()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go p.Run(ctx)
		time.Sleep(checkEvery / 2) // so that no file is written at the moment of a look
		logged := 0
		for _, broken := range []struct {
			name      string
			cert, key []byte
		}{
			{"half a certificate", cert[:len(cert)/3], key},
			{"another's key", cert, read(t, expiredKey)},
			{"an expired certificate", read(t, expiredCert), read(t, expiredKey)},
		} {
			put(t, certFile, broken.cert)
			put(t, keyFile, broken.key)
			for range 3 {
				if err := p.Reload(); err == nil {
					t.Errorf("%s: Reload says nothing", broken.name)
				} else if got := p.Refused(); got == nil || got.Error() != err.Error() {
					t.Errorf("%s: refused because of %v, want %v", broken.name, got, err)
				}
			}
			time.Sleep(3 * checkEvery)
			synctest.Wait()
			logged++
			if got := strings.Count(log.String(), "cannot be served"); got != logged {
				t.Errorf("%s: %d lines in the log, want %d:\n%s", broken.name, got, logged, log.String())
			}
		}
		put(t, certFile, cert)
		put(t, keyFile, key)
		if err := p.Reload(); err != nil {
			t.Errorf("what is served is refused: %v", err)
		}
		if err := p.Refused(); err != nil {
			t.Errorf("what is served is still refused because of %v", err)
		}
		time.Sleep(2 * checkEvery)
		put(t, certFile, read(t, expiredCert))
		put(t, keyFile, read(t, expiredKey))
		time.Sleep(2 * checkEvery)
		synctest.Wait()
		if got := strings.Count(log.String(), "cannot be served"); got != logged+1 {
			t.Errorf("broken again: %d lines in the log, want %d:\n%s", got, logged+1, log.String())
		}
	})
}
