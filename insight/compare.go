package insight

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Words are what a project says about itself. Names differ where projects are the
// same, so that the body alone is compared as well.
type Words struct {
	Title string
	Body  string
}

func (w Words) all() string { return w.Title + "\n" + w.Body }

// Comparison finds projects that are like another one, by their inputs and their
// words, in one vocabulary of all of them. It does not change after it is made
// and may be used by many goroutines.
type Comparison struct {
	kinds       *inputKinds
	resemblance *Resemblance
	corpus      *Corpus
	words       []Words
}

// Compare prepares the comparison with the projects of a history, finished or not;
// words has those of each row.
func (h *History) Compare(words []Words) (*Comparison, error) {
	if len(words) != h.rows {
		return nil, wrong("", "there are words of %d projects for %d", len(words), h.rows)
	}
	d, kinds, err := h.dataset()
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.all()
	}
	return &Comparison{kinds: kinds, resemblance: NewResemblance(d, nil), corpus: NewCorpus(texts), words: words}, nil
}

// Corpus is the vocabulary of all the projects.
func (c *Comparison) Corpus() *Corpus { return c.corpus }

// leastCompared is how many projects are looked at closely, at least.
const leastCompared = 50

// MostAlike returns at most limit projects, the most similar first, by what is
// known of a plan and by its words. A project with the same body has a text
// similarity of 1 whatever its title. Without words the inputs decide, and where
// the two share too few inputs to tell, the words. It is an *InputError when an
// input is not usable.
func (c *Comparison) MostAlike(p Plan, words Words, limit int) ([]Likeness, error) {
	in := c.kinds.inputs(&p, math.NaN())
	found, err := MostAlike(c.resemblance, c.corpus, in, words.all(), max(5*limit, leastCompared))
	if err != nil {
		return nil, err
	}
	for i := range found {
		other := c.words[found[i].Row]
		if strings.TrimSpace(words.Body) == "" || strings.TrimSpace(other.Body) == "" {
			continue
		}
		if alike := c.corpus.Similarity(words.Body, other.Body); alike > found[i].Text {
			found[i].Text = alike
			found[i].weigh(found[i].Known, true)
		}
	}
	slices.SortFunc(found, func(a, b Likeness) int {
		return cmp.Or(cmp.Compare(b.Similarity, a.Similarity), cmp.Compare(a.Row, b.Row))
	})
	return found[:min(len(found), max(limit, 0))], nil
}
