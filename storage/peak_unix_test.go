//go:build unix

package storage

import (
	"os"
	"runtime"
	"syscall"
)

// peakMemory returns the most memory that a process had resident, in MB.
func peakMemory(state *os.ProcessState) float64 {
	size := float64(state.SysUsage().(*syscall.Rusage).Maxrss)
	if runtime.GOOS == "darwin" {
		return size / (1 << 20)
	}
	return size / (1 << 10) // elsewhere in kilobytes
}
