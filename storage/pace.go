package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A commit waits for the disk, and on a journalling file system for whatever else
// has to go there before it: what another file wrote and did not put on disk, and
// the freeing of a large file's blocks. So whatever is large is written, and
// removed, in pieces. Without that a write waited 170 to 190 ms for the copy of a
// database that SQLite puts on disk at its end, and 50 ms for its removal. What is
// left is the copy's last sync: 53 ms for a database of 1.3 GB (make backupbench).
// Larger pieces than 1 MB were worse, and smaller ones no better.
const (
	syncEvery  = 1 << 20 // bytes that are written before they are put on disk
	removeStep = 8 << 20 // bytes that are freed at a time
	followTick = 2 * time.Millisecond
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

// followFile puts what somebody else writes to a file on disk every syncEvery bytes,
// until stop is called. What it cannot do is left to whoever writes.
func followFile(name string) (stop func(), err error) {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer func() { _ = file.Close() }() // nothing was written through it
		tick := time.NewTicker(followTick)
		defer tick.Stop()
		for synced := int64(0); ; {
			select {
			case <-stopping:
				return
			case <-tick.C:
			}
			info, err := file.Stat()
			if err != nil {
				return
			}
			if info.Size()-synced < syncEvery {
				continue
			}
			synced = info.Size()
			if err := file.Sync(); err != nil {
				return
			}
		}
	}()
	return func() {
		close(stopping)
		<-stopped
	}, nil
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
