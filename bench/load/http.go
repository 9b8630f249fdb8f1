package load

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// exchangeTimeout bounds one request, so that a server that hangs is an error and
	// not a benchmark that never ends.
	exchangeTimeout = 10 * time.Second

	readSize = 64 << 10 // bytes that one read takes at most
)

// Next appends a client's next request, whole, to buf and returns it. It must not
// share anything that changes with another client but through atomics.
type Next func(client int, random *rand.Rand, buf []byte) []byte

// HTTP lets the clients send requests to addr (host:port) for d, one connection
// each, in a closed loop like Loop's. A status outside 200..299 is an error that
// is counted, and so is an answer that is not whole within 10 s. It fails when
// ctx is cancelled, when addr does not resolve, and when the system has no epoll
// to give.
func HTTP(ctx context.Context, addr string, clients int, d time.Duration, next Next) (*Result, error) {
	l, err := newEventLoop(ctx, addr, clients, d, next)
	if err != nil {
		return nil, err
	}
	if err := l.run(); err != nil {
		return nil, err
	}
	return &l.result, ctx.Err()
}
