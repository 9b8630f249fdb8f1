package tracking

import (
	"regexp"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

// RunStatus says where a run stands.
type RunStatus string

// The statuses of a run. Only success and failure count in metrics.
const (
	RunQueued    RunStatus = "queued"
	RunRunning   RunStatus = "running"
	RunSuccess   RunStatus = "success"
	RunFailure   RunStatus = "failure"
	RunCancelled RunStatus = "cancelled"
	RunSkipped   RunStatus = "skipped"
)

// RunStatuses lists every status in the order of a run's life.
var RunStatuses = [...]RunStatus{RunQueued, RunRunning, RunSuccess, RunFailure, RunCancelled, RunSkipped}

// Final reports whether the run has ended.
func (s RunStatus) Final() bool { return s != RunQueued && s != RunRunning }

// Counted reports whether the run counts in metrics.
func (s RunStatus) Counted() bool { return s == RunSuccess || s == RunFailure }

// RunProviders lists what runs can be reported by.
var RunProviders = [...]string{"github", "gitlab", "gitea", "forgejo", "jenkins", "generic"}

// Bounds of a run's fields. Times before firstRunTime (2000-01-01) are mistakes of
// a unit, and a finish may be ahead of this clock by MaxClockSkew at most.
const (
	MaxRunIDRunes   = 255
	MaxRunNameRunes = 255
	MaxRunSeconds   = 366 * 24 * 60 * 60

	MaxClockSkew = hour

	firstRunTime tenancy.Time = 946684800_000000

	hour tenancy.Time = 60 * 60 * 1_000_000
	week              = 7 * 24 * hour
)

// MaxRunsOfWeek is how many runs of a project may count in one week: all of them are
// read when one is reported, which takes some milliseconds.
const MaxRunsOfWeek = 10_000

// ProductionEnvironment is where a deployment goes that does not say.
const ProductionEnvironment = "production"

// RunFields are what is reported of a run: of a pipeline, which builds and tests,
// or of a deployment.
type RunFields struct {
	Provider        string        `json:"provider" required:"false" default:"generic" enum:"github,gitlab,gitea,forgejo,jenkins,generic" doc:"Where it ran"`
	RunID           string        `json:"run" minLength:"1" maxLength:"255" doc:"Names the run at its provider. However often it is reported, there is one run of that id"`
	Name            string        `json:"name" required:"false" maxLength:"255" doc:"Of the workflow"`
	Status          RunStatus     `json:"status" enum:"queued,running,success,failure,cancelled,skipped"`
	Branch          string        `json:"branch" required:"false" maxLength:"255"`
	CommitSHA       *string       `json:"commit_sha" nullable:"true" required:"false" pattern:"^[0-9a-f]{7,64}$" doc:"The commit that it ran for"`
	CommittedAt     *tenancy.Time `json:"committed_at" nullable:"true" required:"false" doc:"When that commit was made; looked up among the commits that are known, unless given"`
	StartedAt       *tenancy.Time `json:"started_at" nullable:"true" required:"false"`
	FinishedAt      *tenancy.Time `json:"finished_at" nullable:"true" required:"false" doc:"Required of a run that has ended"`
	DurationSeconds *float64      `json:"duration_seconds" nullable:"true" required:"false" minimum:"0" maximum:"31622400" doc:"From started_at to finished_at, unless given"`
	Deployment      bool          `json:"deployment" required:"false" doc:"Whether it deploys. A deployment counts in the deployment metrics, any other run in the pipeline metrics"`
	Environment     string        `json:"environment" required:"false" maxLength:"255" doc:"Where a deployment goes; production unless given"`
	Production      *bool         `json:"production" nullable:"true" required:"false" doc:"Whether that environment is production; by its name (prod, production or live in front) unless given. Null for a run that is no deployment"`
}

// PipelineRun is the record of one run.
type PipelineRun struct {
	ID        tenancy.ID `json:"id"`
	TenantID  tenancy.ID `json:"tenant_id"`
	ProjectID tenancy.ID `json:"project_id"`
	RunFields
	SucceededAt *tenancy.Time `json:"succeeded_at" nullable:"true" doc:"When it first succeeded, even where it failed afterwards"`
	Week        *tenancy.Time `json:"week" nullable:"true" doc:"The Monday of the week in whose metrics it counts: that of its first success or failure that was reported"`
	CreatedAt   tenancy.Time  `json:"created_at"`
	UpdatedAt   tenancy.Time  `json:"updated_at"`
}

// CommitTime says when a commit was made.
type CommitTime struct {
	SHA string
	At  tenancy.Time
}

var (
	shaPattern        = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	productionPattern = regexp.MustCompile(`(?i)^(prod|live)`)
)

// IsSHA reports whether text names a commit.
func IsSHA(text string) bool { return shaPattern.MatchString(text) }

// Complete fills in what follows from the rest: the provider, where a deployment
// goes, how long the run took.
func (f *RunFields) Complete() {
	if f.Provider == "" {
		f.Provider = "generic"
	}
	if f.Deployment {
		if f.Environment == "" {
			f.Environment = ProductionEnvironment
		}
		if f.Production == nil {
			f.Production = new(productionPattern.MatchString(f.Environment))
		}
	}
	if f.DurationSeconds == nil && f.StartedAt != nil && f.FinishedAt != nil && *f.StartedAt <= *f.FinishedAt {
		f.DurationSeconds = new(float64(*f.FinishedAt-*f.StartedAt) / 1e6)
	}
}

// Validate names every value that is not allowed.
func (f *RunFields) Validate() error {
	var c problem.Checks
	c.Require(f.Provider == "" || slices.Contains(RunProviders[:], f.Provider), "body.provider", "must be one of those that runs are reported by")
	tenancy.CheckLabel(&c, "body.run", f.RunID, MaxRunIDRunes)
	checkOptionalLabel(&c, "body.name", f.Name, MaxRunNameRunes)
	c.Require(slices.Contains(RunStatuses[:], f.Status), "body.status", "must be queued, running, success, failure, cancelled or skipped")
	checkOptionalLabel(&c, "body.branch", f.Branch, MaxRunNameRunes)
	c.Require(f.CommitSHA == nil || IsSHA(*f.CommitSHA), "body.commit_sha", "must be 7 to 64 lower-case hexadecimal digits")
	for _, t := range []struct {
		location string
		time     *tenancy.Time
	}{{"body.committed_at", f.CommittedAt}, {"body.started_at", f.StartedAt}, {"body.finished_at", f.FinishedAt}} {
		checkTime(&c, t.location, t.time)
		c.Require(t.time == nil || *t.time == tenancy.NoTime || *t.time >= firstRunTime, t.location, "must be in the year 2000 or later")
	}
	if f.Status.Final() {
		c.Require(f.FinishedAt != nil, "body.finished_at", "is required of a run that has ended")
	} else {
		c.Require(f.FinishedAt == nil, "body.finished_at", "must not be there before the run has ended")
	}
	if f.StartedAt != nil && f.FinishedAt != nil && *f.StartedAt != tenancy.NoTime && *f.FinishedAt != tenancy.NoTime {
		c.Require(*f.FinishedAt >= *f.StartedAt, "body.finished_at", "must not be before started_at")
		c.Require(*f.FinishedAt-*f.StartedAt <= MaxRunSeconds*1_000_000, "body.finished_at", "must be within a year of started_at")
	}
	checkRange(&c, "body.duration_seconds", f.DurationSeconds, 0, MaxRunSeconds)
	checkOptionalLabel(&c, "body.environment", f.Environment, MaxRunNameRunes)
	if !f.Deployment {
		c.Require(f.Environment == "", "body.environment", "is only for deployments")
		c.Require(f.Production == nil, "body.production", "is only for deployments")
	}
	return c.Err()
}

func checkOptionalLabel(c *problem.Checks, location, label string, high int) {
	if label != "" {
		tenancy.CheckLabel(c, location, label, high)
	}
}

// Absorb brings the run up to date with another report of it, whatever the order
// the reports come in, and reports whether anything changed:
//
//   - What was unknown is filled in.
//   - A run that has ended does not go back. Where it is run again under the same
//     id, a later end replaces an earlier one; and an end that counts replaces one
//     that does not, never the other way round.
//   - What it deploys, and where, stays as first reported.
func (r *PipelineRun) Absorb(next RunFields) bool {
	before := *r
	if r.SucceededAt == nil && next.Status == RunSuccess {
		r.SucceededAt = next.FinishedAt
	}
	if r.Name == "" {
		r.Name = next.Name
	}
	if r.Branch == "" {
		r.Branch = next.Branch
	}
	if r.CommitSHA == nil {
		r.CommitSHA = next.CommitSHA
	}
	if r.CommittedAt == nil && (next.CommitSHA == nil || *r.CommitSHA == *next.CommitSHA) {
		r.CommittedAt = next.CommittedAt
	}
	if r.StartedAt == nil {
		r.StartedAt = next.StartedAt
	}
	switch {
	case !next.Status.Final():
		if r.Status == RunQueued {
			r.Status = next.Status
		}
	case !r.Status.Final(), next.Status.Counted() && !r.Status.Counted(),
		next.Status.Counted() == r.Status.Counted() && *next.FinishedAt > *r.FinishedAt:
		r.Status, r.FinishedAt, r.DurationSeconds = next.Status, next.FinishedAt, next.DurationSeconds
		if next.StartedAt != nil {
			r.StartedAt = next.StartedAt
		}
	}
	r.Complete()
	if r.DurationSeconds == nil {
		r.DurationSeconds = before.DurationSeconds
	}
	r.place()
	return *r != before
}

// NewRun returns the run that a first report makes.
func NewRun(id, tenant, project tenancy.ID, f RunFields, now tenancy.Time) PipelineRun {
	f.Complete()
	r := PipelineRun{ID: id, TenantID: tenant, ProjectID: project, RunFields: f, CreatedAt: now, UpdatedAt: now}
	if f.Status == RunSuccess {
		r.SucceededAt = f.FinishedAt
	}
	r.place()
	return r
}

// place gives the run its week, which it keeps.
func (r *PipelineRun) place() {
	if r.Week == nil && r.Status.Counted() {
		r.Week = new(WeekOf(*r.FinishedAt))
	}
}

// WeekOf returns the beginning of t's week: Monday, 00:00 UTC.
func WeekOf(t tenancy.Time) tenancy.Time {
	const firstMonday = 4 * 24 * hour // 1970-01-05
	since := (t - firstMonday) % week
	if since < 0 {
		since += week
	}
	return t - since
}
