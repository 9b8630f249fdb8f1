package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockName is the file in a directory whose lock says that a process has it.
const lockName = "lock"

// errHeld is what the operating system's lock says when another process has it.
var errHeld = errors.New("held by another process")

// DirLock holds a directory for this process until Unlock, or until the process
// ends, however it ends.
type DirLock struct{ file *os.File }

// LockedError says that another process holds a directory.
type LockedError struct {
	Dir string
	PID int // the process that holds it; 0 when it cannot be told
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("another process uses %s", e.Dir)
	}
	return fmt.Sprintf("process %d uses %s", e.PID, e.Dir)
}

// LockDir takes dir for this process. It does not wait: it fails with a
// *LockedError while another process holds it. The lock is a file of its own,
// never the database's, whose locks are SQLite's.
func LockDir(dir string) (*DirLock, error) {
	path := filepath.Join(dir, lockName)
	file, err := openLocked(path)
	if errors.Is(err, errHeld) {
		return nil, &LockedError{Dir: dir, PID: holder(path)}
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
	return &DirLock{file: file}, nil
}

// Unlock gives the directory up. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func (l *DirLock) Unlock() error { return l.file.Close() }

// holder reads the process id that the holder wrote.
func holder(path string) int {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
