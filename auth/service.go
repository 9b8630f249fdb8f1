package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// Config says how identity works. Zero fields take the defaults.
type Config struct {
	DataDir  string // holds keys/, revocations.bolt and run/
	Issuer   string // the iss of access tokens; default "maestro"
	Audience string // their aud; default "maestro"

	AccessLife  time.Duration // at most MaxAccessLife
	RefreshLife time.Duration
	Grace       time.Duration // less than 0 turns it off

	// KeyLife is how long a key signs before Run puts a new one in its place; 0 for
	// until RotateKeys is called. At least MinKeyLife.
	KeyLife time.Duration

	RootSecret []byte // see ParseRootSecret; nil for the one that is kept in the data directory

	// KeyRotated is told of every key that Run put in the place of another, so that
	// it is recorded; again, a minute later, while it fails. Unless it is nil.
	KeyRotated func(ctx context.Context, kid string) error

	Password PasswordPolicy
	Hash     HasherConfig

	Clock            Clock
	Log              *slog.Logger
	CheckRevocations func(path string) error // see RevocationConfig.CheckFile
}

// Service is identity: who calls, and what they may do.
type Service struct {
	config      Config
	clock       Clock
	log         *slog.Logger
	store       Store
	hasher      *Hasher
	ring        *KeyRing
	sealer      *Sealer
	decoy       HookState
	tokens      *tokenMint
	refresh     *refreshMint
	devices     *deviceMint
	revocations *Revocations
	throttle    *Throttle
	mirror      *mirror
	setup       setup
	unrecorded  []string // the kids of keys that Config.KeyRotated was not told of; used by Maintain alone

	usesMu sync.Mutex
	uses   map[tenancy.ID]APITokenUse // of API tokens, not yet stored
}

// Open opens the key ring and the revocations in the data directory, which must
// be there, and returns the service. When the revocations cannot be trusted it
// raises the global epoch: everybody logs in again.
func Open(ctx context.Context, config Config, store Store) (*Service, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	hasher, err := NewHasher(config.Hash)
	if err != nil {
		return nil, err
	}
	ring, err := OpenKeyRing(filepath.Join(config.DataDir, "keys"), config.RootSecret, config.Clock, config.AccessLife+Leeway+rotationMargin)
	if err != nil {
		return nil, err
	}
	sealer, err := openSealer(ring)
	if err != nil {
		return nil, err
	}
	decoy, err := newDecoy(sealer)
	if err != nil {
		return nil, err
	}
	s := &Service{
		config: config, clock: config.Clock, log: config.Log, store: store, hasher: hasher, ring: ring, sealer: sealer, decoy: decoy,
		tokens:   newTokenMint(ring, config.Clock, config.Issuer, config.Audience, DefaultTokenCache),
		refresh:  newRefreshMint(ring),
		devices:  newDeviceMint(ring, config.Clock),
		throttle: NewThrottle(config.Clock, 0),
		mirror:   newMirror(store),
		setup:    setup{path: filepath.Join(config.DataDir, "run", "setup-token"), clock: config.Clock},
		uses:     make(map[tenancy.ID]APITokenUse),
	}
	store.Watch(s.mirror.changed)
	installation, err := store.Installation(ctx)
	if err != nil {
		return nil, err
	}
	s.mirror.global.Store(installation.GlobalEpoch)
	s.revocations, err = OpenRevocations(RevocationConfig{
		Path: filepath.Join(config.DataDir, "revocations.bolt"), Key: ring.Derive("revocations"),
		Clock: config.Clock, Life: MaxAccessLife, Acknowledged: installation.Revoked,
		CheckFile: config.CheckRevocations,
		Distrust: func(reason string) error {
			s.log.Error("the revocations cannot be trusted: everybody must log in again", "reason", reason)
			return s.raiseGlobalEpoch(ctx)
		},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Config) complete() error {
	setDefault(&c.Issuer, "maestro")
	setDefault(&c.Audience, "maestro")
	setDefault(&c.AccessLife, DefaultAccessLife)
	setDefault(&c.RefreshLife, DefaultRefreshLife)
	setDefault(&c.Grace, DefaultGrace)
	setDefault(&c.Password.MinLength, DefaultPasswordLength)
	if c.Clock == nil {
		c.Clock = SystemClock()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Grace = max(c.Grace, 0)
	switch {
	case c.AccessLife < time.Second || c.AccessLife > MaxAccessLife:
		return fmt.Errorf("the life of access tokens must be within 1s and %s", MaxAccessLife)
	case c.RefreshLife < c.AccessLife:
		return errors.New("the life of refresh tokens must not be shorter than that of access tokens")
	case c.Grace > time.Minute:
		return errors.New("the grace of refresh tokens must not exceed 1m")
	case c.KeyLife != 0 && c.KeyLife < MinKeyLife:
		return fmt.Errorf("signing keys must not be replaced more often than every %s", MinKeyLife)
	case c.Password.MinLength < MinPasswordLength:
		return fmt.Errorf("the shortest password must have at least %d characters", MinPasswordLength)
	case len(c.Issuer) > 255 || len(c.Audience) > 255:
		return errors.New("issuer and audience must not exceed 255 bytes")
	}
	return nil
}

func setDefault[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// Run does what must be done regularly, until ctx ends: it sweeps revocations,
// expired sessions and old keys, replaces the key that signs when it is
// Config.KeyLife old, and stores when API tokens were used.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.Maintain(ctx)
		}
	}
}

// expiredKept is how long an ended session stays on record; expiredSlice how many
// are deleted in one transaction, so that others wait for it some milliseconds.
const (
	expiredKept  = 30 * 24 * time.Hour
	expiredSlice = 200
)

// Maintain does once what Run does every minute.
func (s *Service) Maintain(ctx context.Context) {
	report, err := s.revocations.Sweep(ctx)
	if err != nil {
		s.log.Error("sweep revocations", "error", err)
	}
	if report.ClockBehind > 0 {
		s.log.Warn("the clock was set back: revocations are kept", "behind", report.ClockBehind)
	}
	if rotated, err := s.ring.rotateAfter(s.config.KeyLife); err != nil {
		s.log.Error("rotate keys", "error", err)
	} else if rotated != "" {
		s.log.Info("a new key signs access tokens", "kid", rotated)
		s.unrecorded = append(s.unrecorded, rotated)
	}
	s.recordRotations(ctx)
	if err := s.ring.Prune(); err != nil {
		s.log.Error("prune keys", "error", err)
	}
	if err := s.storeUses(ctx); err != nil {
		s.log.Error("store the use of API tokens", "error", err)
	}
	before := tenancy.TimeOf(s.clock.Now().Add(-expiredKept))
	for ctx.Err() == nil {
		deleted, err := s.store.DeleteExpired(ctx, before, expiredSlice)
		if err != nil {
			s.log.Error("delete expired sessions", "error", err)
		}
		if deleted < expiredSlice {
			return
		}
	}
}

// recordRotations has the keys recorded that were replaced on schedule. A key is no
// row of the database, so its event cannot be in the transaction of its change.
func (s *Service) recordRotations(ctx context.Context) {
	for len(s.unrecorded) > 0 {
		if record := s.config.KeyRotated; record != nil {
			if err := record(ctx, s.unrecorded[0]); err != nil {
				s.log.Error("record a new key", "kid", s.unrecorded[0], "error", err)
				return
			}
		}
		s.unrecorded = s.unrecorded[1:]
	}
}

// Close stores what is only in memory and closes the files. No other method may
// be called afterwards but Authenticate, which then answers Unavailable.
func (s *Service) Close(ctx context.Context) error {
	return errors.Join(s.storeUses(ctx), s.revocations.Close())
}

// Ready reports whether requests can be authenticated.
func (s *Service) Ready() bool { return s.revocations.open.Load() }

// CopyRevocations writes a copy of the open file of revocations to path.
func (s *Service) CopyRevocations(path string) error { return s.revocations.Copy(path) }

// RememberedTokens returns how many verified tokens are remembered.
func (s *Service) RememberedTokens() int { return s.tokens.verified.len() }

// JWKS returns the JSON Web Key Set that verifies access tokens.
func (s *Service) JWKS() []byte { return s.ring.JWKS() }

// Keys describes the signing keys, the newest first.
func (s *Service) Keys() []SigningKey { return s.ring.Keys() }

// RotateKeys signs with a new key from now on; see KeyRing.Rotate.
func (s *Service) RotateKeys() (SigningKey, error) { return s.ring.Rotate() }

// RetireKey refuses a key's tokens from now on; see KeyRing.Retire.
func (s *Service) RetireKey(kid string) error { return s.ring.Retire(kid) }

// Revocations returns the number of revocations held.
func (s *Service) Revocations() int { return s.revocations.Len() }

// RevokeEverything makes every session and access token of the installation
// invalid. API tokens stay.
func (s *Service) RevokeEverything(ctx context.Context) error { return s.raiseGlobalEpoch(ctx) }

func (s *Service) raiseGlobalEpoch(ctx context.Context) error {
	epoch, err := s.store.RaiseGlobalEpoch(ctx)
	if err != nil {
		return err
	}
	s.mirror.global.Store(epoch)
	return nil
}

// Authenticate is the one verifier. It returns the caller whose access token or
// API token text is, or fails with Unauthenticated, or with Unavailable when it
// cannot tell. It says nothing of why a token does not hold.
func (s *Service) Authenticate(ctx context.Context, text string) (Principal, error) {
	if strings.HasPrefix(text, apiTokenPrefix) {
		return s.authenticateAPIToken(ctx, text)
	}
	claims, err := s.tokens.verify(text, s.clock.Now())
	if err != nil {
		return Principal{}, err
	}
	switch s.revocations.Check(claims.id, claims.session, claims.expiresAt) {
	case VerdictLive:
	case VerdictRevoked:
		return Principal{}, errInvalidToken
	default:
		return Principal{}, unavailable("Tokens cannot be checked at this moment.", nil)
	}
	if claims.globalEpoch != s.mirror.global.Load() {
		return Principal{}, errInvalidToken
	}
	tenant, user, err := s.states(ctx, UserKey{claims.tenant, claims.user})
	if err != nil {
		return Principal{}, err
	}
	if tenant.Epoch != claims.tenantEpoch || user.Epoch != claims.userEpoch {
		return Principal{}, errInvalidToken
	}
	return Principal{
		Scope: tenancy.Issue(claims.tenant, tenancy.Actor{ID: claims.user, Kind: tenancy.ActorUser}),
		User:  claims.user, Tenant: claims.tenant, Session: claims.session,
		Credential: claims.id, Kind: AccessToken,
		Permissions: user.Grants, Operator: user.Operator, ExpiresAt: claims.expiresAt,
	}, nil
}

func (s *Service) authenticateAPIToken(ctx context.Context, text string) (Principal, error) {
	digest, ok := ParseAPIToken(text)
	if !ok {
		return Principal{}, errInvalidToken
	}
	token, err := s.mirror.tokens.get(ctx, digest)
	if err != nil {
		return Principal{}, lookupFailed(err)
	}
	now := s.clock.Now()
	if now.Unix() >= token.ExpiresAt {
		return Principal{}, errInvalidToken
	}
	if !s.Ready() {
		return Principal{}, unavailable("Tokens cannot be checked at this moment.", nil)
	}
	_, user, err := s.states(ctx, UserKey{token.Tenant, token.User})
	if err != nil {
		return Principal{}, err
	}
	s.noteUse(token, now)
	return Principal{
		Scope: tenancy.Issue(token.Tenant, tenancy.Actor{ID: token.User, Kind: tenancy.ActorAPIToken}),
		User:  token.User, Tenant: token.Tenant,
		Credential: token.ID, Kind: APITokenCredential,
		Permissions: token.Scopes & user.Grants, Operator: token.Operator && user.Operator,
		ExpiresAt: token.ExpiresAt,
	}, nil
}

// states returns the state of a user and tenant that are both active.
func (s *Service) states(ctx context.Context, key UserKey) (TenantState, UserState, error) {
	tenant, err := s.mirror.tenants.get(ctx, key.Tenant)
	if err != nil {
		return TenantState{}, UserState{}, lookupFailed(err)
	}
	user, err := s.mirror.users.get(ctx, key)
	if err != nil {
		return TenantState{}, UserState{}, lookupFailed(err)
	}
	if !tenant.Active || !user.Active {
		return TenantState{}, UserState{}, errInvalidToken
	}
	return tenant, user, nil
}

// lookupFailed tells what is not there from what cannot be looked up.
func lookupFailed(err error) error {
	if problem.CodeOf(err) == problem.NotFound {
		return errInvalidToken
	}
	return unavailable("Tokens cannot be checked at this moment.", err)
}

// noteUse remembers that a token was used, to the minute.
func (s *Service) noteUse(token APITokenState, now time.Time) {
	at := tenancy.TimeOf(now.Truncate(time.Minute))
	s.usesMu.Lock()
	defer s.usesMu.Unlock()
	if s.uses[token.ID].At != at {
		s.uses[token.ID] = APITokenUse{Tenant: token.Tenant, ID: token.ID, At: at}
	}
}

func (s *Service) storeUses(ctx context.Context) error {
	s.usesMu.Lock()
	pending := s.uses
	s.uses = make(map[tenancy.ID]APITokenUse)
	s.usesMu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	uses := make([]APITokenUse, 0, len(pending))
	for _, use := range pending {
		uses = append(uses, use)
	}
	return s.store.TouchAPITokens(ctx, uses)
}

// Policy returns what passwords must be.
func (s *Service) Policy() PasswordPolicy { return s.config.Password }

// makeRunDir makes the directory of the setup token.
func makeRunDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make run directory: %w", err)
	}
	return nil
}
