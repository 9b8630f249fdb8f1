package tenancy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"maestro/problem"
)

// MaxNameRunes is the longest name of anything, in Unicode code points.
const MaxNameRunes = 255

// CheckName requires a name of 1 to MaxNameRunes code points, without control
// characters and without space around it.
func CheckName(c *problem.Checks, location, name string) {
	CheckLabel(c, location, name, MaxNameRunes)
}

// CheckLabel requires what CheckName does, of 1 to high code points.
func CheckLabel(c *problem.Checks, location, label string, high int) {
	if !checkLength(c, location, label, 1, high) {
		return
	}
	c.Require(utf8.ValidString(label), location, "must be UTF-8")
	c.Require(strings.TrimSpace(label) == label, location, "must not begin or end with space")
	c.Require(!strings.ContainsFunc(label, unicode.IsControl), location, "must not contain control characters")
}

// CheckText requires valid UTF-8 of low to high code points without NUL.
func CheckText(c *problem.Checks, location, text string, low, high int) {
	if !checkLength(c, location, text, low, high) {
		return
	}
	c.Require(utf8.ValidString(text), location, "must be UTF-8")
	c.Require(strings.IndexByte(text, 0) < 0, location, "must not contain NUL")
}

// checkLength reports whether the text has low to high code points. Nothing
// else is looked at when it has not, so that the work on hostile input is
// bounded by high.
func checkLength(c *problem.Checks, location, text string, low, high int) bool {
	n := high + 1
	if len(text) <= high*utf8.UTFMax {
		n = utf8.RuneCountInString(text)
	}
	switch {
	case n >= low && n <= high:
		return true
	case n == 0 && low == 1:
		c.Refuse(location, "must not be empty")
	case low == 0:
		c.Refuse(location, "must be at most %d characters long", high)
	default:
		c.Refuse(location, "must be %d to %d characters long", low, high)
	}
	return false
}
