package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/acme/autocert"
)

const day = 24 * time.Hour

// logged is a log that is read while somebody writes.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// asking is an ACME for ml.example whose directory answers as obtain does, and its log.
func asking(t *testing.T, obtain func(context.Context, string) (*x509.Certificate, error)) (*ACME, *logged) {
	t.Helper()
	log := new(logged)
	a, err := NewACME(ACMEOptions{Directory: "https://ca.example/directory", Names: []string{"ml.example"}, Dir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	a.obtain = obtain
	return a, log
}

// run has a look after its certificates until stop is called, which fails the test
// when the end takes any time.
func run(t *testing.T, a *ACME) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		a.Run(ctx)
		close(ended)
	}()
	return func() {
		t.Helper()
		begun := time.Now()
		cancel()
		<-ended
		if took := time.Since(begun); took > 0 {
			t.Errorf("it ended %s after it was told to", took)
		}
	}
}

// life is a certificate of 90 days that began some time ago.
func life(ago time.Duration) *x509.Certificate {
	return &x509.Certificate{NotBefore: time.Now().Add(-ago), NotAfter: time.Now().Add(90*day - ago)}
}

// TestADirectoryThatRefusesIsAskedEverLessOften, and as often as at first after it
// has given a certificate in between.
func TestADirectoryThatRefusesIsAskedEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const given = 7 // which of the answers is a certificate
		var gaps []time.Duration
		last := time.Now()
		a, log := asking(t, func(_ context.Context, name string) (*x509.Certificate, error) {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			if name != "ml.example" {
				t.Errorf("a certificate for %s is asked for", name)
			}
			if len(gaps) == given+1 {
				return life(0), nil
			}
			return nil, errors.New("no such authorization")
		})
		stop := run(t, a)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		stop()
		want := []time.Duration{0, 61 * time.Second, 122 * time.Second, 244 * time.Second, 488 * time.Second, 976 * time.Second,
			30 * time.Minute, 30 * time.Minute, time.Hour, 61 * time.Second, 122 * time.Second}
		if diff := cmp.Diff(want, gaps[:min(len(gaps), len(want))]); diff != "" {
			t.Errorf("it waits otherwise (-want +got):\n%s", diff)
		}
		if got := strings.Count(log.String(), "there is no TLS certificate yet"); got != len(gaps)-1 {
			t.Errorf("%d of %d refusals are in the log:\n%s", got, len(gaps)-1, log)
		}
	})
}

func TestACertificateThatIsNotRenewedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leaf atomic.Pointer[x509.Certificate]
		leaf.Store(life(0))
		a, log := asking(t, func(context.Context, string) (*x509.Certificate, error) { return leaf.Load(), nil })
		stop := run(t, a)
		said := func() int {
			synctest.Wait()
			return strings.Count(log.String(), "the TLS certificate is not renewed")
		}
		time.Sleep(90*day - endsSoon - time.Hour)
		if got := said(); got != 0 {
			t.Errorf("with more than three weeks left it is said %d times", got)
		}
		time.Sleep(2 * time.Hour)
		if said() == 0 {
			t.Errorf("with less than three weeks left it is not said: %s", log)
		}
		leaf.Store(life(0))
		time.Sleep(time.Hour)
		before := said()
		time.Sleep(day)
		if got := said(); got != before {
			t.Errorf("once it is renewed it is said %d times more", got-before)
		}
		stop()
	})
}

func TestAskingEndsWhenItIsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, log := asking(t, func(ctx context.Context, _ string) (*x509.Certificate, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		stop := run(t, a)
		time.Sleep(time.Minute)
		stop()
		if log.String() != "" {
			t.Errorf("the end of the server is said to be an error: %s", log)
		}
	})
}

// TestChallengesAreAnsweredOnAnyPort: a private directory that comes on another port
// than 80 names it, and was once refused for that.
func TestChallengesAreAnsweredOnAnyPort(t *testing.T) {
	a, _ := asking(t, nil)
	dir := string(a.manager.Cache.(autocert.DirCache))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "token+http-01"), []byte("proof")) // as autocert keeps it
	h := a.Challenges(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "next for "+r.Host) }))
	for _, c := range []struct {
		host, path string
		status     int
		body       string
	}{
		{"ml.example", "/.well-known/acme-challenge/token", 200, "proof"},
		{"ml.example:5002", "/.well-known/acme-challenge/token", 200, "proof"},
		{"ml.example:5002", "/.well-known/acme-challenge/other", 404, ""},
		{"other.example:5002", "/.well-known/acme-challenge/token", 403, ""},
		{"ml.example:5002", "/projects", 200, "next for ml.example:5002"},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+c.host+c.path, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s%s: %d %q, want %d %q", c.host, c.path, w.Code, w.Body, c.status, c.body)
		}
	}
}

// answer is what a directory answers.
type answer struct {
	status int
	err    error
}

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Body: http.NoBody}, nil
}

func TestWhatGoesWrongWithADirectoryIsLogged(t *testing.T) {
	for name, c := range map[string]struct {
		answer answer
		want   string // in the log; empty for nothing
	}{
		"it answers":               {answer{status: 200}, ""},
		"a nonce that was used up": {answer{status: 400}, ""},
		"it refuses":               {answer{status: 403}, "the ACME directory refuses"},
		"it is broken":             {answer{status: 500}, "the ACME directory refuses"},
		"it is not reached":        {answer{err: errors.New("no route to host")}, "the ACME directory cannot be asked"},
		"nobody waits any more":    {answer{err: context.Canceled}, ""},
	} {
		var log bytes.Buffer
		o := &overheard{c.answer, slog.New(slog.NewTextHandler(&log, nil))}
		response, err := o.RoundTrip(httptest.NewRequest(http.MethodPost, "https://who:canary@ca.example/order", nil))
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, c.answer.err) {
			t.Errorf("%s: %v is returned", name, err)
		}
		if got := log.String(); !strings.Contains(got, c.want) || c.want == "" && got != "" || strings.Contains(got, "canary") {
			t.Errorf("%s: the log has %q, want %q", name, got, c.want)
		}
	}
}

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
