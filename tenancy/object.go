package tenancy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"maestro/problem"
)

// Bounds of a free JSON object (metadata, context).
const (
	MaxObjectBytes = 16 << 10 // in its compact form
	MaxObjectDepth = 32       // objects and arrays inside one another, itself included
)

// Object is a free JSON object, compact. Nil means {}.
type Object []byte

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// AppendJSON appends the object's JSON.
func (o Object) AppendJSON(b []byte) []byte {
	if len(o) == 0 {
		return append(b, "{}"...)
	}
	return append(b, o...)
}

// UnmarshalJSON replaces the object whole; null empties it. The object keeps
// nothing of data. What is an object but not allowed is kept for Check to name.
func (o *Object) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*o = nil
		return nil
	}
	if len(data) == 0 || data[0] != '{' {
		return fmt.Errorf("not a JSON object")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	*o = b.Bytes()
	return nil
}

// Check records at location what is wrong with the object: its size, its depth,
// and text that no database's JSON type keeps: NUL and half of a surrogate pair,
// escaped or not.
func (o Object) Check(c *problem.Checks, location string) {
	if len(o) > MaxObjectBytes {
		c.Refuse(location, "must be at most %d bytes of JSON", MaxObjectBytes)
		return
	}
	c.Require(utf8.Valid(o), location, "must be UTF-8")
	depth, nul, half := o.survey()
	c.Require(depth <= MaxObjectDepth, location, "must not nest deeper than %d", MaxObjectDepth)
	c.Require(!nul, location, "must not contain NUL")
	c.Require(!half, location, "must not contain half of a surrogate pair")
}

// survey returns how deep the object nests and whether its text has NUL or half
// of a surrogate pair.
func (o Object) survey() (deepest int, nul, half bool) {
	depth, inString := 0, false
	for i := 0; i < len(o); i++ {
		switch c := o[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			r := o.escaped(i)
			low := o.escaped(i + 6)
			i++ // over the escaped character; the digits of \u are like any others
			switch {
			case r == 0:
				nul = true
			case r >= 0xD800 && r < 0xDC00 && low >= 0xDC00 && low < 0xE000:
				i += 6
			case r >= 0xD800 && r < 0xE000:
				half = true
			}
		case !inString && (c == '{' || c == '['):
			depth++
			deepest = max(deepest, depth)
		case !inString && (c == '}' || c == ']'):
			depth--
		}
	}
	return deepest, nul, half
}

// escaped returns the character of a \u escape at i, -1 if there is none.
func (o Object) escaped(i int) rune {
	if i+6 > len(o) || o[i] != '\\' || o[i+1] != 'u' {
		return -1
	}
	r, err := strconv.ParseUint(string(o[i+2:i+6]), 16, 32)
	if err != nil {
		return -1
	}
	return rune(r)
}
