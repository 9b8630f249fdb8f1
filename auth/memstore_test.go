package auth

import (
	"context"
	"slices"
	"sync"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// memStore is the shortest thing that keeps the contract of Store. One mutex is
// the single writer.
type memStore struct {
	mu       sync.Mutex
	listener func(Change)
	tenants  map[tenancy.ID]*memTenant
	users    map[UserKey]*memUser
	sessions map[tenancy.ID]*memSession
	tokens   map[Digest]*NewAPIToken
	used     map[tenancy.ID]tenancy.Time
	links    map[Digest]Link
	roles    map[tenancy.ID]map[string]Role
	global   int64
	revoked  uint64
	denials  []audit.Denial
	fail     error // returned by every method that changes something
	loads    int   // calls of UserState
}

type memTenant struct {
	id         tenancy.ID
	name, slug string
	active     bool
	epoch      int64
}

type memUser struct {
	User
	key   string
	hash  string
	epoch int64
}

type memSession struct {
	Session
	generation       uint32
	current, earlier Digest
	rotated          tenancy.Time
	ended            string
}

func newMemStore() *memStore {
	return &memStore{
		tenants: map[tenancy.ID]*memTenant{}, users: map[UserKey]*memUser{}, sessions: map[tenancy.ID]*memSession{},
		tokens: map[Digest]*NewAPIToken{}, used: map[tenancy.ID]tenancy.Time{}, links: map[Digest]Link{},
		roles: map[tenancy.ID]map[string]Role{}, global: 1,
	}
}

var errGone = problem.New(problem.NotFound, "There is no such thing.")

// write runs fn as a transaction, then tells the listener, then returns.
func (m *memStore) write(fn func() ([]Change, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	changes, err := fn()
	if err == nil && m.listener != nil {
		for _, c := range changes {
			m.listener(c)
		}
	}
	return err
}

func userChanged(key UserKey) []Change {
	return []Change{{Kind: UserChanged, Tenant: key.Tenant, User: key.User}}
}

func (m *memStore) addTenant(slug string) tenancy.ID {
	id := tenancy.NewID()
	m.tenants[id] = &memTenant{id: id, name: slug, slug: slug, active: true}
	return id
}

func (m *memStore) setTenantActive(id tenancy.ID, active bool) {
	_ = m.write(func() ([]Change, error) {
		m.tenants[id].active = active
		if !active {
			m.tenants[id].epoch++
		}
		return []Change{{Kind: TenantChanged, Tenant: id}}, nil
	})
}

func (m *memStore) Watch(listener func(Change)) { m.listener = listener }

func (m *memStore) book(tenant tenancy.ID) RoleBook {
	book := RoleBook{}
	for name, role := range m.roles[tenant] {
		book[name] = role.Grants
	}
	return book
}

func (m *memStore) view(u *memUser) UserView {
	book := m.book(u.TenantID)
	grants, _ := book.Grants(u.Roles)
	return UserView{User: u.User, Grants: grants, Roles: book}
}

func (m *memStore) UserState(_ context.Context, key UserKey) (UserState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	u, ok := m.users[key]
	if !ok {
		return UserState{}, errGone
	}
	return UserState{Active: u.IsActive, Operator: u.IsOperator, Epoch: u.epoch, Grants: m.view(u).Grants}, nil
}

func (m *memStore) TenantState(_ context.Context, id tenancy.ID) (TenantState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tenants[id]
	if !ok {
		return TenantState{}, errGone
	}
	return TenantState{Active: t.active, Epoch: t.epoch}, nil
}

func (m *memStore) APITokenState(_ context.Context, digest Digest) (APITokenState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tokens[digest]
	if !ok {
		return APITokenState{}, errGone
	}
	for key := range m.users {
		if key.User == t.User {
			return APITokenState{ID: t.ID, Tenant: key.Tenant, User: t.User, Scopes: t.Scopes, Operator: t.Operator, ExpiresAt: t.ExpiresAt.Std().Unix()}, nil
		}
	}
	return APITokenState{}, errGone
}

func (m *memStore) account(u *memUser) Account {
	t := m.tenants[u.TenantID]
	return Account{
		Key: UserKey{u.TenantID, u.ID}, Email: u.Email, Name: u.Name, TenantName: t.name, TenantSlug: t.slug,
		PasswordHash: u.hash, Usable: t.active && u.IsActive && !u.IsService, Epoch: u.epoch,
	}
}

func (m *memStore) Accounts(_ context.Context, key, slug string) ([]Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Account
	for _, u := range m.users {
		if u.key == key && (slug == "" || m.tenants[u.TenantID].slug == slug) {
			found = append(found, m.account(u))
		}
	}
	return found[:min(len(found), 2)], nil
}

func (m *memStore) openLocked(s NewSession) (Login, error) {
	u, t := m.users[s.Key], m.tenants[s.Key.Tenant]
	session := &memSession{Session: Session{
		ID: s.ID, TenantID: s.Key.Tenant, UserID: s.Key.User, CreatedAt: s.Now, LastUsedAt: s.Now, ExpiresAt: s.ExpiresAt,
		Address: s.Address, UserAgent: s.UserAgent, AccessUntil: s.AccessUntil,
		UserEpoch: u.epoch, TenantEpoch: t.epoch, GlobalEpoch: m.global,
	}, current: s.Refresh}
	m.sessions[s.ID] = session
	u.LastLoginAt = &s.Now
	return Login{session.Session, u.User}, nil
}

func (m *memStore) openable(s NewSession) bool {
	u, t := m.users[s.Key], m.tenants[s.Key.Tenant]
	return u != nil && t != nil && u.IsActive && t.active && u.epoch == s.VerifiedEpoch
}

func (m *memStore) OpenSession(_ context.Context, s NewSession) (login Login, err error) {
	err = m.write(func() ([]Change, error) {
		if !m.openable(s) {
			return nil, problem.New(problem.Unauthenticated, "changed")
		}
		if u := m.users[s.Key]; s.NewHash != "" && u.hash == s.VerifiedHash {
			u.hash = s.NewHash
		}
		login, err = m.openLocked(s)
		return nil, err
	})
	return login, err
}

// current reports whether the epochs are still those of a session.
func (m *memStore) current(s *Session) bool {
	u, t := m.users[UserKey{s.TenantID, s.UserID}], m.tenants[s.TenantID]
	return u != nil && t != nil && u.epoch == s.UserEpoch && t.epoch == s.TenantEpoch && m.global == s.GlobalEpoch
}

func (m *memStore) RotateSession(_ context.Context, r Rotation) (result RotationResult, err error) {
	err = m.write(func() ([]Change, error) {
		s := m.sessions[r.Session]
		if s == nil || s.TenantID != r.Tenant || s.ended != "" || r.Now >= s.ExpiresAt || r.Generation > s.generation {
			return nil, nil
		}
		u, t := m.users[UserKey{s.TenantID, s.UserID}], m.tenants[s.TenantID]
		if !m.current(&s.Session) || !u.IsActive || !t.active {
			return nil, nil
		}
		switch {
		case r.Generation == s.generation && r.Presented == s.current:
			s.generation, s.earlier, s.current, s.rotated = s.generation+1, s.current, r.Successor, r.Now
			s.LastUsedAt = r.Now
			result.Outcome = Rotated
		case r.Generation+1 == s.generation && r.Presented == s.earlier && r.Successor == s.current && r.Now < s.rotated+r.Grace:
			result.Outcome = Repeated
		default:
			s.ended = EndedReuse
			result = RotationResult{Reused, Login{Session: s.Session}}
			return nil, nil
		}
		s.AccessUntil = max(s.AccessUntil, r.AccessUntil)
		result.Login = Login{s.Session, u.User}
		return nil, nil
	})
	return result, err
}

func (m *memStore) Session(_ context.Context, tenant, id tenancy.ID) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[id]
	if s == nil || s.TenantID != tenant || s.ended != "" || !m.current(&s.Session) {
		return Session{}, errGone
	}
	return s.Session, nil
}

func (m *memStore) EndSession(_ context.Context, e SessionEnd) error {
	return m.write(func() ([]Change, error) {
		m.revoked = max(m.revoked, e.Revoked)
		if s := m.sessions[e.Session]; s != nil && s.TenantID == e.Tenant && s.ended == "" {
			s.ended = e.Reason
		}
		return nil, nil
	})
}

func (m *memStore) endAll(u *memUser, reason string) {
	u.epoch++
	for _, s := range m.sessions {
		if s.UserID == u.ID && s.ended == "" {
			s.ended = reason
		}
	}
}

func (m *memStore) EndUserSessions(_ context.Context, e UserSessionsEnd) error {
	return m.write(func() ([]Change, error) {
		u := m.users[e.Key]
		if u == nil {
			return nil, errGone
		}
		if e.Decide != nil {
			if err := e.Decide(m.view(u)); err != nil {
				return nil, err
			}
		}
		changes := userChanged(e.Key)
		m.endAll(u, e.Reason)
		for digest, t := range m.tokens {
			if e.APITokens && t.User == u.ID {
				delete(m.tokens, digest)
				changes = append(changes, Change{Kind: APITokenChanged, Tenant: e.Key.Tenant, Token: digest})
			}
		}
		return changes, nil
	})
}

func (m *memStore) EndTenantSessions(_ context.Context, id tenancy.ID, reason string, _ tenancy.Time) error {
	return m.write(func() ([]Change, error) {
		m.tenants[id].epoch++
		return []Change{{Kind: TenantChanged, Tenant: id}}, nil
	})
}

func (m *memStore) DeleteExpired(context.Context, tenancy.Time, int) (int, error) { return 0, nil }

func (m *memStore) Installation(context.Context) (Installation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	installation := Installation{GlobalEpoch: m.global, Revoked: m.revoked}
	for _, u := range m.users {
		installation.HasOperator = installation.HasOperator || u.IsOperator && u.IsActive
	}
	return installation, nil
}

func (m *memStore) RaiseGlobalEpoch(context.Context) (epoch int64, err error) {
	err = m.write(func() ([]Change, error) {
		m.global++
		epoch = m.global
		return []Change{{Kind: GlobalEpochChanged, Epoch: m.global}}, nil
	})
	return epoch, err
}

func (m *memStore) CreateFirstOperator(_ context.Context, n NewUser, another bool) (user User, err error) {
	err = m.write(func() ([]Change, error) {
		has := false
		for _, u := range m.users {
			has = has || u.IsOperator && u.IsActive
		}
		if has && !another {
			return nil, problem.New(problem.Conflict, "there is an operator")
		}
		var tenant tenancy.ID
		for id, t := range m.tenants {
			if t.slug == tenancy.DefaultSlug {
				tenant = id
			}
		}
		if tenant.IsZero() {
			tenant = m.addTenant(tenancy.DefaultSlug)
		}
		u := m.byKey(tenant, n.EmailKey)
		if u == nil {
			if u, err = m.insert(tenant, n); err != nil {
				return nil, err
			}
		} else {
			u.IsActive, u.IsOperator = true, true
			if !slices.Contains(u.Roles, RoleTenantAdmin) {
				u.Roles = append(slices.Clone(u.Roles), RoleTenantAdmin)
			}
			m.setHash(u, n.PasswordHash, n.Now)
		}
		user = u.User
		return userChanged(UserKey{tenant, u.ID}), nil
	})
	return user, err
}

func (m *memStore) RecordDenial(_ context.Context, d audit.Denial) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.denials = append(m.denials, d)
}
