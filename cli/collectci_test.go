package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maestro/client"
)

// environments are the variables that each CI system sets, as it documents them.
var environments = map[string]map[string]string{
	"GitHub": {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/churn", "GITHUB_RUN_ID": "8163450021", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_RUN_NUMBER": "412",
		"GITHUB_WORKFLOW": "test", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c"},
	"Gitea": {"CI": "true", "GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/churn", "GITHUB_RUN_ID": "90", "GITHUB_RUN_NUMBER": "12",
		"GITHUB_WORKFLOW": "test.yml", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c"},
	"Forgejo": {"CI": "true", "GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true", "FORGEJO_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/churn", "GITHUB_RUN_ID": "61",
		"GITHUB_RUN_ATTEMPT": "1", "GITHUB_WORKFLOW": "test.yml", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c"},
	"GitLab": {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/churn", "CI_PIPELINE_ID": "31", "CI_PIPELINE_NAME": "Pipeline for branch: main",
		"CI_COMMIT_REF_NAME": "main", "CI_COMMIT_SHA": "6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c", "CI_COMMIT_TIMESTAMP": "2026-03-02T10:55:00+01:00",
		"CI_PIPELINE_CREATED_AT": "2026-03-02T10:00:00Z", "CI_JOB_STATUS": "failed", "CI_ENVIRONMENT_NAME": "eu-west", "CI_ENVIRONMENT_TIER": "production"},
	"Jenkins": {"JENKINS_URL": "https://jenkins.example/", "JOB_NAME": "churn", "BUILD_NUMBER": "17", "BUILD_ID": "17", "GIT_COMMIT": "6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c", "GIT_BRANCH": "origin/main"},
	"nowhere": {},
}

func TestWhatTheEnvironmentSaysOfARun(t *testing.T) {
	now := at("2026-03-02T12:00:00Z")
	noon, sha := ptrTo("2026-03-02T12:00:00Z"), ptrTo("6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c")
	tests := map[string]struct {
		where string
		flags ciFlags
		want  client.RunFields
	}{
		"GitHub":  {"GitHub", ciFlags{status: "success"}, client.RunFields{Provider: "github", Run: "acme/churn/run/8163450021/2", Name: "test", Status: "success", Branch: "main", CommitSha: sha, FinishedAt: noon}},
		"Gitea":   {"Gitea", ciFlags{status: "cancelled"}, client.RunFields{Provider: "gitea", Run: "acme/churn/run/90/1", Name: "test.yml", Status: "cancelled", Branch: "main", CommitSha: sha, FinishedAt: noon}},
		"Forgejo": {"Forgejo", ciFlags{status: "failure"}, client.RunFields{Provider: "forgejo", Run: "acme/churn/run/61", Name: "test.yml", Status: "failure", Branch: "main", CommitSha: sha, FinishedAt: noon}},
		"GitLab": {"GitLab", ciFlags{}, client.RunFields{Provider: "gitlab", Run: "acme/churn/pipeline/31", Name: "Pipeline for branch: main", Status: "failure", Branch: "main", CommitSha: sha,
			CommittedAt: ptrTo("2026-03-02T09:55:00Z"), StartedAt: ptrTo("2026-03-02T10:00:00Z"), FinishedAt: noon}},
		"a deployment of GitLab's": {"GitLab", ciFlags{status: "success", deployment: true}, client.RunFields{Provider: "gitlab", Run: "acme/churn/pipeline/31/deployment/eu-west",
			Name: "Pipeline for branch: main", Status: "success", Branch: "main", CommitSha: sha, CommittedAt: ptrTo("2026-03-02T09:55:00Z"), StartedAt: ptrTo("2026-03-02T10:00:00Z"),
			FinishedAt: noon, Deployment: ptrTo(true), Environment: "eu-west", Production: ptrTo(true)}},
		"Jenkins": {"Jenkins", ciFlags{status: "UNSTABLE", started: "1772445600", duration: 90 * time.Second}, client.RunFields{Provider: "jenkins", Run: "churn/17", Name: "churn", Status: "failure",
			Branch: "origin/main", CommitSha: sha, StartedAt: ptrTo("2026-03-02T10:00:00Z"), FinishedAt: noon, DurationSeconds: ptrTo(90.0)}},
		"flags alone": {"nowhere", ciFlags{run: "7", status: "running", name: "n", branch: "b", commit: "ABCDEF0", committed: "2026-03-01"},
			client.RunFields{Provider: "generic", Run: "7", Name: "n", Status: "running", Branch: "b", CommitSha: ptrTo("abcdef0"), CommittedAt: ptrTo("2026-03-01T00:00:00Z")}},
		"flags before the environment": {"GitHub", ciFlags{run: "mine", status: "success", name: "n", branch: "b", commit: "abcdef0", finished: "2026-03-02T11:00:00Z", environment: "staging"},
			client.RunFields{Provider: "github", Run: "mine", Name: "n", Status: "success", Branch: "b", CommitSha: ptrTo("abcdef0"), FinishedAt: ptrTo("2026-03-02T11:00:00Z"),
				Deployment: ptrTo(true), Environment: "staging"}},
		"another provider": {"GitHub", ciFlags{provider: "jenkins", run: "1", status: "aborted"}, client.RunFields{Provider: "jenkins", Run: "1", Status: "cancelled", FinishedAt: noon}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ciRun(func(name string) (string, bool) { text, ok := environments[test.where][name]; return text, ok }, test.flags, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
		})
	}
	for name, flags := range map[string]ciFlags{
		"no run": {status: "success"}, "no status": {run: "1"}, "another status": {run: "1", status: "great"}, "no commit's name": {run: "1", status: "success", commit: "main"},
		"no time": {run: "1", status: "success", started: "soon"}, "a negative duration": {run: "1", status: "success", duration: -time.Second},
	} {
		if got, err := ciRun(func(string) (string, bool) { return "", false }, flags, now); err == nil {
			t.Errorf("%s makes %+v", name, got)
		}
	}
}

func ptrTo[T any](v T) *T { return &v }
