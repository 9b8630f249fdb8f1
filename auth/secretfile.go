package auth

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// readSecret reads a small file that only its owner may read. Anything else, a
// symbolic link included, is refused.
func readSecret(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &SecretError{filepath.Join(dir, name), "not a regular file"}
	}
	if ownsModes && info.Mode().Perm()&0o077 != 0 {
		return nil, &SecretError{filepath.Join(dir, name), "readable by others than its owner (chmod 600, and replace the secret: it may be known)"}
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, 64<<10))
}

// writeSecret writes a file of mode 0600 that is complete and on disk, or absent.
func writeSecret(dir, name string, content []byte) error {
	file, err := os.CreateTemp(dir, ".new-*") // CreateTemp makes it 0600
	if err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // fails after the rename, as it should
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which cannot, and keeps names by itself
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // nothing was written through it
	return d.Sync()
}
