package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// always makes every client send the same request.
func always(request string) Next {
	return func(_ int, _ *rand.Rand, buf []byte) []byte { return append(buf, request...) }
}

// listening lets serve have every connection until it returns.
func listening(t *testing.T, serve func(conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// readRequest reads a whole request and says whether there was one.
func readRequest(in *bufio.Reader) bool {
	request, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err == nil
}

// loopFor runs an event loop whose exchanges may take as long as timeout.
func loopFor(t *testing.T, addr string, clients int, d, timeout time.Duration, next Next) *Result {
	t.Helper()
	l, err := newEventLoop(t.Context(), addr, clients, d, next)
	if err != nil {
		t.Fatal(err)
	}
	l.timeout = timeout
	if err := l.run(); err != nil {
		t.Fatal(err)
	}
	if l.result.Latency.Count() != l.result.Requests {
		t.Errorf("%d latencies of %d requests", l.result.Latency.Count(), l.result.Requests)
	}
	return &l.result
}

// However the network cuts the answers, the loop counts each once, in its time.
func TestEventLoopReadsEveryFramingByteByByte(t *testing.T) {
	for _, c := range framings {
		t.Run(c.name, func(t *testing.T) {
			var sent atomic.Int64
			addr := listening(t, func(conn net.Conn) {
				for in := bufio.NewReader(conn); readRequest(in); {
					sent.Add(1)
					for i := range len(c.answer) {
						if _, err := io.WriteString(conn, c.answer[i:i+1]); err != nil {
							return
						}
					}
					if c.closes {
						return
					}
				}
			})
			got := loopFor(t, addr, 2, 20*time.Millisecond, 5*time.Second, always(get))
			if c.status > 299 {
				got.Requests, got.Errors = got.Errors, got.Requests
			}
			if got.Requests < 2 || got.Requests != sent.Load() || got.Errors != 0 {
				t.Errorf("got %d answers of %d and %d others: %s", got.Requests, sent.Load(), got.Errors, got.FirstError)
			}
		})
	}
}

func TestEventLoopRefusesWhatIsNoAnswer(t *testing.T) {
	for _, text := range noAnswers {
		got := loopFor(t, scripted(t, text), 2, 5*time.Millisecond, 5*time.Second, always(get))
		if got.Requests != 0 || got.Errors < 2 {
			t.Errorf("%.60q: %d answers, %d errors", text, got.Requests, got.Errors)
		}
	}
}

// A server that hangs, wherever it does, is one error for each client.
func TestEventLoopEndsWhatHangs(t *testing.T) {
	const timeout = 50 * time.Millisecond
	large := string(AppendRequest(nil, "POST", "/", "", make([]byte, 32<<20))) // more than the sockets hold
	for _, c := range []struct {
		name, request, answer string
		reads                 bool
	}{
		{"before it reads", large, "", false},
		{"before the answer", get, "", true},
		{"in the head", get, "HTTP/1.1 200 OK\r\nContent-Le", true},
		{"in the body", get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true},
		{"before the close", get, "HTTP/1.0 200 OK\r\n\r\nhello", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := listening(t, func(conn net.Conn) {
				if c.reads {
					readRequest(bufio.NewReader(conn))
					_, _ = io.WriteString(conn, c.answer)
				}
				<-t.Context().Done()
			})
			got := loopFor(t, addr, 3, time.Millisecond, timeout, always(c.request))
			if got.Requests != 0 || got.Errors != 3 || got.Elapsed < timeout || !strings.Contains(got.FirstError, "within 50ms") {
				t.Errorf("got %d answers, %d errors in %v: %s", got.Requests, got.Errors, got.Elapsed, got.FirstError)
			}
		})
	}
}

// A slow client does not hold up the others.
func TestEventLoopDoesNotWaitForOneClient(t *testing.T) {
	addr := listening(t, func(conn net.Conn) {
		for in := bufio.NewReader(conn); ; {
			request, err := http.ReadRequest(in)
			if err != nil || request.URL.Path == "/0" {
				<-t.Context().Done()
				return
			}
			_, _ = io.WriteString(conn, framings[0].answer)
		}
	})
	got := loopFor(t, addr, 2, 50*time.Millisecond, 500*time.Millisecond, func(client int, _ *rand.Rand, buf []byte) []byte {
		return fmt.Appendf(buf, "GET /%d HTTP/1.1\r\nHost: test\r\n\r\n", client)
	})
	if got.Requests < 2 || got.Errors != 1 {
		t.Errorf("got %d answers and %d errors: %s", got.Requests, got.Errors, got.FirstError)
	}
}

// Requests larger than the sockets hold are sent whole before their answer counts,
// even where it comes first.
func TestEventLoopSendsTheWholeRequest(t *testing.T) {
	request := string(AppendRequest(nil, "POST", "/", "", make([]byte, 16<<20)))
	for _, early := range []bool{false, true} {
		var read atomic.Int64
		addr := listening(t, func(conn net.Conn) {
			for in := bufio.NewReader(conn); ; {
				if _, err := in.Peek(1); err != nil {
					return
				}
				if early {
					_, _ = io.WriteString(conn, framings[0].answer)
				}
				if !readRequest(in) {
					return
				}
				read.Add(1)
				if !early {
					_, _ = io.WriteString(conn, framings[0].answer)
				}
			}
		})
		got := loopFor(t, addr, 1, 50*time.Millisecond, 10*time.Second, always(request))
		if unread := got.Requests - read.Load(); got.Requests == 0 || got.Errors != 0 || unread < 0 || unread > 1 {
			t.Errorf("early %v: %d answers, %d errors, %d requests read whole: %s", early, got.Requests, got.Errors, read.Load(), got.FirstError)
		}
	}
}

// A connection that the server closes without a word is an error at the next
// request, and the one after dials anew.
func TestEventLoopDialsAnewAfterTheServerCloses(t *testing.T) {
	got := loopFor(t, scripted(t, framings[0].answer), 1, 100*time.Millisecond, 5*time.Second, always(get))
	if got.Requests < 2 || got.Errors < got.Requests-1 || got.Errors > got.Requests {
		t.Errorf("got %d answers and %d errors, want them by turns", got.Requests, got.Errors)
	}
}

func TestEventLoopCountsWhatCannotBeDialled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	got := loopFor(t, listener.Addr().String(), 2, 5*time.Millisecond, 5*time.Second, always(get))
	if got.Requests != 0 || got.Errors < 2 || !strings.Contains(got.FirstError, "connection refused") {
		t.Errorf("got %d answers, %d errors: %s", got.Requests, got.Errors, got.FirstError)
	}
	if _, err := HTTP(t.Context(), "127.0.0.1:none", 1, time.Millisecond, always(get)); err == nil {
		t.Error("an address that is none was accepted")
	}
}

// Answers of every size arrive whole, each client on its one connection with one
// request at a time, and draws what its own seed gives.
func TestHTTPStaysInStepWithNetHTTP(t *testing.T) {
	const clients = 8
	sizes := []int{0, 1, 100, 5000, 40_000, 1_000_000}
	var mu sync.Mutex
	busy, connections, seen := map[string]bool{}, map[string]bool{}, int64(0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var client string
		var size int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d/%1s", &size, &client)
		mu.Lock()
		if busy[client] {
			t.Errorf("client %s sent a request before the last was answered", client)
		}
		busy[client], connections[r.RemoteAddr] = true, true
		seen++
		mu.Unlock()
		_, _ = io.WriteString(w, strings.Repeat("x", size/2))
		w.(http.Flusher).Flush()
		mu.Lock()
		busy[client] = false
		mu.Unlock()
		_, _ = io.WriteString(w, strings.Repeat("x", size-size/2))
	}))
	defer server.Close()
	var drawn [clients][]uint64
	got, err := HTTP(t.Context(), server.Listener.Addr().String(), clients, 100*time.Millisecond, func(client int, random *rand.Rand, buf []byte) []byte {
		drawn[client] = append(drawn[client], random.Uint64())
		return fmt.Appendf(buf, "GET /%d/%d HTTP/1.1\r\nHost: test\r\n\r\n", sizes[len(drawn[client])%len(sizes)], client)
	})
	if err != nil || got.Errors != 0 || got.Requests < clients || got.Requests != seen || len(connections) != clients {
		t.Errorf("got %d answers of %d on %d connections, %d errors: %s, %v", got.Requests, seen, len(connections), got.Errors, got.FirstError, err)
	}
	for client, got := range drawn {
		random := rand.New(rand.NewPCG(1, uint64(client)))
		want := make([]uint64, len(got))
		for i := range want {
			want[i] = random.Uint64()
		}
		if !slices.Equal(got, want) {
			t.Errorf("client %d drew other numbers than its seed gives", client)
		}
	}
}

// A cancelled loop begins no further request; what is under way ends.
func TestHTTPEndsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var answered atomic.Int64
	addr := listening(t, func(conn net.Conn) {
		for in := bufio.NewReader(conn); readRequest(in); {
			if answered.Add(1) == 10 {
				cancel()
			}
			_, _ = io.WriteString(conn, framings[0].answer)
		}
	})
	_, err := HTTP(ctx, addr, 1, time.Hour, always(get))
	if !errors.Is(err, context.Canceled) || answered.Load() != 10 {
		t.Errorf("got %v after %d answers, want it cancelled after 10", err, answered.Load())
	}
}

// Without a host, it is this machine that is asked, as net.Dial does.
func TestNoHostIsThisMachine(t *testing.T) {
	for addr, want := range map[string]syscall.Sockaddr{
		":80":          &syscall.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}},
		"127.0.0.2:80": &syscall.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 2}},
		"[::1]:80":     &syscall.SockaddrInet6{Port: 80, Addr: [16]byte{15: 1}},
	} {
		got, err := resolve(addr)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", addr, got, err, want)
		}
	}
}
