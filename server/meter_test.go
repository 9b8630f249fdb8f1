package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maestro/problem"
)

const meterToken = "a token for prometheus"

// reading returns the metrics as Prometheus reads them, by name and labels.
func (w *world) reading() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	text := w.nobody.send("GET", "//metrics", "", "Authorization", "Bearer "+meterToken).want(200).body
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "} "); ok && !strings.HasPrefix(line, "#") {
			found[name+"}"] = value
		} else if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && name != "#" {
			found[name] = value
		}
	}
	return found
}

func TestMetricsNeedTheirToken(t *testing.T) {
	w := newWorld(t)
	w.nobody.send("GET", "//metrics", "").problem(problem.NotFound)
	w.operator.send("GET", "//metrics", "").problem(problem.NotFound)

	w = newWorld(t, func(o *Options) { o.MetricsToken = meterToken })
	for _, header := range []string{"", "Bearer ", "Bearer " + meterToken + "x", "Basic " + meterToken} {
		w.nobody.send("GET", "//metrics", "", "Authorization", header).problem(problem.Unauthenticated)
	}
	w.operator.send("GET", "//metrics", "").problem(problem.Unauthenticated)
	control := httptest.NewServer(w.server.Control())
	defer control.Close()
	response, err := http.Get(control.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(text), "maestro_build_info{") {
		t.Errorf("the control socket has no metrics: %v", err)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MetricsToken = meterToken })
	before := w.reading()
	w.acme.project("measured")
	w.acme.send("POST", "/projects", `{"name":""}`).problem(problem.Validation)
	w.acme.send("GET", "/projects/nothing", "").want(422)
	w.nobody.send("GET", "//no/such/page.js", "").problem(problem.NotFound)
	w.viewer.send("POST", "/auth/logout", "").want(204)
	after := w.reading()
	for name, want := range map[string]string{
		`maestro_http_requests_total{method="POST",route="/api/v1/projects",status="2xx"}`:               "1",
		`maestro_http_requests_total{method="POST",route="/api/v1/projects",status="4xx"}`:               "1",
		`maestro_http_requests_total{method="GET",route="/api/v1/projects/:id",status="4xx"}`:            "1",
		`maestro_http_requests_total{method="any",route="unmatched",status="4xx"}`:                       "1",
		`maestro_http_request_duration_seconds_count{method="POST",route="/api/v1/projects"}`:            "2",
		`maestro_http_request_duration_seconds_bucket{method="POST",route="/api/v1/projects",le="+Inf"}`: "2",
		`maestro_tenants`:                                "3",
		`maestro_revocations`:                            "1",
		`maestro_writer_queue_length`:                    "0",
		`maestro_ready{check="writes"}`:                  "1",
		`maestro_ready{check="database"}`:                "1",
		`maestro_backup_interval_seconds`:                "0",
		`maestro_job_failures_total{pass="maintenance"}`: "0",
	} {
		if after[name] != want {
			t.Errorf("%s is %q, want %s", name, after[name], want)
		}
	}
	for _, name := range []string{`maestro_writes_total{outcome="kept"}`, `maestro_transaction_duration_seconds_count`} {
		if before[name] == after[name] || after[name] == "" {
			t.Errorf("%s stays %q", name, after[name])
		}
	}
	for _, name := range []string{"maestro_database_bytes", "maestro_disk_free_bytes", "go_goroutines", "maestro_token_cache_entries"} {
		if after[name] == "" || after[name] == "0" {
			t.Errorf("%s is %q", name, after[name])
		}
	}
	// Who they are is not among it.
	for name := range after {
		for _, secret := range []string{"acme", "beta", "measured", w.acme.principal.Tenant.String()} {
			if strings.Contains(name, secret) {
				t.Errorf("%s names %s", name, secret)
			}
		}
	}
}

// TestTheDashboardAndTheAlertsAskForWhatThereIs looks up every name of a metric in
// the files that the manual offers.
func TestTheDashboardAndTheAlertsAskForWhatThereIs(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MetricsToken = meterToken })
	w.acme.project("measured")
	there := map[string]bool{}
	for name := range w.reading() {
		name, _, _ = strings.Cut(name, "{")
		there[name] = true
	}
	for _, file := range []string{"grafana-dashboard.json", "prometheus-alerts.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", "monitoring", file))
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool {
			return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
		}) {
			if strings.HasPrefix(word, "maestro_") {
				named++
				if !there[word] {
					t.Errorf("%s asks for %s, which there is not", file, word)
				}
			}
		}
		if named < 8 {
			t.Errorf("%s asks for %d metrics only", file, named)
		}
	}
}
