package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Writer writes an archive. Close must be called in any case.
type Writer struct {
	out  io.Writer
	sums *os.File // the list, until it is written
	at   time.Time
	err  error // of a write: what follows would not be readable
}

// NewWriter begins an archive on out. The list of digests grows in a temporary
// file in the directory temp.
func NewWriter(out io.Writer, temp string, info Info) (*Writer, error) {
	sums, err := os.CreateTemp(temp, "sums-*")
	if err != nil {
		return nil, err
	}
	info.Format = Format
	w := &Writer{out: out, sums: sums, at: info.CreatedAt.Std().Truncate(time.Second)}
	text := info.encode()
	if _, err := w.Add(infoName, int64(len(text)), bytes.NewReader(text)); err != nil {
		return nil, errors.Join(err, w.release())
	}
	return w, nil
}

// Add writes a file whose size is known and returns its SHA-256 in hexadecimal.
func (w *Writer) Add(name string, size int64, content io.Reader) (sum string, err error) {
	if w.err != nil {
		return "", w.err
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\n\\") || len(name) > maxName {
		return "", fmt.Errorf("archive: %q is no name for a file", name)
	}
	if sum, err = w.add(name, size, content); err == nil {
		_, err = w.sums.WriteString(sumLine(sum, name))
	}
	if err != nil {
		w.err = fmt.Errorf("write %s to the archive: %w", name, err)
	}
	return sum, w.err
}

func (w *Writer) add(name string, size int64, content io.Reader) (sum string, err error) {
	head, err := header(name, size, w.at)
	if err != nil {
		return "", err
	}
	if _, err := w.out.Write(head); err != nil {
		return "", err
	}
	hash := sha256.New()
	if err := copyAll(io.MultiWriter(w.out, hash), content, size); err != nil {
		return "", err
	}
	if _, err := w.out.Write(padding(size)); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// Close writes the list of digests and the end. An archive is complete only if it
// returns nil.
func (w *Writer) Close() error {
	err := w.err
	if err == nil {
		err = w.finish()
	}
	return errors.Join(err, w.release())
}

func (w *Writer) finish() error {
	size, err := w.sums.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := w.sums.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, err := w.add(sumsName, size, w.sums)
	if err != nil {
		return err
	}
	seal := sumLine(sum, sumsName)
	if _, err := w.add(sealName, int64(len(seal)), strings.NewReader(seal)); err != nil {
		return err
	}
	_, err = w.out.Write(trailer())
	return err
}

func (w *Writer) release() error {
	return errors.Join(w.sums.Close(), os.Remove(w.sums.Name()))
}
