package auth

import (
	"context"
	"maps"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

func (m *memStore) Roles(_ context.Context, scope tenancy.Scope) ([]Role, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.roles[scope.Tenant()])), nil
}

func (m *memStore) CreateRole(_ context.Context, scope tenancy.Scope, role Role) (Role, error) {
	return role, m.write(func() ([]Change, error) {
		if _, ok := m.roles[scope.Tenant()][role.Name]; ok {
			return nil, problem.New(problem.Conflict, "taken")
		}
		if m.roles[scope.Tenant()] == nil {
			m.roles[scope.Tenant()] = map[string]Role{}
		}
		m.roles[scope.Tenant()][role.Name] = role
		return nil, nil
	})
}

func (m *memStore) ChangeRole(_ context.Context, scope tenancy.Scope, name string, now tenancy.Time, decide func(Role) (Role, error)) (role Role, err error) {
	err = m.write(func() ([]Change, error) {
		old, ok := m.roles[scope.Tenant()][name]
		if !ok {
			return nil, errGone
		}
		if role, err = decide(old); err != nil {
			return nil, err
		}
		role.Version, role.UpdatedAt = old.Version+1, now
		m.roles[scope.Tenant()][name] = role
		return []Change{{Kind: RolesChanged, Tenant: scope.Tenant()}}, nil
	})
	return role, err
}

func (m *memStore) DeleteRole(_ context.Context, scope tenancy.Scope, name string, decide func(Role) error) error {
	return m.write(func() ([]Change, error) {
		role, ok := m.roles[scope.Tenant()][name]
		if !ok {
			return nil, errGone
		}
		if err := decide(role); err != nil {
			return nil, err
		}
		for _, u := range m.users {
			if u.TenantID == scope.Tenant() && slices.Contains(u.Roles, name) {
				return nil, problem.New(problem.Conflict, "in use")
			}
		}
		delete(m.roles[scope.Tenant()], name)
		return []Change{{Kind: RolesChanged, Tenant: scope.Tenant()}}, nil
	})
}

func (m *memStore) apiToken(t *NewAPIToken) APIToken {
	token := APIToken{
		ID: t.ID, UserID: t.User, Name: t.Name, Scopes: ScopeNames(t.Scopes, t.Operator),
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
	}
	if at, ok := m.used[t.ID]; ok {
		token.LastUsedAt = &at
	}
	return token
}

func (m *memStore) CreateAPIToken(_ context.Context, scope tenancy.Scope, t NewAPIToken, decide func(UserView) error) (token APIToken, err error) {
	err = m.write(func() ([]Change, error) {
		u := m.users[UserKey{scope.Tenant(), t.User}]
		if u == nil {
			return nil, errGone
		}
		if err := decide(m.view(u)); err != nil {
			return nil, err
		}
		held := 0
		for _, other := range m.tokens {
			if other.User == t.User {
				held++
			}
		}
		if held >= MaxAPITokens {
			return nil, problem.New(problem.LimitReached, "too many")
		}
		m.tokens[t.Digest] = &t
		token = m.apiToken(&t)
		return nil, nil
	})
	return token, err
}

func (m *memStore) DeleteAPIToken(_ context.Context, scope tenancy.Scope, id tenancy.ID, decide func(APIToken) error) error {
	return m.write(func() ([]Change, error) {
		for digest, t := range m.tokens {
			if t.ID == id && m.users[UserKey{scope.Tenant(), t.User}] != nil {
				if err := decide(m.apiToken(t)); err != nil {
					return nil, err
				}
				delete(m.tokens, digest)
				return []Change{{Kind: APITokenChanged, Tenant: scope.Tenant(), Token: digest}}, nil
			}
		}
		return nil, errGone
	})
}

func (m *memStore) TouchAPITokens(_ context.Context, uses []APITokenUse) error {
	return m.write(func() ([]Change, error) {
		for _, use := range uses {
			m.used[use.ID] = use.At
		}
		return nil, nil
	})
}
