package auth

import (
	"context"
	"errors"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

var (
	errRefresh     = problem.New(problem.Unauthenticated, "The refresh token is not valid, or not any more.")
	errInteractive = problem.New(problem.Forbidden, "An API token cannot do this. Log in.")
)

// Refresh exchanges a refresh token for its successor and a new access token. The
// token immediately before may be shown again within the grace and yields the
// same successor, for a client that lost the answer. An older one, or one shown
// later, was copied: the session ends with all its tokens.
func (s *Service) Refresh(ctx context.Context, text string) (Grant, error) {
	token, ok := s.refresh.parse(text)
	if !ok {
		s.denied(ctx, UserKey{}, audit.SessionRefresh, "not_a_refresh_token")
		return Grant{}, errRefresh
	}
	now := s.clock.Now()
	if err := s.reconcileClock(ctx, now); err != nil {
		return Grant{}, err
	}
	successor := s.refresh.text(s.refresh.successor(token))
	result, err := s.store.RotateSession(ctx, Rotation{
		Tenant: token.tenant, Session: token.session, Generation: token.generation,
		Presented: digestOf(text), Successor: digestOf(successor),
		Now: tenancy.TimeOf(now), Grace: tenancy.Time(s.config.Grace.Microseconds()), AccessUntil: s.accessUntil(now),
	})
	if err != nil {
		return Grant{}, err
	}
	switch result.Outcome {
	case Rotated, Repeated:
		return s.grant(result.Login, successor, now)
	case Refused:
		s.store.RecordDenial(ctx, audit.Denial{Tenant: token.tenant, Action: audit.SessionRefresh, Object: token.session.String(), Reason: "session_over"})
	case Reused:
		s.log.Warn("a refresh token was used again: its session is ended", "session", result.Session.ID, "user", result.Session.UserID)
		if err := s.endSession(ctx, result.Session, EndedReuse); err != nil {
			return Grant{}, err
		}
	}
	return Grant{}, errRefresh
}

// Logout ends the caller's session, and that of the refresh token if it is the
// same user's; either may be missing (the zero Principal, ""). A refresh token
// that is not valid, or another user's, has no effect and is no error. An API
// token has no session.
func (s *Service) Logout(ctx context.Context, p *Principal, refresh string) error {
	if p.Kind == APITokenCredential {
		return errInteractive
	}
	if p.Kind == AccessToken {
		if err := s.endSessionByID(ctx, p.Tenant, p.Session, UserKey{p.Tenant, p.User}, p.ExpiresAt, EndedLogout); err != nil {
			return err
		}
	}
	token, ok := s.refresh.parse(refresh)
	if !ok || token.session == p.Session {
		return nil
	}
	session, err := s.store.Session(ctx, token.tenant, token.session)
	if problem.CodeOf(err) == problem.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if !p.User.IsZero() && session.UserID != p.User {
		return nil
	}
	return s.endSession(ctx, session, EndedLogout)
}

// LogoutAll ends every session of the caller. Its API tokens stay.
func (s *Service) LogoutAll(ctx context.Context, p *Principal) error {
	if !p.Interactive() {
		return errInteractive
	}
	return s.store.EndUserSessions(ctx, UserSessionsEnd{Key: UserKey{p.Tenant, p.User}, Reason: EndedByUser, Now: s.now()})
}

// EndSession ends one of the caller's sessions. Another user's is NotFound.
func (s *Service) EndSession(ctx context.Context, p *Principal, id tenancy.ID) error {
	if !p.Interactive() {
		return errInteractive
	}
	session, err := s.store.Session(ctx, p.Tenant, id)
	if err != nil {
		return err
	}
	if session.UserID != p.User {
		return problem.New(problem.NotFound, "There is no such session.")
	}
	return s.endSession(ctx, session, EndedByUser)
}

// endSessionByID ends a session that may have gone meanwhile; until is when the
// caller's own token of it expires.
func (s *Service) endSessionByID(ctx context.Context, tenant, id tenancy.ID, key UserKey, until int64, reason string) error {
	session, err := s.store.Session(ctx, tenant, id)
	if problem.CodeOf(err) == problem.NotFound {
		session = Session{ID: id, TenantID: tenant, UserID: key.User, AccessUntil: tenancy.Time(until * 1e6)}
		err = nil
	}
	if err != nil {
		return err
	}
	return s.endSession(ctx, session, reason)
}

// endSession ends a session: in memory, then in the file of revocations, then in
// the database, and only then for the caller. A crash on the way leaves it ended
// or unacknowledged.
func (s *Service) endSession(ctx context.Context, session Session, reason string) error {
	now := s.clock.Now()
	until := max(s.accessUntil(now), session.AccessUntil)
	key := UserKey{session.TenantID, session.UserID}
	sequence, err := s.revocations.Revoke(ctx, key, Revocation{Kind: RevokedSession, ID: session.ID, ExpiresAt: until.Std().Unix()})
	switch {
	case errors.Is(err, ErrUserFull):
		return s.store.EndUserSessions(ctx, UserSessionsEnd{Key: key, Reason: EndedCollapse, Now: tenancy.TimeOf(now)})
	case errors.Is(err, ErrFull):
		return s.store.EndTenantSessions(ctx, session.TenantID, EndedCollapse, tenancy.TimeOf(now))
	case err != nil:
		return err
	}
	return s.store.EndSession(ctx, SessionEnd{
		Tenant: session.TenantID, Session: session.ID, Reason: reason, Now: tenancy.TimeOf(now), Revoked: sequence,
	})
}

// Introspection is the answer to what a token is (RFC 7662). A token that is not
// active, or not the caller's to ask about, has no other member.
type Introspection struct {
	Active    bool        `json:"active"`
	TokenType string      `json:"token_type,omitempty" enum:"access_token,api_token"`
	Subject   *tenancy.ID `json:"sub,omitempty" doc:"The user"`
	Tenant    *tenancy.ID `json:"tenant_id,omitempty"`
	Session   *tenancy.ID `json:"sid,omitempty"`
	Scope     string      `json:"scope,omitempty" doc:"Permissions, separated by spaces"`
	ExpiresAt int64       `json:"exp,omitempty" doc:"Unix seconds"`
}

// Introspect tells what a token is: the caller's own, or, with tokens:view, any
// of the tenant.
func (s *Service) Introspect(ctx context.Context, p *Principal, text string) (Introspection, error) {
	found, err := s.Authenticate(ctx, text)
	if problem.CodeOf(err) == problem.Unauthenticated {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	if found.Tenant != p.Tenant || found.User != p.User && !p.Permissions.Has(TokensView) {
		return Introspection{}, nil
	}
	answer := Introspection{
		Active: true, TokenType: "access_token", Subject: &found.User, Tenant: &found.Tenant,
		Scope: scopeText(found.Permissions, found.Operator), ExpiresAt: found.ExpiresAt,
	}
	if found.Kind == APITokenCredential {
		answer.TokenType = "api_token"
	} else {
		answer.Session = &found.Session
	}
	return answer, nil
}
