package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"maestro/problem"
	"maestro/storage"
)

// profile is the session that the last login opened. It is kept in a file of
// mode 0600, because its refresh token is as good as the password.
type profile struct {
	URL          string    `json:"url"`
	Email        string    `json:"email"`
	Tenant       string    `json:"tenant,omitempty"` // the slug given at login
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	Roots        string    `json:"roots,omitempty"` // PEM of the authorities that the server's certificate must come from
	ExpiresAt    time.Time `json:"expires_at"`      // of the access token
}

const profileName = "profile.json"

// profileDir is where the profile is: maestro in the user's directory for
// configuration ($XDG_CONFIG_HOME or ~/.config on Linux).
type profileDir string

func findProfileDir() (profileDir, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the directory for the session: %w", err)
	}
	return profileDir(filepath.Join(base, "maestro")), nil
}

// read returns the profile, or nil when nobody is logged in. A file that others
// may read is refused: its tokens may be known.
func (d profileDir) read() (*profile, error) {
	path := filepath.Join(string(d), profileName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if readableByOthers(info) {
		return nil, problem.New(problem.Unauthenticated, "%s can be read by others than you. Log out, so that its session ends, and log in again (chmod 600 keeps it).", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p profile
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%s cannot be read; remove it and log in again: %w", path, err)
	}
	return &p, nil
}

// write replaces the profile. Whoever reads it sees the old one or the new one.
func (d profileDir) write(p *profile) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(string(d), profileName), append(text, '\n'))
}

func (d profileDir) remove() error {
	err := os.Remove(filepath.Join(string(d), profileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// How long a command waits for another that changes the profile: longer than a
// refresh takes.
const (
	profilePatience = 15 * time.Second
	profilePoll     = 20 * time.Millisecond
)

// locked runs f while no other command changes the profile. Two that refresh the
// session at once would show the same refresh token twice, which is what a thief
// does.
func (d profileDir) locked(f func() error) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	deadline := time.Now().Add(profilePatience)
	for {
		lock, err := storage.LockDir(string(d))
		if err == nil {
			return errors.Join(f(), lock.Unlock())
		}
		var held *storage.LockedError
		if !errors.As(err, &held) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(profilePoll)
	}
}
