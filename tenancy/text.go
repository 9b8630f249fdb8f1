package tenancy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"maestro/problem"
)

// MaxNameRunes is the longest name of anything, in Unicode code points.
const MaxNameRunes = 255

// CheckName requires a name of 1 to 255 code points, without control characters
// and without space around it.
func CheckName(c *problem.Checks, location, name string) {
	CheckText(c, location, name, 1, MaxNameRunes)
	c.Require(strings.TrimSpace(name) == name, location, "must not begin or end with space")
	c.Require(!strings.ContainsFunc(name, unicode.IsControl), location, "must not contain control characters")
}

// CheckText requires valid UTF-8 of low to high code points without NUL.
func CheckText(c *problem.Checks, location, text string, low, high int) {
	// The byte length bounds the work on hostile input.
	n := high + 1
	if len(text) <= high*utf8.UTFMax {
		n = utf8.RuneCountInString(text)
	}
	switch {
	case n < low && low == 1:
		c.Require(false, location, "must not be empty")
	case n < low || n > high:
		c.Require(false, location, "must be %d to %d characters long", low, high)
	}
	c.Require(utf8.ValidString(text), location, "must be UTF-8")
	c.Require(strings.IndexByte(text, 0) < 0, location, "must not contain NUL")
}
