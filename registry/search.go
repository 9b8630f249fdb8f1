package registry

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Bounds of search, so that no text costs more than its share.
const (
	MaxIndexedBytes = 64 << 10 // of one text; what stands behind is not found
	MaxTokens       = 8192     // of one text
	MaxTokenRunes   = 64       // a longer word is cut, in texts and queries alike
	MaxQueryBytes   = 1 << 10
	MaxQueryTerms   = 16
)

// Tokens returns the words that a text is found by, each once: letters and
// digits, without case and without the accents of Latin, Greek and Cyrillic.
//
// A compound stands as a whole and in its parts: customer_features,
// customer-features and CustomerFeatures are customerfeatures, customer and
// features; ResNet50 is resnet50, resnet, res, net and 50. So XGBoost is found
// by xgboost and by boost.
func Tokens(text string) []string {
	var t tokens
	for word := range words(cut(text, MaxIndexedBytes), isJoint) {
		t.addCompound(word, splitters[:])
		if len(t.list) == MaxTokens {
			break
		}
	}
	return t.list
}

// tokens collects distinct tokens up to MaxTokens.
type tokens struct {
	list []string
	seen map[string]bool // of a list longer than fewTokens
}

// fewTokens is up to how many a look through the list finds one sooner than a map.
const fewTokens = 16

func (t *tokens) add(word string) {
	token := fold(word)
	if t.has(token) || len(t.list) == MaxTokens {
		return
	}
	t.list = append(t.list, token)
	if t.seen != nil {
		t.seen[token] = true
	}
}

func (t *tokens) has(token string) bool {
	if len(t.list) <= fewTokens {
		return slices.Contains(t.list, token)
	}
	if t.seen == nil {
		t.seen = make(map[string]bool, 4*fewTokens)
		for _, known := range t.list {
			t.seen[known] = true
		}
	}
	return t.seen[token]
}

// addCompound adds a word, and its parts by the splitters one after the other.
func (t *tokens) addCompound(word string, splitters []splitter) {
	t.add(word)
	if isLower(word) {
		return // it has no parts, as most words of a text
	}
	for i, split := range splitters {
		parts := split(word)
		if len(parts) == 0 {
			continue
		}
		for _, part := range parts {
			t.addCompound(part, splitters[i+1:])
		}
		return
	}
}

// QueryTerms returns what a query asks for: every term must be among a text's
// Tokens, the last one as a prefix, because people are still typing it.
//
// A query is split where people put a space, a hyphen or an underscore, and not
// within a word: xgBoost is one term, which finds XGBoost and xgboost alike.
func QueryTerms(query string) []string {
	var terms []string
	for word := range words(cut(query, MaxQueryBytes), func(rune) bool { return false }) {
		if len(terms) == MaxQueryTerms {
			break
		}
		terms = append(terms, fold(word))
	}
	return terms
}

// What a term is worth by where it stands; a name that begins with, or is, the
// whole query is worth more than its words.
const (
	worthName        = 0.8
	worthNamePrefix  = 0.6
	worthTag         = 0.4
	worthDescription = 0.2
	worthWholePrefix = 0.9
	worthWhole       = 1.0
)

// Relevance says how well an artifact answers the terms of a query, from 0, not
// at all, to 1, its name is what was asked for: the mean over the terms of the
// best place where each stands. Name comes before tags, tags before description,
// and a whole word before the beginning of one.
func Relevance(terms []string, a *Artifact) float64 {
	if len(terms) == 0 {
		return 0
	}
	asked, whole := strings.Join(terms, ""), joined(a.Name)
	switch {
	case whole == asked:
		return worthWhole
	case strings.HasPrefix(whole, asked):
		return worthWholePrefix
	}
	name, tags := Tokens(a.Name), Tokens(strings.Join(a.Tags, " "))
	var description []string // most terms stand in the name, so it is read last
	total := 0.0
	for i, term := range terms {
		last := i == len(terms)-1
		switch {
		case slices.Contains(name, term):
			total += worthName
		case last && hasPrefix(name, term):
			total += worthNamePrefix
		case slices.Contains(tags, term) || last && hasPrefix(tags, term):
			total += worthTag
		default:
			if description == nil {
				description = Tokens(a.Description)
			}
			if slices.Contains(description, term) || last && hasPrefix(description, term) {
				total += worthDescription
			}
		}
	}
	return total / float64(len(terms))
}

// joined returns all the letters and digits of a text, folded.
func joined(text string) string { return strings.Join(QueryTerms(text), "") }

func hasPrefix(tokens []string, prefix string) bool {
	return slices.ContainsFunc(tokens, func(token string) bool { return strings.HasPrefix(token, prefix) })
}

// cut returns at most size bytes of text, whole characters, without accents.
func cut(text string, size int) string {
	if len(text) > size {
		for size > 0 && !utf8.RuneStart(text[size]) {
			size--
		}
		text = text[:size]
	}
	return withoutAccents(text)
}

// withoutAccents brings compatible characters into one form (full-width letters,
// ligatures, superscripts) and drops the accents of Latin, Greek and Cyrillic,
// strokes included. The marks of other scripts make other letters and stay.
func withoutAccents(text string) string {
	if isASCII(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x0300 && r <= 0x036F {
			return -1
		}
		if plain, ok := strokes[r]; ok {
			return plain
		}
		return r
	}, norm.NFKD.String(text))
}

// strokes holds the letters whose stroke or missing dot is no character of its
// own in any form.
var strokes = map[rune]rune{'ł': 'l', 'Ł': 'L', 'ø': 'o', 'Ø': 'O', 'đ': 'd', 'Đ': 'D', 'ħ': 'h', 'Ħ': 'H', 'ŧ': 't', 'Ŧ': 'T', 'ı': 'i'}

// words yields the runs of letters, digits, their marks and joints; a joint
// stands between two of the others.
func words(text string, joint func(rune) bool) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, end := -1, 0 // of the word so far, without joints at its end
		for i, r := range text {
			switch {
			case isWord(r) && (!isMark(r) || start >= 0 && end == i): // a mark follows a letter
				if start < 0 {
					start = i
				}
				end = i + utf8.RuneLen(r)
			case start >= 0 && joint(r) && end == i: // one joint at a time
			case start >= 0:
				if !yield(text[start:end]) {
					return
				}
				start = -1
			}
		}
		if start >= 0 {
			yield(text[start:end])
		}
	}
}

func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}

// isMark is unicode.IsMark without its calls for what stands before the first mark,
// U+0300: they were a good part of the time that cutting a text into words took.
func isMark(r rune) bool { return r >= 0x0300 && unicode.IsMark(r) }

func isJoint(r rune) bool { return r == '_' || r == '-' }

// splitter returns the parts of a word, none if it is whole.
type splitter func(word string) []string

// splitters go from the widest parts to the narrowest.
var splitters = [...]splitter{splitJoints, splitDigits, splitCase}

func splitJoints(word string) []string {
	if !strings.ContainsFunc(word, isJoint) {
		return nil
	}
	return strings.FieldsFunc(word, isJoint)
}

func splitDigits(word string) []string {
	return splitWhere(word, func(before, r, _ rune) bool { return unicode.IsNumber(before) != unicode.IsNumber(r) })
}

// splitCase splits where lower case turns into upper (customerFeatures) and
// where an abbreviation ends (XMLParser).
func splitCase(word string) []string {
	return splitWhere(word, func(before, r, next rune) bool {
		return unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsUpper(before) && unicode.IsLower(next))
	})
}

// splitWhere splits before every character r for which boundary holds. Marks
// belong to the character before them.
func splitWhere(word string, boundary func(before, r, next rune) bool) []string {
	var parts []string
	start, before := 0, rune(0)
	for i, r := range word {
		if isMark(r) {
			continue
		}
		next, _ := utf8.DecodeRuneInString(word[i+utf8.RuneLen(r):])
		if i > start && boundary(before, r, next) {
			parts = append(parts, word[start:i])
			start = i
		}
		before = r
	}
	if start == 0 {
		return nil
	}
	return append(parts, word[start:])
}

// withoutJoints makes one word of a compound.
var withoutJoints = strings.NewReplacer("_", "", "-", "")

// fold takes the case and the joints out of a word and bounds its length.
func fold(word string) string {
	if isLower(word) {
		return word[:min(len(word), MaxTokenRunes)]
	}
	word = withoutJoints.Replace(word)
	if isASCII(word) {
		word = strings.ToLower(word)
	} else {
		// Fold alone turns the two cases of Cherokee into one another.
		word = norm.NFC.String(withoutAccents(strings.ToLower(cases.Fold().String(word))))
	}
	runes := 0
	for i := range word {
		if runes == MaxTokenRunes {
			return strings.Clone(word[:i])
		}
		runes++
	}
	return word
}

// isLower reports whether a word is of a to z alone.
func isLower(word string) bool {
	for i := range len(word) {
		if word[i] < 'a' || word[i] > 'z' {
			return false
		}
	}
	return true
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
