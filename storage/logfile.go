package storage

import (
	"errors"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite writes each page of a commit to the write-ahead log in two system calls, its
// frame's header and the page, and then has the file, its times included, written to the
// disk (fsync). The writer's connection goes through the file system below instead: its
// log gathers what is written to it until SQLite synchronises, reads, or asks for the
// log's size, and has its data and what finds them again written (fdatasync), as SQLite
// itself does where it was built with HAVE_FDATASYNC. A commit of a hundred pages takes
// 0.6 of the time (BenchmarkGatheredLog); beside it, on an ext4 with a journal, the
// slowest tenth of the synchronisations of 384 KiB took 0.4 ms instead of 0.65.
//
// A frame that others may read was synchronised before: SQLite does so for each commit
// (synchronous = FULL) before it publishes the commit's frames, and what it writes in
// advance of a commit, for want of memory, nobody else reads. So a connection with
// another setting must not use this file system.
//
// https://www.sqlite.org/vfs.html, https://www.sqlite.org/walformat.html

// Names of file systems: that one, and SQLite's own.
const (
	gatheringFiles = "maestro-gathering"
	systemsOwn     = ""
)

// gatherBytes is how much is gathered before it is written: 31 frames. SQLite's own
// files cannot write more than 128 KiB at once.
const gatherBytes = 31 * (4096 + 24)

// What registerGathering finds and makes, in SQLite's memory.
var (
	systemFiles      uintptr // SQLite's own file system
	systemFile       uintptr // size of a file of it
	gatheringMethods uintptr // of gathering logs; the system's where they are not replaced
)

// registerGathering makes the file system known to SQLite, once.
var registerGathering = sync.OnceValue(func() error {
	tls := libc.NewTLS() // for as long as the process
	systemFiles = sqlite3.Xsqlite3_vfs_find(tls, 0)
	name, err := libc.CString(gatheringFiles)
	if err != nil {
		return err
	}
	size := unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})
	own := libc.Xcalloc(tls, 1, libc.Tsize_t(size))
	gatheringMethods = libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	if systemFiles == 0 || own == 0 || gatheringMethods == 0 {
		return errors.New("storage: SQLite has no file system")
	}
	files := (*sqlite3.Tsqlite3_vfs)(pointer(own))
	*files = *(*sqlite3.Tsqlite3_vfs)(pointer(systemFiles))
	systemFile = uintptr(files.FszOsFile+7) &^ 7
	files.FszOsFile = int32(systemFile + unsafe.Sizeof(gathering{}))
	files.FpNext = 0
	files.FzName = name
	open := openGathering
	files.FxOpen = addressOf(&open)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, own, 0); rc != sqlite3.SQLITE_OK {
		return &sqliteError{code: rc, text: "registering a file system failed"}
	}
	return nil
})

// addressOf is where SQLite finds a function of Go: what F's value points to. It must
// not be a closure, which only Go's collector would know of.
func addressOf[F any](function *F) uintptr { return *(*uintptr)(unsafe.Pointer(function)) }

// Functions of a file, as SQLite has them.
type (
	openFunction  = func(tls *libc.TLS, files, name, file uintptr, flags int32, outFlags uintptr) int32
	moveFunction  = func(tls *libc.TLS, file, bytes uintptr, amount int32, at sqlite3.Tsqlite3_int64) int32 // read, write
	sizeFunction  = func(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32                    // truncate
	askFunction   = func(tls *libc.TLS, file, out uintptr) int32                                            // size of the file
	syncFunction  = func(tls *libc.TLS, file uintptr, flags int32) int32
	closeFunction = func(tls *libc.TLS, file uintptr) int32
)

// function is the function at an address that SQLite has.
func function[F any](at uintptr) F { return *(*F)(unsafe.Pointer(&at)) }

// gathering is what a log knows beyond the system's file, which it lies behind.
type gathering struct {
	system *sqlite3.Tsqlite3_io_methods // of the system's file; not of Go's memory
	buffer uintptr                      // of gatherBytes
	used   int32
	synced int32                  // whether the system's synchronisation, which includes the directory, has been done
	start  sqlite3.Tsqlite3_int64 // in the file, of what the buffer holds
}

func gatheringOf(file uintptr) *gathering { return (*gathering)(pointer(file + systemFile)) }

// openGathering opens a file of the system's, and makes it a gathering one if it is a
// write-ahead log.
func openGathering(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	open := function[openFunction]((*sqlite3.Tsqlite3_vfs)(pointer(systemFiles)).FxOpen)
	rc := open(tls, systemFiles, name, file, flags, outFlags)
	if rc != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return rc
	}
	opened := (*sqlite3.Tsqlite3_file)(pointer(file))
	system := (*sqlite3.Tsqlite3_io_methods)(pointer(opened.FpMethods))
	buffer := libc.Xmalloc(tls, gatherBytes)
	if buffer == 0 {
		_ = function[closeFunction](system.FxClose)(tls, file)
		opened.FpMethods = 0
		return sqlite3.SQLITE_NOMEM
	}
	*gatheringOf(file) = gathering{system: system, buffer: buffer}
	opened.FpMethods = methodsOver(system)
	return rc
}

var gatherOnce sync.Once

// methodsOver returns the methods of a gathering log over those of the system's files.
func methodsOver(system *sqlite3.Tsqlite3_io_methods) uintptr {
	gatherOnce.Do(func() {
		methods := (*sqlite3.Tsqlite3_io_methods)(pointer(gatheringMethods))
		*methods = *system // a log's are the same whichever it is
		var (
			read, write moveFunction  = readGathering, writeGathering
			truncate    sizeFunction  = truncateGathering
			size        askFunction   = measureGathering
			sync        syncFunction  = syncGathering
			closing     closeFunction = closeGathering
		)
		methods.FxRead, methods.FxWrite = addressOf(&read), addressOf(&write)
		methods.FxTruncate, methods.FxFileSize = addressOf(&truncate), addressOf(&size)
		methods.FxSync, methods.FxClose = addressOf(&sync), addressOf(&closing)
	})
	return gatheringMethods
}

// flush writes what was gathered. What could not be written is forgotten: SQLite is
// told, and writes it anew if it tries again.
func (g *gathering) flush(tls *libc.TLS, file uintptr) int32 {
	amount := g.used
	if amount == 0 {
		return sqlite3.SQLITE_OK
	}
	g.used = 0
	return function[moveFunction](g.system.FxWrite)(tls, file, g.buffer, amount, g.start)
}

func writeGathering(tls *libc.TLS, file, bytes uintptr, amount int32, at sqlite3.Tsqlite3_int64) int32 {
	g := gatheringOf(file)
	if at != g.start+sqlite3.Tsqlite3_int64(g.used) || amount > gatherBytes-g.used {
		if rc := g.flush(tls, file); rc != sqlite3.SQLITE_OK {
			return rc
		}
		if amount > gatherBytes {
			return function[moveFunction](g.system.FxWrite)(tls, file, bytes, amount, at)
		}
		g.start = at
	}
	copy(unsafe.Slice((*byte)(pointer(g.buffer+uintptr(g.used))), amount), unsafe.Slice((*byte)(pointer(bytes)), amount))
	g.used += amount
	return sqlite3.SQLITE_OK
}

func readGathering(tls *libc.TLS, file, bytes uintptr, amount int32, at sqlite3.Tsqlite3_int64) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[moveFunction](g.system.FxRead)(tls, file, bytes, amount, at)
}

func truncateGathering(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[sizeFunction](g.system.FxTruncate)(tls, file, size)
}

func measureGathering(tls *libc.TLS, file, out uintptr) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return function[askFunction](g.system.FxFileSize)(tls, file, out)
}

// syncGathering returns when everything is on disk. The first time the system does it
// all, which includes the directory's entry of a log that was made.
func syncGathering(tls *libc.TLS, file uintptr, flags int32) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	if g.synced != 0 && syncsData {
		if syncData(file) != nil {
			return sqlite3.SQLITE_IOERR_FSYNC
		}
		return sqlite3.SQLITE_OK
	}
	rc := function[syncFunction](g.system.FxSync)(tls, file, flags)
	if rc == sqlite3.SQLITE_OK {
		g.synced = 1
	}
	return rc
}

// closeGathering forgets what was not synchronised, which is of no commit.
func closeGathering(tls *libc.TLS, file uintptr) int32 {
	g := gatheringOf(file)
	closing := function[closeFunction](g.system.FxClose)
	libc.Xfree(tls, g.buffer)
	*g = gathering{}
	return closing(tls, file)
}
