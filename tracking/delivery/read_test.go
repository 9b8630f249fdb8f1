package delivery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

func payload(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// headers makes a Header of pairs.
func headers(pairs ...string) Header {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.EqualFold(pairs[i], name) {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func at(text string) *tenancy.Time {
	t, err := tenancy.ParseTime(text)
	if err != nil {
		panic(err)
	}
	return &t
}

const head = "6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c"

// events are the headers that name an event, by provider.
var events = map[string]string{"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event", "gitea": "X-Gitea-Event", "forgejo": "X-Forgejo-Event"}

// recorded are the deliveries of testdata.
var recorded = []struct {
	file, provider, event, deploys string
	want                           Delivery
}{
	{"github_workflow_run_requested", "github", "workflow_run", "", Delivery{
		Run: &tracking.RunFields{Provider: "github", RunID: "acme/churn/run/8163450021/1", Name: "test", Status: tracking.RunQueued, Branch: "main",
			CommitSHA: new(head), CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:03Z")},
		Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}, At: *at("2026-03-02T10:00:03Z")}},
	{"github_workflow_run_completed", "github", "workflow_run", "deploy.yml", Delivery{
		Run: &tracking.RunFields{Provider: "github", RunID: "acme/churn/run/8163450021/1", Name: "test", Status: tracking.RunSuccess, Branch: "main",
			CommitSHA: new(head), CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:03Z"), FinishedAt: at("2026-03-02T10:07:33Z"),
			DurationSeconds: new(450.0)},
		Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}, At: *at("2026-03-02T10:07:33Z")}},
	{"github_workflow_run_completed", "github", "workflow_run", "test.yml", Delivery{
		Run: &tracking.RunFields{Provider: "github", RunID: "acme/churn/run/8163450021/1", Name: "test", Status: tracking.RunSuccess, Branch: "main",
			CommitSHA: new(head), CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:03Z"), FinishedAt: at("2026-03-02T10:07:33Z"),
			DurationSeconds: new(450.0), Deployment: true, Environment: "production", Production: new(true)},
		Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}, At: *at("2026-03-02T10:07:33Z")}},
	{"github_deployment_status", "github", "deployment_status", "", Delivery{
		Run: &tracking.RunFields{Provider: "github", RunID: "acme/churn/deployment/774", Status: tracking.RunSuccess, Branch: "main", CommitSHA: new(head),
			StartedAt: at("2026-03-02T11:50:00Z"), FinishedAt: at("2026-03-02T11:55:00Z"), DurationSeconds: new(300.0),
			Deployment: true, Environment: "production", Production: new(true)}, At: *at("2026-03-02T11:55:00Z")}},
	{"github_push", "github", "push", "", Delivery{Commits: []tracking.CommitTime{
		{SHA: strings.Repeat("2", 40), At: *at("2026-03-02T09:30:00Z")}, {SHA: head, At: *at("2026-03-02T09:55:00Z")}}}},
	{"github_ping", "github", "ping", "", Delivery{}},
	{"gitlab_pipeline_running", "gitlab", "Pipeline Hook", "", Delivery{
		Run: &tracking.RunFields{Provider: "gitlab", RunID: "acme/churn/pipeline/31", Name: "Pipeline for branch: main", Status: tracking.RunRunning, Branch: "main",
			CommitSHA: new(head), CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:12Z")},
		Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}, At: *at("2026-03-02T10:00:12Z")}},
	{"gitlab_pipeline", "gitlab", "Pipeline Hook", "", Delivery{
		Run: &tracking.RunFields{Provider: "gitlab", RunID: "acme/churn/pipeline/31", Name: "Pipeline for branch: main", Status: tracking.RunFailure, Branch: "main",
			CommitSHA: new(head), CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:12Z"), FinishedAt: at("2026-03-02T10:03:00Z"),
			DurationSeconds: new(63.0)},
		Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}, At: *at("2026-03-02T10:03:00Z")}},
	{"gitlab_deployment", "gitlab", "Deployment Hook", "", Delivery{
		Run: &tracking.RunFields{Provider: "gitlab", RunID: "acme/churn/deployment/15", Status: tracking.RunSuccess, Branch: "main", CommitSHA: new(head),
			FinishedAt: at("2026-03-02T11:55:00Z"), Deployment: true, Environment: "eu-west", Production: new(true)}, At: *at("2026-03-02T11:55:00Z")}},
	{"gitlab_push", "gitlab", "Push Hook", "", Delivery{Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}}},
	{"gitea_workflow_run", "gitea", "workflow_run", "", Delivery{
		Run: &tracking.RunFields{Provider: "gitea", RunID: "acme/churn/run/90/1", Name: "deploy.yml", Status: tracking.RunFailure, Branch: "main", CommitSHA: new(head),
			StartedAt: at("2026-03-02T10:00:10Z"), FinishedAt: at("2026-03-02T10:02:10Z"), DurationSeconds: new(120.0)}, At: *at("2026-03-02T10:02:10Z")}},
	{"gitea_workflow_run", "gitea", "workflow_run", "deploy.yml", Delivery{
		Run: &tracking.RunFields{Provider: "gitea", RunID: "acme/churn/run/90/1", Name: "deploy.yml", Status: tracking.RunFailure, Branch: "main", CommitSHA: new(head),
			StartedAt: at("2026-03-02T10:00:10Z"), FinishedAt: at("2026-03-02T10:02:10Z"), DurationSeconds: new(120.0),
			Deployment: true, Environment: "production", Production: new(true)}, At: *at("2026-03-02T10:02:10Z")}},
	{"gitea_push", "gitea", "push", "", Delivery{Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}}},
	{"forgejo_action_run_success", "forgejo", "action_run_success", "", Delivery{
		Run: &tracking.RunFields{Provider: "forgejo", RunID: "acme/churn/run/61", Name: "test.yml", Status: tracking.RunSuccess, Branch: "main", CommitSHA: new(head),
			CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:00Z"), FinishedAt: at("2026-03-02T10:01:30Z"), DurationSeconds: new(90.0)},
		Commits: []tracking.CommitTime{{SHA: head, At: *at("2026-03-02T09:55:00Z")}}, At: *at("2026-03-02T10:01:30Z")}},
	{"generic_run", "generic", "", "", Delivery{
		Run: &tracking.RunFields{Provider: "generic", RunID: "nightly-2026-03-02", Name: "nightly", Status: tracking.RunSuccess, Branch: "main", CommitSHA: new(head),
			CommittedAt: at("2026-03-02T09:55:00Z"), StartedAt: at("2026-03-02T10:00:00Z"), FinishedAt: at("2026-03-02T10:30:00Z"), DurationSeconds: new(1800.0),
			Deployment: true, Environment: "production", Production: new(true)}, At: *at("2026-03-02T12:00:00Z")}},
}

func TestDeliveriesAreRead(t *testing.T) {
	signed := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	files := map[string]bool{}
	for _, test := range recorded {
		files[test.file+".json"] = true
		t.Run(test.file+" "+test.deploys, func(t *testing.T) {
			header := headers(events[test.provider], test.event)
			if test.provider == "generic" {
				header = headers(standardHeaders("id", signed, nil, nil)...)
			}
			got, err := Read(Source{Provider: test.provider, DeploymentWorkflow: test.deploys}, header, payload(t, test.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("delivery (-want +got):\n%s", diff)
			}
		})
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".json") && !files[name] {
			t.Errorf("nothing reads %s", name)
		}
	}
}

// edit changes members of a JSON object, named by paths of names.
func edit(t *testing.T, content []byte, changes map[string]any) []byte {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(content, &object); err != nil {
		t.Fatal(err)
	}
	for place, value := range changes {
		names := strings.Split(place, ".")
		parent := object
		for _, name := range names[:len(names)-1] {
			parent = parent[name].(map[string]any)
		}
		parent[names[len(names)-1]] = value
	}
	edited, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return edited
}

func TestStatusesOfEveryProvider(t *testing.T) {
	const none = ""
	tests := []struct {
		file, provider, event string
		changes               map[string]any
		want                  tracking.RunStatus // none where nothing is reported
	}{
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.conclusion": "failure"}, tracking.RunFailure},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.conclusion": "timed_out"}, tracking.RunFailure},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.conclusion": "startup_failure"}, tracking.RunFailure},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.conclusion": "cancelled"}, tracking.RunCancelled},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.conclusion": "neutral"}, tracking.RunSkipped},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.conclusion": "novel"}, none},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.status": "in_progress"}, tracking.RunRunning},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.status": "pending"}, tracking.RunQueued},
		{"github_deployment_status", "github", "deployment_status", map[string]any{"deployment_status.state": "error"}, tracking.RunFailure},
		{"github_deployment_status", "github", "deployment_status", map[string]any{"deployment_status.state": "in_progress"}, tracking.RunRunning},
		{"github_deployment_status", "github", "deployment_status", map[string]any{"deployment_status.state": "inactive"}, none},
		{"gitlab_pipeline", "gitlab", "Pipeline Hook", map[string]any{"object_attributes.status": "canceled"}, tracking.RunCancelled},
		{"gitlab_pipeline", "gitlab", "Pipeline Hook", map[string]any{"object_attributes.status": "skipped", "object_attributes.finished_at": nil}, tracking.RunSkipped},
		{"gitlab_pipeline", "gitlab", "Pipeline Hook", map[string]any{"object_attributes.status": "manual"}, tracking.RunQueued},
		{"gitlab_pipeline", "gitlab", "Pipeline Hook", map[string]any{"object_attributes.status": "novel"}, none},
		{"gitlab_deployment", "gitlab", "Deployment Hook", map[string]any{"status": "failed"}, tracking.RunFailure},
		{"gitlab_deployment", "gitlab", "Deployment Hook", map[string]any{"status": "running"}, tracking.RunRunning},
		{"gitlab_deployment", "gitlab", "Deployment Hook", map[string]any{"status": "created"}, tracking.RunQueued},
		{"gitea_workflow_run", "gitea", "workflow_run", map[string]any{"workflow_run.status": "in_progress", "workflow_run.completed_at": "1970-01-01T01:00:00+01:00"}, tracking.RunRunning},
		{"gitea_workflow_run", "gitea", "workflow_run", map[string]any{"workflow_run.status": "queued", "workflow_run.started_at": "0001-01-01T00:00:00Z"}, tracking.RunQueued},
		{"forgejo_action_run_success", "forgejo", "action_run_failure", map[string]any{"run.status": "failure", "run.event_payload": "no JSON"}, tracking.RunFailure},
		{"forgejo_action_run_success", "forgejo", "action_run_recover", nil, tracking.RunSuccess},
		{"forgejo_action_run_success", "forgejo", "issues", nil, none},
	}
	for _, test := range tests {
		d, err := Read(Source{Provider: test.provider}, headers(events[test.provider], test.event), edit(t, payload(t, test.file), test.changes))
		switch {
		case err != nil:
			t.Errorf("%s with %v: %v", test.file, test.changes, err)
		case test.want == none && d.Run != nil:
			t.Errorf("%s with %v reports %+v", test.file, test.changes, d.Run)
		case test.want != none && (d.Run == nil || d.Run.Status != test.want):
			t.Errorf("%s with %v reports %+v, want %s", test.file, test.changes, d.Run, test.want)
		}
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	const malformed, invalid = problem.Malformed, problem.Validation
	tests := []struct {
		file, provider, event string
		changes               map[string]any
		want                  problem.Code
	}{
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.id": "8163450021"}, malformed},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.id": -1}, invalid},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.id": 1e300}, malformed},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run": nil}, invalid},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run": []int{}}, malformed},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.updated_at": "soon"}, malformed},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.updated_at": nil}, invalid},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"workflow_run.run_started_at": "1999-01-01T00:00:00Z"}, invalid},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"repository.full_name": ""}, invalid},
		{"github_workflow_run_completed", "github", "workflow_run", map[string]any{"repository.full_name": strings.Repeat("x", 300)}, invalid},
		{"github_push", "github", "workflow_run", nil, invalid}, // the event of another body
		{"github_deployment_status", "github", "deployment_status", map[string]any{"deployment": nil}, invalid},
		{"github_deployment_status", "github", "deployment_status", map[string]any{"deployment_status": nil}, invalid},
		{"github_push", "github", "push", map[string]any{"commits": "none"}, malformed},
		{"gitlab_pipeline", "gitlab", "Pipeline Hook", map[string]any{"object_attributes.duration": -1}, invalid},
		{"gitlab_pipeline", "gitlab", "Pipeline Hook", map[string]any{"project.path_with_namespace": nil}, invalid},
		{"gitlab_deployment", "gitlab", "Deployment Hook", map[string]any{"deployment_id": 0}, invalid},
		{"forgejo_action_run_success", "forgejo", "action_run_success", map[string]any{"run.id": nil}, invalid},
		{"generic_run", "generic", "", map[string]any{"status": "done"}, invalid},
		{"generic_run", "generic", "", map[string]any{"colour": "red"}, malformed},
		{"generic_run", "generic", "", map[string]any{"run": 7}, malformed},
		{"generic_run", "generic", "", map[string]any{"finished_at": "soon"}, invalid},
	}
	for _, test := range tests {
		_, err := Read(Source{Provider: test.provider}, headers(events[test.provider], test.event), edit(t, payload(t, test.file), test.changes))
		if problem.CodeOf(err) != test.want {
			t.Errorf("%s with %v: got %v, want %s", test.file, test.changes, err, test.want)
		}
	}
	for _, body := range []string{"", "null and more", "{", "[1]", "{}\xff", `{"run":"1"}{}`} {
		if _, err := Read(Source{Provider: "generic"}, headers(), []byte(body)); problem.CodeOf(err) != malformed {
			t.Errorf("%q: got %v, want %s", body, err, malformed)
		}
	}
}

// A push may bring thousands of commits: the latest are the ones that deployments
// name.
func TestOfALongPushTheLatestCommitsAreKept(t *testing.T) {
	var all []map[string]any
	for i := range 2000 {
		all = append(all, map[string]any{"id": strings.Repeat("0", 36) + time.Unix(int64(i), 0).UTC().Format("0405"), "timestamp": "2026-03-02T09:00:00Z"})
	}
	d, err := Read(Source{Provider: "github"}, headers("X-GitHub-Event", "push"), edit(t, payload(t, "github_push"), map[string]any{"commits": all}))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Commits) != MaxCommits || d.Commits[MaxCommits-1].SHA != all[1999]["id"] {
		t.Errorf("%d commits are kept, the last %v", len(d.Commits), d.Commits[len(d.Commits)-1])
	}
}

// Whatever a delivery says: no panic, and what is reported is valid.
func FuzzRead(f *testing.F) {
	for _, test := range recorded {
		f.Add(test.provider, test.event, payload(f, test.file))
	}
	f.Fuzz(func(t *testing.T, provider, event string, body []byte) {
		d, err := Read(Source{Provider: provider, DeploymentWorkflow: "deploy.yml"}, headers(events[provider], event), body)
		if err != nil {
			if code := problem.CodeOf(err); code != problem.Malformed && code != problem.Validation {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if d.Run != nil {
			if err := d.Run.Validate(); err != nil {
				t.Errorf("%+v: %v", d.Run, err)
			}
		}
		if len(d.Commits) > MaxCommits {
			t.Errorf("%d commits", len(d.Commits))
		}
		for _, c := range d.Commits {
			if !tracking.IsSHA(c.SHA) {
				t.Errorf("%q names no commit", c.SHA)
			}
		}
	})
}
