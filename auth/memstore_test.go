package auth

import (
	"context"
	"maps"
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
