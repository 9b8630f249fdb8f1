package main

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// measureSync returns the median time that the disk under dir takes to make 4 KiB
// durable. It is what every durable write here costs at least; a figure of a few
// microseconds means that dir is memory and that durable numbers mean nothing.
func measureSync(dir string) (time.Duration, error) {
	const tries = 101
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	page := make([]byte, 4096)
	times := make([]time.Duration, tries)
	for i := range times {
		if _, err := file.WriteAt(page, 0); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return 0, err
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[tries/2].Round(time.Microsecond), nil
}
