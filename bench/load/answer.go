package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxLine bounds what is kept of a line whose end has not arrived, in bytes.
const maxLine = 32 << 10

// part is what of an answer is expected next.
type part int

const (
	statusLine part = iota
	headers
	body // the rest of it, or of a chunk
	bodyToClose
	chunkSize
	chunkEnd
	trailers
	nothing // the answer is whole
)

// answer finds the end of one HTTP/1.1 answer, fed as it arrives, in pieces of any
// size. The zero value waits for the first byte.
type answer struct {
	keep *[]byte // what the body is appended to; nil drops it

	status  int
	length  int64 // of the body in bytes; meaningful when told
	told    bool  // there is a Content-Length
	chunked bool
	closes  bool // the connection serves no further request

	expects part
	left    int64  // bytes to come of the body, or of the chunk
	line    []byte // the start of a line whose end has not arrived
}

// reset makes a ready for the next answer.
func (a *answer) reset() { *a = answer{keep: a.keep, line: a.line[:0]} }

func (a *answer) whole() bool { return a.expects == nothing }

// read takes what has arrived. Bytes after the answer's end are an error: nobody
// asked for them.
func (a *answer) read(p []byte) error {
	for len(p) > 0 {
		switch a.expects {
		case nothing:
			return errors.New("more than the answer")
		case bodyToClose:
			a.take(p)
			return nil
		case body:
			n := min(a.left, int64(len(p)))
			a.take(p[:n])
			p = p[n:]
			if a.left -= n; a.left == 0 {
				a.expects = nothing
				if a.chunked {
					a.expects = chunkEnd
				}
			}
		default:
			end := bytes.IndexByte(p, '\n')
			if end < 0 {
				if a.line = append(a.line, p...); len(a.line) > maxLine {
					return errors.New("a line without an end")
				}
				return nil
			}
			line := p[:end]
			if len(a.line) > 0 {
				line = append(a.line, line...)
				a.line = line[:0]
			}
			p = p[end+1:]
			if err := a.readLine(bytes.TrimSuffix(line, []byte("\r"))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *answer) take(p []byte) {
	if a.keep != nil {
		*a.keep = append(*a.keep, p...)
	}
}

// end says that the server closed the connection. That ends some answers and cuts off
// all others.
func (a *answer) end() error {
	if a.expects != bodyToClose {
		return io.ErrUnexpectedEOF
	}
	a.expects = nothing
	return nil
}

// readLine takes a line without its end.
func (a *answer) readLine(line []byte) error {
	switch a.expects {
	case statusLine:
		return a.readStatus(line)
	case headers:
		if len(line) == 0 {
			return a.endHead()
		}
		return a.readHeader(line)
	case chunkSize:
		return a.readChunkSize(line)
	case chunkEnd:
		if len(line) != 0 {
			return errors.New("a chunk without its end")
		}
		a.expects = chunkSize
	case trailers:
		if len(line) == 0 {
			a.expects = nothing
		}
	}
	return nil
}

func (a *answer) readStatus(line []byte) (err error) {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return fmt.Errorf("not an HTTP/1.1 answer: %q", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return fmt.Errorf("not an HTTP status: %q", line)
	}
	a.closes = line[7] == '0'
	a.expects = headers
	return nil
}

func (a *answer) readHeader(line []byte) (err error) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("not a header: %q", line)
	}
	// The lengths tell most headers apart without comparing letters.
	switch len(name) {
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			a.told = true
			if a.length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil || a.length < 0 {
				return fmt.Errorf("not a length: %q", line)
			}
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			a.chunked = bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked"))
		}
	case len("Connection"):
		if bytes.EqualFold(name, []byte("Connection")) {
			a.closes = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	return nil
}

// endHead tells from the head where the body ends (RFC 9112, section 6.3).
func (a *answer) endHead() error {
	switch {
	case a.status < 200: // only announces the answer
		a.reset()
	case a.status == 204 || a.status == 304:
		a.expects = nothing
	case a.chunked:
		a.expects = chunkSize
	case a.told && a.length == 0:
		a.expects = nothing
	case a.told:
		a.expects, a.left = body, a.length
	case a.closes:
		a.expects = bodyToClose
	default:
		return errors.New("an answer whose end nothing tells")
	}
	return nil
}

func (a *answer) readChunkSize(line []byte) (err error) {
	size, _, _ := bytes.Cut(line, []byte(";"))
	if a.left, err = strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64); err != nil || a.left < 0 {
		return fmt.Errorf("not a chunk size: %q", line)
	}
	a.expects = body
	if a.left == 0 {
		a.expects = trailers
	}
	return nil
}
