package storage

import (
	"strings"
	"testing"

	"maestro/problem"
)

// TestANameOfASourceShowsNoPassword: a password with an @ once stood in the progress
// and in errors from the @ on.
func TestANameOfASourceShowsNoPassword(t *testing.T) {
	for source, want := range map[string]string{
		"postgres://ann:s3cret@db.example:5432/maestro?sslmode=disable": "postgres://ann@db.example:5432/maestro",
		"postgres://ann:s3@cret@db.example/maestro":                     "postgres://ann@db.example/maestro",
		"postgres://ann:@s3cr@et@@db.example/maestro":                   "postgres://ann@db.example/maestro",
		"postgres://ann:s3%40cret@db.example/maestro":                   "postgres://ann@db.example/maestro",
		"postgres://db.example/maestro?user=ann&password=s3@cret":       "postgres://db.example/maestro",
		"postgres://ann@db.example/maestro?options=a@b":                 "postgres://ann@db.example/maestro",
		"postgresql:///maestro?host=/run/postgresql&password=s3@cr@et":  "postgresql:///maestro",
		"postgres://ann:s3cret@db.example/mae@stro":                     "postgres://ann@db.example/mae@stro",
	} {
		if got, err := withoutPassword(source); got != want || err != nil {
			t.Errorf("%s is called %q, %v; want %q", source, got, err, want)
		}
	}
}

func TestASourceThatCannotBeReadIsNotRepeated(t *testing.T) {
	for _, source := range []string{"postgres://ann:s3cret?x@db.example/maestro", "postgres://ann:s3cret/x@db.example/maestro", "postgres://ann:s3%cret@db.example/maestro", "postgres://ann:s3cret#x@db.example/maestro"} {
		_, err := openLegacy(t.Context(), source)
		if problem.CodeOf(err) != problem.Malformed || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
