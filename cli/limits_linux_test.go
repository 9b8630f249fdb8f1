package cli_test

import (
	"syscall"
	"testing"
	"unsafe"
)

// limitOf changes a limit of a running process, as prlimit(1) does, and nothing of
// this one.
func limitOf(t *testing.T, pid, resource int, current uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: current, Max: ^uint64(0)}
	// #nosec G103 -- the system call takes the address of the limit
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Skipf("limits of other processes cannot be changed here: %v", errno)
	}
}

// inNamespace has a process started in a mount namespace of its own, where it may
// mount what it likes and nobody else sees it.
func inNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: syscall.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: syscall.Getgid(), Size: 1}}}
}
