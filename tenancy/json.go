package tenancy

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// The functions here append JSON exactly as encoding/json writes it with
// SetEscapeHTML(false). The types of hot lists build their AppendJSON of them:
// a list of projects costs a third of what reflection does.

// AppendJSONString appends text in quotes. What is not UTF-8 becomes U+FFFD.
func AppendJSONString(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0 // of what is not yet appended
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if !jsonEscaped[c] {
				i++
				continue
			}
			b = append(b, text[start:i]...)
			b = appendJSONEscape(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, text[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript, not in JSON
			b = append(b, text[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&0xF])
			start = i + size
		}
		i += size
	}
	b = append(b, text[start:]...)
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"

// jsonEscaped holds the ASCII bytes that a JSON string cannot carry as they are.
var jsonEscaped = func() (set [utf8.RuneSelf]bool) {
	for c := range byte(' ') {
		set[c] = true
	}
	set['"'], set['\\'] = true, true
	return set
}()

func appendJSONEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
	}
}

// AppendJSONFloat appends a number as ECMAScript prints it. JSON has no NaN and
// no infinity; validation keeps them out, and they are appended as null.
func AppendJSONFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// AppendJSON appends the canonical form in quotes.
func (id ID) AppendJSON(b []byte) []byte { return append(id.append(append(b, '"')), '"') }

// AppendJSON appends the RFC 3339 form in quotes.
func (t Time) AppendJSON(b []byte) []byte { return append(t.append(append(b, '"')), '"') }

// AppendJSONOrNull appends what v points to, or null.
func AppendJSONOrNull[T interface{ AppendJSON(b []byte) []byte }](b []byte, v *T) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return (*v).AppendJSON(b)
}

// AppendJSONFloatOrNull appends the number that f points to, or null.
func AppendJSONFloatOrNull(b []byte, f *float64) []byte {
	if f == nil {
		return append(b, "null"...)
	}
	return AppendJSONFloat(b, *f)
}

// AppendJSONIntOrNull appends the number that n points to, or null.
func AppendJSONIntOrNull(b []byte, n *int64) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, *n, 10)
}

// AppendJSONStringOrNull appends the text that text points to, or null.
func AppendJSONStringOrNull(b []byte, text *string) []byte {
	if text == nil {
		return append(b, "null"...)
	}
	return AppendJSONString(b, *text)
}
