package storage

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"

	"maestro/problem"
	"maestro/tenancy"
)

// blobFiles are the content files: blobs/<tenant id>/sha256/ab/cdef…, and
// uploads under way beside them, in blobs/<tenant id>/tmp. Which of them count
// is said by the rows of the table blobs: a file without a row is rubbish, a row
// without its file is damage, so a file comes before its row and goes after it.
type blobFiles struct {
	mu      sync.Mutex
	locks   map[blobKey]*blobLock
	uploads map[string]bool // paths of the temporary files that somebody is writing
	swept   string          // where the sweep goes on: a directory of content
	keeping atomic.Int64    // backups under way: content stays, for the sweep to remove later
	staging staging
}

// blobKey names content: its tenant and its SHA-256 in hexadecimal.
type blobKey struct {
	tenant tenancy.ID
	hash   string
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// isSHA256 reports whether a text is a SHA-256 in hexadecimal, as content is named by.
func isSHA256(text string) bool { return sha256Form.MatchString(text) }

type blobLock struct {
	mu      sync.Mutex
	holders int // those who hold it or wait for it
}

const (
	shardsName  = "sha256"
	uploadsName = "tmp"
)

func (k blobKey) dir() string  { return path.Join(k.tenant.String(), shardsName, k.hash[:2]) }
func (k blobKey) path() string { return path.Join(k.dir(), k.hash[2:]) }

// lock holds the file of one content: nobody else places or removes it until the
// returned function is called.
func (f *blobFiles) lock(k blobKey) (unlock func()) {
	f.mu.Lock()
	if f.locks == nil {
		f.locks = make(map[blobKey]*blobLock)
	}
	l := f.locks[k]
	if l == nil {
		l = new(blobLock)
		f.locks[k] = l
	}
	l.holders++
	f.mu.Unlock()
	l.mu.Lock()
	return func() {
		l.mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		if l.holders--; l.holders == 0 {
			delete(f.locks, k)
		}
	}
}

// keepAll has all content stay, though its rows may go, until the returned function
// is called. Whoever removes content asks after its rows first, so content whose
// rows are in a snapshot taken after this is still there.
func (f *blobFiles) keepAll() (release func()) {
	f.keeping.Add(1)
	return func() { f.keeping.Add(-1) }
}

// kept reports whether content must stay.
func (f *blobFiles) kept() bool { return f.keeping.Load() > 0 }

// upload is content on its way in.
type upload struct {
	path string // of the temporary file
	hash string
	size int64
}

const copyBufferSize = 128 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

// receive writes the body of the content to a temporary file as far as its arrival
// admits, hashing it, and returns when it is on disk. A failure leaves no file.
func (s *Store) receive(arriving *arrival, content *NewContent) (u upload, err error) {
	if err := arriving.look(max(content.Size, 0)); err != nil {
		return u, err
	}
	return s.stage(arriving.share.tenant, content.Body, arriving.admit)
}

// stage writes a body to a temporary file of the tenant, as long as admit admits its
// size so far.
func (s *Store) stage(tenant tenancy.ID, body io.Reader, admit func(size int64) error) (u upload, err error) {
	dir := path.Join(tenant.String(), uploadsName)
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return u, diskError(err)
	}
	u.path = path.Join(dir, rand.Text())
	s.files.claim(u.path)
	whole := false
	defer func() {
		if !whole {
			s.abandonUpload(u)
		}
	}()
	file, err := s.root.OpenFile(u.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return u, diskError(err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = file.Close() // it goes
		}
	}()
	if err := u.fill(file, body, admit); err != nil {
		return u, err
	}
	closed = true
	if err := file.Close(); err != nil {
		return u, diskError(err)
	}
	whole = true
	return u, nil
}

// fill writes body to file, as long as admit admits its size so far.
func (u *upload) fill(file *os.File, body io.Reader, admit func(size int64) error) error {
	buffer := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buffer)
	hash := sha256.New()
	for {
		n, readErr := body.Read(buffer[:])
		u.size += int64(n)
		if err := admit(u.size); err != nil {
			return err
		}
		hash.Write(buffer[:n])
		if _, err := file.Write(buffer[:n]); err != nil {
			return diskError(err)
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return fmt.Errorf("storage: the content ended early: %w", readErr)
		}
	}
	u.hash = hex.EncodeToString(hash.Sum(nil))
	return diskError(file.Sync())
}

// place gives the upload its final name, under its content's lock, and returns
// when the name is on disk. Content that is there already stays.
func (s *Store) place(k blobKey, u upload) error {
	if info, err := s.root.Stat(k.path()); err == nil && info.Size() == u.size {
		s.abandonUpload(u)
		return nil
	}
	err := s.root.MkdirAll(k.dir(), 0o700)
	if err == nil {
		err = s.root.Rename(u.path, k.path())
	}
	if err != nil {
		s.abandonUpload(u)
		return diskError(err)
	}
	s.files.disclaim(u.path)
	// The directories may be as new as the file.
	for dir := k.dir(); ; dir = path.Dir(dir) {
		if err := syncIn(s.root, dir); err != nil {
			return diskError(err)
		}
		if dir == "." {
			return nil
		}
	}
}

// abandonUpload removes a temporary file. One that cannot be removed is left to
// the sweep.
func (s *Store) abandonUpload(u upload) {
	if err := s.root.Remove(u.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("an upload was not removed", "path", u.path, "error", err)
	}
	s.files.disclaim(u.path)
}

// removeBlob removes the file of content that has no row, under its lock. One
// that cannot be removed is left to the sweep.
func (s *Store) removeBlob(k blobKey) {
	if err := s.root.Remove(k.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("content was not removed", "path", k.path(), "error", err)
	}
}

func (f *blobFiles) claim(upload string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uploads == nil {
		f.uploads = make(map[string]bool)
	}
	f.uploads[upload] = true
}

func (f *blobFiles) disclaim(upload string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.uploads, upload)
}

func (f *blobFiles) claimed(upload string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.uploads[upload]
}

// diskError gives a full disk its code.
func diskError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return problem.Wrap(err, problem.StorageFull, "The disk has no room for this content.")
	default:
		return fmt.Errorf("storage: %w", err)
	}
}
