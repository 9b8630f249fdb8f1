package problem

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		name string
		err  *Error
		want string
	}{
		{"a code alone", &Error{Code: Internal}, "internal"},
		{"a sentence", New(NotFound, "No project is called %q.", "x"), `not-found: No project is called "x".`},
		{"a sentence and its cause", Wrap(io.ErrUnexpectedEOF, Malformed, "The body ends early."), "malformed: The body ends early.: unexpected EOF"},
		{"violations", &Error{Code: Validation, Detail: "Two.", Violations: []Violation{{"body.a", "is wrong"}, {"body.b", "is late"}}}, "validation: Two.; body.a is wrong; body.b is late"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestCodeOf(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want Code
	}{
		{"no error", nil, ""},
		{"a foreign error is internal", io.EOF, Internal},
		{"an error of ours", New(Conflict, "Taken."), Conflict},
		{"an error of ours inside another", fmt.Errorf("create: %w", New(LimitReached, "Full.")), LimitReached},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := CodeOf(test.err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestErrorIsAskedForByCode(t *testing.T) {
	err := fmt.Errorf("outer: %w", Wrap(io.EOF, Unavailable, "Try again."))
	if !errors.Is(err, &Error{Code: Unavailable}) {
		t.Error("its own code was not recognised")
	}
	if errors.Is(err, &Error{Code: Timeout}) {
		t.Error("another code was recognised")
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause was lost")
	}
}

func TestChecks(t *testing.T) {
	t.Run("nothing recorded is no error", func(t *testing.T) {
		var c Checks
		c.Require(true, "body.a", "is wrong")
		if err := c.Err(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
	t.Run("every violation is kept in order", func(t *testing.T) {
		var c Checks
		c.Require(false, "body.a", "must be at most %d", 3)
		c.Require(true, "body.b", "is wrong")
		c.Refuse("body.c", "is late")
		want := &Error{Code: Validation, Detail: "Some values are not allowed.", Violations: []Violation{
			{"body.a", "must be at most 3"}, {"body.c", "is late"},
		}}
		if diff := cmp.Diff(want, c.Err()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the list is bounded and says how many more there are", func(t *testing.T) {
		var c Checks
		for i := range MaxViolations + 23 {
			c.Refuse(fmt.Sprintf("body[%d]", i), "is wrong")
		}
		var err *Error
		if !errors.As(c.Err(), &err) {
			t.Fatalf("got %v", c.Err())
		}
		if got, want := len(err.Violations), MaxViolations; got != want {
			t.Errorf("got %d violations, want %d", got, want)
		}
		if got, want := err.Violations[MaxViolations-1].Location, "body[99]"; got != want {
			t.Errorf("the last is %s, want %s", got, want)
		}
		if !strings.Contains(err.Detail, "23 more") {
			t.Errorf("the detail %q does not say how many more", err.Detail)
		}
	})
}
