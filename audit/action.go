package audit

import "strings"

// Action says what was done: the kind of object, a dot and the verb.
type Action string

// The actions of a tenant's chain. The object is the id of what stands before the
// dot, unless something else is said.
const (
	ProjectCreate    Action = "project.create"
	ProjectUpdate    Action = "project.update"
	ProjectDelete    Action = "project.delete" // with its members, usages, metrics and predictions
	MemberCreate     Action = "member.create"
	MemberUpdate     Action = "member.update"
	MemberDelete     Action = "member.delete"
	ArtifactCreate   Action = "artifact.create"
	ArtifactUpdate   Action = "artifact.update"
	ArtifactUpload   Action = "artifact.upload" // its content
	ArtifactDelete   Action = "artifact.delete" // with its usages and content
	UsageCreate      Action = "usage.create"
	PredictionCreate Action = "prediction.create"
	MetricsCreate    Action = "metrics.create" // one point or a batch, as counts; the object is the first project

	PipelineRunCreate Action = "pipeline_run.create"
	PipelineRunUpdate Action = "pipeline_run.update"
	HookCreate        Action = "hook.create"
	HookDelete        Action = "hook.delete"
	HookDeliver       Action = "hook.deliver" // a delivery that held; not a repetition

	UserCreate        Action = "user.create"
	UserUpdate        Action = "user.update"
	UserDelete        Action = "user.delete"         // with sessions, API tokens and links
	UserPassword      Action = "user.password"       // a password was set; the sessions ended
	UserPasswordReset Action = "user.password_reset" // a one-time link was made
	UserRecover       Action = "user.recover"        // a command on the server's machine gave back the account
	UserRevoke        Action = "user.revoke"         // every session was ended
	RoleCreate        Action = "role.create"         // the object is the role's name
	RoleUpdate        Action = "role.update"
	RoleDelete        Action = "role.delete"
	APITokenCreate    Action = "api_token.create"
	APITokenDelete    Action = "api_token.delete"

	SessionOpen    Action = "session.open"    // a login
	SessionRefresh Action = "session.refresh" // the exchange of a refresh token
	SessionReuse   Action = "session.reuse"   // a refresh token was used again: the session was ended
	SessionEnd     Action = "session.end"
)

// The actions of the installation's chain. TenantUpdate, TenantRevoke, TenantExport,
// TenantImport and TenantImportLegacy stand in the tenant's chain too.
const (
	TenantCreate        Action = "tenant.create"
	TenantUpdate        Action = "tenant.update"
	TenantDelete        Action = "tenant.delete"        // with its chain, whose head is named
	TenantRevoke        Action = "tenant.revoke"        // every session in it was ended
	TenantExport        Action = "tenant.export"        // an archive of it was begun; it holds this event
	TenantImport        Action = "tenant.import"        // it came from an archive; where its trail ended there is named
	TenantImportLegacy  Action = "tenant.import_legacy" // rows of the older system came into it, as counts
	OperatorCreate      Action = "operator.create"
	InstallationRevoke  Action = "installation.revoke"  // every session of all was ended
	InstallationRestore Action = "installation.restore" // from a backup: the chains go on from what they were then
	KeyRotate           Action = "key.rotate"           // the object is the key's id
	KeyRetire           Action = "key.retire"
	LoginUnlock         Action = "login.unlock"
	BackupStart         Action = "backup.start" // the object is the backup's name
	SetupComplete       Action = "setup.complete"
	LinkRedeem          Action = "link.redeem" // an attempt with a link that does not hold
)

// The actions that every chain may have.
const (
	AccessDeny Action = "access.deny" // a request was refused; the object is the operation
	AuditPrune Action = "audit.prune" // the oldest events were removed as the retention says
)

// Kind returns what the action's object is.
func (a Action) Kind() string {
	kind, _, _ := strings.Cut(string(a), ".")
	return kind
}

// Outcome says whether what was asked for was done.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Denied  Outcome = "denied"
)
