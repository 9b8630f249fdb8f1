package tracking

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) that is known to be UTF-8, value by value,
// without building what it reads. The first thing that is not JSON makes it
// fail; from then on it stands at the end of the data, so that callers need to
// look at failed() only when they are done.
type scanner struct {
	data []byte
	pos  int

	failedAt int
	failure  string

	scratch []byte // text of the last string that had escapes
}

// maxDepth bounds how deep skip follows; encoding/json has the same bound.
const maxDepth = 10_000

func (s *scanner) failed() bool { return s.failure != "" }

func (s *scanner) fail(at int, format string, args ...any) {
	if !s.failed() {
		s.failedAt, s.failure = at, fmt.Sprintf(format, args...)
	}
	s.pos = len(s.data)
}

// unexpected fails at the current position.
func (s *scanner) unexpected(wanted string) {
	rest := s.data[s.pos:]
	switch {
	case len(rest) == 0:
		s.fail(s.pos, "it ends where %s should be", wanted)
	case bytes.HasPrefix(rest, []byte("NaN")), bytes.HasPrefix(rest, []byte("Infinity")), bytes.HasPrefix(rest, []byte("-Infinity")):
		s.fail(s.pos, "JSON has no NaN and no Infinity")
	default:
		r, _ := utf8.DecodeRune(rest)
		s.fail(s.pos, "%q stands where %s should be", r, wanted)
	}
}

// line returns the line and column, in characters, of an offset; both begin
// with 1.
func (s *scanner) line(offset int) (line, column int) {
	before := s.data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// peek returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// space skips white space and reports whether there was any.
func (s *scanner) space() bool {
	start := s.pos
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return s.pos > start
		}
	}
	return s.pos > start
}

// accept skips c, or fails.
func (s *scanner) accept(c byte, wanted string) {
	if s.peek() != c {
		s.unexpected(wanted)
		return
	}
	s.pos++
}

func (s *scanner) literal(word string) {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		s.unexpected("a value")
		return
	}
	s.pos += len(word)
}

// text reads a string. The bytes are good until the next call. whole is false
// when an escape names half of a surrogate pair, which is no character; it reads
// as U+FFFD.
func (s *scanner) text() (text []byte, whole bool) {
	start := s.pos + 1
	end, escaped := s.skipText()
	if !escaped {
		return s.data[start:end], true
	}
	return s.unescape(s.data[start:end])
}

// skipText passes over a string and returns where its text ends.
func (s *scanner) skipText() (end int, escaped bool) {
	data, i := s.data, s.pos+1
	for i < len(data) {
		switch c := data[i]; {
		case c == '"':
			s.pos = i + 1
			return i, escaped
		case c == '\\':
			escaped = true
			size := escapeSize(data[i:])
			if size == 0 {
				s.fail(i, "no such escape")
				return i, false
			}
			i += size
		case c < ' ':
			s.fail(i, "a control character in a string must be escaped")
			return i, false
		default:
			i++
		}
	}
	s.fail(i, "it ends within a string")
	return i, false
}

// escapeSize returns how long the escape at the start of data is, 0 if it is
// none.
func escapeSize(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(data) >= 6 && isHex(data[2]) && isHex(data[3]) && isHex(data[4]) && isHex(data[5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unescape resolves the escapes of a string that skipText has passed.
func (s *scanner) unescape(raw []byte) (text []byte, whole bool) {
	whole = true
	b := s.scratch[:0]
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b = append(b, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hexRune(raw[i+2:])
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(raw) >= i+12 && raw[i+6] == '\\' && raw[i+7] == 'u' {
					pair = utf16.DecodeRune(r, hexRune(raw[i+8:]))
				}
				if r = pair; r == utf8.RuneError {
					whole = false
				} else {
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
			i += 4
		default:
			b = append(b, c)
		}
		i += 2
	}
	s.scratch = b
	return b, whole
}

// hexRune reads the four digits of an escape.
func hexRune(digits []byte) rune {
	r, _ := strconv.ParseUint(string(digits[:4]), 16, 32) // digits only, as skipText has seen
	return rune(r)
}

// number passes over a number and returns its spelling.
func (s *scanner) number() []byte {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
		if c := s.peek(); c < '0' || c > '9' {
			s.pos = start
			s.unexpected("a number")
			return nil
		}
	}
	if s.peek() == '0' {
		s.pos++
	} else {
		s.digits()
	}
	if s.peek() == '.' {
		s.pos++
		s.digits()
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		s.digits()
	}
	return s.data[start:s.pos]
}

// digits passes over at least one digit.
func (s *scanner) digits() {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		s.unexpected("a digit")
	}
}

// shape is what skip notices of a value.
type shape struct {
	spaced  bool // white space between its tokens
	escaped bool // an escape in one of its strings
	deepest int  // objects and arrays inside one another
}

// skip passes over any value.
func (s *scanner) skip(found *shape) { s.skipAt(found, 0) }

func (s *scanner) skipAt(found *shape, depth int) {
	switch c := s.peek(); c {
	case '"':
		_, escaped := s.skipText()
		found.escaped = found.escaped || escaped
	case '{', '[':
		if depth++; depth > maxDepth {
			s.fail(s.pos, "it is nested too deep")
			return
		}
		found.deepest = max(found.deepest, depth)
		s.pos++
		s.skipMembers(found, depth, c+2, c == '{')
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		s.number()
	default:
		s.unexpected("a value")
	}
}

// skipMembers passes over what is inside an object or array, and its end.
func (s *scanner) skipMembers(found *shape, depth int, end byte, named bool) {
	spaced := s.space()
	if s.peek() == end {
		s.pos++
		found.spaced = found.spaced || spaced
		return
	}
	for !s.failed() {
		if named {
			if s.peek() != '"' {
				s.unexpected("a name in quotes")
				return
			}
			_, escaped := s.skipText()
			found.escaped = found.escaped || escaped
			spaced = s.space() || spaced
			s.accept(':', "a colon")
			spaced = s.space() || spaced
		}
		s.skipAt(found, depth)
		spaced = s.space() || spaced
		if s.peek() == end {
			s.pos++
			break
		}
		s.accept(',', "a comma or the end of what is inside")
		spaced = s.space() || spaced
	}
	found.spaced = found.spaced || spaced
}
