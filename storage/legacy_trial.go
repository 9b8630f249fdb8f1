package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyForTrial copies the database of a directory, whose lock the caller holds, to
// one of its own below temp, and changes nothing of it: not even what SQLite does by
// itself when it opens a database whose server was killed.
func copyForTrial(dir, temp string) (trial string, err error) {
	if trial, err = os.MkdirTemp(temp, "trial-*"); err != nil { // 0700
		return "", diskError(err)
	}
	for _, name := range []string{databaseName, databaseName + "-wal"} {
		if err == nil {
			err = copyOne(filepath.Join(dir, name), filepath.Join(trial, name))
		}
		if errors.Is(err, fs.ErrNotExist) && name != databaseName {
			err = nil
		}
	}
	if err != nil {
		return "", errors.Join(diskError(err), os.RemoveAll(trial))
	}
	return trial, nil
}

func copyOne(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it was only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
