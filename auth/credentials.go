package auth

import (
	"context"
	"strings"
	"time"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// The lives of one-time links.
const (
	InvitationLife = 7 * 24 * time.Hour
	ResetLife      = 24 * time.Hour
)

var errCurrentPassword = problem.New(problem.Forbidden, "The current password is not right.")

// ChangePassword sets the caller's own password. Every session ends, and the
// Grant opens a new one. The current password that is wrong is Forbidden and
// counts as a failed login.
func (s *Service) ChangePassword(ctx context.Context, p *Principal, current, next string, client Client) (Grant, error) {
	if !p.Interactive() {
		return Grant{}, errInteractive
	}
	account, err := s.store.Password(ctx, UserKey{p.Tenant, p.User})
	if err != nil {
		return Grant{}, err
	}
	attempt, err := s.throttle.Begin(account.Email, client.Address, "session "+p.Session.String())
	if err != nil {
		return Grant{}, err
	}
	match, err := s.hasher.Verify(ctx, account.PasswordHash, current)
	if err != nil {
		attempt.Cancel()
		return Grant{}, err
	}
	if !match.Matches {
		return Grant{}, errCurrentPassword
	}
	attempt.Succeed()
	hash, err := s.newPassword(ctx, "body.new_password", next, current, account.contextWords()...)
	if err != nil {
		return Grant{}, err
	}
	return s.open(ctx, account, client, func(session NewSession) (Login, error) {
		return s.store.ChangePassword(ctx, hash, session)
	})
}

// newPassword checks and hashes a password that is to be set.
func (s *Service) newPassword(ctx context.Context, location, password, previous string, words ...string) (string, error) {
	var c problem.Checks
	s.config.Password.Check(&c, location, password, words...)
	c.Require(previous == "" || password != previous, location, "must not be the current password")
	if err := c.Err(); err != nil {
		return "", err
	}
	return s.hasher.Hash(ctx, password)
}

// RedeemLink sets the password of the user to whom an invitation or password
// reset was given. It fails with NotFound for a link that is unknown, used or
// expired. It opens no session: the user logs in.
func (s *Service) RedeemLink(ctx context.Context, token, password string, client Client) (User, error) {
	kind, digest, ok := parseLink(token)
	attempt, err := s.throttle.BeginUnnamed("link", client.Address)
	if err != nil {
		s.denied(ctx, UserKey{}, audit.LinkRedeem, "too_many_attempts")
		return User{}, err
	}
	if !ok {
		s.denied(ctx, UserKey{}, audit.LinkRedeem, "not_a_link")
		return User{}, errLink
	}
	account, err := s.store.LinkAccount(ctx, kind, digest, s.now())
	if err != nil {
		s.denied(ctx, UserKey{}, audit.LinkRedeem, "used_or_expired")
		return User{}, linkFailed(err)
	}
	attempt.Succeed() // 256 random bits are not guessed; what follows is the owner's typing
	hash, err := s.newPassword(ctx, "body.password", password, "", account.contextWords()...)
	if err != nil {
		return User{}, err
	}
	user, err := s.store.RedeemLink(ctx, kind, digest, hash, s.now())
	if err != nil {
		return User{}, linkFailed(err)
	}
	return user, nil
}

var errLink = problem.New(problem.NotFound, "The link is not valid, was used, or has expired.")

func linkFailed(err error) error {
	if problem.CodeOf(err) == problem.NotFound {
		return errLink
	}
	return err
}

func parseLink(text string) (LinkKind, Digest, bool) {
	for _, kind := range [...]LinkKind{LinkInvitation, LinkReset} {
		if digest, ok := parseSecret(kind.prefix(), text); ok {
			return kind, digest, true
		}
	}
	return "", Digest{}, false
}

// newLink makes a link and the secret that is shown once.
func (s *Service) newLink(kind LinkKind, p *Principal, user tenancy.ID, life time.Duration) (Link, string) {
	secret := newSecret(kind.prefix())
	now := s.clock.Now()
	return Link{
		Kind: kind, User: user, Digest: digestOf(secret), CreatedBy: p.User,
		CreatedAt: tenancy.TimeOf(now), ExpiresAt: tenancy.TimeOf(now.Add(life)),
	}, secret
}

// CreateAPIToken makes an API token and returns its text, which is shown once. It
// stands for the caller, or for a service account of the tenant if the caller has
// tokens:create. Its scopes must be permissions that the caller holds.
func (s *Service) CreateAPIToken(ctx context.Context, p *Principal, fields APITokenFields) (APIToken, string, error) {
	if !p.Interactive() {
		return APIToken{}, "", errInteractive
	}
	now := s.clock.Now()
	scopes, operator, expires, err := fields.validate(now)
	if err != nil {
		return APIToken{}, "", err
	}
	if !p.MayGrant(scopes) || operator && !p.Operator {
		return APIToken{}, "", errEscalation
	}
	owner := p.User
	if fields.UserID != nil {
		owner = *fields.UserID
	}
	secret := newSecret(apiTokenPrefix)
	token, err := s.store.CreateAPIToken(ctx, p.Scope, NewAPIToken{
		ID: tenancy.NewID(), User: owner, Name: fields.Name, Digest: digestOf(secret),
		Scopes: scopes, Operator: operator, CreatedBy: p.User,
		CreatedAt: tenancy.TimeOf(now), ExpiresAt: expires,
	}, func(user UserView) error {
		switch {
		case user.ID == p.User:
			return nil
		case !user.IsService:
			return problem.New(problem.Forbidden, "A token that stands for another person cannot be made.")
		case !p.Permissions.Has(TokensCreate) || !p.MayGrant(user.Grants):
			return errEscalation
		}
		return nil
	})
	if err != nil {
		return APIToken{}, "", err
	}
	return token, secret, nil
}

// DeleteAPIToken deletes an API token of the caller, or any of the tenant with
// tokens:delete. It stops at once. One that the caller may not delete is NotFound.
func (s *Service) DeleteAPIToken(ctx context.Context, p *Principal, id tenancy.ID) error {
	return s.store.DeleteAPIToken(ctx, p.Scope, id, func(token APIToken) error {
		own := token.UserID == p.User && (p.Interactive() || token.ID == p.Credential)
		if !own && !p.Permissions.Has(TokensDelete) {
			return problem.New(problem.NotFound, "There is no such API token.")
		}
		return nil
	})
}

func scopeText(scopes Permissions, operator bool) string {
	return strings.Join(ScopeNames(scopes, operator), " ")
}
