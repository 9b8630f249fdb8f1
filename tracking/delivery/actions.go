package delivery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"maestro/tenancy"
	"maestro/tracking"
)

type repository struct {
	FullName string `json:"full_name"`
}

// actionsRun is a run of GitHub Actions or of Gitea Actions, which took over its
// form with other names for the times.
type actionsRun struct {
	ID         int64   `json:"id"`
	Attempt    int64   `json:"run_attempt"`
	Name       string  `json:"name"`
	Title      string  `json:"display_title"`
	Path       string  `json:"path"`
	HeadBranch string  `json:"head_branch"`
	HeadSHA    string  `json:"head_sha"`
	Status     string  `json:"status"`
	Conclusion string  `json:"conclusion"`
	HeadCommit *commit `json:"head_commit"`

	CreatedAt    moment `json:"created_at"`
	RunStartedAt moment `json:"run_started_at"` // GitHub
	UpdatedAt    moment `json:"updated_at"`     // GitHub: of a completed run, its end
	StartedAt    moment `json:"started_at"`     // Gitea
	CompletedAt  moment `json:"completed_at"`   // Gitea
}

// readGitHub reads an event of GitHub (docs.github.com/en/webhooks/webhook-events-and-payloads).
func readGitHub(source Source, event string, body []byte) (Delivery, error) {
	switch event {
	case "workflow_run":
		return readActionsRun(source, body)
	case "deployment_status":
		return readDeploymentStatus(body)
	case "push":
		return readPush(body)
	}
	return Delivery{}, nil
}

// readGitea reads an event of Gitea (docs.gitea.com/usage/webhooks).
func readGitea(source Source, event string, body []byte) (Delivery, error) {
	switch event {
	case "workflow_run":
		return readActionsRun(source, body)
	case "push":
		return readPush(body)
	}
	return Delivery{}, nil
}

func readActionsRun(source Source, body []byte) (Delivery, error) {
	var event struct {
		Run        *actionsRun `json:"workflow_run"`
		Repository repository  `json:"repository"`
		Workflow   struct {
			Name string `json:"name"`
		} `json:"workflow"`
	}
	if err := decode(body, &event); err != nil {
		return Delivery{}, err
	}
	r := event.Run
	switch {
	case r == nil || r.ID <= 0:
		return Delivery{}, missing("body.workflow_run.id")
	case event.Repository.FullName == "":
		return Delivery{}, missing("body.repository.full_name")
	}
	status, known := actionsStatus(r.Status, r.Conclusion)
	if !known {
		return Delivery{}, nil
	}
	run := &tracking.RunFields{
		RunID:     ActionsRunID(event.Repository.FullName, r.ID, r.Attempt),
		Name:      label(cmp.Or(r.Name, event.Workflow.Name)),
		Status:    status,
		Branch:    label(r.HeadBranch),
		StartedAt: cmp.Or(r.RunStartedAt, r.StartedAt, r.CreatedAt).pointer(),
	}
	if status.Final() {
		run.FinishedAt = cmp.Or(r.CompletedAt, r.UpdatedAt).pointer()
		run.StartedAt = notAfter(run.StartedAt, run.FinishedAt)
	}
	run.Deployment = source.deploys(run.Name, r.Path)
	return Delivery{Run: run, Commits: describe(run, r.HeadSHA, r.HeadCommit)}, nil
}

// ActionsRunID names a run of GitHub Actions or Gitea Actions. Each attempt is a
// run of its own; one without a number is the first.
func ActionsRunID(repository string, id, attempt int64) string {
	return fmt.Sprintf("%s/run/%d/%d", repository, id, max(attempt, 1))
}

func actionsStatus(status, conclusion string) (tracking.RunStatus, bool) {
	switch status {
	case "requested", "queued", "waiting", "pending":
		return tracking.RunQueued, true
	case "in_progress":
		return tracking.RunRunning, true
	case "completed":
		switch conclusion {
		case "success":
			return tracking.RunSuccess, true
		case "failure", "timed_out", "startup_failure":
			return tracking.RunFailure, true
		case "cancelled":
			return tracking.RunCancelled, true
		case "skipped", "neutral", "stale", "action_required":
			return tracking.RunSkipped, true
		}
	}
	return "", false
}

// notAfter is start unless that is later than end: clocks of several machines
// stamp a run.
func notAfter(start, end *tenancy.Time) *tenancy.Time {
	if start != nil && end != nil && *start > *end {
		return end
	}
	return start
}

// readDeploymentStatus reads a step of a deployment of GitHub's.
func readDeploymentStatus(body []byte) (Delivery, error) {
	var event struct {
		Status *struct {
			State       string `json:"state"`
			Environment string `json:"environment"`
			CreatedAt   moment `json:"created_at"`
			UpdatedAt   moment `json:"updated_at"`
		} `json:"deployment_status"`
		Deployment *struct {
			ID          int64  `json:"id"`
			SHA         string `json:"sha"`
			Ref         string `json:"ref"`
			Environment string `json:"environment"`
			Production  *bool  `json:"production_environment"`
			CreatedAt   moment `json:"created_at"`
		} `json:"deployment"`
		Run        *actionsRun `json:"workflow_run"`
		Repository repository  `json:"repository"`
	}
	if err := decode(body, &event); err != nil {
		return Delivery{}, err
	}
	switch {
	case event.Deployment == nil || event.Deployment.ID <= 0:
		return Delivery{}, missing("body.deployment.id")
	case event.Status == nil:
		return Delivery{}, missing("body.deployment_status")
	case event.Repository.FullName == "":
		return Delivery{}, missing("body.repository.full_name")
	}
	states := map[string]tracking.RunStatus{"success": tracking.RunSuccess, "failure": tracking.RunFailure, "error": tracking.RunFailure,
		"in_progress": tracking.RunRunning, "queued": tracking.RunQueued, "pending": tracking.RunQueued, "waiting": tracking.RunQueued}
	status, known := states[event.Status.State]
	if !known {
		return Delivery{}, nil // "inactive" says that another took its place
	}
	run := &tracking.RunFields{
		RunID:       fmt.Sprintf("%s/deployment/%d", event.Repository.FullName, event.Deployment.ID),
		Status:      status,
		Branch:      label(event.Deployment.Ref),
		StartedAt:   event.Deployment.CreatedAt.pointer(),
		Deployment:  true,
		Environment: label(cmp.Or(event.Status.Environment, event.Deployment.Environment)),
	}
	// GitHub says true of production_environment where the name is "production" or
	// the deployment was made so; false says only that nobody said.
	if p := event.Deployment.Production; p != nil && *p {
		run.Production = p
	}
	if status.Final() {
		run.FinishedAt = cmp.Or(event.Status.CreatedAt, event.Status.UpdatedAt).pointer()
		run.StartedAt = notAfter(run.StartedAt, run.FinishedAt)
	}
	var head *commit
	if event.Run != nil {
		head = event.Run.HeadCommit
		run.Name = label(event.Run.Name)
	}
	return Delivery{Run: run, Commits: describe(run, event.Deployment.SHA, head)}, nil
}

func readPush(body []byte) (Delivery, error) {
	var event struct {
		Commits []commit `json:"commits"`
	}
	if err := decode(body, &event); err != nil {
		return Delivery{}, err
	}
	return Delivery{Commits: commits(event.Commits)}, nil
}

// readForgejo reads an event of Forgejo (forgejo.org/docs/latest/user/webhooks;
// modules/structs/action.go for the run). How a run ended is in the name of the
// event and in the run, and only ends are sent.
func readForgejo(source Source, event string, body []byte) (Delivery, error) {
	if event == "push" {
		return readPush(body)
	}
	if !strings.HasPrefix(event, "action_run_") {
		return Delivery{}, nil
	}
	var action struct {
		Run *struct {
			ID         int64      `json:"id"`
			Repository repository `json:"repository"`
			Workflow   string     `json:"workflow_id"`
			Ref        string     `json:"prettyref"`
			SHA        string     `json:"commit_sha"`
			Payload    string     `json:"event_payload"`
			Status     string     `json:"status"`
			Started    moment     `json:"started"`
			Stopped    moment     `json:"stopped"`
		} `json:"run"`
	}
	if err := decode(body, &action); err != nil {
		return Delivery{}, err
	}
	r := action.Run
	switch {
	case r == nil || r.ID <= 0:
		return Delivery{}, missing("body.run.id")
	case r.Repository.FullName == "":
		return Delivery{}, missing("body.run.repository.full_name")
	}
	statuses := map[string]tracking.RunStatus{"success": tracking.RunSuccess, "failure": tracking.RunFailure,
		"cancelled": tracking.RunCancelled, "skipped": tracking.RunSkipped}
	status, known := statuses[r.Status]
	if !known {
		return Delivery{}, nil
	}
	run := &tracking.RunFields{
		RunID:      ForgejoRunID(r.Repository.FullName, r.ID),
		Name:       label(r.Workflow),
		Status:     status,
		Branch:     label(r.Ref),
		StartedAt:  notAfter(r.Started.pointer(), r.Stopped.pointer()),
		FinishedAt: r.Stopped.pointer(),
		Deployment: source.deploys(r.Workflow, r.Workflow),
	}
	// The event that started the run comes along as text: a push has the commit.
	var cause struct {
		HeadCommit *commit `json:"head_commit"`
	}
	if json.Unmarshal([]byte(r.Payload), &cause) != nil {
		cause.HeadCommit = nil // of another form, and so of no use
	}
	return Delivery{Run: run, Commits: describe(run, r.SHA, cause.HeadCommit)}, nil
}

// ForgejoRunID names a run of Forgejo Actions, which keeps its id when it is run
// again.
func ForgejoRunID(repository string, id int64) string {
	return fmt.Sprintf("%s/run/%d", repository, id)
}
