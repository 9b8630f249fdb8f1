package insight

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Corpus is all documents of a tenant under one vocabulary, so that every score
// is comparable with every other. It compares texts by the cosine of their TF-IDF
// vectors (Salton and Buckley 1988): a word counts by 1 + ln(times in the text),
// and by ln(1 + (documents+1) / (documents with it + 1)). Words everybody uses say little,
// rare ones much. Identical texts score 1; texts without a common word 0.
//
// It does not change after it is made and may be used by many goroutines.
type Corpus struct {
	words    map[string]int32 // to its place in postings
	rarity   []float64        // by word
	postings [][]posting      // by word: the documents with it, weights normalised
	size     int
}

type posting struct {
	document int32
	weight   float32
}

// Match is a document of a corpus that is like a text.
type Match struct {
	Document int // its index in the texts given to NewCorpus
	Score    float64
}

// NewCorpus indexes the texts.
func NewCorpus(texts []string) *Corpus {
	c := &Corpus{words: make(map[string]int32), size: len(texts)}
	counts := make([]map[int32]int, len(texts))
	var documents []int
	for i, text := range texts {
		counts[i] = make(map[int32]int)
		for _, word := range words(text) {
			id, known := c.words[word]
			if !known {
				id = int32(len(documents))
				c.words[word] = id
				documents = append(documents, 0)
			}
			if counts[i][id]++; counts[i][id] == 1 {
				documents[id]++
			}
		}
	}
	c.rarity = make([]float64, len(documents))
	c.postings = make([][]posting, len(documents))
	for id, n := range documents {
		c.rarity[id] = c.rarityOf(n)
		c.postings[id] = make([]posting, 0, n)
	}
	for i, count := range counts {
		ids := make([]int32, 0, len(count))
		for id := range count {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		var squares float64
		for _, id := range ids {
			w := tone(count[id]) * c.rarity[id]
			squares += w * w
		}
		for _, id := range ids {
			w := tone(count[id]) * c.rarity[id] / math.Sqrt(squares)
			c.postings[id] = append(c.postings[id], posting{int32(i), float32(w)})
		}
		counts[i] = nil
	}
	return c
}

// Size is the number of documents.
func (c *Corpus) Size() int { return c.size }

func (c *Corpus) rarityOf(documents int) float64 {
	return math.Log(1 + float64(c.size+1)/float64(documents+1))
}

func tone(times int) float64 { return 1 + math.Log(float64(times)) }

// vector is a text in the corpus's space, with length 1.
type vector map[string]float64

// vectorOf weighs a text's words. A word that no document has is as rare as can
// be: it counts against every document, or what is only in the text would go
// unnoticed.
func (c *Corpus) vectorOf(text string) vector {
	counts := make(map[string]int)
	for _, word := range words(text) {
		counts[word]++
	}
	v := make(vector, len(counts))
	var squares float64
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		rarity := c.rarityOf(0)
		if id, known := c.words[word]; known {
			rarity = c.rarity[id]
		}
		v[word] = tone(counts[word]) * rarity
		squares += v[word] * v[word]
	}
	for word := range v {
		v[word] /= math.Sqrt(squares)
	}
	return v
}

// Search returns at most limit documents with a score above 0, the best first and
// among equals the earlier document.
func (c *Corpus) Search(text string, limit int) []Match {
	return c.best(c.scores(c.vectorOf(text)), limit)
}

func (c *Corpus) best(scores []float64, limit int) []Match {
	var matches []Match
	for document, score := range scores {
		if score = rounded(score); score > 0 {
			matches = append(matches, Match{Document: document, Score: score})
		}
	}
	slices.SortStableFunc(matches, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
	return matches[:min(len(matches), max(limit, 0))]
}

// scores returns the cosine of a vector with every document.
func (c *Corpus) scores(v vector) []float64 {
	scores := make([]float64, c.size)
	for _, word := range slices.Sorted(maps.Keys(v)) {
		if id, known := c.words[word]; known {
			for _, p := range c.postings[id] {
				scores[p.document] += v[word] * float64(p.weight)
			}
		}
	}
	return scores
}

// Similarity compares two texts, which need not be in the corpus, in its
// vocabulary.
func (c *Corpus) Similarity(a, b string) float64 {
	return cosine(c.vectorOf(a), c.vectorOf(b))
}

func cosine(a, b vector) float64 {
	if len(b) < len(a) {
		a, b = b, a
	}
	var sum float64
	for _, word := range slices.Sorted(maps.Keys(a)) {
		sum += a[word] * b[word]
	}
	return rounded(sum)
}

// rounded takes away what the arithmetic of weights adds, so that the same text is
// exactly 1.
func rounded(score float64) float64 {
	return min(math.Round(score*1e6)/1e6, 1)
}

// words splits a text into what is compared: runs of letters and digits in lower
// case, also within camelCase and snake_case, single signs where a script has no
// spaces; without the words that every text has, and without the plural's ending.
// A text of nothing but everyday words keeps them.
func words(text string) []string {
	all := split(text)
	telling := make([]string, 0, len(all))
	for _, word := range all {
		if !everyday[word] {
			telling = append(telling, singular(word))
		}
	}
	if len(telling) == 0 {
		return all
	}
	return telling
}

func split(text string) []string {
	var out []string
	start := -1
	var before rune
	flush := func(end int) {
		if start >= 0 {
			out = append(out, strings.ToLower(text[start:end]))
			start = -1
		}
	}
	for i, r := range text {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
			flush(i)
			out = append(out, string(r))
			continue
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			flush(i)
		} else {
			if start >= 0 && unicode.IsUpper(r) && unicode.IsLower(before) {
				flush(i)
			}
			if start < 0 {
				start = i
			}
			if i-start >= longestWord {
				flush(i)
				start = i
			}
		}
		before = r
	}
	flush(len(text))
	return out
}

// longestWord cuts what is no word, like a hash or a run of one letter.
const longestWord = 64

// singular takes off the English plural by Harman's S-stemmer (Harman 1991, "How
// effective is suffixing?"), and the whole of "es" after a hiss.
func singular(word string) string {
	if utf8.RuneCountInString(word) < 4 {
		return word
	}
	for _, ending := range []string{"sses", "xes", "ches", "shes"} {
		if strings.HasSuffix(word, ending) {
			return strings.TrimSuffix(word, "es")
		}
	}
	switch {
	case strings.HasSuffix(word, "ies") && !strings.HasSuffix(word, "eies") && !strings.HasSuffix(word, "aies"):
		return strings.TrimSuffix(word, "ies") + "y"
	case strings.HasSuffix(word, "es") && !strings.HasSuffix(word, "aes") && !strings.HasSuffix(word, "ees") && !strings.HasSuffix(word, "oes"):
		return strings.TrimSuffix(word, "s")
	case strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "us") && !strings.HasSuffix(word, "ss"):
		return strings.TrimSuffix(word, "s")
	}
	return word
}

// everyday are the words that texts share whatever they are about.
var everyday = func() map[string]bool {
	list := strings.Fields(`
		a about above after again all also am an and any are as at be because been before being below between both
		but by can could did do does doing down during each every few for from further given had has have having he
		her here hers him his how i if in into is it its itself just may me might more most must my no nor not of off
		on once only or other our out over own per same shall she should so some such than that the their them then
		there these they this those through to too under until up us use used uses using very via want was we were
		what when where which while who whom why will with within without would you your`)
	set := make(map[string]bool, len(list))
	for _, word := range list {
		set[word] = true
	}
	return set
}()
