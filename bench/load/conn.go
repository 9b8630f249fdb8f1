package load

import (
	"errors"
	"io"
	"net"
	"time"
)

// Conn is one keep-alive HTTP/1.1 connection that sends requests rendered
// beforehand, one at a time. It dials when it must: at the first request, after
// an error, and after the server closed. It is for one goroutine.
type Conn struct {
	addr    string
	timeout time.Duration // of one exchange
	conn    net.Conn
	in      []byte // what one read returns
	answer  answer
}

// NewConn returns a connection to addr (host:port), not yet dialled. An exchange
// that takes longer than timeout is an error.
func NewConn(addr string, timeout time.Duration) *Conn {
	return &Conn{addr: addr, timeout: timeout, in: make([]byte, readSize)}
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
	}
	c.answer.reset()
	c.answer.keep = keep
	if err = c.conn.SetDeadline(time.Now().Add(c.timeout)); err == nil {
		_, err = c.conn.Write(request)
	}
	for err == nil && !c.answer.whole() {
		err = c.read()
	}
	if err != nil || c.answer.closes {
		c.Close()
	}
	return c.answer.status, err
}

func (c *Conn) read() error {
	n, err := c.conn.Read(c.in)
	if wrong := c.answer.read(c.in[:n]); wrong != nil {
		return wrong
	}
	if errors.Is(err, io.EOF) && !c.answer.whole() {
		return c.answer.end()
	}
	return err
}
