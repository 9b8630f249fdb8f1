package cli

import (
	"context"
	"errors"
	"net/http"

	"maestro/audit"
	"maestro/auth"
	"maestro/client"
	"maestro/migrations"
	"maestro/problem"
	"maestro/storage"
)

// Exit codes. Those of serve that concern the installation are sysexits.h's.
const (
	exitOK             = 0
	exitError          = 1
	exitUsage          = 2
	exitNotFound       = 3
	exitAuthentication = 4 // no valid credential, or one that does not permit it
	exitConflict       = 5
	exitLimit          = 6
	exitNetwork        = 7
	exitBroken         = 65 // EX_DATAERR: the audit trail is not what was written
	exitLocked         = 75 // EX_TEMPFAIL: another process has the data directory
	exitNewerSchema    = 76 // EX_PROTOCOL: a newer Maestro wrote the database
	exitConfiguration  = 78 // EX_CONFIG
)

// usageError says that the command was not called as it must be.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(text string) error { return &usageError{errors.New(text)} }

// codes of problems, whether the server said so or the command itself.
var problemExits = map[problem.Code]int{
	problem.NotFound:            exitNotFound,
	problem.Unauthenticated:     exitAuthentication,
	problem.Forbidden:           exitAuthentication,
	problem.Conflict:            exitConflict,
	problem.PreconditionFailed:  exitConflict,
	problem.IdempotencyMismatch: exitConflict,
	problem.LimitReached:        exitLimit,
	problem.TooManyRequests:     exitLimit,
	problem.StorageFull:         exitLimit,
	problem.Unavailable:         exitNetwork,
	problem.TooSlow:             exitNetwork,
}

// exitCode returns the code that err ends the program with.
func exitCode(err error) int {
	var misuse *usageError
	var configuration *ConfigError
	var secret *auth.SecretError
	var locked *storage.LockedError
	var newer *migrations.NewerSchemaError
	var lost *client.ConnectionError
	var answer *client.Error
	var own *problem.Error
	var broken *audit.Fault
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &misuse):
		return exitUsage
	case errors.As(err, &configuration) && configuration.Later:
		return exitNetwork
	case errors.As(err, &configuration), errors.As(err, &secret):
		return exitConfiguration
	case errors.As(err, &locked), errors.Is(err, auth.ErrRevocationsInUse):
		return exitLocked
	case errors.As(err, &broken):
		return exitBroken
	case errors.As(err, &newer):
		return exitNewerSchema
	case errors.As(err, &lost):
		return exitNetwork
	case errors.As(err, &answer):
		if code, ok := problemExits[problem.Code(answer.Code())]; ok {
			return code
		}
		return exitOfStatus(answer.Status)
	case errors.As(err, &own):
		if code, ok := problemExits[own.Code]; ok {
			return code
		}
	case errors.Is(err, context.Canceled):
		return exitError
	}
	return exitError
}

// exitOfStatus is for answers that are no problems: what stands between the
// program and the server gave them.
func exitOfStatus(status int64) int {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return exitAuthentication
	case status == http.StatusNotFound:
		return exitNotFound
	case status >= 500 && status != http.StatusInternalServerError:
		return exitNetwork
	}
	return exitError
}
