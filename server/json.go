package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

// jsonFormat reads and writes application/json.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
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
		_, err := w.Write(b)
		return err
	},
	Unmarshal: func(data []byte, v any) error {
		if _, untyped := v.(*any); untyped { // the first of the framework's two passes
			if err := checkJSON(data); err != nil {
				return err
			}
		}
		return json.Unmarshal(data, v)
	},
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
	if halfPair(data) {
		return errors.New("contains half of a surrogate pair, which is no character")
	}
	var names []map[string]bool // one set for each object that is open
	var kinds []byte
	expectName := false
	for i := 0; i < len(data); {
		switch c := data[i]; c {
		case '{', '[':
			if len(kinds) == maxDepth {
				return fmt.Errorf("nests deeper than %d", maxDepth)
			}
			kinds = append(kinds, c)
			names = append(names, nil)
			expectName = c == '{'
			i++
		case '}', ']':
			kinds, names = kinds[:len(kinds)-1], names[:len(names)-1]
			expectName = false
			i++
		case ',':
			expectName = len(kinds) > 0 && kinds[len(kinds)-1] == '{'
			i++
		case '"':
			end := stringEnd(data, i)
			if expectName {
				name := string(data[i:end])
				if bytes.IndexByte(data[i:end], '\\') >= 0 {
					if err := json.Unmarshal(data[i:end], &name); err != nil {
						return err
					}
					name = `"` + name + `"`
				}
				top := len(names) - 1
				if names[top] == nil {
					names[top] = make(map[string]bool)
				}
				if names[top][name] {
					return errors.New("repeats a name in one object")
				}
				names[top][name] = true
				expectName = false
			}
			i = end
		default:
			i++
		}
	}
	return nil
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
