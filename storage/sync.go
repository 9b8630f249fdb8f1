package storage

import (
	"errors"
	"os"
	"runtime"
)

// syncFile puts a file on disk.
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncDirectory puts the names in a directory on disk.
func syncDirectory(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	return errors.Join(syncIn(root, "."), root.Close())
}

// syncIn is syncDirectory of a directory below root. Windows keeps names in its
// journal and cannot flush a directory.
func syncIn(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
