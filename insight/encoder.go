package insight

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Bounds of an encoder. Beyond them the cost grows and the accuracy does not.
const (
	fewRows    = 3      // a category or a gap seen in fewer projects is pooled
	manyLevels = 50     // levels of a column beyond the most frequent are pooled
	sampleRows = 10_000 // quantiles and skewness are taken from at most so many rows
)

type featureKind uint8

const (
	numberFeature  featureKind = iota // a number, perhaps its logarithm
	missingFeature                    // 1 where a number is missing
	levelFeature                      // 1 at one category
	rareFeature                       // 1 at every category that is rare or was never seen
	codeFeature                       // 1 at one value of a number that is a code
)

// feature is one column of the design matrix.
type feature struct {
	column int
	kind   featureKind

	log   bool    // numberFeature: take the logarithm of value + shift
	shift float64 // numberFeature
	fill  float64 // numberFeature: what a missing number counts as
	low   float64 // numberFeature: transformed values stay between these
	high  float64
	code  int32   // levelFeature
	value float64 // codeFeature

	centre float64
	spread float64
}

// encoder turns a record into standardised features. It is fitted to a history
// and decides everything by itself:
//
//   - a number that is never negative and skewed to the right is taken on the
//     logarithm, which is the scale of sizes and efforts;
//   - a missing number counts as the median and, where gaps are not rare, has a
//     feature of its own;
//   - a category has a feature for each level that three projects share; the
//     others are pooled. Level features keep their own spread, so that a penalty
//     shrinks a rare level more than a frequent one, as a random effect;
//   - a number of few values becomes a category too where a straight line
//     provably does not fit it (codedColumns);
//   - constant columns, and mere enumerations of the projects, give no feature.
type encoder struct {
	features []feature
	pools    []pool // by column
}

// pool says which levels of a category have no feature of their own.
type pool struct {
	rare       []bool // by code: seen, but in few projects
	absent     []bool // by code: never seen
	hasRare    bool   // the rare ones and those never seen share a feature
	hasMissing bool   // a missing category has a feature
}

// newEncoder fits an encoder to the dataset; z is the outcome on the learned
// scale, coded the numeric columns to treat as categories too. At most limit
// features are kept: those with the greatest correlation with the outcome.
func newEncoder(d *Dataset, z []float64, coded []int, limit int) *encoder {
	e := &encoder{pools: make([]pool, len(d.columns))}
	for i, c := range d.columns {
		if c.numbers == nil {
			e.addCategory(i, c)
			continue
		}
		e.addNumber(i, c, z)
		if slices.Contains(coded, i) {
			e.addCodes(i, c)
		}
	}
	if len(e.features) > limit {
		e.screen(d, z, limit)
	}
	return e
}

func (e *encoder) addNumber(at int, c column, z []float64) {
	present := make([]float64, 0, len(c.numbers))
	for _, v := range c.numbers {
		if !math.IsNaN(v) {
			present = append(present, v)
		}
	}
	missing := len(c.numbers) - len(present)
	if missing >= fewRows && len(present) >= fewRows {
		share := float64(missing) / float64(len(c.numbers))
		e.features = append(e.features, feature{column: at, kind: missingFeature, centre: share, spread: 1})
	}
	if len(present) < 2 {
		return
	}
	sample := make([]float64, 0, min(len(present), sampleRows))
	for _, r := range thinRows(len(present), sampleRows) {
		sample = append(sample, present[r])
	}
	slices.Sort(sample)
	if len(sample) == len(c.numbers) && isEnumeration(sample) && math.Abs(stat.Correlation(c.numbers, z, nil)) < 0.5 {
		return
	}
	f := feature{column: at, kind: numberFeature, fill: stat.Quantile(0.5, stat.LinInterp, sample, nil)}
	low, high := slices.Min(present), slices.Max(present)
	if low >= 0 && stat.Skew(sample, nil) > skewed {
		f.log = true
		if low == 0 {
			f.shift = smallUnit(sample)
		}
	}
	f.low, f.high = f.transform(low), f.transform(high)
	width := f.high - f.low
	if width <= 1e-9*max(math.Abs(f.low), math.Abs(f.high)) {
		return // constant, as far as its digits can tell
	}
	transformed := make([]float64, len(c.numbers))
	for i, v := range c.numbers {
		transformed[i] = f.transform(v)
	}
	if f.centre, f.spread = stat.PopMeanStdDev(transformed, nil); f.spread == 0 {
		return
	}
	f.low, f.high = f.low-width/2, f.high+width/2
	e.features = append(e.features, f)
}

// skewed is the skewness from which a number is taken on the logarithm.
const skewed = 1

func (f *feature) transform(v float64) float64 {
	if math.IsNaN(v) {
		v = f.fill
	}
	if f.log {
		v = max(v, 0) + f.shift
		if v <= 0 {
			return f.low
		}
		return math.Log(v)
	}
	return v
}

// isEnumeration tells whether sorted numbers could be a running number of the
// projects (1, 2, 3, …: all different, evenly spaced, almost without gaps). Such a
// column says how the list was written, and the next project's number lies
// outside of it; only one that goes with the outcome closely is a measurement.
func isEnumeration(sorted []float64) bool {
	if len(sorted) < LeastHistory {
		return false
	}
	step := math.Inf(1)
	for i := range sorted[1:] {
		if step = min(step, sorted[i+1]-sorted[i]); step <= 0 {
			return false
		}
	}
	if sorted[len(sorted)-1]-sorted[0] >= 1.1*step*float64(len(sorted)) {
		return false
	}
	for _, v := range sorted {
		if steps := (v - sorted[0]) / step; math.Abs(steps-math.Round(steps)) > 1e-6 {
			return false
		}
	}
	return true
}

func (e *encoder) addCategory(at int, c column) {
	counts := make([]int, len(c.levels))
	missing := 0
	for _, code := range c.codes {
		if code == missingCode {
			missing++
		} else {
			counts[code]++
		}
	}
	var frequent []int32
	for code, count := range counts {
		if count >= fewRows {
			frequent = append(frequent, int32(code))
		}
	}
	slices.SortStableFunc(frequent, func(a, b int32) int { return counts[b] - counts[a] })
	frequent = frequent[:min(len(frequent), manyLevels)]

	p := pool{rare: make([]bool, len(counts)), absent: make([]bool, len(counts))}
	rare := 0
	for code, count := range counts {
		p.absent[code] = count == 0
		p.rare[code] = count > 0
	}
	for _, code := range frequent {
		p.rare[code] = false
	}
	for code, count := range counts {
		if p.rare[code] {
			rare += count
		}
	}
	p.hasRare = rare >= fewRows && len(frequent) > 0
	p.hasMissing = missing >= fewRows && len(frequent) > 0
	e.pools[at] = p
	if len(frequent) == 1 && rare == 0 && !p.hasMissing {
		return // one class only
	}
	known := float64(len(c.codes) - missing)
	if p.hasMissing {
		known = float64(len(c.codes))
	}
	for _, code := range frequent {
		e.features = append(e.features, feature{column: at, kind: levelFeature, code: code, centre: float64(counts[code]) / known, spread: 1})
	}
	if p.hasRare {
		e.features = append(e.features, feature{column: at, kind: rareFeature, centre: float64(rare) / known, spread: 1})
	}
	if p.hasMissing {
		e.features = append(e.features, feature{column: at, kind: levelFeature, code: missingCode, centre: float64(missing) / known, spread: 1})
	}
}

// addCodes adds a feature for each value of a number that is a code.
func (e *encoder) addCodes(at int, c column) {
	counts, known := countValues(c.numbers)
	for _, value := range sortedKeys(counts) {
		if count := counts[value]; count >= fewRows {
			e.features = append(e.features, feature{column: at, kind: codeFeature, value: value, centre: float64(count) / float64(known), spread: 1})
		}
	}
}

// countValues counts how often each number occurs, and how many are not missing.
func countValues(numbers []float64) (map[float64]int, int) {
	counts := make(map[float64]int)
	known := 0
	for _, v := range numbers {
		if !math.IsNaN(v) {
			counts[v]++
			known++
		}
	}
	return counts, known
}

// screen keeps the features with the greatest correlation with the outcome.
func (e *encoder) screen(d *Dataset, z []float64, limit int) {
	rows := thinRows(d.rows, sampleRows)
	outcomes := make([]float64, len(rows))
	for k, r := range rows {
		outcomes[k] = z[r]
	}
	values := make([]float64, len(rows))
	strength := make([]float64, len(e.features))
	order := make([]int, len(e.features))
	for i := range e.features {
		order[i] = i
		c := &d.columns[e.features[i].column]
		for k, r := range rows {
			values[k] = e.standardised(&e.features[i], c.number(r), c.code(r))
		}
		if strength[i] = math.Abs(stat.Correlation(values, outcomes, nil)); math.IsNaN(strength[i]) {
			strength[i] = 0
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(strength[b], strength[a]) })
	order = order[:limit]
	slices.Sort(order)
	kept := make([]feature, limit)
	for k, i := range order {
		kept[k] = e.features[i]
	}
	e.features = kept
}

// encode writes the standardised features of a record. A number beyond the
// history's range counts as at most half that range outside; a category without
// information counts as the average of all.
func (e *encoder) encode(r record, to []float64) {
	for i := range e.features {
		f := &e.features[i]
		to[i] = e.standardised(f, r.numbers[f.column], r.codes[f.column])
	}
}

// matrix returns the features of the rows from (with) to (without), row after
// row.
func (e *encoder) matrix(d *Dataset, from, to int) []float64 {
	p := len(e.features)
	x := make([]float64, (to-from)*p)
	for i := range e.features {
		f := &e.features[i]
		c := &d.columns[f.column]
		for r := from; r < to; r++ {
			x[(r-from)*p+i] = e.standardised(f, c.number(r), c.code(r))
		}
	}
	return x
}

// standardised is a feature's value: with mean 0 over the history, and for
// numbers with standard deviation 1.
func (e *encoder) standardised(f *feature, number float64, code int32) float64 {
	var v float64
	switch f.kind {
	case numberFeature:
		v = min(max(f.transform(number), f.low), f.high)
	case missingFeature:
		v = indicator(math.IsNaN(number))
	case codeFeature:
		if math.IsNaN(number) {
			return 0
		}
		v = indicator(number == f.value)
	default:
		p := &e.pools[f.column]
		if code >= 0 && p.absent[code] {
			code = unseenCode
		}
		if code == missingCode && !p.hasMissing || code == unseenCode && !p.hasRare {
			return 0
		}
		if f.kind == rareFeature {
			v = indicator(code == unseenCode || code >= 0 && p.rare[code])
		} else {
			v = indicator(code == f.code)
		}
	}
	return (v - f.centre) / f.spread
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func sortedKeys(counts map[float64]int) []float64 { return slices.Sorted(maps.Keys(counts)) }
