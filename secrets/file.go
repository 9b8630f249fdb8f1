package secrets

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"maestro/problem"
)

// ReadFile returns the secret in a file, without the line ends at its end. It
// follows symbolic links, because schedulers of containers mount secrets so, and
// refuses what everybody on the machine may read, what is larger than MaxBytes,
// and what is no regular file: a pipe would wait for ever.
func ReadFile(path string) (string, error) {
	info, err := os.Stat(path) // before it is opened, which would wait for a pipe's other end
	if err != nil {
		return "", unreadable(path, err)
	}
	if err := private(path, info); err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", unreadable(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	return readPrivate(path, file)
}

// readPrivate reads an open file, after it looked whose it is: another one may have
// got the name since.
func readPrivate(path string, file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", unreadable(path, err)
	}
	if err := private(path, info); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return "", unreadable(path, err)
	}
	if len(text) > MaxBytes {
		return "", problem.New(problem.Malformed, "%s is larger than %d bytes", path, MaxBytes)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// private refuses a file that may hold no secret.
func private(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return problem.New(problem.Malformed, "%s is not a regular file", path)
	}
	if Exposed(info) {
		return problem.New(problem.Forbidden, "everybody on this machine may read %s (mode %04o): chmod 600 it, and replace the secret if somebody may have",
			path, info.Mode().Perm())
	}
	return nil
}

// Exposed reports whether everybody on the machine may use a file. On Windows
// lists of access decide, which are not looked at.
func Exposed(info fs.FileInfo) bool { return ownsModes && info.Mode().Perm()&0o007 != 0 }

// credential reads what systemd passed (LoadCredential=, SetCredentialEncrypted=
// and so on): a file of that name in a directory that is the service's alone.
func (r *Reader) credential(name string) (string, error) {
	dir, set := r.config.Lookup("CREDENTIALS_DIRECTORY")
	if !set || dir == "" {
		return "", problem.New(problem.NotFound, "systemd passed no credentials: the unit needs LoadCredential=%s:PATH", name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", unreadable(dir, err)
	}
	defer func() { _ = root.Close() }() // it was only read
	path := filepath.Join(dir, name)
	info, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", problem.New(problem.NotFound, "systemd passed no credential of this name: the unit needs LoadCredential=%s:PATH", name)
	}
	if err != nil {
		return "", unreadable(path, err)
	}
	if err := private(path, info); err != nil {
		return "", err
	}
	file, err := root.Open(name)
	if err != nil {
		return "", unreadable(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	return readPrivate(path, file)
}

func unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problem.New(problem.NotFound, "there is no file %s", path)
	case errors.Is(err, fs.ErrPermission):
		return problem.New(problem.Forbidden, "%s may not be read by the account that this runs as", path)
	}
	return problem.Wrap(err, problem.Malformed, "%s cannot be read", path)
}
