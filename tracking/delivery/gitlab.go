package delivery

import (
	"fmt"
	"path"

	"maestro/tenancy"
	"maestro/tracking"
)

type gitLabProject struct {
	Path string `json:"path_with_namespace"`
}

// readGitLab reads an event of GitLab
// (docs.gitlab.com/user/project/integrations/webhook_events).
func readGitLab(source Source, event string, body []byte) (Delivery, error) {
	switch event {
	case "Pipeline Hook":
		return readGitLabPipeline(source, body)
	case "Deployment Hook":
		return readGitLabDeployment(body)
	case "Push Hook":
		return readPush(body)
	}
	return Delivery{}, nil
}

// gitLabStatuses are the statuses of pipelines and of deployments.
var gitLabStatuses = map[string]tracking.RunStatus{
	"created": tracking.RunQueued, "waiting_for_resource": tracking.RunQueued, "preparing": tracking.RunQueued, "pending": tracking.RunQueued,
	"waiting_for_callback": tracking.RunQueued, "manual": tracking.RunQueued, "scheduled": tracking.RunQueued, "blocked": tracking.RunQueued,
	"running": tracking.RunRunning, "canceling": tracking.RunRunning,
	"success": tracking.RunSuccess, "failed": tracking.RunFailure, "canceled": tracking.RunCancelled, "skipped": tracking.RunSkipped,
}

func readGitLabPipeline(source Source, body []byte) (Delivery, error) {
	var event struct {
		Pipeline *struct {
			ID         int64    `json:"id"`
			Name       string   `json:"name"`
			Ref        string   `json:"ref"`
			SHA        string   `json:"sha"`
			Status     string   `json:"status"`
			CreatedAt  moment   `json:"created_at"`
			FinishedAt moment   `json:"finished_at"`
			Duration   *float64 `json:"duration"`
		} `json:"object_attributes"`
		Project gitLabProject `json:"project"`
		Commit  *commit       `json:"commit"`
		Jobs    []struct {
			StartedAt moment `json:"started_at"`
		} `json:"builds"`
	}
	if err := decode(body, &event); err != nil {
		return Delivery{}, err
	}
	p := event.Pipeline
	switch {
	case p == nil || p.ID <= 0:
		return Delivery{}, missing("body.object_attributes.id")
	case event.Project.Path == "":
		return Delivery{}, missing("body.project.path_with_namespace")
	}
	status, known := gitLabStatuses[p.Status]
	if !known {
		return Delivery{}, nil
	}
	started := p.CreatedAt
	first := moment(0)
	for _, job := range event.Jobs {
		if job.StartedAt > 0 && (first == 0 || job.StartedAt < first) {
			first = job.StartedAt
		}
	}
	if first > 0 {
		started = first
	}
	run := &tracking.RunFields{
		RunID: GitLabPipelineID(event.Project.Path, p.ID), Name: label(p.Name), Status: status, Branch: label(p.Ref),
		StartedAt: started.pointer(),
	}
	if status.Final() {
		run.FinishedAt, run.DurationSeconds = p.FinishedAt.pointer(), p.Duration
		if run.FinishedAt == nil && !status.Counted() {
			run.FinishedAt = run.StartedAt // it never ran
		}
		run.StartedAt = notAfter(run.StartedAt, run.FinishedAt)
	}
	run.Deployment = source.deploys(p.Name, "")
	return Delivery{Run: run, Commits: describe(run, p.SHA, event.Commit)}, nil
}

// GitLabPipelineID names a pipeline, which keeps its id when it is retried.
func GitLabPipelineID(project string, id int64) string {
	return fmt.Sprintf("%s/pipeline/%d", project, id)
}

func readGitLabDeployment(body []byte) (Delivery, error) {
	var event struct {
		ID          int64         `json:"deployment_id"`
		Status      string        `json:"status"`
		ChangedAt   moment        `json:"status_changed_at"`
		Environment string        `json:"environment"`
		Tier        string        `json:"environment_tier"`
		Ref         string        `json:"ref"`
		CommitURL   string        `json:"commit_url"`
		Project     gitLabProject `json:"project"`
	}
	if err := decode(body, &event); err != nil {
		return Delivery{}, err
	}
	switch {
	case event.ID <= 0:
		return Delivery{}, missing("body.deployment_id")
	case event.Project.Path == "":
		return Delivery{}, missing("body.project.path_with_namespace")
	}
	status, known := gitLabStatuses[event.Status]
	if !known {
		return Delivery{}, nil
	}
	run := &tracking.RunFields{
		RunID: fmt.Sprintf("%s/deployment/%d", event.Project.Path, event.ID), Status: status, Branch: label(event.Ref),
		Deployment: true, Environment: label(event.Environment),
	}
	if event.Tier != "" {
		run.Production = new(event.Tier == "production")
	}
	d := Delivery{Run: run}
	switch {
	case status.Final():
		run.FinishedAt = event.ChangedAt.pointer()
	case status == tracking.RunRunning:
		run.StartedAt = event.ChangedAt.pointer()
	default:
		d.At = tenancy.Time(event.ChangedAt)
	}
	d.Commits = describe(run, path.Base(event.CommitURL), nil)
	return d, nil
}
