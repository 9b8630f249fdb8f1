package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/tenancy"
	"maestro/tracking"
)

// HookPath names a hook of a project.
type HookPath struct {
	ProjectPath
	HookID tenancy.ID `path:"hook_id" doc:"The hook"`
}

// addressed returns the hook with the path that deliveries are sent to.
func addressed(h tracking.Hook) tracking.Hook {
	h.Path = base + "/hooks/" + h.ID.String()
	return h
}

type listHooksInput struct {
	ProjectPath
	PageParams
	Sort string `query:"sort" default:"created_at" enum:"created_at,-created_at"`
}

func (s *Server) listHooks(ctx context.Context, in *listHooksInput) (*listOutput[tracking.Hook], error) {
	hooks, err := s.store.Tenant(who(ctx).Scope).Hooks(ctx, in.ID, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	for i := range hooks.Items {
		hooks.Items[i] = addressed(hooks.Items[i])
	}
	return &listOutput[tracking.Hook]{Body: newList(hooks)}, nil
}

type createHookInput struct {
	ProjectPath
	Body creation[tracking.HookFields]

	fields tracking.HookFields
}

func (in *createHookInput) Resolve(ctx huma.Context) []error { return in.Body.onto(ctx, &in.fields) }

// newHook is the answer that shows a hook's secret, the only one.
type newHook struct {
	tracking.Hook
	Secret string `json:"secret" doc:"What the provider signs with. It is shown here only"`
}

func (s *Server) createHook(ctx context.Context, in *createHookInput) (*struct{ Body *newHook }, error) {
	scope := who(ctx).Scope
	secret := auth.NewHookSecret()
	if in.fields.Secret != nil {
		secret = *in.fields.Secret
	}
	id := tenancy.NewID()
	sealed, err := s.auth.SealHookSecret(scope.Tenant(), id, secret)
	if err != nil {
		return nil, err
	}
	hook, err := s.store.Tenant(scope).CreateHook(ctx, in.ID, id, in.fields, sealed)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *newHook }{&newHook{addressed(hook), secret}}, nil
}

func (s *Server) deleteHook(ctx context.Context, in *struct{ HookPath }) (*struct{}, error) {
	return nil, s.store.Tenant(who(ctx).Scope).DeleteHook(ctx, in.ID, in.HookID)
}
