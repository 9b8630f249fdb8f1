package archive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"maestro/tenancy"
)

// Format is the version of the form, which Info carries.
const Format = 1

// Names of what the archive itself needs.
const (
	infoName = "maestro.json"
	sumsName = "SHA256SUMS"
	sealName = "SHA256SUMS.sha256"
)

// maxInfoBytes bounds the first file of an archive.
const maxInfoBytes = 4096

// Info says what an archive is.
type Info struct {
	Format    int          `json:"format"`
	Version   string       `json:"version"`    // of the Maestro that wrote it
	Schema    int64        `json:"schema"`     // version of the database's schema
	CreatedAt tenancy.Time `json:"created_at"` // no later than the state that it holds
}

func (i Info) encode() []byte {
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		panic("archive: " + err.Error()) // texts and numbers always encode
	}
	return append(text, '\n')
}

func parseInfo(text []byte) (i Info, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&i); err != nil {
		return i, &DamageError{Name: infoName, Reason: "cannot be read: " + err.Error()}
	}
	if i.Format != Format {
		return i, &DamageError{Name: infoName, Reason: fmt.Sprintf("says format %d, and this program knows %d: use the maestro that wrote it, version %q", i.Format, Format, i.Version)}
	}
	return i, nil
}

// ErrNoArchive says that a file is no backup at all.
var ErrNoArchive = errors.New("this is no backup of Maestro")

// DamageError names what is damaged in an archive.
type DamageError struct {
	Name   string // the file in the archive
	Reason string
	Err    error // of reading, if that failed
}

func (e *DamageError) Error() string { return fmt.Sprintf("%s in the archive %s", e.Name, e.Reason) }
func (e *DamageError) Unwrap() error { return e.Err }

// header renders what stands before a file's content.
func header(name string, size int64, at time.Time) ([]byte, error) {
	var rendered bytes.Buffer
	err := tar.NewWriter(&rendered).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at})
	return rendered.Bytes(), err
}

const blockSize = 512

// padding is what fills the last block of a content.
func padding(size int64) []byte { return make([]byte, -size&(blockSize-1)) }

// trailer ends the archive.
func trailer() []byte { return make([]byte, 2*blockSize) }

// sumLine is a file's line in the list, as sha256sum writes it.
func sumLine(sum, name string) string { return sum + "  " + name + "\n" }

// copyAll copies exactly size bytes.
func copyAll(w io.Writer, r io.Reader, size int64) error {
	n, err := io.Copy(w, io.LimitReader(r, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return errors.New("it grew while it was copied")
	}
	return nil
}
