package audit

import (
	"context"
	"net/netip"

	"maestro/tenancy"
)

// The kinds of actors beside those that hold a scope.
const (
	ActorNobody   tenancy.ActorKind = "anonymous" // without a credential that holds
	ActorOperator tenancy.ActorKind = "operator"  // in the chain of a tenant that is not the operator's own
)

// MaxRequestID bounds a request id, in bytes.
const MaxRequestID = 64

// Origin is who asks for something, and from where. It travels in the context of
// the request; authentication completes it. A context without one is the server's
// own work, or a command on its machine.
type Origin struct {
	Actor      tenancy.Actor // the zero Actor until a credential was found to hold
	Tenant     tenancy.ID    // the actor's
	Credential tenancy.ID    // the session or the API token that the actor showed
	Address    netip.Addr    // zero for what comes by a unix socket
	RequestID  string        // at most MaxRequestID bytes
}

type originKey struct{}

// WithOrigin returns a context whose work is asked for by o, as o is when the work
// is done.
func WithOrigin(ctx context.Context, o *Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns who asks for the work of ctx, nil for the server itself.
func OriginOf(ctx context.Context) *Origin {
	o, _ := ctx.Value(originKey{}).(*Origin)
	return o
}

// Stamp writes into an event of e.TenantID's chain who it came from. A tenant is
// not told who in another tenant acted on it, nor from where.
func (o *Origin) Stamp(e *Event, tenant tenancy.ID) {
	if o == nil {
		e.ActorKind = tenancy.ActorSystem
		return
	}
	e.RequestID = o.RequestID
	if !tenant.IsZero() && !o.Tenant.IsZero() && o.Tenant != tenant {
		e.ActorKind = ActorOperator
		return
	}
	e.ActorKind, e.ActorID, e.CredentialID = o.Actor.Kind, o.Actor.ID.OrNil(), o.Credential.OrNil()
	if e.ActorKind == "" {
		e.ActorKind = ActorNobody
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
}
