package auth

import (
	"context"
	"slices"

	"maestro/problem"
	"maestro/tenancy"
)

var (
	errEscalation = problem.New(problem.Forbidden, "You can only grant, or act on, what you hold yourself.")
	errSelf       = problem.New(problem.Conflict, "You cannot do this to your own account.")
)

// Invited is a new user, with the secret of the invitation if one was made.
type Invited struct {
	User       User   `json:"user"`
	Invitation string `json:"invitation,omitempty" doc:"Given to the user by whoever made it; shown once"`
}

// CreateUser creates a user. Without a password an invitation is made, except for
// a service account, which has neither. The roles must not grant what the caller
// does not hold.
func (s *Service) CreateUser(ctx context.Context, p *Principal, fields UserFields, password string) (Invited, error) {
	id := tenancy.NewID()
	emailKey, err := fields.parse()
	if err != nil {
		return Invited{}, err
	}
	if fields.IsService && password != "" {
		var c problem.Checks
		c.Require(false, "body.password", "a service account has no password")
		return Invited{}, c.Err()
	}
	if fields.IsOperator && !p.Operator {
		return Invited{}, errEscalation
	}
	user := NewUser{ID: id, UserFields: fields, EmailKey: emailKey, Now: s.now()}
	invitation := ""
	switch {
	case password != "":
		// Whoever set the password knows it: it serves until the user changes it.
		caller, err := s.store.Password(ctx, UserKey{p.Tenant, p.User})
		if err != nil {
			return Invited{}, err
		}
		words := []string{fields.Email, fields.Name, caller.TenantName, caller.TenantSlug}
		if user.PasswordHash, err = s.newPassword(ctx, "body.password", password, "", words...); err != nil {
			return Invited{}, err
		}
	case !fields.IsService:
		var link Link
		link, invitation = s.newLink(LinkInvitation, p, id, InvitationLife)
		user.Invitation = &link
	}
	created, err := s.store.CreateUser(ctx, p.Scope, user, func(roles RoleBook) error {
		grants, err := roles.Grants(fields.Roles)
		if err != nil {
			return err
		}
		if !p.MayGrant(grants) {
			return errEscalation
		}
		return nil
	})
	if err != nil {
		return Invited{}, err
	}
	return Invited{User: created, Invitation: invitation}, nil
}

// PrepareUser checks and hashes what makes the first user of a new tenant; the
// store of tenants inserts it in the transaction that creates the tenant. words
// are the tenant's name and slug.
func (s *Service) PrepareUser(ctx context.Context, fields UserFields, password string, words ...string) (NewUser, error) {
	emailKey, err := fields.parse()
	if err != nil {
		return NewUser{}, err
	}
	hash, err := s.newPassword(ctx, "body.password", password, "", append(words, fields.Email, fields.Name)...)
	if err != nil {
		return NewUser{}, err
	}
	return NewUser{ID: tenancy.NewID(), UserFields: fields, EmailKey: emailKey, PasswordHash: hash, Now: s.now()}, nil
}

// mayActOn decides whether p may change, reset or delete a user: not one who
// holds what p does not, or a lesser admin could become a greater one.
func (p *Principal) mayActOn(user UserView) error {
	if !p.MayGrant(user.Grants) || user.IsOperator && !p.Operator {
		return errEscalation
	}
	return nil
}

// UpdateUser changes a user as edit says; edit may refuse, for instance because
// the version is another one. Losing a permission, the operator's rights or the
// activity ends all sessions.
func (s *Service) UpdateUser(ctx context.Context, p *Principal, id tenancy.ID, edit func(User) (UserFields, error)) (User, error) {
	return s.store.ChangeUser(ctx, p.Scope, id, s.now(), func(user UserView) (UserChange, error) {
		if err := p.mayActOn(user); err != nil {
			return UserChange{}, err
		}
		fields, err := edit(user.User)
		if err != nil {
			return UserChange{}, err
		}
		emailKey, err := fields.parse()
		if err != nil {
			return UserChange{}, err
		}
		grants, err := user.Roles.Grants(fields.Roles)
		if err != nil {
			return UserChange{}, err
		}
		switch {
		case !p.MayGrant(grants), fields.IsOperator && !p.Operator:
			return UserChange{}, errEscalation
		case fields.IsService != user.IsService:
			var c problem.Checks
			c.Require(false, "body.is_service", "cannot be changed")
			return UserChange{}, c.Err()
		case !fields.IsActive && id == p.User:
			return UserChange{}, errSelf
		}
		demoted := !grants.Contains(user.Grants) || user.IsOperator && !fields.IsOperator || user.IsActive && !fields.IsActive
		return UserChange{Fields: fields, EmailKey: emailKey, EndSessions: demoted}, nil
	})
}

// DeleteUser deletes a user with sessions and API tokens. The caller cannot delete
// itself.
func (s *Service) DeleteUser(ctx context.Context, p *Principal, id tenancy.ID, agree func(User) error) error {
	if id == p.User {
		return errSelf
	}
	return s.store.DeleteUser(ctx, p.Scope, id, func(user UserView) error {
		if err := p.mayActOn(user); err != nil {
			return err
		}
		return agree(user.User)
	})
}

// RevokeUser ends every session of a user and deletes its API tokens.
func (s *Service) RevokeUser(ctx context.Context, p *Principal, id tenancy.ID) error {
	return s.store.EndUserSessions(ctx, UserSessionsEnd{
		Key: UserKey{p.Tenant, id}, Reason: EndedByAdmin, APITokens: true, Now: s.now(), Decide: p.mayActOn,
	})
}

// ResetPassword makes a one-time link by which the user sets a new password, and
// returns its secret, which is shown once. The old password works until then.
func (s *Service) ResetPassword(ctx context.Context, p *Principal, id tenancy.ID) (secret string, expires tenancy.Time, err error) {
	link, secret := s.newLink(LinkReset, p, id, ResetLife)
	err = s.store.CreateLink(ctx, p.Scope, link, func(user UserView) error {
		if user.IsService {
			return problem.New(problem.Conflict, "A service account has no password.")
		}
		return p.mayActOn(user)
	})
	if err != nil {
		return "", 0, err
	}
	return secret, link.ExpiresAt, nil
}

// Roles lists the system roles and the tenant's own.
func (s *Service) Roles(ctx context.Context, p *Principal) ([]Role, error) {
	own, err := s.store.Roles(ctx, p.Scope)
	if err != nil {
		return nil, err
	}
	return slices.Concat(SystemRoles(), own), nil
}

// CreateRole defines a role of permissions that the caller holds.
func (s *Service) CreateRole(ctx context.Context, p *Principal, fields RoleFields) (Role, error) {
	grants, err := fields.parse()
	if err != nil {
		return Role{}, err
	}
	if !p.MayGrant(grants) {
		return Role{}, errEscalation
	}
	now := s.now()
	fields.Permissions = grants.Names()
	return s.store.CreateRole(ctx, p.Scope, Role{RoleFields: fields, Grants: grants, CreatedAt: now, UpdatedAt: now, Version: 1})
}

// UpdateRole changes a role as edit says; its name stays. The caller must hold
// what the role granted and what it is to grant. It applies to everyone who has
// the role from the next request on.
func (s *Service) UpdateRole(ctx context.Context, p *Principal, name string, edit func(Role) (RoleFields, error)) (Role, error) {
	if _, system := SystemRole(name); system {
		return Role{}, errSystemRole
	}
	return s.store.ChangeRole(ctx, p.Scope, name, s.now(), func(role Role) (Role, error) {
		fields, err := edit(role)
		if err != nil {
			return Role{}, err
		}
		fields.Name = role.Name
		grants, err := fields.parse()
		if err != nil {
			return Role{}, err
		}
		if !p.MayGrant(grants | role.Grants) {
			return Role{}, errEscalation
		}
		fields.Permissions = grants.Names()
		role.RoleFields, role.Grants = fields, grants
		return role, nil
	})
}

// DeleteRole deletes a role that nobody has.
func (s *Service) DeleteRole(ctx context.Context, p *Principal, name string, agree func(Role) error) error {
	if _, system := SystemRole(name); system {
		return errSystemRole
	}
	return s.store.DeleteRole(ctx, p.Scope, name, func(role Role) error {
		if !p.MayGrant(role.Grants) {
			return errEscalation
		}
		return agree(role)
	})
}

var errSystemRole = problem.New(problem.Conflict, "A system role cannot be changed.")
