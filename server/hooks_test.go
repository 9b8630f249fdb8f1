package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"maestro/audit"
	"maestro/problem"
	"maestro/storage"
	"maestro/tenancy"
)

// hook is one that was made, as its provider knows it.
type hook struct {
	w      *world
	id     string
	path   string
	secret string
}

func (w *world) hook(project, provider string, more ...string) hook {
	w.t.Helper()
	made := w.acme.send("POST", "/projects/"+project+"/hooks", fmt.Sprintf(`{"name":"CI","provider":%q%s}`, provider, strings.Join(more, ""))).want(201).object()
	return hook{w, made["id"].(string), made["path"].(string), made["secret"].(string)}
}

// deliver sends a body as nobody in particular.
func (h hook) deliver(body string, headers ...string) answer {
	return h.w.nobody.send("POST", h.path, body, headers...)
}

// signed are the headers of a delivery of GitHub's.
func (h hook) signed(event, body string) []string {
	mac := hmac.New(sha256.New, []byte(h.secret))
	mac.Write([]byte(body))
	return []string{"X-GitHub-Event", event, "X-GitHub-Delivery", tenancy.NewID().String(), "X-Hub-Signature-256", "sha256=" + hex.EncodeToString(mac.Sum(nil))}
}

// standard are the headers of Standard Webhooks.
func (h hook) standard(id string, at time.Time, body string) []string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.secret, "whsec_"))
	if err != nil {
		h.w.t.Fatal(err)
	}
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, seconds, body)
	return []string{"webhook-id", id, "webhook-timestamp", seconds, "webhook-signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// payload is a recorded delivery, moved from its Monday to yesterday.
func payload(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "tracking", "delivery", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(content), "2026-03-02", time.Now().UTC().Add(-24*time.Hour).Format(time.DateOnly))
}

func outcomeOf(a answer) string {
	a.t.Helper()
	return a.want(202).object()["outcome"].(string)
}

// latest returns the latest value of each of a project's metrics.
func (c *caller) latest(project string) map[string]float64 {
	c.t.Helper()
	var list struct {
		Items []struct {
			MetricType string  `json:"metric_type"`
			Latest     float64 `json:"latest"`
		}
	}
	c.send("GET", "/projects/"+project+"/metrics/summary", "").want(200).into(&list)
	values := map[string]float64{}
	for _, s := range list.Items {
		values[s.MetricType] = s.Latest
	}
	return values
}

// TestEveryProviderIsUnderstood sends what each provider sends, from the start of
// a run to the deployment, signed as it signs.
func TestEveryProviderIsUnderstood(t *testing.T) {
	hexSigned := func(name string) func(hook, string, string) []string {
		return func(h hook, event, body string) []string {
			signature := strings.TrimPrefix(h.signed(event, body)[5], "sha256=")
			return []string{"X-" + name + "-Event", event, "X-" + name + "-Delivery", tenancy.NewID().String(), "X-" + name + "-Signature", signature}
		}
	}
	type event struct{ name, file string }
	tests := map[string]struct {
		provider, more string
		sign           func(h hook, event, body string) []string
		events         []event
		runs           int
		want           map[string]float64
	}{
		"GitHub": {"github", "", hook.signed,
			[]event{{"ping", "github_ping"}, {"push", "github_push"}, {"workflow_run", "github_workflow_run_requested"}, {"workflow_run", "github_workflow_run_completed"},
				{"deployment_status", "github_deployment_status"}}, 2,
			map[string]float64{"pipeline_success_rate": 1, "pipeline_duration": 450, "deployment_frequency": 1, "change_failure_rate": 0, "lead_time_for_changes": 2}},
		"GitLab, signed": {"gitlab", "", func(h hook, event, body string) []string {
			return append(h.standard(tenancy.NewID().String(), time.Now(), body), "X-Gitlab-Event", event)
		}, []event{{"Pipeline Hook", "gitlab_pipeline_running"}, {"Pipeline Hook", "gitlab_pipeline"}, {"Deployment Hook", "gitlab_deployment"}, {"Push Hook", "gitlab_push"}}, 2,
			map[string]float64{"pipeline_success_rate": 0, "pipeline_duration": 63, "deployment_frequency": 1, "change_failure_rate": 0, "lead_time_for_changes": 2}},
		"GitLab, by its token": {"gitlab", "", func(h hook, event, _ string) []string {
			return []string{"X-Gitlab-Token", h.secret, "X-Gitlab-Event", event}
		}, []event{{"Deployment Hook", "gitlab_deployment"}, {"Push Hook", "gitlab_push"}}, 1, // the commit after its deployment
			map[string]float64{"deployment_frequency": 1, "change_failure_rate": 0, "lead_time_for_changes": 2}},
		"Gitea": {"gitea", `,"deployment_workflow":"deploy.yml"`, hexSigned("Gitea"), []event{{"push", "gitea_push"}, {"workflow_run", "gitea_workflow_run"}}, 1,
			map[string]float64{"deployment_frequency": 0, "change_failure_rate": 1}},
		"Forgejo": {"forgejo", "", hexSigned("Forgejo"), []event{{"action_run_success", "forgejo_action_run_success"}}, 1,
			map[string]float64{"pipeline_success_rate": 1, "pipeline_duration": 90}},
		"our own form": {"generic", "", func(h hook, _, body string) []string { return h.standard("msg_1", time.Now(), body) }, []event{{"", "generic_run"}}, 1,
			map[string]float64{"deployment_frequency": 1, "change_failure_rate": 0, "lead_time_for_changes": 35.0 / 60}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			project := w.acme.project("p")
			h := w.hook(project, test.provider, test.more)
			for _, e := range test.events {
				body := payload(t, e.file)
				want := "recorded"
				if e.name == "ping" {
					want = "ignored"
				}
				if got := outcomeOf(h.deliver(body, test.sign(h, e.name, body)...)); got != want {
					t.Errorf("%s is %s, want %s", e.file, got, want)
				}
			}
			var runs struct{ Items []map[string]any }
			w.viewer.send("GET", "/projects/"+project+"/pipeline-runs", "").want(200).into(&runs)
			if len(runs.Items) != test.runs {
				t.Errorf("there are %d runs, want %d", len(runs.Items), test.runs)
			}
			got := w.viewer.latest(project)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("the metrics are %v, want %v", got, test.want)
			}
		})
	}
}

// TestDeliveriesThatDoNotHoldAreAnsweredAlike sends what was not signed with the
// hook's secret, and to hooks that there are not.
func TestDeliveriesThatDoNotHoldAreAnsweredAlike(t *testing.T) {
	w := newWorld(t)
	project := w.acme.project("p")
	h, other, gone := w.hook(project, "github"), w.hook(project, "github"), w.hook(project, "github")
	w.acme.send("DELETE", "/projects/"+project+"/hooks/"+gone.id, "").want(204)
	unknown, malformed := h, h
	unknown.path, malformed.path = base+"/hooks/"+tenancy.NewID().String(), base+"/hooks/nobody"
	suspended := w.tenant("suspended")
	admin := w.enter(suspended, "admin@suspended.example", "tenant_admin")
	theirs := admin.send("POST", "/projects/"+admin.project("p")+"/hooks", `{"name":"CI","provider":"github"}`).want(201).object()
	inactive := hook{w, theirs["id"].(string), theirs["path"].(string), theirs["secret"].(string)}
	fields, err := w.store.UpdateTenant(background, suspended, nil, func(f *tenancy.TenantFields) error { f.IsActive = false; return nil })
	if err != nil || fields.IsActive {
		t.Fatal(err)
	}

	body := payload(t, "github_workflow_run_completed")
	without := func(name string) []string {
		kept := []string{}
		for headers := h.signed("workflow_run", body); len(headers) > 0; headers = headers[2:] {
			if headers[0] != name {
				kept = append(kept, headers[:2]...)
			}
		}
		return kept
	}
	first := h.deliver(body)
	first.problem(problem.Unauthenticated)
	for name, a := range map[string]answer{
		"no signature":               h.deliver(body, without("X-Hub-Signature-256")...),
		"of another hook":            h.deliver(body, other.signed("workflow_run", body)...),
		"of another body":            h.deliver(body, h.signed("workflow_run", body+" ")...),
		"with another provider's":    h.deliver(body, append(h.standard("msg_1", time.Now(), body), "X-GitHub-Event", "workflow_run")...),
		"with the token of GitLab":   h.deliver(body, "X-Gitlab-Token", h.secret, "X-GitHub-Event", "workflow_run"),
		"an unknown hook":            unknown.deliver(body, h.signed("workflow_run", body)...),
		"no hook's id":               malformed.deliver(body, h.signed("workflow_run", body)...),
		"a deleted hook":             gone.deliver(body, gone.signed("workflow_run", body)...),
		"a suspended tenant's hook":  inactive.deliver(body, inactive.signed("workflow_run", body)...),
		"what is no JSON, unsigned":  h.deliver("{"),
		"a session in place of that": w.acme.send("POST", h.path, body),
	} {
		if got, want := masked(a), masked(first); got != want {
			t.Errorf("%s is answered\n%s\nand no signature\n%s", name, got, want)
		}
	}
	if runs := w.acme.send("GET", "/projects/"+project+"/pipeline-runs", "").want(200); runs.body != `{"items":[],"next_cursor":null}` {
		t.Errorf("there are runs: %s", runs.body)
	}
	if got := outcomeOf(h.deliver(body, h.signed("workflow_run", body)...)); got != "recorded" {
		t.Errorf("the real one is %s", got)
	}
}

// TestForgeriesAreCounted finds them in the installation's audit trail, by address:
// whose hook they claim to be for is not known of them.
func TestForgeriesAreCounted(t *testing.T) {
	w := newWorld(t)
	h := w.hook(w.acme.project("p"), "github")
	for range 3 {
		h.deliver("{}", "X-Hub-Signature-256", "sha256=00").problem(problem.Unauthenticated)
	}
	if err := w.store.Maintain(background); err != nil {
		t.Fatal(err)
	}
	events, err := w.store.InstallationEvents(background, storage.Page{Limit: 10}, storage.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	e := events.Items[0]
	if e.Action != audit.HookDeliver || e.Outcome != audit.Denied || !strings.Contains(string(e.AppendJSON(nil)), `"count":3`) {
		t.Errorf("the latest event is %s", e.AppendJSON(nil))
	}
}

func TestWhatIsWrongWithADeliveryIsSaidToItsSender(t *testing.T) {
	w := newWorld(t)
	h := w.hook(w.acme.project("p"), "github")
	send := func(event, body string, more ...string) answer {
		return h.deliver(body, append(h.signed(event, body), more...)...)
	}
	send("workflow_run", "{").problem(problem.Malformed)
	send("workflow_run", `{"workflow_run":{"id":"1"}}`).problem(problem.Malformed)
	send("workflow_run", `{}`).problem(problem.Validation)
	send("workflow_run", payload(t, "github_push")).problem(problem.Validation)
	send("workflow_run", payload(t, "github_workflow_run_completed"), "Content-Type", "application/x-www-form-urlencoded").problem(problem.UnsupportedMedia)
	send("workflow_run", payload(t, "github_workflow_run_completed"), "Content-Encoding", "gzip").problem(problem.UnsupportedMedia)
	send("workflow_run", `{"a":"`+strings.Repeat("x", maxBody)+`"}`).problem(problem.TooLarge)
	w.nobody.send("GET", h.path, "").problem(problem.MethodNotAllowed)
	future := strings.ReplaceAll(payload(t, "github_workflow_run_completed"), time.Now().UTC().Add(-24*time.Hour).Format(time.DateOnly), "2199-01-01")
	send("workflow_run", future).problem(problem.Validation)
	// What is too large says nothing of the hook.
	unknown := h
	unknown.path = base + "/hooks/" + tenancy.NewID().String()
	unknown.deliver(strings.Repeat("x", maxBody+1)).problem(problem.TooLarge)
}

// TestReplaysHaveNoEffect repeats deliveries, as they were and under other names.
func TestReplaysHaveNoEffect(t *testing.T) {
	w := newWorld(t)
	project := w.acme.project("p")
	github, generic, gitlab := w.hook(project, "github"), w.hook(project, "generic"), w.hook(project, "gitlab")
	requested, completed := payload(t, "github_workflow_run_requested"), payload(t, "github_workflow_run_completed")
	run := payload(t, "generic_run")
	send := func(event, body string) string { return outcomeOf(github.deliver(body, github.signed(event, body)...)) }
	steps := []struct {
		name string
		do   func() string
		want string
	}{
		{"the end before the beginning", func() string { return send("workflow_run", completed) }, "recorded"},
		{"the beginning", func() string { return send("workflow_run", requested) }, "recorded"},
		{"again, under another id", func() string { return send("workflow_run", completed) }, "repeated"},
		{"again, as another event", func() string { return send("push", completed) }, "repeated"},
		{"generic", func() string { return outcomeOf(generic.deliver(run, generic.standard("msg_1", time.Now(), run)...)) }, "recorded"},
		{"generic, signed anew", func() string {
			return outcomeOf(generic.deliver(run, generic.standard("msg_1", time.Now().Add(time.Second), run)...))
		}, "repeated"},
		{"generic, the id with another body", func() string {
			other := strings.Replace(run, "nightly", "daily", 1)
			return outcomeOf(generic.deliver(other, generic.standard("msg_1", time.Now(), other)...))
		}, "repeated"},
		{"of last week", func() string {
			old := strings.ReplaceAll(payload(t, "gitlab_pipeline"), time.Now().UTC().Add(-24*time.Hour).Format(time.DateOnly), "2026-03-02")
			return outcomeOf(gitlab.deliver(old, "X-Gitlab-Token", gitlab.secret, "X-Gitlab-Event", "Pipeline Hook"))
		}, "stale"},
	}
	for _, step := range steps {
		if got := step.do(); got != step.want {
			t.Errorf("%s is %s, want %s", step.name, got, step.want)
		}
	}
	old := generic.deliver(run, generic.standard("msg_2", time.Now().Add(-6*time.Minute), run)...)
	old.problem(problem.Unauthenticated)
	var runs struct{ Items []map[string]any }
	w.acme.send("GET", "/projects/"+project+"/pipeline-runs", "").want(200).into(&runs)
	if len(runs.Items) != 2 || runs.Items[1]["status"] != "success" {
		t.Errorf("the runs are %v", runs.Items)
	}
	var hooks struct{ Items []map[string]any }
	w.acme.send("GET", "/projects/"+project+"/hooks", "").want(200).into(&hooks)
	if h := hooks.Items[0]; h["deliveries"] != 2.0 || h["last_delivery_at"] == nil || h["secret"] != nil {
		t.Errorf("the hook shows %v", h)
	}
}

func TestHooksArePermittedAndValidated(t *testing.T) {
	w := newWorld(t)
	path := "/projects/" + w.acme.project("p") + "/hooks"
	w.viewer.send("GET", path, "").problem(problem.Forbidden)
	w.viewer.send("POST", path, `{"name":"CI","provider":"github"}`).problem(problem.Forbidden)
	w.viewer.send("DELETE", path+"/"+tenancy.NewID().String(), "").problem(problem.Forbidden)
	w.nobody.send("GET", path, "").problem(problem.Unauthenticated)
	p := w.acme.send("POST", path, `{"name":"","provider":"jenkins","secret":"short","deployment_workflow":7,"colour":1}`).problem(problem.Validation)
	for _, place := range []string{"body.name", "body.provider", "body.secret", "body.deployment_workflow", "body.colour"} {
		if !strings.Contains(strings.Join(p.places(), " "), place) {
			t.Errorf("%s is not among %v", place, p.places())
		}
	}
	own := strings.Repeat("o", 40)
	made := w.acme.send("POST", path, fmt.Sprintf(`{"name":"CI","provider":"gitea","secret":%q}`, own)).want(201).object()
	if made["secret"] != own {
		t.Errorf("the secret is %v", made["secret"])
	}
	for range 19 {
		w.acme.send("POST", path, `{"name":"CI","provider":"github"}`).want(201)
	}
	if p := w.acme.send("POST", path, `{"name":"CI","provider":"github"}`).problem(problem.LimitReached); p.Resource != "hooks" || *p.Limit != 20 {
		t.Errorf("refused with %+v", p)
	}
}

// TestHookSecretsAreNotOnDisk looks for a secret in every file of the data
// directory.
func TestHookSecretsAreNotOnDisk(t *testing.T) {
	w := newWorld(t)
	h := w.hook(w.acme.project("p"), "github")
	w.hook(w.acme.project("q"), "github", `,"secret":"`+strings.Repeat("canary", 6)+`"`)
	body := payload(t, "github_workflow_run_completed")
	h.deliver(body, h.signed("workflow_run", body)...).want(202)
	found := 0
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		found++
		content, err := os.ReadFile(path)
		for _, secret := range []string{h.secret, strings.TrimPrefix(h.secret, "whsec_"), "canarycanary"} {
			if strings.Contains(string(content), secret) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	if err != nil || found < 3 {
		t.Fatalf("looked at %d files: %v", found, err)
	}
}

func TestDeliveriesAreRateLimited(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Rates.Credential = Rate{PerSecond: 0.001, Burst: 6} })
	limited, free := w.hook(w.acme.project("p"), "github"), w.hook(w.acme.project("q"), "github")
	body := payload(t, "github_ping")
	for range 6 {
		limited.deliver(body, limited.signed("ping", body)...).want(202)
	}
	limited.deliver(body, limited.signed("ping", body)...).problem(problem.TooManyRequests)
	free.deliver(body, free.signed("ping", body)...).want(202)
}

func TestRunsAreReportedDirectly(t *testing.T) {
	w := newWorld(t)
	path := "/projects/" + w.acme.project("p") + "/pipeline-runs"
	began := w.acme.send("POST", path, `{"run":"7","status":"running","started_at":"2026-03-02T10:00:00Z"}`).want(201).object()
	ended := w.acme.send("POST", path, `{"run":"7","status":"failure","finished_at":"2026-03-02T10:00:30Z"}`).want(200).object()
	if ended["id"] != began["id"] || ended["duration_seconds"] != 30.0 || ended["week"] != "2026-03-02T00:00:00.000000Z" || ended["production"] != nil {
		t.Errorf("it ended as %v", ended)
	}
	w.viewer.send("POST", path, `{"run":"8","status":"running"}`).problem(problem.Forbidden)
	p := w.acme.send("POST", path, `{"status":"done","finished_at":"soon","production":true}`).problem(problem.Validation)
	for _, place := range []string{"body.run", "body.status", "body.finished_at", "body.production"} {
		if !strings.Contains(strings.Join(p.places(), " "), place) {
			t.Errorf("%s is not among %v", place, p.places())
		}
	}
	w.acme.send("POST", path, `{"run":"9","status":"queued"}`).want(201)
	page := w.viewer.send("GET", path+"?limit=1", "").want(200).object()
	rest := w.viewer.send("GET", path+"?limit=1&cursor="+page["next_cursor"].(string), "").want(200).object()
	if a, b := page["items"].([]any)[0].(map[string]any)["run"], rest["items"].([]any)[0].(map[string]any)["run"]; a != "9" || b != "7" || rest["next_cursor"] != nil {
		t.Errorf("the pages are %v and %v", page, rest)
	}
}
