package cli

import (
	"context"
	"errors"
	"io"

	"maestro/storage"
)

// onDirectory does something with an installation: it asks the server that has the
// data directory or, when none has, does it itself, with the directory locked.
// NotFound where there is no installation.
func onDirectory(dir string, ask, self func() error) error {
	if err := requireInstallation(dir); err != nil {
		return err
	}
	lock, err := storage.LockDir(dir)
	var used *storage.LockedError
	if errors.As(err, &used) {
		return ask()
	}
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // what was written through it is on disk
	return self()
}

// archiveOf has file write an archive of a data directory: what the server that has it
// answers at a path of its socket or, when none has, what self writes.
func (a *app) archiveOf(ctx context.Context, dir, path, doing string, self func(io.Writer) error, file func(write func(io.Writer) error) error) error {
	shown := a.showProgress(doing, -1, true)
	defer shown.end()
	written := func(write func(io.Writer) error) func() error {
		return func() error { return file(func(w io.Writer) error { return write(io.MultiWriter(w, shown)) }) }
	}
	ask := func(w io.Writer) error {
		body, err := control(ctx, dir, path)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, body)
		return errors.Join(err, body.Close())
	}
	return onDirectory(dir, written(ask), written(self))
}
