package server

import (
	"fmt"
	"strings"
	"unicode"
)

// attachment is the Content-Disposition under which a file of that name is saved
// and never shown (RFC 6266): a name that every client reads, and behind it,
// where that is not the whole truth, the name in UTF-8 (RFC 8187).
func attachment(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '_' // neither a way to another folder nor a name that reads backwards
		}
		return r
	}, name)
	if strings.Trim(name, ". ") == "" {
		name = "artifact"
	}
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '%' {
			return '_'
		}
		return r
	}, name)
	header := `attachment; filename="` + plain + `"`
	if plain != name {
		header += "; filename*=UTF-8''" + extendedValue(name)
	}
	return header
}

// extendedValue escapes all but the attr-char of RFC 8187.
func extendedValue(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
