package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"maestro/client"
	"maestro/migrations"
	"maestro/problem"
	"maestro/storage"
)

func TestExitCodes(t *testing.T) {
	answer := func(code problem.Code, status int64) error {
		return &client.Error{Problem: client.Problem{Type: "/problems/" + string(code), Status: status}}
	}
	page := func(status int64) error { return &client.Error{Problem: client.Problem{Status: status}} }
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, 0},
		{"anything else", errors.New("x"), 1},
		{"interrupted", context.Canceled, 1},
		{"wrong use", usage("x"), 2},
		{"not there", answer(problem.NotFound, 404), 3},
		{"not there, as the command found", problem.New(problem.NotFound, "x"), 3},
		{"no session", answer(problem.Unauthenticated, 401), 4},
		{"no permission", answer(problem.Forbidden, 403), 4},
		{"taken", answer(problem.Conflict, 409), 5},
		{"changed meanwhile", answer(problem.PreconditionFailed, 412), 5},
		{"limit", answer(problem.LimitReached, 403), 6},
		{"too many requests", answer(problem.TooManyRequests, 429), 6},
		{"full disk", answer(problem.StorageFull, 507), 6},
		{"not allowed values", answer(problem.Validation, 422), 1},
		{"defect", answer(problem.Internal, 500), 1},
		{"busy", answer(problem.Unavailable, 503), 7},
		{"no server", &client.ConnectionError{URL: "u", Err: errors.New("x")}, 7},
		{"a proxy's login page", page(401), 4},
		{"a proxy's not found", page(404), 3},
		{"a proxy without a server", page(502), 7},
		{"data directory in use", fmt.Errorf("serve: %w", &storage.LockedError{Dir: "d", PID: 1}), 75},
		{"newer database", fmt.Errorf("serve: %w", &migrations.NewerSchemaError{Database: 9, Known: 4}), 76},
		{"configuration", &ConfigError{Problems: []string{"x"}}, 78},
		{"configuration of a client", &usageError{&ConfigError{Problems: []string{"x"}}}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := exitCode(test.err); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
