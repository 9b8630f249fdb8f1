package insight

import (
	"math"
	"regexp"
	"strings"
)

// ItemKind is what a line of a requirement document asks for.
type ItemKind string

// The kinds of items.
const (
	UserStory   ItemKind = "user_story"  // "As a …, I want …"
	Requirement ItemKind = "requirement" // any other entry of a list, and prose
	DataModel   ItemKind = "data_model"  // an entry under a heading of data, entities or tables
	Endpoint    ItemKind = "endpoint"    // a method and a path
)

// Kinds are the kinds in the order they are shown in.
var Kinds = [...]ItemKind{UserStory, Requirement, DataModel, Endpoint}

// Item is one thing that a project was asked for.
type Item struct {
	Kind ItemKind
	Text string
}

// MostItems bounds what is compared; documents have a few hundred.
const MostItems = 2000

var (
	heading   = regexp.MustCompile(`^\s{0,3}#{1,6}\s+(.*?)\s*#*$`)
	bullet    = regexp.MustCompile(`^\s*(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.*)$`)
	tableRow  = regexp.MustCompile(`^\s*\|(.+)\|\s*$`)
	tableRule = regexp.MustCompile(`^[\s|:-]+$`)
	endpoint  = regexp.MustCompile(`\b(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\s+(/\S*)`)
	story     = regexp.MustCompile(`(?i)^\W*as an? .+\bi (?:want|need|can|would like|should)\b`)
	models    = regexp.MustCompile(`(?i)\b(?:data ?models?|entit(?:y|ies)|schemas?|tables?|domain model)\b`)
)

// Items reads what requirement documents ask for from their Markdown: entries of
// lists, rows of tables, and paragraphs where there is neither. What stands in
// code fences is not read, except endpoints. At most 2000 items are returned.
func Items(markdown string) []Item {
	var items []Item
	var paragraph []string
	inModels, fenced := false, false
	headed := false // the line above is a table's row
	add := func(text string) {
		text = strings.Join(strings.Fields(strings.Trim(text, "*_ \t")), " ")
		if text != "" && len(items) < MostItems {
			items = append(items, Item{Kind: kindOf(text, inModels), Text: text})
		}
	}
	endParagraph := func() {
		add(strings.Join(paragraph, " "))
		paragraph = nil
	}
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		isFence := strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")
		switch {
		case isFence:
			endParagraph()
			fenced = !fenced
		case fenced:
			if endpoint.MatchString(line) {
				add(line)
			}
		case trimmed == "":
			endParagraph()
		case tableRule.MatchString(trimmed):
			endParagraph()
			if headed && strings.Contains(trimmed, "|") {
				items = items[:len(items)-1] // the row above names the columns
			}
		case heading.MatchString(line):
			endParagraph()
			inModels = models.MatchString(heading.FindStringSubmatch(line)[1])
		case bullet.MatchString(line):
			endParagraph()
			paragraph = append(paragraph, bullet.FindStringSubmatch(line)[1])
		case tableRow.MatchString(line):
			endParagraph()
			before := len(items)
			add(strings.ReplaceAll(tableRow.FindStringSubmatch(line)[1], "|", " "))
			headed = len(items) > before
			continue
		default:
			paragraph = append(paragraph, trimmed)
		}
		headed = false
	}
	endParagraph()
	return items
}

func kindOf(text string, inModels bool) ItemKind {
	switch {
	case story.MatchString(text):
		return UserStory
	case endpoint.MatchString(text):
		return Endpoint
	case inModels:
		return DataModel
	}
	return Requirement
}

// Strategy is how a new project should be built from a finished one.
type Strategy string

// The strategies, by the share of the needed items that the finished project
// covers.
const (
	CloneAndCustomise Strategy = "clone_and_customise" // at least CloneFrom
	Hybrid            Strategy = "hybrid"              // at least HybridFrom
	FromScratch       Strategy = "from_scratch"        // below
)

// The thresholds. An item counts as covered when the finished project has one of
// its kind with a similarity of at least CoveredFrom: below, two lines share a
// topic, from there on they ask for the same. A copy pays when little of it is to
// be changed (four items of five are there); reuse of parts pays while a
// substantial part is there (three in ten).
const (
	CoveredFrom = 0.6
	CloneFrom   = 0.8
	HybridFrom  = 0.3
)

// integration is what a covered item costs even when nothing in it changes, as a
// share of building it: the integration effort of COCOMO II's adaptation
// adjustment factor, 0.4 × design modified + 0.3 × code modified + 0.3 ×
// integration (Boehm et al. 2000).
const integration = 0.3

// Overlap is what a finished project already has of what a new one needs.
type Overlap struct {
	Strategy Strategy
	Covered  float64 // share of the needed items, 0 … 1
	Kinds    []KindOverlap
	Items    []Coverage // in the order of the new project's documents

	// Work is what the new project takes, as a share of building all its items
	// anew: an item that is not covered counts whole, a covered one
	// 0.3 + 0.7 × (1 − similarity).
	Work float64
}

// KindOverlap is the overlap of one kind of items.
type KindOverlap struct {
	Kind    ItemKind
	Needed  int
	Covered int
}

// Coverage is one needed item and the finished project's best answer to it.
type Coverage struct {
	Item       Item
	Closest    string // the most similar item of its kind; empty when there is none
	Similarity float64
}

// Covered tells whether the item need not be built anew.
func (c Coverage) Covered() bool { return c.Similarity >= CoveredFrom }

// Compare analyses how far a finished project's items cover a new one's, by the
// words of the tenant's vocabulary. It returns false when either has no items:
// then there is nothing to say.
func (c *Corpus) Compare(needed, existing []Item) (Overlap, bool) {
	if len(needed) == 0 || len(existing) == 0 {
		return Overlap{}, false
	}
	vectors := make(map[ItemKind][]vector)
	texts := make(map[ItemKind][]string)
	for _, item := range existing[:min(len(existing), MostItems)] {
		vectors[item.Kind] = append(vectors[item.Kind], c.vectorOf(item.Text))
		texts[item.Kind] = append(texts[item.Kind], item.Text)
	}
	counts := make(map[ItemKind]KindOverlap)
	var o Overlap
	for _, item := range needed[:min(len(needed), MostItems)] {
		asked := c.vectorOf(item.Text)
		found := Coverage{Item: item}
		for i, v := range vectors[item.Kind] {
			if score := cosine(asked, v); score > found.Similarity {
				found.Similarity, found.Closest = score, texts[item.Kind][i]
			}
		}
		count := counts[item.Kind]
		count.Kind = item.Kind
		count.Needed++
		if found.Covered() {
			count.Covered++
			o.Covered++
			o.Work += integration + (1-integration)*(1-found.Similarity)
		} else {
			o.Work++
		}
		counts[item.Kind] = count
		o.Items = append(o.Items, found)
	}
	o.Covered /= float64(len(o.Items))
	o.Work /= float64(len(o.Items))
	for _, kind := range Kinds {
		if count := counts[kind]; count.Needed > 0 {
			o.Kinds = append(o.Kinds, count)
		}
	}
	o.Strategy = strategyOf(o.Covered)
	return o, true
}

func strategyOf(covered float64) Strategy {
	switch {
	case covered >= CloneFrom:
		return CloneAndCustomise
	case covered >= HybridFrom:
		return Hybrid
	}
	return FromScratch
}

// Effort estimates what the new project takes, in the unit of the finished
// project's effort (days, a currency): its effort per item, times the new items,
// times the work they are. It returns false when the finished project's effort is
// not a positive number.
func (o Overlap) Effort(finished float64, existing int) (float64, bool) {
	if !(finished > 0) || math.IsInf(finished, 0) || existing <= 0 {
		return 0, false
	}
	return finished / float64(existing) * float64(len(o.Items)) * o.Work, true
}
