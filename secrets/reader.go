package secrets

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"maestro/problem"
)

// Bounds.
const (
	DefaultTimeout = 15 * time.Second
	MaxTimeout     = 2 * time.Minute
	MaxBytes       = 64 << 10 // of a secret's value
)

// Config says what secrets may be read from. What it does not name is not
// contacted.
type Config struct {
	Vault Vault
	AWS   AWS

	// Timeout bounds the reading of one secret from another server, with every
	// try; DefaultTimeout unless set. A single try has a third of it.
	Timeout time.Duration

	Lookup func(string) (string, bool)                // the environment; the process's unless set
	Now    func() time.Time                           // time.Now unless set
	Wait   func(context.Context, time.Duration) error // between two tries; by the clock unless set
}

// Reader reads secrets. It asks another server once for what several references
// name, and logs in to it once; so it is made anew where newer values are wanted.
// It is not for several goroutines.
type Reader struct {
	config Config
	vault  *vault // nil until it is needed
	aws    *aws
}

// NewReader returns a reader of what the configuration names.
func NewReader(config Config) *Reader {
	if config.Timeout <= 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Lookup == nil {
		config.Lookup = os.LookupEnv
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Wait == nil {
		config.Wait = pause
	}
	return &Reader{config: config}
}

// Read returns the value that a reference names. It fails with a *problem.Error:
// Unavailable where a later try may help (the server cannot be reached, is sealed,
// is busy, failed), Malformed, NotFound, Forbidden or Unauthenticated where a
// person must do something. None of them holds a secret.
func (r *Reader) Read(ctx context.Context, text string) (string, error) {
	ref, err := parse(text)
	if err != nil {
		return "", err
	}
	var value string
	switch ref.scheme {
	case schemeFile:
		value, err = ReadFile(ref.name)
	case schemeEnv:
		value, err = r.variable(ref.name)
	case schemeCredential:
		value, err = r.credential(ref.name)
	case schemeVault:
		value, err = r.fromVault(ctx, ref)
	case schemeAWS:
		value, err = r.fromAWS(ctx, ref)
	}
	if err != nil {
		return "", err
	}
	switch {
	case value == "":
		return "", problem.New(problem.Malformed, "is empty")
	case len(value) > MaxBytes:
		return "", problem.New(problem.Malformed, "is longer than %d bytes", MaxBytes)
	case !utf8.ValidString(value):
		return "", problem.New(problem.Malformed, "is binary: store it as text, such as base64")
	}
	return value, nil
}

func (r *Reader) variable(name string) (string, error) {
	value, set := r.config.Lookup(name)
	if !set {
		return "", problem.New(problem.NotFound, "the variable %s is not set", name)
	}
	return value, nil
}

// member returns the text of a member of a secret.
func member(members map[string]any, key string) (string, error) {
	value, there := members[key]
	if !there {
		return "", problem.New(problem.NotFound, "the secret is there and has no key %q", key)
	}
	text, ok := value.(string)
	if !ok {
		return "", problem.New(problem.Malformed, "the value of the key %q is no text: store it in quotes", key)
	}
	return text, nil
}

// header checks what is sent as the value of a header.
func header(option, value string) error {
	if strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return problem.New(problem.Malformed, "%s is not one line of visible characters", option)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
