package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	names := []string{"data", "listen", "log-level", "log-format"}
	for text, want := range map[string]string{"listn": "listen", "loglevel": "log-level", "log-fromat": "log-format", "date": "data", "": "data"} {
		if got := nearest(text, names); got != want {
			t.Errorf("nearest to %q: got %s, want %s", text, got, want)
		}
	}
}

// The distance is a metric, which is what makes the nearest name the nearest.
func TestDistanceIsAMetric(t *testing.T) {
	word := rapid.StringMatching(`[ab]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if (distance(a, b) == 0) != (a == b) {
			t.Errorf("%q and %q are %d apart", a, b, distance(a, b))
		}
		if distance(a, b) != distance(b, a) {
			t.Errorf("%q to %q is %d, and back %d", a, b, distance(a, b), distance(b, a))
		}
		if distance(a, c) > distance(a, b)+distance(b, c) {
			t.Errorf("%q to %q is longer than over %q", a, c, b)
		}
	})
}

func TestUnknownVariables(t *testing.T) {
	environment := []string{"PATH=/bin", "MAESTRO_LISTEN=x", "MAESTRO_ADMIN_PASSWORD_FILE=x", "MAESTRO_URL=x", "MAESTRO_TOKEN_FILE=x", "MAESTRO_CONFIG=x", "MAESTRO_LISTN=x"}
	want := []string{"MAESTRO_LISTN in the environment is no option; the nearest is MAESTRO_LISTEN"}
	if diff := cmp.Diff(want, unknownVariables(environment)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// What is fixed by contract must not be renamed.
func TestNamesThatOthersRelyOn(t *testing.T) {
	have := map[string]bool{}
	for _, o := range serveOptions {
		have[variable(o.name)] = true
	}
	for _, o := range clientOptions {
		have[variable(o.name)] = true
	}
	for _, name := range []string{"MAESTRO_DATA", "MAESTRO_LISTEN", "MAESTRO_ADMIN_EMAIL", "MAESTRO_ADMIN_PASSWORD", "MAESTRO_URL", "MAESTRO_TOKEN"} {
		if !have[name] {
			t.Errorf("%s is no option", name)
		}
	}
	for _, o := range serveOptions {
		if o.secret && o.preset != "" {
			t.Errorf("%s is a secret and has a preset", o.name)
		}
	}
}

func TestTrustedProxiesAreReadStrictly(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                  {},
		"127.0.0.1":                         {"127.0.0.1/32"},
		"10.1.2.3/24, fd00::1,192.0.2.0/31": {"10.1.2.0/24", "fd00::1/128", "192.0.2.0/31"},
		"10.0.0.0/33":                       nil,
		"10.1.0.0/16,":                      nil,
		"proxy.example":                     nil,
		"fe80::1%eth0":                      nil,
		"::ffff:10.0.0.0/104":               nil, // which would match nothing
		"0.0.0.0/0":                         nil,
		"10.0.0.1,::/0":                     nil,
	} {
		got, err := parsePrefixes(text)
		if (err != nil) != (want == nil) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		names := []string{}
		for _, prefix := range got {
			names = append(names, prefix.String())
		}
		if err == nil && !cmp.Equal(want, names) {
			t.Errorf("%q is read as %v, want %v", text, names, want)
		}
	}
}
