package insight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var projectTexts = []string{
	"Churn prediction for telecom customers from billing history and call records",
	"Detect fraud in credit card transactions with gradient boosting",
	"Forecast daily demand of bakery products in supermarkets",
	"Classify support tickets by urgency using transformers",
	"Predicting customer churn for a telecom provider with call detail records",
	"Segment satellite images into land use classes",
}

func TestSearchFindsTheSameTopic(t *testing.T) {
	c := NewCorpus(projectTexts)
	got := c.Search(projectTexts[0], 10)
	if len(got) == 0 || got[0].Document != 0 || got[0].Score != 1 {
		t.Fatalf("the text itself: got %+v, want document 0 with score 1 first", got)
	}
	if got[1].Document != 4 || got[1].Score < 0.4 {
		t.Errorf("the same topic in other words: got %+v, want document 4", got[1])
	}
	if score := c.Similarity(projectTexts[0], projectTexts[5]); score > 0.05 {
		t.Errorf("unrelated texts score %v, want nearly 0", score)
	}
	if got := c.Search("zebra xylophone", 10); len(got) != 0 {
		t.Errorf("words of no document: got %+v, want nothing", got)
	}
	if got := c.Search("", 10); len(got) != 0 {
		t.Errorf("no text: got %+v, want nothing", got)
	}
	if score := c.Similarity("", ""); score != 0 {
		t.Errorf("two empty texts score %v: there is nothing to compare", score)
	}
}

func TestIdenticalTextsScoreOne(t *testing.T) {
	alphabet := rapid.SampledFrom([]string{"model", "data", "churn", "the", "and", "模", "型", "Überprüfung", "x1", "camelCase", ".", "\n", " "})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(alphabet, 1, 200).Draw(t, "words"), " ")
		other := strings.Join(rapid.SliceOfN(alphabet, 1, 50).Draw(t, "other"), " ")
		c := NewCorpus([]string{text, other, "something else entirely"})
		if len(split(text)) == 0 {
			t.Skip("no words")
		}
		if got := c.Similarity(text, text); got != 1 {
			t.Errorf("with itself: got %v, want 1", got)
		}
		if got, back := c.Similarity(text, other), c.Similarity(other, text); got != back || got < 0 || got > 1 {
			t.Errorf("got %v one way and %v the other, want the same within 0 and 1", got, back)
		}
		if got := c.Search(text, 3); got[0].Score != 1 {
			t.Errorf("searching a document: got %+v, want it with score 1", got)
		}
	})
}

func TestLengthsOfTexts(t *testing.T) {
	var long strings.Builder
	rng := rand.New(rand.NewPCG(1, 1))
	for long.Len() < 16<<10 {
		fmt.Fprintf(&long, "requirement %d concerns module %d. ", rng.IntN(500), rng.IntN(40))
	}
	texts := []string{"short text", long.String(), strings.Repeat("x", 16<<10), "", "?!?!?!?!?!", "\xff\xfe broken"}
	c := NewCorpus(texts)
	for i, text := range texts {
		for k, other := range texts {
			got := c.Similarity(text, other)
			if math.IsNaN(got) || got < 0 || got > 1 {
				t.Errorf("texts %d and %d score %v", i, k, got)
			}
			if i != k && got > 0.1 {
				t.Errorf("texts %d and %d have nothing in common and score %v", i, k, got)
			}
		}
	}
}

func TestWords(t *testing.T) {
	tests := map[string][]string{
		"The user's stories and the queries":   {"user", "s", "story", "query"},
		"getUserName user_id HTTPServer":       {"get", "user", "name", "user", "id", "httpserver"},
		"to be or not to be":                   {"to", "be", "or", "not", "to", "be"},
		"classes, glasses, analysis, buses, s": {"class", "glass", "analysi", "buse", "s"},
		"客户流失 model":                           {"客", "户", "流", "失", "model"},
	}
	for text, want := range tests {
		if diff := cmp.Diff(want, words(text)); diff != "" {
			t.Errorf("words of %q (-want +got):\n%s", text, diff)
		}
	}
}

const shopRequirements = `# Web shop

## Stories
- As a customer, I want to search products by name, so that I find them.
- As a customer, I want to pay by credit card.
1. As a manager, I can export monthly revenue as a spreadsheet.

## Data model
- Product: name, price, stock
- Order: customer, date, lines

## API
` + "```" + `
GET /products
POST /orders
not an endpoint
` + "```" + `

| Requirement | Priority |
|---|---|
| Answers within 200 milliseconds | high |

The shop must work
in German and French.
`

func TestItemsOfARequirementDocument(t *testing.T) {
	want := []Item{
		{UserStory, "As a customer, I want to search products by name, so that I find them."},
		{UserStory, "As a customer, I want to pay by credit card."},
		{UserStory, "As a manager, I can export monthly revenue as a spreadsheet."},
		{DataModel, "Product: name, price, stock"},
		{DataModel, "Order: customer, date, lines"},
		{Endpoint, "GET /products"},
		{Endpoint, "POST /orders"},
		{Requirement, "Answers within 200 milliseconds high"},
		{Requirement, "The shop must work in German and French."},
	}
	if diff := cmp.Diff(want, Items(shopRequirements)); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if got := Items(strings.Repeat("- one more\n", 5000)); len(got) != MostItems {
		t.Errorf("a long list gives %d items, want %d", len(got), MostItems)
	}
}

func TestReuseStrategy(t *testing.T) {
	shop := Items(shopRequirements)
	corpus := NewCorpus(append(strings.Split(shopRequirements, "\n"), projectTexts...))
	var churn []Item
	for _, text := range projectTexts {
		churn = append(churn, Item{Requirement, text})
	}
	half := append(append([]Item{}, shop[:5]...), churn[:5]...)
	tests := []struct {
		name    string
		needed  []Item
		want    Strategy
		covered float64
		work    float64
	}{
		{"the same again", shop, CloneAndCustomise, 1, 0.3},
		{"half of it", half, Hybrid, 0.5, 0.65},
		{"something else", churn, FromScratch, 0, 1},
	}
	for _, tt := range tests {
		got, ok := corpus.Compare(tt.needed, shop)
		if !ok {
			t.Errorf("%s: nothing was compared", tt.name)
		}
		if got.Strategy != tt.want || math.Abs(got.Covered-tt.covered) > 1e-9 || math.Abs(got.Work-tt.work) > 1e-6 {
			t.Errorf("%s: got %s, covered %v, work %v; want %s, %v, %v", tt.name, got.Strategy, got.Covered, got.Work, tt.want, tt.covered, tt.work)
		}
		effort, ok := got.Effort(100, len(shop))
		if want := 100.0 / 9 * float64(len(tt.needed)) * tt.work; !ok || math.Abs(effort-want) > 1e-3 {
			t.Errorf("%s: effort is %v, want %v", tt.name, effort, want)
		}
	}
	if _, ok := corpus.Compare(nil, shop); ok {
		t.Error("a project without documents was compared")
	}
	for _, finished := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if got, ok := (Overlap{}).Effort(finished, 3); ok {
			t.Errorf("effort from %v: got %v, want none", finished, got)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	texts := make([]string, 20_000)
	for i := range texts {
		var text strings.Builder
		for range 60 {
			fmt.Fprintf(&text, "word%d ", int(math.Exp(rng.Float64()*9)))
		}
		texts[i] = text.String()
	}
	c := NewCorpus(texts)
	for b.Loop() {
		c.Search(texts[7], 10)
	}
}
