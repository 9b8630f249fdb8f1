package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"syscall"
	"time"
)

// eventLoop is a closed loop of HTTP clients in one goroutine, over epoll(7). Beside
// a goroutine for each client it saves the read that finds nothing before each
// wait, the deadline set for each exchange, and the switches; what it still
// costs is the kernel's work, nearly all of it. Two loops cost more than one: Go
// then takes the processor of each that waits.
type eventLoop struct {
	ctx     context.Context
	address syscall.Sockaddr
	next    Next
	start   time.Time
	d       time.Duration // since start; no exchange begins after it
	timeout time.Duration // of one exchange; noticed up to a tenth late

	epoll   int
	in      []byte // what one read returns
	clients []client
	dialing []*client // that are to send and have no connection
	running int       // clients that are not done
	result  Result
}

// client is one connection with the exchange on it.
type client struct {
	number int // in eventLoop.clients
	random *rand.Rand

	fd       int  // of the connection; -1: none
	readable bool // there may be more to read
	hungUp   bool // the server sends no more

	began   time.Duration // since the loop's start
	request []byte
	unsent  []byte // the rest of request
	answer  answer
}

// yieldEvery is well below the 10 ms after which Go's runtime takes a goroutine that
// did not yield for one that hogs its processor. It would look 50 000 times a second
// whether it can take that away, which costs a tenth of the loop's time.
const yieldEvery = 2 * time.Millisecond

// edgeTriggered is EPOLLET, which package syscall has as a negative number.
const edgeTriggered = -syscall.EPOLLET

func newEventLoop(ctx context.Context, addr string, clients int, d time.Duration, next Next) (*eventLoop, error) {
	address, err := resolve(addr)
	if err != nil {
		return nil, err
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	l := &eventLoop{
		ctx: ctx, address: address, next: next, d: d, timeout: exchangeTimeout,
		epoll: epoll, in: make([]byte, readSize), clients: make([]client, clients),
	}
	for i := range l.clients {
		l.clients[i] = client{number: i, random: rand.New(rand.NewPCG(1, uint64(i))), fd: -1}
	}
	return l, nil
}

// resolve returns the address of a host and port; no host is this machine.
func resolve(addr string) (syscall.Sockaddr, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp.IP == nil {
		tcp.IP = net.IPv4(127, 0, 0, 1)
	}
	if ip := tcp.IP.To4(); ip != nil {
		return &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip)}, nil
	}
	return &syscall.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP.To16())}, nil
}

// run ends when every client's last exchange has ended. It fails only when it cannot
// wait for events.
func (l *eventLoop) run() error {
	defer l.close()
	l.start = time.Now()
	for i := range l.clients {
		l.running++
		l.begin(&l.clients[i], 0)
	}
	events := make([]syscall.EpollEvent, max(len(l.clients), 1))
	every := max(l.timeout/10, time.Millisecond)
	var swept, yielded time.Duration
	for l.running > 0 {
		wait := every
		if l.dial(); len(l.dialing) > 0 {
			wait = 0
		}
		n, err := syscall.EpollWait(l.epoll, events, int(wait.Milliseconds()))
		if err != nil && err != syscall.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			l.happened(&l.clients[e.Fd], e.Events)
		}
		now := time.Since(l.start)
		if now-yielded >= yieldEvery {
			yielded = now
			runtime.Gosched()
		}
		if now-swept >= every {
			swept = now
			l.expire(now)
		}
	}
	l.result.Elapsed = time.Since(l.start)
	return nil
}

func (l *eventLoop) close() {
	for i := range l.clients {
		l.clients[i].disconnect()
	}
	_ = syscall.Close(l.epoll)
}

// begin starts the client's next exchange, unless it is time to stop. The connection
// is written to when an event says that it can be, or by who called.
func (l *eventLoop) begin(c *client, now time.Duration) {
	if now >= l.d || l.ctx.Err() != nil {
		l.running--
		c.disconnect()
		return
	}
	c.began = now
	c.request = l.next(c.number, c.random, c.request[:0])
	c.unsent = c.request
	c.answer.reset()
	if c.fd < 0 {
		l.dialing = append(l.dialing, c)
	}
}

// dial connects the clients that need it, without waiting. Those that cannot be
// try their next exchange at the next call, so that they do not hold up the others.
func (l *eventLoop) dial() {
	waiting := l.dialing
	l.dialing = nil
	for _, c := range waiting {
		if err := l.connect(c); err != nil {
			l.end(c, err)
		}
	}
}

// connect starts to connect a client. The first write tells whether it succeeded.
func (l *eventLoop) connect(c *client) (err error) {
	family := syscall.AF_INET
	if _, ok := l.address.(*syscall.SockaddrInet6); ok {
		family = syscall.AF_INET6
	}
	if c.fd, err = syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("socket: %w", err) // and c.fd is -1
	}
	if err := syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if err := syscall.Connect(c.fd, l.address); err != nil && err != syscall.EINPROGRESS {
		return fmt.Errorf("connect: %w", err)
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | edgeTriggered, Fd: int32(c.number)}
	if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (c *client) disconnect() {
	if c.fd >= 0 {
		_ = syscall.Close(c.fd)
		c.fd, c.readable, c.hungUp = -1, false, false
	}
}

// happened goes on with a client of which there is news.
func (l *eventLoop) happened(c *client, events uint32) {
	c.hungUp = c.hungUp || events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0
	c.readable = c.readable || events&^syscall.EPOLLOUT != 0
	for c.fd >= 0 {
		ended, err := l.goOn(c)
		if !ended {
			return
		}
		l.end(c, err)
	}
}

// goOn takes the exchange as far as it goes without waiting, and says whether it ended.
func (l *eventLoop) goOn(c *client) (ended bool, err error) {
	for len(c.unsent) > 0 {
		n, err := syscall.Write(c.fd, c.unsent)
		switch {
		case err == syscall.EAGAIN:
			return false, nil
		case err == syscall.EINTR:
		case err != nil:
			return true, fmt.Errorf("write: %w", err)
		default:
			c.unsent = c.unsent[n:]
		}
	}
	for c.readable {
		n, err := syscall.Read(c.fd, l.in)
		switch {
		case err == syscall.EAGAIN:
			c.readable = false
		case err == syscall.EINTR:
		case err != nil:
			return true, fmt.Errorf("read: %w", err)
		case n == 0:
			return true, c.answer.end()
		default:
			// A short read took all there was, and what comes later is an event. The
			// server's end of the connection was one already.
			c.readable = n == len(l.in) || c.hungUp
			if err := c.answer.read(l.in[:n]); err != nil || c.answer.whole() {
				return true, err
			}
		}
	}
	return false, nil
}

// end counts the client's exchange, which ended with err, and begins its next.
func (l *eventLoop) end(c *client, err error) {
	now := time.Since(l.start)
	if err != nil || c.answer.closes {
		c.disconnect()
	}
	if err == nil && (c.answer.status < 200 || c.answer.status > 299) {
		err = fmt.Errorf("status %d", c.answer.status)
	}
	l.result.count(now-c.began, err)
	l.begin(c, now)
}

// expire ends the exchanges that take too long.
func (l *eventLoop) expire(now time.Duration) {
	for i := range l.clients {
		if c := &l.clients[i]; c.fd >= 0 && now-c.began > l.timeout {
			l.end(c, fmt.Errorf("no whole answer within %v", l.timeout))
		}
	}
}
