package auth

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strings"
	"time"

	"maestro/audit"
	"maestro/problem"
	"maestro/tenancy"
)

// Client is where a request comes from.
type Client struct {
	Address   netip.Addr
	UserAgent string

	// Known is what this client kept from an earlier login to the account: a device
	// token or a refresh token. It exempts the client from the delays that
	// strangers' guesses cause, and opens nothing.
	Known string
}

func (c *Client) address() string {
	if !c.Address.IsValid() {
		return ""
	}
	return c.Address.Unmap().String()
}

// Credentials are what a person logs in with.
type Credentials struct {
	Email    string
	Password string
	Tenant   string // a slug; "" when the e-mail belongs to one account only
}

// Grant is what a login or a refresh gives.
type Grant struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty" doc:"Good for one refresh; absent when it is a cookie"`
	TokenType    string `json:"token_type" enum:"Bearer"`
	ExpiresIn    int64  `json:"expires_in" doc:"Seconds until the access token expires"`
	User         User   `json:"user"`

	Session        tenancy.ID   `json:"-"`
	SessionExpires tenancy.Time `json:"-"`
	// Device is to be kept by the client as Client.Known; "" on a refresh.
	Device string `json:"device_token,omitempty" doc:"Send it with the next login as known_client; absent when it is a cookie"`
}

var errCredentials = problem.New(problem.Unauthenticated, "E-mail, password or tenant is not right.")

// Login opens a session. Every refusal of the credentials (no such account, wrong
// password, inactive user or tenant, a service account, an account in two
// tenants) is the same Unauthenticated, after the same work. It fails with
// TooManyRequests when too many attempts failed, and with Unavailable when too
// many people log in.
func (s *Service) Login(ctx context.Context, credentials Credentials, client Client) (Grant, error) {
	account, err := s.account(ctx, credentials)
	if err != nil {
		return Grant{}, err
	}
	known := s.knownClient(ctx, client.Known, account)
	attempt, err := s.throttle.Begin(credentials.Email, client.Address, known)
	if err != nil {
		s.denied(ctx, account.Key, audit.SessionOpen, "too_many_attempts")
		return Grant{}, err
	}
	match, err := s.hasher.Verify(ctx, account.PasswordHash, credentials.Password)
	if err != nil {
		attempt.Cancel()
		return Grant{}, err
	}
	if !match.Matches || !account.Usable {
		s.denied(ctx, account.Key, audit.SessionOpen, account.refusal(match.Matches))
		return Grant{}, errCredentials
	}
	renewed := ""
	if match.Outdated {
		renewed, err = s.hasher.Hash(ctx, credentials.Password)
		if err != nil {
			renewed = "" // the old hash stays good, the next login tries again
		}
	}
	grant, err := s.open(ctx, account, client, func(session NewSession) (Login, error) {
		session.VerifiedHash, session.NewHash = account.PasswordHash, renewed
		return s.store.OpenSession(ctx, session)
	})
	switch problem.CodeOf(err) {
	case "":
	case problem.Unauthenticated: // disabled or changed since it was read
		s.denied(ctx, account.Key, audit.SessionOpen, "account_changed")
		return Grant{}, errCredentials
	default:
		attempt.Cancel()
		return Grant{}, err
	}
	if known == "" && !s.alone(ctx, account) {
		attempt.Cancel() // and leaves what others may have failed
		return grant, nil
	}
	attempt.Succeed()
	return grant, nil
}

// alone reports whether no other account has this one's e-mail. The failures on an
// e-mail are counted together, so a login to an account in another tenant, which
// anybody may have made there, must not clear them.
func (s *Service) alone(ctx context.Context, account Account) bool {
	key, ok := EmailKey(account.Email)
	if !ok {
		return false
	}
	accounts, err := s.store.Accounts(ctx, key, "")
	return err == nil && len(accounts) == 1
}

// refusal says for the audit trail, which the caller does not see, why a login was
// refused.
func (a *Account) refusal(matches bool) string {
	switch {
	case a.Key.User.IsZero():
		return "unknown_account"
	case !matches:
		return "wrong_password"
	}
	return "not_active"
}

// denied records a refusal in the trail of the account's tenant or, for the zero
// key, in the installation's. What was typed is not recorded: it may be a password
// in the wrong field.
func (s *Service) denied(ctx context.Context, key UserKey, action audit.Action, reason string) {
	denial := audit.Denial{Tenant: key.Tenant, Action: action, Reason: reason}
	if !key.User.IsZero() {
		denial.Object = key.User.String()
	}
	s.store.RecordDenial(ctx, denial)
}

// account finds the only account that credentials can mean. Without one it
// returns an account that nothing matches.
func (s *Service) account(ctx context.Context, credentials Credentials) (Account, error) {
	key, ok := EmailKey(credentials.Email)
	slug := strings.ToLower(strings.TrimSpace(credentials.Tenant))
	if !ok || len(slug) > 63 {
		return Account{}, nil
	}
	accounts, err := s.store.Accounts(ctx, key, slug)
	if err != nil {
		return Account{}, err
	}
	if len(accounts) != 1 {
		return Account{}, nil
	}
	return accounts[0], nil
}

// knownClient returns a name for a client that proved that it belongs to the
// account, or "".
func (s *Service) knownClient(ctx context.Context, proof string, account Account) string {
	if account.Key.User.IsZero() {
		return ""
	}
	if device, ok := s.devices.holds(proof, account.Key); ok {
		return "device " + device
	}
	token, ok := s.refresh.parse(proof)
	if !ok {
		return ""
	}
	session, err := s.store.Session(ctx, token.tenant, token.session)
	if err != nil || session.UserID != account.Key.User || session.ExpiresAt <= s.now() {
		return ""
	}
	return "session " + session.ID.String()
}

// open makes the tokens of a new session and has store record it.
func (s *Service) open(ctx context.Context, account Account, client Client, record func(NewSession) (Login, error)) (Grant, error) {
	now := s.clock.Now()
	if err := s.reconcileClock(ctx, now); err != nil {
		return Grant{}, err
	}
	var seed [32]byte
	rand.Read(seed[:])
	id := tenancy.NewID()
	first := s.refresh.text(s.refresh.first(account.Key.Tenant, id, seed))
	login, err := record(NewSession{
		ID: id, Key: account.Key, Refresh: digestOf(first),
		Now: tenancy.TimeOf(now), ExpiresAt: tenancy.TimeOf(now.Add(s.config.RefreshLife)),
		AccessUntil: s.accessUntil(now), Address: client.address(), UserAgent: cutText(client.UserAgent, maxAgentBytes),
		VerifiedEpoch: account.Epoch,
	})
	if err != nil {
		return Grant{}, err
	}
	grant, err := s.grant(login, first, now)
	grant.Device = s.devices.issue(account.Key)
	return grant, err
}

// grant signs an access token of a session.
func (s *Service) grant(login Login, refresh string, now time.Time) (Grant, error) {
	seconds := now.Unix()
	access, err := s.tokens.sign(accessClaims{
		id: tenancy.NewID(), session: login.Session.ID, user: login.User.ID, tenant: login.User.TenantID,
		userEpoch: login.Session.UserEpoch, tenantEpoch: login.Session.TenantEpoch, globalEpoch: login.Session.GlobalEpoch,
		issuedAt: seconds, notBefore: seconds, expiresAt: seconds + int64(s.config.AccessLife/time.Second),
	})
	if err != nil {
		return Grant{}, err
	}
	return Grant{
		AccessToken: access, RefreshToken: refresh, TokenType: "Bearer",
		ExpiresIn: int64(s.config.AccessLife / time.Second), User: login.User,
		Session: login.Session.ID, SessionExpires: login.Session.ExpiresAt,
	}, nil
}

// reconcileClock makes every token invalid when the clock was set back behind
// tokens whose revocations were swept: nothing else keeps those dead, and new
// tokens would be refused with them.
func (s *Service) reconcileClock(ctx context.Context, now time.Time) error {
	if !s.revocations.Outlived(s.accessUntil(now).Std().Unix()) {
		return nil
	}
	s.log.Warn("the clock was set back behind swept revocations: everybody must log in again")
	if err := s.raiseGlobalEpoch(ctx); err != nil {
		return err
	}
	return s.revocations.Forget()
}

// accessUntil is when an access token that is issued at now expires.
func (s *Service) accessUntil(now time.Time) tenancy.Time {
	return tenancy.TimeOf(now.Truncate(time.Second).Add(s.config.AccessLife))
}

func (s *Service) now() tenancy.Time { return tenancy.TimeOf(s.clock.Now()) }

// cutText makes hostile text fit to be stored and shown.
func cutText(text string, limit int) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}
