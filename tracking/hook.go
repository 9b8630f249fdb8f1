package tracking

import (
	"regexp"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

// HookProviders lists whose deliveries a hook can read.
var HookProviders = [...]string{"github", "gitlab", "gitea", "forgejo", "generic"}

// MaxHooks is how many hooks a project may have.
const MaxHooks = 20

// HookFields are what a caller sets of a hook.
type HookFields struct {
	Name               string  `json:"name" minLength:"1" maxLength:"255" doc:"What it is for"`
	Provider           string  `json:"provider" enum:"github,gitlab,gitea,forgejo,generic" doc:"Who sends the deliveries"`
	DeploymentWorkflow string  `json:"deployment_workflow" required:"false" maxLength:"255" doc:"The workflow, by file name or name, whose runs are deployments to production; for providers that report no deployments by themselves"`
	Secret             *string `json:"secret" nullable:"true" required:"false" minLength:"32" maxLength:"255" pattern:"^[!-~]+$" doc:"The secret, where the provider makes it: 32 printable ASCII characters or more. One is made unless given"`
}

// Hook is an address that takes deliveries for a project.
type Hook struct {
	ID                 tenancy.ID    `json:"id"`
	TenantID           tenancy.ID    `json:"tenant_id"`
	ProjectID          tenancy.ID    `json:"project_id"`
	Name               string        `json:"name"`
	Provider           string        `json:"provider"`
	DeploymentWorkflow string        `json:"deployment_workflow"`
	Path               string        `json:"path" doc:"Where deliveries are sent to, behind the address of this server"`
	CreatedBy          *tenancy.ID   `json:"created_by" nullable:"true" doc:"The user who made it"`
	CreatedAt          tenancy.Time  `json:"created_at"`
	LastDeliveryAt     *tenancy.Time `json:"last_delivery_at" nullable:"true" doc:"When the last delivery came that held"`
	Deliveries         int64         `json:"deliveries" doc:"How many deliveries held so far, repeated ones not counted"`
}

var secretPattern = regexp.MustCompile(`^[!-~]{32,255}$`)

// Validate names every value that is not allowed.
func (f *HookFields) Validate() error {
	var c problem.Checks
	tenancy.CheckName(&c, "body.name", f.Name)
	c.Require(slices.Contains(HookProviders[:], f.Provider), "body.provider", "must be github, gitlab, gitea, forgejo or generic")
	checkOptionalLabel(&c, "body.deployment_workflow", f.DeploymentWorkflow, MaxRunNameRunes)
	c.Require(f.Secret == nil || secretPattern.MatchString(*f.Secret), "body.secret", "must be 32 to 255 printable ASCII characters")
	return c.Err()
}
