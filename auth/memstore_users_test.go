package auth

import (
	"context"
	"maps"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

func (m *memStore) insert(tenant tenancy.ID, n NewUser) (*memUser, error) {
	if m.byKey(tenant, n.EmailKey) != nil {
		return nil, problem.New(problem.Conflict, "taken")
	}
	u := &memUser{User: User{
		ID: n.ID, TenantID: tenant, UserFields: n.UserFields, HasPassword: n.PasswordHash != "", CreatedAt: n.Now, UpdatedAt: n.Now, Version: 1,
	}, key: n.EmailKey, hash: n.PasswordHash}
	m.users[UserKey{tenant, n.ID}] = u
	if n.Invitation != nil {
		m.links[n.Invitation.Digest] = *n.Invitation
	}
	return u, nil
}

func (m *memStore) byKey(tenant tenancy.ID, emailKey string) *memUser {
	for _, u := range m.users {
		if u.TenantID == tenant && u.key == emailKey {
			return u
		}
	}
	return nil
}

func (m *memStore) CreateUser(_ context.Context, scope tenancy.Scope, n NewUser, decide func(RoleBook) error) (user User, err error) {
	err = m.write(func() ([]Change, error) {
		if err := decide(m.book(scope.Tenant())); err != nil {
			return nil, err
		}
		u, err := m.insert(scope.Tenant(), n)
		if err != nil {
			return nil, err
		}
		user = u.User
		return userChanged(UserKey{scope.Tenant(), n.ID}), nil
	})
	return user, err
}

// keepsLast reports whether a tenant admin and an operator remain without u.
func (m *memStore) keepsLast(u *memUser) bool {
	admins, operators := 0, 0
	for _, other := range m.users {
		if other == u || !other.IsActive || !other.HasPassword {
			continue
		}
		if other.TenantID == u.TenantID && slices.Contains(other.Roles, RoleTenantAdmin) {
			admins++
		}
		if other.IsOperator {
			operators++
		}
	}
	able := u.IsActive && u.HasPassword
	return (admins > 0 || !able || !slices.Contains(u.Roles, RoleTenantAdmin)) && (operators > 0 || !able || !u.IsOperator)
}

func (m *memStore) ChangeUser(_ context.Context, scope tenancy.Scope, id tenancy.ID, now tenancy.Time, decide func(UserView) (UserChange, error)) (user User, err error) {
	key := UserKey{scope.Tenant(), id}
	err = m.write(func() ([]Change, error) {
		u := m.users[key]
		if u == nil {
			return nil, errGone
		}
		change, err := decide(m.view(u))
		if err != nil {
			return nil, err
		}
		f := change.Fields
		leaves := !f.IsActive || !slices.Contains(f.Roles, RoleTenantAdmin) && slices.Contains(u.Roles, RoleTenantAdmin) || u.IsOperator && !f.IsOperator
		if leaves && !m.keepsLast(u) {
			return nil, problem.New(problem.Conflict, "last")
		}
		if other := m.byKey(key.Tenant, change.EmailKey); other != nil && other != u {
			return nil, problem.New(problem.Conflict, "taken")
		}
		u.UserFields, u.key, u.UpdatedAt, u.Version = f, change.EmailKey, now, u.Version+1
		if change.EndSessions {
			m.endAll(u, EndedDemotion)
		}
		user = u.User
		return userChanged(key), nil
	})
	return user, err
}

func (m *memStore) DeleteUser(_ context.Context, scope tenancy.Scope, id tenancy.ID, decide func(UserView) error) error {
	key := UserKey{scope.Tenant(), id}
	return m.write(func() ([]Change, error) {
		u := m.users[key]
		if u == nil {
			return nil, errGone
		}
		if err := decide(m.view(u)); err != nil {
			return nil, err
		}
		if !m.keepsLast(u) {
			return nil, problem.New(problem.Conflict, "last")
		}
		m.endAll(u, "deleted")
		delete(m.users, key)
		return userChanged(key), nil
	})
}

func (m *memStore) Recover(_ context.Context, key UserKey, r Recovery) (user User, err error) {
	err = m.write(func() ([]Change, error) {
		u := m.users[key]
		switch {
		case u == nil:
			return nil, errGone
		case r.PasswordHash != "" && u.IsService:
			return nil, problem.New(problem.Conflict, "service")
		case r.PasswordHash != "":
			m.setHash(u, r.PasswordHash, r.Now)
		}
		u.IsActive = u.IsActive || r.Activate
		user = u.User
		return userChanged(key), nil
	})
	return user, err
}

func (m *memStore) Password(_ context.Context, key UserKey) (Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.users[key]; u != nil {
		return m.account(u), nil
	}
	return Account{}, errGone
}

func (m *memStore) setHash(u *memUser, hash string, now tenancy.Time) {
	u.hash, u.HasPassword, u.PasswordChangedAt = hash, true, &now
	m.endAll(u, EndedPassword)
	maps.DeleteFunc(m.links, func(_ Digest, l Link) bool { return l.User == u.ID })
}

func (m *memStore) ChangePassword(_ context.Context, hash string, s NewSession) (login Login, err error) {
	err = m.write(func() ([]Change, error) {
		if !m.openable(s) {
			return nil, problem.New(problem.Unauthenticated, "changed")
		}
		m.setHash(m.users[s.Key], hash, s.Now)
		login, err = m.openLocked(s)
		return userChanged(s.Key), err
	})
	return login, err
}

func (m *memStore) CreateLink(_ context.Context, scope tenancy.Scope, link Link, decide func(UserView) error) error {
	return m.write(func() ([]Change, error) {
		u := m.users[UserKey{scope.Tenant(), link.User}]
		if u == nil {
			return nil, errGone
		}
		if err := decide(m.view(u)); err != nil {
			return nil, err
		}
		maps.DeleteFunc(m.links, func(_ Digest, l Link) bool { return l.User == link.User && l.Kind == link.Kind })
		m.links[link.Digest] = link
		return nil, nil
	})
}

func (m *memStore) linked(kind LinkKind, digest Digest, now tenancy.Time) *memUser {
	link, ok := m.links[digest]
	if !ok || link.Kind != kind || now >= link.ExpiresAt {
		return nil
	}
	for _, u := range m.users {
		if u.ID == link.User && u.IsActive && m.tenants[u.TenantID].active {
			return u
		}
	}
	return nil
}

func (m *memStore) LinkAccount(_ context.Context, kind LinkKind, digest Digest, now tenancy.Time) (Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.linked(kind, digest, now); u != nil {
		return m.account(u), nil
	}
	return Account{}, errGone
}

func (m *memStore) RedeemLink(_ context.Context, kind LinkKind, digest Digest, hash string, now tenancy.Time) (user User, err error) {
	err = m.write(func() ([]Change, error) {
		u := m.linked(kind, digest, now)
		if u == nil {
			return nil, errGone
		}
		m.setHash(u, hash, now)
		user = u.User
		return userChanged(UserKey{u.TenantID, u.ID}), nil
	})
	return user, err
}
