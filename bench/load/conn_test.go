package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const get = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"

// scripted answers every connection's n-th request with the n-th answer, byte for
// byte, and closes the connection after the last.
func scripted(t *testing.T, answers ...string) string {
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
				in := bufio.NewReader(conn)
				for _, answer := range answers {
					request, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					if _, err := io.WriteString(conn, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestConnReadsEveryFraming(t *testing.T) {
	for _, c := range framings {
		t.Run(c.name, func(t *testing.T) {
			conn := NewConn(scripted(t, c.answer), time.Second)
			defer conn.Close()
			var body []byte
			status, err := conn.Do([]byte(get), &body)
			if err != nil || status != c.status || string(body) != c.body {
				t.Errorf("got %d %q %v, want %d %q", status, body, err, c.status, c.body)
			}
			if status, err = conn.Do([]byte(get), nil); err == nil && status != c.status {
				t.Errorf("the same with its body dropped: got %d, want %d", status, c.status)
			}
		})
	}
}

func TestConnRefusesWhatIsNoAnswer(t *testing.T) {
	for _, answer := range noAnswers {
		conn := NewConn(scripted(t, answer), time.Second)
		if status, err := conn.Do([]byte(get), nil); err == nil {
			t.Errorf("%.60q: got status %d, want an error", answer, status)
		}
		conn.Close()
	}
}

// Answers of every size arrive whole on one connection, whatever their framing,
// and one answer's end is the next one's start.
func TestConnStaysInStepWithNetHTTP(t *testing.T) {
	connections := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		var size int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &size)
		body := strings.Repeat("x", size)
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = io.WriteString(w, body[:size/2])
		if r.URL.Query().Has("flush") {
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, body[size/2:])
	}))
	defer server.Close()
	conn := NewConn(server.Listener.Addr().String(), 5*time.Second)
	defer conn.Close()
	for _, size := range []int{0, 1, 100, 5000, 40_000, 1_000_000} {
		for _, how := range []string{"", "?length", "?flush"} {
			request := fmt.Appendf(nil, "GET /%d%s HTTP/1.1\r\nHost: test\r\n\r\n", size, how)
			for _, keep := range []bool{true, false} {
				var body []byte
				var into *[]byte
				if keep {
					into = &body
				}
				status, err := conn.Do(request, into)
				if err != nil || status != 200 {
					t.Fatalf("%d%s: got %d, %v", size, how, status, err)
				}
				if keep && len(body) != size {
					t.Errorf("%d%s: got %d bytes", size, how, len(body))
				}
			}
		}
	}
	if len(connections) != 1 {
		t.Errorf("used %d connections, want 1", len(connections))
	}
}

func TestConnDialsAnewAfterTheServerCloses(t *testing.T) {
	conn := NewConn(scripted(t, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), time.Second)
	defer conn.Close()
	for i := range 3 {
		if status, err := conn.Do([]byte(get), nil); err != nil || status != 200 {
			t.Fatalf("request %d: got %d, %v", i, status, err)
		}
	}
}
