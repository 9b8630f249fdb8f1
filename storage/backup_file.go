package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"

	"maestro/problem"
	"maestro/storage/archive"
)

// WriteBackupFile makes a backup file: write gives the archive, which is
// encrypted if there are recipients, put on disk, read again and checked whole,
// and has its name only then. An existing file is left alone: Conflict. temp is a
// directory with room for the database.
func WriteBackupFile(ctx context.Context, name string, recipients []age.Recipient, temp string, write func(io.Writer) error) (report BackupReport, err error) {
	err = writeArchiveFile(name, recipients, write, func(written string, identities []age.Identity) error {
		report, err = VerifyBackup(ctx, written, identities, temp)
		return err
	})
	return report, err
}

// writeArchiveFile writes an archive to a file that has its name once verify found
// it to hold.
func writeArchiveFile(name string, recipients []age.Recipient, write func(io.Writer) error, verify func(written string, identities []age.Identity) error) error {
	if _, err := os.Lstat(name); err == nil {
		return problem.New(problem.Conflict, "%s exists. No file is replaced.", name)
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // with mode 0600
	if err != nil {
		return diskError(err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // fails once it has its name
	witness, err := fillBackup(file, recipients, write)
	if err := errors.Join(err, file.Close()); err != nil {
		return diskError(err)
	}
	var identities []age.Identity
	if witness != nil {
		identities = append(identities, witness)
	}
	if err := verify(file.Name(), identities); err != nil {
		return fmt.Errorf("the file was written and does not hold: %w", err)
	}
	if err := os.Link(file.Name(), name); err != nil { // unlike a rename, never onto another file
		if errors.Is(err, os.ErrExist) {
			return problem.New(problem.Conflict, "%s exists. No file is replaced.", name)
		}
		if err := os.Rename(file.Name(), name); err != nil { // a file system without links
			return diskError(err)
		}
	}
	return syncParent(name)
}

func fillBackup(file *os.File, recipients []age.Recipient, write func(io.Writer) error) (witness age.Identity, err error) {
	paced := &pacedFile{file: file}
	var out io.Writer = paced
	finish := func() error { return nil }
	if len(recipients) > 0 {
		in, identity, err := archive.Encrypt(paced, recipients)
		if err != nil {
			return nil, err
		}
		out, witness, finish = in, identity, in.Close
	}
	if err := write(out); err != nil {
		return nil, err
	}
	if err := finish(); err != nil {
		return nil, err
	}
	return witness, file.Sync()
}

// syncParent puts a file's name on disk.
func syncParent(name string) error { return syncDirectory(filepath.Dir(name)) }
