package cli

import (
	"cmp"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/tracking"
	"maestro/tracking/delivery"
)

var runColumns = []column[client.RunFields]{
	{name: "provider", value: func(r *client.RunFields) any { return r.Provider }},
	{name: "run", value: func(r *client.RunFields) any { return r.Run }},
	{name: "name", value: func(r *client.RunFields) any { return r.Name }},
	{name: "status", value: func(r *client.RunFields) any { return r.Status }},
	{name: "branch", value: func(r *client.RunFields) any { return r.Branch }},
	{name: "commit_sha", value: func(r *client.RunFields) any { return r.CommitSha }},
	{name: "committed_at", value: func(r *client.RunFields) any { return instantOf(r.CommittedAt) }},
	{name: "started_at", value: func(r *client.RunFields) any { return instantOf(r.StartedAt) }},
	{name: "finished_at", value: func(r *client.RunFields) any { return instantOf(r.FinishedAt) }},
	{name: "duration_seconds", value: func(r *client.RunFields) any { return r.DurationSeconds }},
	{name: "deployment", value: func(r *client.RunFields) any { return r.Deployment }},
	{name: "environment", value: func(r *client.RunFields) any { return r.Environment }},
	{name: "production", value: func(r *client.RunFields) any { return r.Production }, extra: true},
}

// ciFlags are what the command line says of a run; "" for nothing.
type ciFlags struct {
	provider, run, name, status, branch, commit, committed, started, finished, environment string
	duration                                                                               time.Duration
	deployment                                                                             bool
}

func (a *app) collectCI() *cobra.Command {
	var flags ciFlags
	var project string
	var preview bool
	c := &cobra.Command{Use: "ci", Short: "Report the CI run that this command is part of", Args: cobra.NoArgs,
		Long: "Reports a pipeline run or a deployment, for runners that the server cannot be reached from by webhook. In GitHub Actions, Gitea\n" +
			"Actions, Forgejo Actions, GitLab CI and Jenkins it knows from the environment which run it is part of; flags say the rest and\n" +
			"win over the environment. Run it as the last step, whether those before it failed or not. Reported again, it stays one run.\n" +
			"The commit's time is asked of git where the environment does not say it.",
		Example: "  maestro collect ci --project Churn --status ${{ job.status }}              # GitHub, Gitea and Forgejo Actions: if: always()\n" +
			"  maestro collect ci --project Churn                                          # GitLab: in after_script\n" +
			"  maestro collect ci --project Churn --status success --deployment            # a deployment to production\n" +
			"  maestro collect ci --project Churn --run nightly-17 --status failure --duration 12m30s",
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := ciRun(a.lookup, flags, time.Now())
			if err != nil {
				return err
			}
			if run.CommitSha != nil && run.CommittedAt == nil {
				run.CommittedAt = committedAt(cmd.Context(), *run.CommitSha)
			}
			if preview {
				return printOne(a.out, a.form, runColumns, run)
			}
			if project == "" {
				return usage("--project is needed, unless --preview is set")
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			p, err := findProject(cmd.Context(), c, project)
			if err != nil {
				return err
			}
			recorded, err := c.RecordPipelineRun(cmd.Context(), p.ID, run)
			if err != nil {
				return err
			}
			a.note("Reported %s as %s for %s.", recorded.Run, recorded.Status, p.Name)
			return nil
		}}
	f := c.Flags()
	f.StringVar(&project, "project", "", "the project, by name or id")
	f.StringVar(&flags.provider, "provider", "", "where it runs: "+strings.Join(tracking.RunProviders[:], ", ")+" (default found out)")
	f.StringVar(&flags.run, "run", "", "names the run at its provider")
	f.StringVar(&flags.name, "name", "", "the workflow's name")
	f.StringVar(&flags.status, "status", "", "how it stands, in the provider's own words: success, failure, cancelled, skipped, running, …")
	f.StringVar(&flags.branch, "branch", "", "the branch")
	f.StringVar(&flags.commit, "commit", "", "the commit that it runs for")
	f.StringVar(&flags.committed, "committed-at", "", "when that commit was made")
	f.StringVar(&flags.started, "started", "", "when it began; RFC 3339 or Unix seconds")
	f.StringVar(&flags.finished, "finished", "", "when it ended (default now, of a run that has ended)")
	f.DurationVar(&flags.duration, "duration", 0, "how long it took, such as 12m30s (default from --started to --finished)")
	f.BoolVar(&flags.deployment, "deployment", false, "it is a deployment")
	f.StringVar(&flags.environment, "environment", "", "where the deployment goes (default production)")
	f.BoolVar(&preview, "preview", false, "show the run and send nothing")
	return c
}

// ciStatuses are the words of all providers. An unstable build of Jenkins has
// failing tests.
var ciStatuses = map[string]tracking.RunStatus{
	"success": tracking.RunSuccess, "failure": tracking.RunFailure, "failed": tracking.RunFailure, "unstable": tracking.RunFailure,
	"cancelled": tracking.RunCancelled, "canceled": tracking.RunCancelled, "aborted": tracking.RunCancelled,
	"skipped": tracking.RunSkipped, "not_built": tracking.RunSkipped,
	"running": tracking.RunRunning, "in_progress": tracking.RunRunning, "queued": tracking.RunQueued, "pending": tracking.RunQueued, "created": tracking.RunQueued,
}

// ciRun puts together what the environment and the flags say of a run.
func ciRun(lookup func(string) (string, bool), flags ciFlags, now time.Time) (client.RunFields, error) {
	env := func(name string) string {
		text, _ := lookup(name)
		return text
	}
	known := ciEnvironment(env, flags.provider)
	merged := ciFlags{
		provider: cmp.Or(known.provider, "generic"), run: cmp.Or(flags.run, known.run), name: cmp.Or(flags.name, known.name),
		status: cmp.Or(flags.status, known.status), branch: cmp.Or(flags.branch, known.branch), commit: cmp.Or(flags.commit, known.commit),
		committed: cmp.Or(flags.committed, known.committed), started: cmp.Or(flags.started, known.started),
		deployment: flags.deployment || flags.environment != "", environment: flags.environment,
	}
	if merged.run == "" {
		return client.RunFields{}, usage("--run: the environment does not say which run this is")
	}
	status, ok := ciStatuses[strings.ToLower(merged.status)]
	if !ok {
		if merged.status == "" {
			return client.RunFields{}, usage("--status: the environment does not say how the run stands")
		}
		return client.RunFields{}, usage("--status: must be a status of a run, such as success or failure")
	}
	run := client.RunFields{Provider: merged.provider, Run: merged.run, Name: merged.name, Status: string(status), Branch: merged.branch}
	if merged.deployment {
		run.Deployment, run.Environment = new(true), cmp.Or(merged.environment, known.environment, tracking.ProductionEnvironment)
		if merged.environment == "" || merged.environment == known.environment {
			run.Production = ciTier(env)
		}
		if flags.run == "" {
			run.Run += "/deployment/" + run.Environment // beside the pipeline that it is part of
		}
	}
	if sha := strings.ToLower(merged.commit); tracking.IsSHA(sha) {
		run.CommitSha = &sha
	} else if flags.commit != "" {
		return client.RunFields{}, usage("--commit: must be a commit's name, in hexadecimal")
	}
	finished := flags.finished
	if finished == "" && status.Final() {
		finished = now.UTC().Format(time.RFC3339)
	}
	for _, t := range []struct {
		flag, text string
		into       **string
	}{{"--committed-at", merged.committed, &run.CommittedAt}, {"--started", merged.started, &run.StartedAt}, {"--finished", finished, &run.FinishedAt}} {
		at, err := ciTime(t.text)
		if err != nil {
			return client.RunFields{}, usage(t.flag + " is " + err.Error())
		}
		if t.text != "" {
			*t.into = timestamp(at)
		}
	}
	switch {
	case flags.duration < 0:
		return client.RunFields{}, usage("--duration: must not be negative")
	case flags.duration > 0:
		run.DurationSeconds = new(flags.duration.Seconds())
	}
	return run, nil
}

// ciTime reads a time, a date, or Unix seconds.
func ciTime(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return parseInstant(text)
}

// ciEnvironment reads what a CI system says of the run that this process is part
// of, by the variables that each documents: GitHub, Gitea and Forgejo Actions
// (docs.github.com/en/actions/reference/workflows-and-actions/variables), GitLab
// (docs.gitlab.com/ci/variables/predefined_variables) and Jenkins
// (jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables). Runs
// are named as the webhooks name them, so that both ways make one run.
func ciEnvironment(env func(string) string, provider string) ciFlags {
	if provider == "" {
		provider = ciProvider(env)
	}
	known := ciFlags{provider: provider}
	switch provider {
	case "github", "gitea", "forgejo":
		repository, id := env("GITHUB_REPOSITORY"), ciNumber(env("GITHUB_RUN_ID"))
		if repository != "" && id > 0 {
			known.run = delivery.ActionsRunID(repository, id, ciNumber(env("GITHUB_RUN_ATTEMPT")))
			if provider == "forgejo" {
				known.run = delivery.ForgejoRunID(repository, id)
			}
		}
		known.name, known.branch, known.commit = env("GITHUB_WORKFLOW"), env("GITHUB_REF_NAME"), env("GITHUB_SHA")
	case "gitlab":
		if path, id := env("CI_PROJECT_PATH"), ciNumber(env("CI_PIPELINE_ID")); path != "" && id > 0 {
			known.run = delivery.GitLabPipelineID(path, id)
		}
		known.name, known.branch, known.commit = env("CI_PIPELINE_NAME"), env("CI_COMMIT_REF_NAME"), env("CI_COMMIT_SHA")
		known.committed, known.started = env("CI_COMMIT_TIMESTAMP"), env("CI_PIPELINE_CREATED_AT")
		known.status, known.environment = env("CI_JOB_STATUS"), env("CI_ENVIRONMENT_NAME")
	case "jenkins":
		if job, number := env("JOB_NAME"), env("BUILD_NUMBER"); job != "" && number != "" {
			known.run = job + "/" + number
		}
		known.name, known.branch, known.commit = env("JOB_NAME"), cmp.Or(env("BRANCH_NAME"), env("GIT_BRANCH")), env("GIT_COMMIT")
	}
	return known
}

// ciProvider finds out where this process runs. Runners of Forgejo and Gitea set
// GitHub's variables too, and Forgejo's set Gitea's.
func ciProvider(env func(string) string) string {
	for _, p := range []struct{ variable, provider string }{
		{"FORGEJO_ACTIONS", "forgejo"}, {"GITEA_ACTIONS", "gitea"}, {"GITHUB_ACTIONS", "github"}, {"GITLAB_CI", "gitlab"}, {"JENKINS_URL", "jenkins"},
	} {
		if env(p.variable) != "" {
			return p.provider
		}
	}
	return ""
}

// ciTier says whether GitLab calls the job's environment production; nil where it
// says nothing.
func ciTier(env func(string) string) *bool {
	if tier := env("CI_ENVIRONMENT_TIER"); tier != "" {
		return new(tier == "production")
	}
	return nil
}

func ciNumber(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0 // and so not known
	}
	return n
}

// committedAt asks git when a commit was made; nil where it cannot say.
func committedAt(ctx context.Context, sha string) *string {
	out, err := exec.CommandContext(ctx, "git", "show", "--no-patch", "--format=%ct", "--end-of-options", sha).Output()
	if err != nil {
		return nil // no git, no clone, or a shallow one: the server looks it up
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return nil
	}
	return timestamp(time.Unix(seconds, 0))
}
