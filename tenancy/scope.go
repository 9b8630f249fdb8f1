package tenancy

// ActorKind says what sort of caller acts.
type ActorKind string

// The kinds of actors.
const (
	ActorUser     ActorKind = "user"      // a person, logged in
	ActorAPIToken ActorKind = "api_token" // a token made for a job
	ActorHook     ActorKind = "hook"      // a CI system that delivers to a hook
	ActorSystem   ActorKind = "system"    // the server itself, or its operator at the command line
)

// Actor is who acts: the user, or the user on whose behalf a token or job acts.
type Actor struct {
	ID   ID // the user, or the hook; zero for ActorSystem
	Kind ActorKind
}

// Scope is the proof that an actor may act in one tenant. Tenant data is reached
// through a Scope only, and a Scope is issued only by authentication and by the
// store's background work. The zero Scope reaches nothing.
type Scope struct {
	tenant ID
	actor  Actor
}

// Issue returns the Scope of an actor in a tenant. The caller states that the
// actor was authenticated as belonging to that tenant, or is the system.
func Issue(tenant ID, actor Actor) Scope { return Scope{tenant: tenant, actor: actor} }

// Tenant returns the only tenant that the scope reaches.
func (s Scope) Tenant() ID { return s.tenant }

// Actor returns who acts.
func (s Scope) Actor() Actor { return s.actor }
