package archive

import (
	"archive/tar"
	"bufio"
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

// Bounds of what is read before it can be trusted.
const (
	maxName   = 512      // bytes of a file's name
	maxHeader = 16 << 10 // bytes between two contents

	maxSumLine = 2*sha256.Size + len("  ") + maxName + len("\n") // bytes of a line of the list
)

// Read reads an archive to its end and calls each for every file in it, in order.
// What each is given is not checked yet: only when Read returns nil was every byte
// what was written. It fails with a *DamageError that names the first damaged
// file, with ErrNoArchive, or with the error of each. The list of digests grows in
// a temporary file in the directory temp.
func Read(in io.Reader, temp string, each func(info Info, name string, size int64, content io.Reader) error) (info Info, err error) {
	sums, err := os.CreateTemp(temp, "sums-*")
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, sums.Close(), os.Remove(sums.Name())) }()
	r := &reader{record: recorder{in: in}, sums: sums}
	r.tar = tar.NewReader(&r.record)
	if info, err = r.info(); err != nil {
		return info, err
	}
	for {
		head, err := r.next()
		if err != nil {
			return info, err
		}
		if head.Name == sumsName {
			return info, r.finish(head)
		}
		if _, err := r.content(head, func(content io.Reader) error { return each(info, head.Name, head.Size, content) }); err != nil {
			return info, err
		}
	}
}

type reader struct {
	record recorder
	tar    *tar.Reader
	sums   *os.File
	at     time.Time
	last   string // the file before
	padded int64  // its size
}

// recorder keeps what is read while it is told to.
type recorder struct {
	in   io.Reader
	on   bool
	kept bytes.Buffer
	err  error
}

var errHeaderTooLong = errors.New("too much between two files")

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	if r.on {
		if r.kept.Len()+n > maxHeader {
			return 0, errHeaderTooLong
		}
		r.kept.Write(b[:n])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// between runs f and returns what it read.
func (r *recorder) between(f func() error) ([]byte, error) {
	r.on = true
	r.kept.Reset()
	err := f()
	r.on = false
	return r.kept.Bytes(), err
}

// next reads the header of the next file and requires it to be what Writer writes
// for what it says.
func (r *reader) next() (head *tar.Header, err error) {
	raw, err := r.record.between(func() (err error) {
		head, err = r.tar.Next()
		return err
	})
	switch {
	case r.record.err != nil:
		return nil, r.unreadable("behind "+r.last, r.record.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &DamageError{Name: r.behind(), Reason: "is missing: the archive ends early"}
	case err != nil:
		return nil, &DamageError{Name: r.behind(), Reason: "has a damaged header", Err: err}
	}
	if r.last == "" {
		r.at = head.ModTime
	}
	gap := padding(r.padded)
	want, err := header(head.Name, head.Size, r.at)
	if err != nil || !bytes.Equal(raw, append(gap, want...)) {
		if len(raw) >= len(gap) && !bytes.Equal(raw[:len(gap)], gap) {
			return nil, &DamageError{Name: r.last, Reason: "has a damaged end"}
		}
		return nil, &DamageError{Name: r.behind(), Reason: "has a damaged header"}
	}
	if !fs.ValidPath(head.Name) || len(head.Name) > maxName {
		return nil, &DamageError{Name: r.behind(), Reason: "has no allowed name"}
	}
	return head, nil
}

// behind names a file whose own name cannot be read.
func (r *reader) behind() string {
	if r.last == "" {
		return "the first file"
	}
	return "the file behind " + r.last
}

func (r *reader) unreadable(name string, err error) error {
	return &DamageError{Name: name, Reason: "cannot be read: " + err.Error(), Err: err}
}

// info reads the first file.
func (r *reader) info() (info Info, err error) {
	head, err := r.next()
	if err != nil || head.Name != infoName || head.Size > maxInfoBytes {
		if r.record.err != nil {
			return info, err
		}
		return info, ErrNoArchive
	}
	var text bytes.Buffer
	if _, err := r.content(head, func(content io.Reader) error {
		_, err := text.ReadFrom(content)
		return err
	}); err != nil {
		return info, err
	}
	return parseInfo(text.Bytes())
}

// content hands a file's content to f, reads what f left, and notes the digest.
func (r *reader) content(head *tar.Header, f func(io.Reader) error) (sum string, err error) {
	hash := sha256.New()
	content := &hashed{in: io.TeeReader(r.tar, hash)}
	err = f(content)
	if err == nil && content.err == nil {
		_, err = io.Copy(io.Discard, content)
	}
	if content.err != nil {
		if errors.Is(content.err, io.ErrUnexpectedEOF) {
			return "", &DamageError{Name: head.Name, Reason: "ends early", Err: content.err}
		}
		return "", r.unreadable(head.Name, content.err)
	}
	if err != nil {
		return "", err
	}
	r.last, r.padded = head.Name, head.Size
	sum = hex.EncodeToString(hash.Sum(nil))
	if head.Name != sumsName && head.Name != sealName {
		_, err = r.sums.WriteString(sumLine(sum, head.Name))
	}
	return sum, err
}

// hashed remembers why reading failed, so that it is not taken for a failure of
// whoever reads.
type hashed struct {
	in  io.Reader
	err error
}

func (h *hashed) Read(b []byte) (int, error) {
	n, err := h.in.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = err
	}
	return n, err
}

// finish compares the list with what was read, the seal with the list, and
// requires that nothing follows.
func (r *reader) finish(head *tar.Header) error {
	size, err := r.sums.Seek(0, io.SeekCurrent) // every line was written
	if err != nil {
		return err
	}
	if _, err := r.sums.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var differs error
	sum, err := r.content(head, func(content io.Reader) error {
		differs = compareLines(bufio.NewReaderSize(r.sums, maxSumLine), bufio.NewReaderSize(content, maxSumLine))
		if head.Size != size {
			return differs // which a list of another size always does; its rest may go on for ever
		}
		return nil
	})
	if err != nil {
		return err
	}
	seal, err := r.seal()
	if err != nil {
		return err
	}
	sealed := seal == sumLine(sum, sumsName)
	switch {
	case differs != nil && sealed:
		return differs
	case !sealed && differs == nil:
		return &DamageError{Name: sealName, Reason: "differs from the digest of " + sumsName}
	case !sealed:
		return &DamageError{Name: sumsName, Reason: "differs from its digest in " + sealName}
	}
	return r.end()
}

// compareLines returns what the first line that differs says. It holds one line of
// each, of maxSumLine bytes at most.
func compareLines(read, listed *bufio.Reader) error {
	for {
		gotLine, gotErr := read.ReadSlice('\n')
		wantLine, wantErr := listed.ReadSlice('\n')
		got, want := string(gotLine), string(wantLine)
		if got == want && gotErr == nil && wantErr == nil {
			continue
		}
		switch {
		case got == "" && want == "":
			return nil
		case want != "" && (wantErr != nil || nameOf(want) == ""):
			return &DamageError{Name: sumsName, Reason: "has a line that is not that of a file"}
		case got == "":
			return &DamageError{Name: nameOf(want), Reason: "is missing"}
		case want == "" || nameOf(got) != nameOf(want):
			return &DamageError{Name: nameOf(got), Reason: "is not in the list of digests"}
		}
		return &DamageError{Name: nameOf(got), Reason: "is damaged: its content differs from its digest"}
	}
}

func nameOf(line string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
	return fmt.Sprintf("%.*s", maxName, name)
}

func (r *reader) seal() (string, error) {
	head, err := r.next()
	if err != nil {
		return "", err
	}
	if head.Name != sealName || head.Size > maxName {
		return "", &DamageError{Name: sealName, Reason: "is missing"}
	}
	var text bytes.Buffer
	_, err = r.content(head, func(content io.Reader) error {
		_, err := text.ReadFrom(content)
		return err
	})
	return text.String(), err
}

// end requires the archive to end here.
func (r *reader) end() error {
	raw, err := r.record.between(func() error {
		_, err := r.tar.Next()
		return err
	})
	if r.record.err != nil {
		return r.unreadable("the end", r.record.err)
	}
	if !errors.Is(err, io.EOF) || !bytes.Equal(raw, append(padding(r.padded), trailer()...)) {
		return &DamageError{Name: "the end", Reason: "is damaged"}
	}
	if n, err := io.ReadFull(r.record.in, make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return &DamageError{Name: "the end", Reason: "is followed by something else", Err: err}
	}
	return nil
}
