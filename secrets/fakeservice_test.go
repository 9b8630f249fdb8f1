package secrets

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The canaries: none of them may be in an error.
const (
	canaryValue    = "canary-value-5f1d"
	canaryToken    = "canary-token-77b0"
	canaryRoleTok  = "canary-approle-token-0c21"
	canarySecretID = "canary-secret-id-91e4"
	canaryKey      = "canary-aws-secret-access-key-3d"
	canarySession  = "canary-aws-session-token-e8"
)

var canaries = []string{canaryValue, canaryToken, canaryRoleTok, canarySecretID, canaryKey, canarySession}

// fakeService is a service of secrets, over TLS, that answers one request at a time.
type fakeService struct {
	*httptest.Server
	roots string // file of its authority

	mu        sync.Mutex
	intercept func(w http.ResponseWriter, r *http.Request) bool // answers in its place
	requests  []string
}

func (f *fakeService) start(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
		body, err := io.ReadAll(r.Body) // all of it, or nobody sees the client leave
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if f.intercept == nil || !f.intercept(w, r) {
			answer(w, r)
		}
	}))
	f.Config.ErrorLog = discard
	t.Cleanup(f.Close)
	f.roots = authorityFile(t, f.Server)
}

// seen returns the requests that came, once none is under way.
func (f *fakeService) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// failing has every way in which a service fails, those of its kind too. start starts
// one, and returns how it is reached.
func failing(t *testing.T, reference string, own []fault, start func(t *testing.T) (*fakeService, Config)) {
	t.Helper()
	elsewhere := 0
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(other.Close)
	for _, f := range append(commonFaults(other.URL), own...) {
		t.Run(f.name, func(t *testing.T) {
			service, config := start(t)
			service.intercept = func(w http.ResponseWriter, r *http.Request) bool {
				f.serve(w, r)
				return true
			}
			config = quick(config, nil)
			if f.tries == triesInTime { // it is waited for
				config.Timeout = 300 * time.Millisecond
				config.Wait = pauseShortly
			}
			fails(t, NewReader(config), reference, f.says, f.temporary)
			if got := len(service.seen()); got > f.tries || got == 0 || f.tries != triesInTime && got != f.tries {
				t.Errorf("was asked %d times, want %d", got, f.tries)
			}
		})
	}
	if elsewhere > 0 {
		t.Errorf("the other host was asked %d times", elsewhere)
	}
}

// fault is what happens to servers of any kind, by name: what the reader says of it,
// how often it asks, and how the server answers.
type fault struct {
	name, says string
	temporary  bool
	tries      int
	serve      http.HandlerFunc
}

// echo writes every secret there is.
func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, strings.Join(canaries, "\n"))
	_ = r.Header.Write(w)
}

func commonFaults(elsewhere string) []fault {
	return []fault{
		{"429 without a word when", "too many requests", true, 4, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429); echo(w, r) }},
		{"429 for longer than there is time", "too many requests", true, 1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(429)
			echo(w, r)
		}},
		{"500", "failed (500)", true, 4, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); echo(w, r) }},
		{"502 of what stands between", "failed (502)", true, 4, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502); echo(w, r) }},
		{"redirect to another host", "redirect (307), which is not followed", false, 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere+"/"+canaryToken)
			w.WriteHeader(307)
		}},
		{"redirect to itself", "redirect (301), which is not followed", false, 1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.RequestURI())
			w.WriteHeader(301)
		}},
		{"truncated JSON", "no whole JSON document", false, 1, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"SecretString":"`+canaryValue+`","data":{"data":{"metrics":"`+canaryValue)
		}},
		{"no JSON", "no whole JSON document", false, 1, echo},
		{"cut off", "broke the connection off", true, 4, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"data":"`+canaryValue)
		}},
		{"no HTTP", "broke the connection off", true, 4, func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = connection.Write([]byte(strings.Join(canaries, " ") + "\r\n\r\n"))
				_ = connection.Close()
			}
		}},
		{"oversized", "more than 1048576 bytes", false, 1, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"filler":"`+strings.Repeat(canaryValue, 2<<20/len(canaryValue))+`"}`)
		}},
		{"hang", "no whole answer within", true, 3, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // the client leaves
		}},
		{"slow drip", "no whole answer within", true, 3, func(w http.ResponseWriter, r *http.Request) {
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-r.Context().Done():
					return
				case <-ticker.C:
					fmt.Fprint(w, " ")
					w.(http.Flusher).Flush()
				}
			}
		}},
		{"418", "does not take the request (418)", false, 1, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418); echo(w, r) }},
	}
}
