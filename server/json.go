package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// appender is a value with an encoder of its own: the hot lists' entities.
type appender interface {
	AppendJSON(b []byte) []byte
}

// buffers are what answers are rendered into.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

// maxKept is the longest buffer that is kept, in bytes: one long answer must not hold
// its memory for the many short ones that follow.
const maxKept = 1 << 20

// keepBuffer puts a buffer back among the others.
func keepBuffer(b *[]byte) {
	if cap(*b) <= maxKept {
		buffers.Put(b)
	}
}

// jsonFormat reads and writes application/json.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		if l, ok := v.(interface{ takeRendered() *[]byte }); ok {
			if rendered := l.takeRendered(); rendered != nil {
				return answerJSON(w, rendered)
			}
		}
		buffer := buffers.Get().(*[]byte)
		b := (*buffer)[:0]
		if a, ok := v.(appender); ok {
			b = a.AppendJSON(b)
		} else {
			encoded := bytes.NewBuffer(b)
			e := json.NewEncoder(encoded)
			e.SetEscapeHTML(false)
			if err := e.Encode(v); err != nil {
				return err
			}
			b = bytes.TrimSuffix(encoded.Bytes(), []byte("\n"))
		}
		*buffer = b
		return answerJSON(w, buffer)
	},
	Unmarshal: func(data []byte, v any) error {
		if _, untyped := v.(*any); untyped { // the first of the framework's two passes
			if err := checkJSON(data); err != nil {
				return err
			}
		}
		if b, keeps := v.(interface{ keep([]byte) }); keeps {
			b.keep(data)
			return nil
		}
		return json.Unmarshal(data, v)
	},
}

// answerJSON writes a whole body, and puts it back among the buffers.
func answerJSON(w io.Writer, buffer *[]byte) error {
	defer keepBuffer(buffer)
	// What is longer than package http's buffer would go out in chunks, by one
	// system call more.
	if answer, ok := w.(http.ResponseWriter); ok {
		answer.Header()["Content-Length"] = []string{strconv.Itoa(len(*buffer))}
	}
	_, err := w.Write(*buffer)
	return err
}

func encodeJSON(v any) []byte {
	var b bytes.Buffer
	if err := jsonFormat.Marshal(&b, v); err != nil {
		panic("server: " + err.Error()) // our own documents always encode
	}
	return b.Bytes()
}

// maxDepth bounds how deep a JSON body may nest.
const maxDepth = 64

// checkJSON refuses what encoding/json would read leniently: bytes that are not
// UTF-8, half of a surrogate pair, a name that stands twice in one object, and
// nesting without end.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("is not UTF-8")
	}
	if !json.Valid(data) {
		return syntaxError(data)
	}
	return checkStrict(data, nil)
}

// checkStrict is checkJSON for data that is known to be JSON in UTF-8. It calls
// member, unless that is nil, with each name of the outermost object, and whether
// null is given for it.
func checkStrict(data []byte, member func(name []byte, null bool)) error {
	if halfPair(data) {
		return errors.New("contains half of a surrogate pair, which is no character")
	}
	var room [8]scope // most bodies need no more
	open := room[:0]
	expectName := false
	for i := 0; i < len(data); {
		switch c := data[i]; c {
		case '{', '[':
			if len(open) == maxDepth {
				return fmt.Errorf("nests deeper than %d", maxDepth)
			}
			open = append(open, scope{object: c == '{'})
			expectName = c == '{'
			i++
		case '}', ']':
			open = open[:len(open)-1]
			expectName = false
			i++
		case ',':
			expectName = len(open) > 0 && open[len(open)-1].object
			i++
		case '"':
			end := stringEnd(data, i)
			if expectName {
				name, err := nameOf(data[i:end])
				if err != nil {
					return err
				}
				if !open[len(open)-1].add(name) {
					return errors.New("repeats a name in one object")
				}
				if member != nil && len(open) == 1 {
					member(name, valueAt(data, end) == 'n')
				}
				expectName = false
			}
			i = end
		default:
			i++
		}
	}
	return nil
}

// valueAt returns the first byte of the value whose name ends before i.
func valueAt(data []byte, i int) byte {
	for data[i] == ':' || data[i] <= ' ' {
		i++
	}
	return data[i]
}

// nameOf returns the text of a name, given in its quotes.
func nameOf(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return []byte(text), err
}

// scope is an object or array that is open, with the names seen in it: few are
// compared one by one, more are looked up.
type scope struct {
	object bool
	count  int
	few    [12][]byte
	more   map[string]bool
}

// add notes a name. It reports false when the name was there.
func (s *scope) add(name []byte) bool {
	for _, known := range s.few[:min(s.count, len(s.few))] {
		if bytes.Equal(known, name) {
			return false
		}
	}
	if s.count < len(s.few) {
		s.few[s.count] = name
		s.count++
		return true
	}
	if s.more[string(name)] {
		return false
	}
	if s.more == nil {
		s.more = make(map[string]bool)
	}
	s.more[string(name)] = true
	return true
}

// halfPair reports whether an escape in valid JSON names half of a surrogate
// pair, which encoding/json would replace by another character.
func halfPair(data []byte) bool {
	for i := bytes.IndexByte(data, '\\'); i >= 0 && i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if data[i+1] != 'u' {
			i++
			continue
		}
		r := escaped(data[i:])
		if utf16.IsSurrogate(r) {
			if i += 6; utf16.DecodeRune(r, escaped(data[i:])) == utf8.RuneError {
				return true
			}
		}
		i += 5
	}
	return false
}

// escaped returns the character of a \u escape at the start of data, 0 if there
// is none.
func escaped(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0
	}
	r, _ := strconv.ParseUint(string(data[2:6]), 16, 16) // four digits, in valid JSON
	return rune(r)
}

// stringEnd returns the position behind the string that opens at i, in valid
// JSON.
func stringEnd(data []byte, i int) int {
	if quote := bytes.IndexByte(data[i+1:], '"'); bytes.IndexByte(data[i+1:i+1+quote], '\\') < 0 {
		return i + 1 + quote + 1
	}
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func syntaxError(data []byte) error {
	var v any
	err := json.Unmarshal(data, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return fmt.Errorf("is not JSON: line %d, byte %d", line, syntax.Offset)
	}
	return errors.New("is not JSON")
}
