package insight

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Neighbour is a project of the history that is like the one asked about.
type Neighbour struct {
	Row        int     // in the dataset given
	Similarity float64 // 0 … 1; 1 when nothing differs
}

// Resemblance compares projects by their inputs: Gower's coefficient (Gower 1971,
// "A general coefficient of similarity and some of its properties"). A number
// counts by its distance on the scale the encoder would take, as a share of the
// range that 90 % of the history lie in, at most 1; a category by same or not;
// what either project does not have, not at all. It does not change after it is
// made and may be used by many goroutines.
type Resemblance struct {
	history *Dataset
	fields  []field
	// values of the history, a row after the other, in the fields' order: a scaled
	// number or a code; NaN is missing.
	values []float32
}

// field is a column that tells projects apart.
type field struct {
	column int
	weight float64
	number feature // for numbers: the transformation; spread is the range
	exact  bool    // for categories
}

// NewResemblance prepares the comparison with the projects of a history. Weights,
// one for each column, say how much it counts; nil means all the same. Columns
// with a weight of 0, constant ones and running numbers do not count.
func NewResemblance(d *Dataset, weights []float64) *Resemblance {
	s := &Resemblance{history: d}
	for i := range d.columns {
		f := field{column: i, weight: 1}
		if weights != nil {
			f.weight = weights[i]
		}
		if f.weight > 0 && f.prepare(&d.columns[i]) {
			s.fields = append(s.fields, f)
		}
	}
	// The heaviest first: a project that is far away is recognised early.
	slices.SortStableFunc(s.fields, func(a, b field) int { return cmp.Compare(b.weight, a.weight) })
	s.values = make([]float32, d.rows*len(s.fields))
	for k, f := range s.fields {
		c := &d.columns[f.column]
		for r := range d.rows {
			s.values[r*len(s.fields)+k] = f.value(c.number(r), c.code(r))
		}
	}
	return s
}

// prepare returns false for a column that tells nothing apart.
func (f *field) prepare(c *column) bool {
	if c.numbers == nil {
		f.exact = true
		return len(c.levels) > 1
	}
	var sample []float64
	for _, r := range thinRows(len(c.numbers), sampleRows) {
		if v := c.numbers[r]; !math.IsNaN(v) {
			sample = append(sample, v)
		}
	}
	slices.Sort(sample)
	if len(sample) < 2 || len(sample) == len(c.numbers) && isEnumeration(sample) {
		return false
	}
	f.number = feature{kind: numberFeature}
	if sample[0] >= 0 && stat.Skew(sample, nil) > skewed {
		f.number.log = true
		if sample[0] == 0 {
			f.number.shift = smallUnit(sample)
		}
		f.number.low = f.number.transform(sample[0])
	}
	at := func(p float64) float64 { return f.number.transform(stat.Quantile(p, stat.LinInterp, sample, nil)) }
	f.number.spread = at(0.95) - at(0.05)
	if f.number.spread <= 0 {
		f.number.spread = f.number.transform(sample[len(sample)-1]) - f.number.transform(sample[0])
	}
	f.number.centre = at(0.5)
	return f.number.spread > 0
}

func (f *field) value(number float64, code int32) float32 {
	switch {
	case f.exact && code == missingCode, !f.exact && math.IsNaN(number):
		return float32(math.NaN())
	case f.exact:
		return float32(code)
	}
	return float32((f.number.transform(number) - f.number.centre) / f.number.spread)
}

// Nearest returns at most limit projects of the history, the most similar first
// and among equals the earlier row. It is an *InputError when an input is not
// usable.
func (s *Resemblance) Nearest(in Inputs, limit int) ([]Neighbour, error) {
	r, err := s.history.read(in)
	if err != nil {
		return nil, err
	}
	return s.nearest(s.question(r), limit), nil
}

// question is a record in the fields' order. What it does not have weighs nothing.
type question struct {
	values  []float32
	weights []float32
	total   float32
}

func (s *Resemblance) question(r record) question {
	q := question{values: make([]float32, len(s.fields)), weights: make([]float32, len(s.fields))}
	for k, f := range s.fields {
		if v := f.value(r.numbers[f.column], r.codes[f.column]); v == v {
			q.values[k], q.weights[k] = v, float32(f.weight)
			q.total += q.weights[k]
		}
	}
	return q
}

// similarity with one project; false when the two have too little in common to
// tell.
func (s *Resemblance) similarity(q question, row int) (float64, bool) {
	if q.total == 0 {
		return 0, false
	}
	distance, ok := s.distance(q, row, math.MaxFloat32)
	if !ok {
		return 0, false
	}
	return float64(1 - distance), true
}

func (s *Resemblance) nearest(q question, limit int) []Neighbour {
	if q.total == 0 || limit <= 0 {
		return nil
	}
	return s.nearestOf(q, thinRows(s.history.rows, s.history.rows), limit)
}

// nearestOf searches some rows.
func (s *Resemblance) nearestOf(q question, rows []int, limit int) []Neighbour {
	var best []Neighbour
	worst := float32(2) // no distance is over 1
	for _, row := range rows {
		distance, ok := s.distance(q, row, worst*q.total)
		if !ok || distance >= worst {
			continue
		}
		similarity := float64(1 - distance)
		at, _ := slices.BinarySearchFunc(best, similarity, func(n Neighbour, than float64) int {
			if n.Similarity >= than {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, Neighbour{Row: row, Similarity: similarity})
		if len(best) > limit {
			best = best[:limit]
		}
		if len(best) == limit {
			worst = float32(1 - best[limit-1].Similarity)
		}
	}
	return best
}

// distance is the weighted mean of the fields' differences, over those that both
// projects have; false when it is certain to exceed bound / all weights, or when
// the two have less than half of the asked weight in common. Codes of different
// categories differ by 1 or more, so that one formula serves both kinds.
func (s *Resemblance) distance(q question, row int, bound float32) (float32, bool) {
	const stride = 8 // fields between two looks at the bound
	values := s.values[row*len(s.fields) : (row+1)*len(s.fields)]
	asked, weights := q.values[:len(values)], q.weights[:len(values)]
	var sum, absent float32
	for start := 0; start < len(values); start += stride {
		for k := start; k < min(start+stride, len(values)); k++ {
			difference := asked[k] - values[k]
			if difference < 0 {
				difference = -difference
			}
			if !(difference <= 1) {
				if difference != difference {
					absent += weights[k]
					continue
				}
				difference = 1
			}
			sum += weights[k] * difference
		}
		if sum > bound {
			return 0, false
		}
	}
	if 2*absent >= q.total {
		return 0, false
	}
	return sum / (q.total - absent), true
}

// manyNeighbours is how many projects Similar compares in full.
const manyNeighbours = 10_000

// Similar returns the finished projects most like the one asked about, in what
// matters for the outcome: half of an input's weight is the same for all, half
// goes by its influence in the model. Of a history of more than manyNeighbours
// projects it compares as many, whose predicted outcome is the closest. Rows are
// those of the dataset given to Train.
func (p *Predictor) Similar(in Inputs, limit int) ([]Neighbour, error) {
	r, err := p.history.read(in)
	if err != nil {
		return nil, err
	}
	q := p.resemblance.question(r)
	if q.total == 0 || limit <= 0 {
		return nil, nil
	}
	found := p.resemblance.nearestOf(q, p.candidates(r), limit)
	for i := range found {
		found[i].Row = p.rows[found[i].Row]
	}
	return found, nil
}

// candidates are the rows of the history that Similar compares.
func (p *Predictor) candidates(r record) []int {
	if len(p.byOutcome) <= manyNeighbours {
		return thinRows(p.history.rows, p.history.rows)
	}
	x := make([]float64, len(p.encoder.features))
	p.encoder.encode(r, x)
	at, _ := slices.BinarySearchFunc(p.byOutcome, p.model.predict(x), func(row int, z float64) int {
		return cmp.Compare(p.foreseen[row], z)
	})
	from := min(max(at-manyNeighbours/2, 0), len(p.byOutcome)-manyNeighbours)
	return p.byOutcome[from : from+manyNeighbours]
}

// learnResemblance prepares Similar.
func (p *Predictor) learnResemblance() { p.resemblance = NewResemblance(p.history, p.weights()) }

// weights say how much each column counts when projects are compared.
func (p *Predictor) weights() []float64 {
	count := float64(len(p.history.columns))
	weights := make([]float64, len(p.history.columns))
	influence, all := p.influence()
	for i := range weights {
		weights[i] = 1 / count
		if all > 0 {
			weights[i] = 0.5/count + 0.5*influence[i]/all
		}
	}
	return weights
}

// Likeness is a project that is like another by its inputs, its texts, or both.
type Likeness struct {
	Row        int
	Similarity float64 // the mean of the two that are there
	Structure  float64 // by inputs
	Known      bool    // enough inputs are shared to tell
	Text       float64 // by words
}

// weigh takes the mean of what is there.
func (l *Likeness) weigh(byInputs, byText bool) {
	switch {
	case byInputs && byText:
		l.Similarity = (l.Structure + l.Text) / 2
	case byInputs:
		l.Similarity = l.Structure
	default:
		l.Similarity = l.Text
	}
}

// MostAlike ranks the projects of a history by inputs and text together. Document
// i of the corpus is the text of row i; a blank text leaves the inputs alone, and
// inputs that share nothing the text. The ranking is among those that are far
// ahead by either measure (five times limit of each).
func MostAlike(s *Resemblance, c *Corpus, in Inputs, text string, limit int) ([]Likeness, error) {
	r, err := s.history.read(in)
	if err != nil {
		return nil, err
	}
	if c.size != s.history.rows {
		return nil, wrong("", "there are %d texts for %d projects", c.size, s.history.rows)
	}
	const ahead = 5
	q := s.question(r)
	asked := c.vectorOf(text)
	scores := c.scores(asked)
	rows := make(map[int]bool)
	for _, n := range s.nearest(q, ahead*limit) {
		rows[n.Row] = true
	}
	for _, m := range c.best(scores, ahead*limit) {
		rows[m.Document] = true
	}
	var found []Likeness
	for row := range rows {
		l := Likeness{Row: row, Text: rounded(scores[row])}
		l.Structure, l.Known = s.similarity(q, row)
		l.weigh(l.Known, len(asked) > 0)
		found = append(found, l)
	}
	slices.SortFunc(found, func(a, b Likeness) int {
		return cmp.Or(cmp.Compare(b.Similarity, a.Similarity), cmp.Compare(a.Row, b.Row))
	})
	return found[:min(len(found), max(limit, 0))], nil
}
