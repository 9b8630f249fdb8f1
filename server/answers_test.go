package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
)

// TestAClientThatDoesNotReadIsLetGo asks again and again and reads nothing. Before,
// the server waited for it as long as it stayed: the client's own patience ended.
func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	w := newWorld(t)
	w.server.answerPace = pace{idle: 100 * time.Millisecond, grace: 100 * time.Millisecond, rate: 1 << 30}
	l := w.dial()
	var err error
	for err == nil {
		_, err = fmt.Fprint(l, "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server keeps the connection of a client that does not read:", err)
	}
	if taken, err := io.Copy(io.Discard, l.answers); err == nil && taken == 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes were left for it, then %v", taken, err)
	}
}

func TestContentThatNobodyTakesIsLetGo(t *testing.T) {
	w := newWorld(t)
	artifact, size := w.acme.artifact("a"), 64<<20
	w.acme.send("PUT", "/artifacts/"+artifact+"/content", strings.Repeat("x", size)).want(201)
	ended := make(chan struct{})
	inner := w.server.handler
	w.server.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/content") {
			defer close(ended)
		}
		inner.ServeHTTP(rw, r)
	})
	w.server.answerPace = pace{idle: 100 * time.Millisecond, grace: 100 * time.Millisecond, rate: 1 << 30}
	l := w.dial()
	l.write("GET /api/v1/artifacts/%s/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", artifact, w.acme.credential)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the server waits for ever")
	}
	if taken, err := io.Copy(io.Discard, l.answers); taken >= int64(size) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes came all the same, then %v", taken, err)
	}
}

// pipe is a listener whose one connection is in memory, so that time can be a test's.
type pipe chan net.Conn

func (p pipe) Accept() (net.Conn, error) {
	connection, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return connection, nil
}

func (p pipe) Close() error   { return nil }
func (p pipe) Addr() net.Addr { return &net.TCPAddr{} }

// overPipe serves answers at the server's pace to one client.
func overPipe(h http.HandlerFunc, client func(net.Conn)) {
	ours, theirs := net.Pipe()
	listener := make(pipe, 1)
	listener <- theirs
	server := &http.Server{Handler: (&Server{answerPace: answerPace}).paced(h)}
	go func() { _ = server.Serve(listener) }()
	defer func() {
		_ = ours.Close()
		close(listener)
		_ = server.Close()
	}()
	client(ours)
}

// TestAnAnswerIsTakenAtASlowPace: what keeps the pace may take hours.
func TestAnAnswerIsTakenAtASlowPace(t *testing.T) {
	const size = 8 << 20
	for name, c := range map[string]struct {
		every time.Duration // between reads of
		bytes int64
		whole bool
		piece int // that the handler writes at a time
	}{
		"twice the rate":                    {time.Second, 8 << 10, true, size},
		"the rate, in small writes":         {10 * time.Second, 44 << 10, true, 32 << 10},
		"long pauses and as much at a time": {50 * time.Second, 300 << 10, true, 32 << 10},
		"half the rate":                     {time.Second, 2 << 10, false, size},
		"half the rate, in small writes":    {time.Second, 2 << 10, false, 32 << 10},
		"too long a pause":                  {3 * time.Minute, 2 << 20, false, 32 << 10},
		"nothing":                           {time.Hour, 1, false, 32 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				overPipe(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", fmt.Sprint(size))
					for range size / c.piece {
						if _, err := w.Write(make([]byte, c.piece)); err != nil {
							return
						}
					}
				}, func(l net.Conn) {
					fmt.Fprint(l, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					time.Sleep(c.every)
					taken := int64(0)
					response, err := http.ReadResponse(bufio.NewReader(l), nil)
					for err == nil {
						var n int64
						n, err = io.CopyN(io.Discard, response.Body, c.bytes)
						taken += n
						time.Sleep(c.every)
					}
					if whole := taken == size; whole != c.whole {
						t.Errorf("%d of %d bytes came", taken, size)
					}
				})
			})
		})
	}
}

// TestADeadlineOfAnAnswerIsItsOwn: the connection lives on, and the next answers
// have theirs.
func TestADeadlineOfAnAnswerIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		overPipe(func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case "GET":
				_, _ = io.WriteString(w, "an answer")
			case "HEAD":
				time.Sleep(time.Hour) // of work
			case "DELETE":
				w.WriteHeader(http.StatusNoContent)
			case "PUT":
				_, _ = io.Copy(w, r.Body)
			case "PATCH":
				_, _ = io.WriteString(w, "some, ")
				time.Sleep(time.Hour)
				w.(http.Flusher).Flush()
				_, _ = io.WriteString(w, "more")
				time.Sleep(time.Hour)
			}
		}, func(l net.Conn) {
			answers := bufio.NewReader(l)
			for range 2 {
				for _, method := range []string{"GET", "HEAD", "DELETE", "PUT", "PATCH"} {
					request := method + " / HTTP/1.1\r\nHost: x\r\n"
					if method == "PUT" {
						request += "Expect: 100-continue\r\nContent-Length: 4\r\n"
					}
					fmt.Fprint(l, request+"\r\n")
					if method == "PUT" {
						if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
							t.Fatalf("a body is asked for with %q, %v", line, err)
						}
						_, _ = answers.ReadString('\n')
						fmt.Fprint(l, "body")
					}
					response, err := http.ReadResponse(answers, &http.Request{Method: method})
					if err != nil {
						t.Fatalf("%s: no answer: %v", method, err)
					}
					text, err := io.ReadAll(response.Body)
					if want := map[string]string{"GET": "an answer", "PUT": "body", "PATCH": "some, more"}[method]; err != nil || string(text) != want {
						t.Fatalf("%s: answered %q, %v", method, text, err)
					}
					time.Sleep(time.Hour)
				}
			}
		})
	})
}

// TestADeliverysDeadlineEndsWithItsBody: left on a body that is whole, it would end
// the connection's next request; taken from one that is not, the connection would
// wait for the rest.
func TestADeliverysDeadlineEndsWithItsBody(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		body io.Reader
		ends bool
	}{
		"whole":      {strings.NewReader(`{}`), true},
		"broken off": {io.MultiReader(strings.NewReader(`{`), iotest.ErrReader(io.ErrUnexpectedEOF)), false},
	} {
		connection := &deadlines{ResponseWriter: httptest.NewRecorder()}
		c2, _ := gin.CreateTestContext(connection)
		c2.Request = httptest.NewRequest("POST", "/", c.body)
		if _, err := w.server.takeDelivery(c2); err == nil {
			t.Fatalf("%s: a delivery to no hook holds", name)
		}
		if !connection.was || connection.last.IsZero() != c.ends {
			t.Errorf("%s: the deadline was set: %v; after the body it is %v", name, connection.was, connection.last)
		}
	}
}
