package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A commit waits for the disk, and on a journalling file system for whatever else
// has to go there before it: what another file wrote and did not put on disk, and
// the freeing of a large file's blocks. So whatever is large is written, and
// removed, in pieces. Without that a write waited 170 to 190 ms for the copy of a
// database that SQLite puts on disk at its end, and 50 ms for its removal (make
// backupbench). Larger pieces than 1 MB were worse, and smaller ones no better.
const (
	syncEvery  = 1 << 20 // bytes that are written before they are put on disk
	removeStep = 8 << 20 // bytes that are freed at a time

	// paceSteps is how many steps SQLite's machine makes between two looks at the size
	// of the copy: some 16 rows, far below syncEvery unless they are large.
	paceSteps = 64
)

// pacedFile puts what is written on disk every syncEvery bytes.
type pacedFile struct {
	file    *os.File
	pending int
}

func (p *pacedFile) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	if p.pending += n; err == nil && p.pending >= syncEvery {
		p.pending = 0
		err = p.file.Sync()
	}
	return n, err
}

// growth is a file that a statement writes. The statement waits every syncEvery bytes
// until they are on disk.
type growth struct {
	file   *os.File
	sync   func(*os.File) error
	synced int64
	err    error // why the statement was ended
}

// pace puts on disk what the file grew by, and reports whether the statement may go
// on. When it may not, err says why. SQLite calls it (onProgress).
func (g *growth) pace() (goOn bool) {
	info, err := g.file.Stat()
	if err == nil && info.Size()-g.synced >= syncEvery {
		g.synced = info.Size()
		err = g.sync(g.file)
	}
	if err != nil {
		g.err = err
	}
	return g.err == nil
}

// removeGently removes a directory and all that is in it, large files in pieces.
func removeGently(dir string) error {
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() <= removeStep {
			return err
		}
		return shrink(name, info.Size())
	})
	return errors.Join(err, os.RemoveAll(dir))
}

func shrink(name string, size int64) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for err == nil && size > removeStep {
		size -= removeStep
		if err = file.Truncate(size); err == nil {
			err = file.Sync()
		}
	}
	return errors.Join(err, file.Close())
}
