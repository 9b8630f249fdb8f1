package load

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// framings are answers of every framing.
var framings = []struct {
	name, answer string
	status       int
	body         string
	closes       bool
}{
	{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false},
	{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", false},
	{"any case, no space", "HTTP/1.1 201 Created\r\ncontent-length:2\r\nX: y\r\n\r\nok", 201, "ok", false},
	{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n", 200, "abc0123456789", false},
	{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false},
	{"announced", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404, "no", false},
	{"no reason", "HTTP/1.1 503\r\nContent-Length: 1\r\n\r\nx", 503, "x", false},
	{"length, then close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true},
	{"until close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\neverything", 200, "everything", true},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nold", 200, "old", true},
}

// noAnswers are none, or end too soon, or too late.
var noAnswers = []string{
	"", "HTTP/1.1 200 OK\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxLine),
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n",
}

// However an answer is cut, it is whole at its last byte and not before.
func TestAnswerIsWholeAtItsLastByte(t *testing.T) {
	for _, c := range framings {
		for size := 1; size <= len(c.answer); size++ {
			var got []byte
			a := answer{keep: &got}
			for rest := c.answer; rest != ""; {
				if a.whole() {
					t.Fatalf("%s in pieces of %d: whole before %q", c.name, size, rest)
				}
				piece := rest[:min(size, len(rest))]
				rest = rest[len(piece):]
				if err := a.read([]byte(piece)); err != nil {
					t.Fatalf("%s in pieces of %d: %v at %q", c.name, size, err, piece)
				}
			}
			if !a.whole() {
				if err := a.end(); err != nil || !a.closes {
					t.Fatalf("%s in pieces of %d: not whole when the server closes: %v", c.name, size, err)
				}
			}
			if a.status != c.status || string(got) != c.body || a.closes != c.closes {
				t.Errorf("%s in pieces of %d: got %d %q, closes %v, want %d %q, %v", c.name, size, a.status, got, a.closes, c.status, c.body, c.closes)
			}
		}
	}
}

func TestAnswerThatIsNoneIsAnErrorHoweverItIsCut(t *testing.T) {
	for _, text := range noAnswers {
		for _, size := range []int{1, 2, 3, 7, len(text) + 1} {
			var a answer
			var err error
			for rest := text; rest != "" && err == nil; {
				piece := rest[:min(size, len(rest))]
				rest = rest[len(piece):]
				err = a.read([]byte(piece))
			}
			if err == nil && a.whole() {
				t.Errorf("%.60q in pieces of %d: a whole answer with status %d", text, size, a.status)
			} else if err == nil {
				if err = a.end(); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%.60q in pieces of %d: got %v at the end", text, size, err)
				}
			}
		}
	}
}

// What one answer said is forgotten at the next.
func TestAnswerStartsAnew(t *testing.T) {
	var a answer
	for _, c := range framings {
		a.reset()
		if err := a.read([]byte(c.answer)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if a.status != c.status || a.closes != c.closes {
			t.Errorf("%s: got %d, closes %v, want %d, %v", c.name, a.status, a.closes, c.status, c.closes)
		}
	}
}
