package auth

import (
	"context"

	"maestro/problem"
	"maestro/tenancy"
)

// Recovery is what whoever controls the machine does for a user who cannot log
// in, without asking anybody in the tenant.
type Recovery struct {
	PasswordHash string // replaces the password, ends all sessions and deletes all links; "" leaves it
	Activate     bool   // makes a deactivated user active again
	Now          tenancy.Time
}

// RecoverPassword sets the password of the account that an e-mail and, where it
// has several, the tenant's slug name. Every session of the user ends; API tokens
// stay. It fails with NotFound without such an account, and with Conflict for one
// of several and for a service account.
func (s *Service) RecoverPassword(ctx context.Context, email, tenant, password string) (User, error) {
	account, err := s.onlyAccount(ctx, email, tenant)
	if err != nil {
		return User{}, err
	}
	hash, err := s.newPassword(ctx, "body.password", password, "", account.contextWords()...)
	if err != nil {
		return User{}, err
	}
	return s.store.Recover(ctx, account.Key, Recovery{PasswordHash: hash, Now: s.now()})
}

// Reactivate makes a deactivated user active again. It names the account, and
// fails, as RecoverPassword does.
func (s *Service) Reactivate(ctx context.Context, email, tenant string) (User, error) {
	account, err := s.onlyAccount(ctx, email, tenant)
	if err != nil {
		return User{}, err
	}
	return s.store.Recover(ctx, account.Key, Recovery{Activate: true, Now: s.now()})
}

// onlyAccount finds the one account, active or not, that an e-mail means.
func (s *Service) onlyAccount(ctx context.Context, email, tenant string) (Account, error) {
	key, ok := EmailKey(email)
	if !ok {
		return Account{}, errNoAccount
	}
	accounts, err := s.store.Accounts(ctx, key, tenant)
	switch {
	case err != nil:
		return Account{}, err
	case len(accounts) == 0:
		return Account{}, errNoAccount
	case len(accounts) > 1:
		return Account{}, problem.New(problem.Conflict, "Several tenants have an account of this e-mail. Name the tenant.")
	}
	return accounts[0], nil
}

var errNoAccount = problem.New(problem.NotFound, "There is no account of this e-mail.")

// Pardon forgets the failed logins counted on an e-mail, so that the next attempt
// is looked at without delay. It is for operators: whoever may do this can guess
// without being slowed down.
func (s *Service) Pardon(email string) { s.throttle.Pardon(email) }
