package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	secretFile      = "secret.key"
	rootSecretBytes = 32
)

// SecretError refuses a secret of the installation that is kept or was chosen
// badly. It says what to do, and nothing of the secret.
type SecretError struct{ What, Reason string }

func (e *SecretError) Error() string { return e.What + ": " + e.Reason }

// ParseRootSecret reads an installation's secret: the base64 of 32 random bytes
// (RFC 4648, with padding). What is visibly not random is refused.
func ParseRootSecret(text string) ([]byte, error) {
	const advice = "make one with: openssl rand -base64 32"
	root, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(root) != rootSecretBytes {
		return nil, errors.New("must be the base64 of exactly 32 random bytes; " + advice)
	}
	if !random(root) {
		return nil, errors.New("is not random and could be guessed; " + advice)
	}
	return root, nil
}

// random reports whether 32 bytes may have been drawn by chance. Of those that
// were, fewer than one in 10^13 is refused.
func random(b []byte) bool {
	const fewBytes = 16 // of 32 drawn, 30 differ on average
	distinct := make(map[byte]bool)
	steps := make(map[byte]bool)
	visible := true
	for i, c := range b {
		distinct[c] = true
		visible = visible && (c >= ' ' && c <= '~' || c == '\n')
		if i > 0 {
			steps[c-b[i-1]] = true // few for what counts up or down
		}
	}
	return !visible && len(distinct) >= fewBytes && len(steps) >= fewBytes/2
}

// loadSecret takes root, or else what the directory holds, or else makes one there
// if it may. A root that is not what the directory's keys were made with is
// refused: everything sealed would be lost, and every session end.
func (r *KeyRing) loadSecret(root []byte, may bool) error {
	content, err := readSecret(r.dir, secretFile)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return fmt.Errorf("key ring: %s: %w", secretFile, err)
	}
	if !missing {
		kept, err := ParseRootSecret(string(content))
		if err != nil {
			return &SecretError{"keys/" + secretFile, err.Error()}
		}
		if root != nil && subtle.ConstantTimeCompare(root, kept) != 1 {
			return &SecretError{"root-secret", "is another one than keys/" + secretFile + " in the data directory, which everything sealed was sealed with: take that one, and then remove the file"}
		}
		copy(r.secret[:], kept)
		return nil
	}
	if root != nil {
		copy(r.secret[:], root)
		return nil
	}
	if _, err := os.Lstat(filepath.Join(r.dir, sealingFile)); err == nil {
		return &SecretError{"root-secret", "is not set, and keys/" + secretFile + " is not in the data directory, whose keys were made with one or the other: set it, or restore the file"}
	}
	if !may {
		return fmt.Errorf("key ring: %w", err)
	}
	for !random(r.secret[:]) { // which no zeros are
		rand.Read(r.secret[:])
	}
	return writeSecret(r.dir, secretFile, []byte(base64.StdEncoding.EncodeToString(r.secret[:])+"\n"))
}
