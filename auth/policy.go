package auth

import (
	_ "embed" // the blocklist
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"maestro/problem"
)

// The shortest passwords, in Unicode code points (NIST SP 800-63B-4).
const (
	DefaultPasswordLength = 15
	MinPasswordLength     = 8 // the floor of the setting
)

//go:embed blocklist.txt
var blocklistText string

// blocklist returns the passwords that everybody tries first, lower-cased.
var blocklist = sync.OnceValue(func() map[string]struct{} {
	lines := strings.Split(strings.TrimSpace(blocklistText), "\n")
	set := make(map[string]struct{}, len(lines))
	for _, line := range lines {
		set[line] = struct{}{}
	}
	return set
})

// PasswordPolicy decides which passwords may be set. It asks for length and for
// not being guessed, never for kinds of characters.
type PasswordPolicy struct {
	MinLength int // code points; default DefaultPasswordLength
}

// Check records at location why a password may not be set. Context words are
// what an attacker knows of the account: e-mail, name, tenant.
func (p PasswordPolicy) Check(c *problem.Checks, location, password string, context ...string) {
	least := p.MinLength
	if least == 0 {
		least = DefaultPasswordLength
	}
	if !hashable(password) {
		c.Require(false, location, "must be readable text of at most %d bytes", MaxPasswordBytes)
		return
	}
	length := utf8.RuneCountInString(norm.NFC.String(password))
	c.Require(length >= least, location, "must be at least %d characters long", least)
	if reason := guessable(password, context); reason != "" {
		c.Require(false, location, "%s", reason)
	}
}

// guessable says why a password would be guessed early, or "".
func guessable(password string, context []string) string {
	folded := strings.ToLower(norm.NFKC.String(password))
	core := strings.TrimFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, form := range []string{folded, unleet(folded), unleet(core)} {
		if common(form) {
			return "is one of the passwords that are tried first"
		}
	}
	if monotonous(folded) {
		return "is a sequence or a repetition"
	}
	if contextual(folded, context) {
		return "is made of the name of the product, the tenant or the user"
	}
	return ""
}

// common reports whether text, alone or with digits and signs around it, or
// repeated, is on the blocklist.
func common(text string) bool {
	words := blocklist()
	if _, ok := words[text]; ok {
		return true
	}
	core := strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	if _, ok := words[core]; ok {
		return true
	}
	// "passwordpassword", "letmein-letmein-letmein"
	if unit := repeatedUnit(core); unit != "" {
		_, ok := words[strings.TrimFunc(unit, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })]
		return ok
	}
	return false
}

// repeatedUnit returns the shortest text whose repetition (the last time perhaps
// cut short) is text, or "" when nothing is repeated.
func repeatedUnit(text string) string {
	for size := 1; size <= len(text)/2; size++ {
		if text[size:] == text[:len(text)-size] {
			return text[:size]
		}
	}
	return ""
}

// walks are the runs that fingers and heads follow, each read in both directions.
var walks = [...]string{
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
	"012345678901234567890123456789012345678901234567890",
	"1234567890qwertyuiopasdfghjklzxcvbnm1234567890qwertyuiopasdfghjklzxcvbnm",
	"qwertzuiopasdfghjklyxcvbnmqwertzuiopasdfghjklyxcvbnm",
	"azertyuiopqsdfghjklmwxcvbnazertyuiopqsdfghjklmwxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
	"1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y7u8i9o0p",
	"qazwsxedcrfvtgbyhnujmikolpqazwsxedcrfvtgbyhnujmikolp",
}

// monotonousRunes is the length up to which a monotonous password is refused:
// nobody tries every long one.
const monotonousRunes = 40

// monotonous reports whether text is made of few distinct characters, repeats a
// short unit, or consists of at most two walks over the keyboard or alphabet.
func monotonous(text string) bool {
	if utf8.RuneCountInString(text) > monotonousRunes {
		return false
	}
	distinct := map[rune]struct{}{}
	for _, r := range text {
		distinct[r] = struct{}{}
	}
	if len(distinct) <= 3 {
		return true
	}
	if unit := repeatedUnit(text); unit != "" && len(unit) <= 4 {
		return true
	}
	rest := text
	for range 2 {
		n := walked(rest)
		if n < 4 && n < len(rest) {
			return false
		}
		rest = rest[n:]
	}
	return rest == ""
}

// walked returns how many bytes at the beginning of text follow one walk.
func walked(text string) int {
	longest := 0
	for _, walk := range walks {
		for _, run := range [...]string{walk, reversed(walk)} {
			n := longest + 1
			for n <= len(text) && strings.Contains(run, text[:n]) {
				longest = n
				n++
			}
		}
	}
	return longest
}

func reversed(ascii string) string {
	out := []byte(ascii)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}

// contextual reports whether little remains of text once the words that an
// attacker knows, digits and signs are taken out.
func contextual(text string, context []string) bool {
	found := false
	rest := text
	for _, phrase := range append([]string{"maestro"}, context...) {
		folded := strings.ToLower(norm.NFKC.String(phrase))
		words := strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, word := range append([]string{folded}, words...) {
			if utf8.RuneCountInString(word) >= 3 && strings.Contains(rest, word) {
				rest = strings.ReplaceAll(rest, word, " ")
				found = true
			}
		}
	}
	if !found {
		return false
	}
	letters := 0
	for _, r := range rest {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	core := strings.TrimFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) })
	_, blocked := blocklist()[core]
	return letters < 6 || blocked
}

var leet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "!", "i")

// unleet undoes the usual replacements of letters.
func unleet(text string) string { return leet.Replace(text) }
