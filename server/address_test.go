package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"maestro/problem"
)

func prefixes(text ...string) (all []netip.Prefix) {
	for _, one := range text {
		all = append(all, netip.MustParsePrefix(one))
	}
	return all
}

func TestTheClientIsTheLastHopThatIsNotTrusted(t *testing.T) {
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"a proxy's client":                 {"10.1.0.5:4000", []string{"192.0.2.7"}, "192.0.2.7"},
		"what the client made up":          {"10.1.0.5:4000", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7"},
		"nonsense that the client sent":    {"10.1.0.5:4000", []string{"<script>, 192.0.2.7"}, "192.0.2.7"},
		"a proxy behind a proxy":           {"10.1.0.5:4000", []string{"198.51.100.1, 192.0.2.7, 10.1.0.9"}, "192.0.2.7"},
		"several lines":                    {"10.1.0.5:4000", []string{"198.51.100.1", "192.0.2.7", "10.1.0.9"}, "192.0.2.7"},
		"without spaces":                   {"10.1.0.5:4000", []string{"198.51.100.1,192.0.2.7,10.1.0.9"}, "192.0.2.7"},
		"with a port":                      {"10.1.0.5:4000", []string{"192.0.2.7:61000"}, "192.0.2.7"},
		"IPv6":                             {"[fd00::1]:4000", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 with a port":                 {"[fd00::1]:4000", []string{"[2001:db8::7]:61000"}, "2001:db8::7"},
		"IPv4 written as IPv6":             {"[::ffff:10.1.0.5]:4000", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		"a link's proxy":                   {"[fd00::1%eth0]:4000", []string{"192.0.2.7"}, "192.0.2.7"},
		"no header":                        {"10.1.0.5:4000", nil, "10.1.0.5"},
		"an empty header":                  {"10.1.0.5:4000", []string{""}, "10.1.0.5"},
		"an empty hop":                     {"10.1.0.5:4000", []string{"192.0.2.7,"}, "10.1.0.5"},
		"no address":                       {"10.1.0.5:4000", []string{"192.0.2.7, unknown"}, "10.1.0.5"},
		"a zone":                           {"10.1.0.5:4000", []string{"fe80::1%eth0"}, "10.1.0.5"},
		"trusted hops alone":               {"10.1.0.5:4000", []string{"10.1.0.8, 10.1.0.9"}, "10.1.0.5"},
		"from anybody":                     {"10.2.0.5:4000", []string{"192.0.2.7"}, "10.2.0.5"},
		"from anybody who names a proxy":   {"203.0.113.9:4000", []string{"192.0.2.7, 10.1.0.9"}, "203.0.113.9"},
		"from anybody who names it itself": {"203.0.113.9:4000", []string{"10.1.0.9"}, "203.0.113.9"},
		"a unix socket":                    {"@", []string{"192.0.2.7"}, ""},
	} {
		s := &Server{trustedProxies: prefixes("10.1.0.0/24", "fd00::/8")}
		got := s.addressOf(&http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded,
			"X-Real-Ip": {"203.0.113.1"}, "Forwarded": {"for=203.0.113.1"}}})
		if want, _ := netip.ParseAddr(c.want); got != want {
			t.Errorf("%s: the client is %v, want %v", name, got, want)
		}
	}
}

// TestAStrangerBehindTheSameProxyDelaysNobody: fifty wrong passwords of one address
// are free, and the next one waits. Before proxies could be trusted, everybody's
// first login behind one waited with him.
func TestAStrangerBehindTheSameProxyDelaysNobody(t *testing.T) {
	const stranger, colleague = "192.0.2.66", "192.0.2.7"
	for name, c := range map[string]struct {
		trusted   []netip.Prefix
		colleague int
		address   string // of his session
	}{
		"a trusted proxy": {prefixes("127.0.0.0/8", "::1/128"), 200, colleague},
		"anybody":         {prefixes("10.0.0.0/8"), 429, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.TrustedProxies = c.trusted })
			nobody := w.nobody.in(t)
			for i := range 51 {
				nobody.send("POST", "/auth/login", fmt.Sprintf(`{"email":"guess%d@acme.example","password":"a wrong password","tenant":"acme"}`, i), "X-Forwarded-For", stranger)
			}
			nobody.send("POST", "/auth/login", `{"email":"guess@acme.example","password":"a wrong password","tenant":"acme"}`,
				"X-Forwarded-For", "203.0.113.1, "+stranger).problem(problem.TooManyRequests)
			good := `{"email":"viewer@acme.example","password":"` + goodPassword + `","tenant":"acme"}`
			if nobody.send("POST", "/auth/login", good, "X-Forwarded-For", colleague).want(c.colleague); c.colleague != 200 {
				return
			}
			if list := w.viewer.in(t).send("GET", "/auth/sessions", "").want(200); !strings.Contains(list.body, `"address":"`+c.address+`"`) {
				t.Errorf("the session is from elsewhere: %s", list.body)
			}
			if trail := w.acme.in(t).send("GET", "/audit", "").want(200); !strings.Contains(trail.body, `"address":"`+c.address+`"`) {
				t.Errorf("the event is from elsewhere: %s", trail.body)
			}
		})
	}
}

func TestEachClientBehindAProxyHasItsOwnRate(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Rates = Rates{Address: Rate{0.001, 1}}
		o.TrustedProxies = prefixes("127.0.0.0/8", "::1/128")
	})
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "192.0.2.1").problem(problem.Unauthenticated)
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "192.0.2.2").problem(problem.Unauthenticated)
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "192.0.2.1").problem(problem.TooManyRequests)
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "2001:db8::1").problem(problem.Unauthenticated)
	w.nobody.send("GET", "/projects", "", "X-Forwarded-For", "2001:db8::2").problem(problem.TooManyRequests) // of the same /64
}
