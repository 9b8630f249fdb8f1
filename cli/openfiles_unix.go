//go:build unix

package cli

import "syscall"

// openFileLimit returns how many files this process may have open.
func openFileLimit() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur), err //nolint:unconvert // the type differs between systems
}
