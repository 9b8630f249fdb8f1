package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"maestro/audit"
	"maestro/problem"
)

// SetupLife is how long a setup token is good.
const SetupLife = 30 * time.Minute

var errSetup = problem.New(problem.Unauthenticated, "The setup token is not valid, was used, or has expired.")

// setup holds the one-time token with which the first operator is created. The
// token stands in a file that only the server's account may read; memory keeps
// its hash. A restart makes a new one.
type setup struct {
	path  string
	clock Clock

	mu      sync.Mutex
	digest  Digest
	pending bool
	expires time.Duration // Elapsed
}

// BeginSetup makes a setup token if the installation has no operator, and returns
// "" if it has. The token also stands in run/setup-token of the data directory.
func (s *Service) BeginSetup(ctx context.Context) (token string, err error) {
	installation, err := s.store.Installation(ctx)
	if err != nil {
		return "", err
	}
	if installation.HasOperator {
		return "", s.setup.end()
	}
	return s.setup.begin()
}

func (u *setup) begin() (string, error) {
	if err := makeRunDir(u.path); err != nil {
		return "", err
	}
	token := newSecret(setupPrefix)
	if err := writeSecret(filepath.Dir(u.path), filepath.Base(u.path), []byte(token+"\n")); err != nil {
		return "", err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.digest, u.pending, u.expires = digestOf(token), true, u.clock.Elapsed()+SetupLife
	return token, nil
}

// holds reports whether text is the pending token.
func (u *setup) holds(text string) bool {
	digest, ok := parseSecret(setupPrefix, text)
	u.mu.Lock()
	defer u.mu.Unlock()
	same := subtle.ConstantTimeCompare(digest[:], u.digest[:]) == 1
	return ok && same && u.pending && u.clock.Elapsed() < u.expires
}

// end forgets the token and deletes its file.
func (u *setup) end() error {
	u.mu.Lock()
	u.pending, u.digest = false, Digest{}
	u.mu.Unlock()
	if err := os.Remove(u.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete setup token: %w", err)
	}
	return nil
}

// FirstOperator are the fields of the first operator.
type FirstOperator struct {
	Email    string
	Password string
	Name     string
}

// CompleteSetup creates the first operator for whoever has the setup token. Of
// two at a time exactly one succeeds; the other fails with Conflict.
func (s *Service) CompleteSetup(ctx context.Context, token string, operator FirstOperator, client Client) (User, error) {
	attempt, err := s.throttle.BeginUnnamed("setup", client.Address)
	if err != nil {
		s.denied(ctx, UserKey{}, audit.SetupComplete, "too_many_attempts")
		return User{}, err
	}
	if !s.setup.holds(token) {
		s.denied(ctx, UserKey{}, audit.SetupComplete, "setup_token")
		return User{}, errSetup
	}
	attempt.Succeed()
	user, err := s.CreateOperator(ctx, operator, false)
	if err != nil {
		return User{}, err
	}
	if err := s.setup.end(); err != nil {
		s.log.Error("end setup", "error", err)
	}
	return user, nil
}

// CreateOperator creates an operator who is also tenant_admin of the tenant
// default, on the word of whoever controls the machine. Unless another is wanted,
// it fails with Conflict when there is an operator.
func (s *Service) CreateOperator(ctx context.Context, operator FirstOperator, another bool) (User, error) {
	user, err := s.PrepareUser(ctx, UserFields{
		Email: operator.Email, Name: operator.Name, Roles: []string{RoleTenantAdmin}, IsActive: true, IsOperator: true,
	}, operator.Password)
	if err != nil {
		return User{}, err
	}
	return s.store.CreateFirstOperator(ctx, user, another)
}
