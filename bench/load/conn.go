package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Conn is one keep-alive HTTP/1.1 connection that sends requests rendered
// beforehand, one at a time. It dials when it must: at the first request, after
// an error, and after the server closed. It is for one goroutine.
type Conn struct {
	addr    string
	timeout time.Duration // of one exchange
	conn    net.Conn
	in      *bufio.Reader
}

// NewConn returns a connection to addr (host:port), not yet dialled. An exchange
// that takes longer than timeout is an error.
func NewConn(addr string, timeout time.Duration) *Conn {
	return &Conn{addr: addr, timeout: timeout, in: bufio.NewReaderSize(nil, 32<<10)}
}

// Close closes the connection; the next request would dial anew.
func (c *Conn) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// Do sends one request (but HEAD, whose answer has no body) and reads its answer
// to the end. The body is dropped when keep is nil and appended to *keep
// otherwise. It returns the status; an error means that there was no whole answer.
func (c *Conn) Do(request []byte, keep *[]byte) (status int, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, c.timeout); err != nil {
			c.conn = nil
			return 0, err
		}
		c.in.Reset(c.conn)
	}
	if err = c.conn.SetDeadline(time.Now().Add(c.timeout)); err == nil {
		_, err = c.conn.Write(request)
	}
	if err != nil {
		c.Close()
		return 0, err
	}
	head, err := c.readHead()
	if err == nil {
		err = c.readBody(head, keep)
	}
	if err != nil || head.closes {
		c.Close()
	}
	return head.status, err
}

// head is what the client needs of an answer's head.
type head struct {
	status  int
	length  int64 // -1: not told
	chunked bool
	closes  bool
}

func (c *Conn) readHead() (head, error) {
	for {
		h, err := c.readOneHead()
		if err != nil || h.status >= 200 {
			return h, err
		}
		// 1xx only announces the answer.
	}
}

func (c *Conn) readOneHead() (head, error) {
	h := head{length: -1}
	line, err := c.readLine()
	if err != nil {
		return h, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return h, fmt.Errorf("not an HTTP/1.1 answer: %q", line)
	}
	h.closes = line[7] == '0'
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, fmt.Errorf("not an HTTP status: %q", line)
	}
	for {
		if line, err = c.readLine(); err != nil || len(line) == 0 {
			return h, err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, fmt.Errorf("not a header: %q", line)
		}
		value = bytes.TrimSpace(value)
		// The lengths tell most headers apart without comparing letters.
		switch len(name) {
		case len("Content-Length"):
			if bytes.EqualFold(name, []byte("Content-Length")) {
				if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil || h.length < 0 {
					return h, fmt.Errorf("not a length: %q", line)
				}
			}
		case len("Transfer-Encoding"):
			if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
				h.chunked = bytes.EqualFold(value, []byte("chunked"))
			}
		case len("Connection"):
			if bytes.EqualFold(name, []byte("Connection")) {
				h.closes = bytes.EqualFold(value, []byte("close"))
			}
		}
	}
}

func (c *Conn) readBody(h head, keep *[]byte) error {
	switch {
	case h.status == 204 || h.status == 304:
		return nil
	case h.chunked:
		return c.readChunks(keep)
	case h.length >= 0:
		return c.take(h.length, keep)
	case h.closes:
		for {
			if err := c.take(1, keep); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	return errors.New("an answer whose end nothing tells")
}

func (c *Conn) readChunks(keep *[]byte) error {
	for {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("not a chunk size: %q", line)
		}
		if n == 0 {
			break
		}
		if err := c.take(n, keep); err != nil {
			return err
		}
		if line, err = c.readLine(); err != nil || len(line) != 0 {
			return errors.Join(err, errors.New("a chunk without its end"))
		}
	}
	for { // trailers
		line, err := c.readLine()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// take consumes n bytes of the body.
func (c *Conn) take(n int64, keep *[]byte) error {
	if keep == nil {
		_, err := c.in.Discard(int(n))
		return err
	}
	start := len(*keep)
	*keep = append(*keep, make([]byte, n)...)
	_, err := io.ReadFull(c.in, (*keep)[start:])
	if err != nil {
		*keep = (*keep)[:start]
	}
	return err
}

// readLine returns the next line without its end. It is valid until the next read.
func (c *Conn) readLine() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
