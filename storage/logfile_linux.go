package storage

import (
	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"
)

// syncsData says whether syncData is to be had.
const syncsData = true

// syncData has a file's data, and what finds it again, written to the disk, but not its
// times.
func syncData(file uintptr) error {
	descriptor := int((*sqlite3.TunixFile)(pointer(file)).Fh)
	for {
		if err := unix.Fdatasync(descriptor); err != unix.EINTR {
			return err
		}
	}
}
