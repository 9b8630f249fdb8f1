package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"

	"maestro/problem"
	"maestro/tenancy"
)

// HookStore finds hooks.
type HookStore interface {
	// HookState finds a hook by its id, whatever tenant it is of. It fails with
	// NotFound for one that is not there.
	HookState(ctx context.Context, id tenancy.ID) (HookState, error)
}

// HookState is what a delivery must know of its hook.
type HookState struct {
	ID                 tenancy.ID
	Tenant             tenancy.ID
	Project            tenancy.ID
	Provider           string
	DeploymentWorkflow string
	Secret             []byte // sealed
}

// NewHookSecret makes the secret of a hook: 256 random bits in the form of
// Standard Webhooks, which other providers take as the text it is.
func NewHookSecret() string {
	var key [32]byte
	rand.Read(key[:]) // never fails: the program ends instead
	return "whsec_" + base64.StdEncoding.EncodeToString(key[:])
}

// SealHookSecret encrypts the secret of a hook, to be stored.
func (s *Service) SealHookSecret(tenant, id tenancy.ID, secret string) ([]byte, error) {
	return s.sealer.Seal([]byte(secret), hookPlace(tenant, id))
}

func hookPlace(tenant, id tenancy.ID) Place {
	return Place{Table: "hooks", Column: "secret", Tenant: tenant, ID: id}
}

// ErrDelivery is the answer to a delivery that does not hold. It says nothing of whether there is such a hook.
var ErrDelivery = problem.New(problem.Unauthenticated, "There is no such hook, or the delivery was not signed with its secret.")

// AuthenticateDelivery returns the hook that a delivery came to, as the actor that
// it is, once holds says that the delivery was signed with its secret. It fails
// with Unauthenticated, the same for a hook that there is not, one whose tenant is
// not active, and a signature that does not hold, and with as much work; and with
// Unavailable when it cannot tell.
func (s *Service) AuthenticateDelivery(ctx context.Context, hooks HookStore, id tenancy.ID, holds func(hook HookState, secret []byte) bool) (Principal, HookState, error) {
	hook, err := hooks.HookState(ctx, id)
	known := err == nil
	if err != nil {
		if problem.CodeOf(err) != problem.NotFound {
			return Principal{}, HookState{}, unavailable("Deliveries cannot be checked at this moment.", err)
		}
		hook = s.decoy
	}
	secret, err := s.sealer.Open(hook.Secret, hookPlace(hook.Tenant, hook.ID))
	if err != nil {
		return Principal{}, HookState{}, unavailable("Deliveries cannot be checked at this moment.", err)
	}
	signed := holds(hook, secret)
	if !known || !signed {
		return Principal{}, HookState{}, ErrDelivery
	}
	tenant, err := s.mirror.tenants.get(ctx, hook.Tenant)
	if err != nil && problem.CodeOf(err) != problem.NotFound {
		return Principal{}, HookState{}, unavailable("Deliveries cannot be checked at this moment.", err)
	}
	if err != nil || !tenant.Active {
		return Principal{}, HookState{}, ErrDelivery
	}
	return Principal{
		Scope:  tenancy.Issue(hook.Tenant, tenancy.Actor{ID: hook.ID, Kind: tenancy.ActorHook}),
		Tenant: hook.Tenant, Credential: hook.ID, Kind: HookSignature,
	}, hook, nil
}

// newDecoy makes the hook that stands in for one that there is not.
func newDecoy(sealer *Sealer) (HookState, error) {
	sealed, err := sealer.Seal([]byte(NewHookSecret()), hookPlace(tenancy.ID{}, tenancy.ID{}))
	return HookState{Provider: "github", Secret: sealed}, err
}
