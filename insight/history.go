package insight

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Record is a project of the history: how it was, and how it went.
type Record struct {
	Plan // but for its Artifacts, which follow from Uses
	Uses []Use

	// When it began and ended, in any unit of time that is the same for all. What an
	// artifact was known to be worth is taken as of the beginning.
	Began, Ended int64

	// The outcomes; NaN where they are not known, and all of them for a project
	// that was abandoned.
	Success float64 // 0 … 100
	Days    float64
	Cost    float64
}

// Use is one use of an artifact.
type Use struct {
	Artifact string
	Impact   float64 // 0 … 100; NaN when it has no score
}

// Bounds of a history. What is beyond them is not learned from.
const (
	MostRecords   = 100_000
	mostNames     = 1000       // names of attributes, and of metrics, that are looked at
	mostMetrics   = 32         // metrics that are inputs: those that the most projects have
	mostInputs    = 256        // attributes that are inputs, likewise
	mostCells     = 10_000_000 // rows times columns
	fewWithInput  = 3          // projects that must have an attribute or metric
	priorImpacts  = 5          // scores at the mean that every artifact is thought to have had
	impactUnits   = 1e6        // in a score of 1
	outcomesCount = 3
)

// History gathers the projects to learn from, column by column. The zero value is
// empty and ready.
type History struct {
	classes    []string
	complexity []float64
	size       []float64
	mix        sheet
	metrics    sheet
	attributes sheet

	teams  []TeamProject
	uses   [][]Use
	began  []int64
	ended  []int64
	counts []float64 // artifacts used
	rows   int

	outcomes [outcomesCount][]float64
}

// Add adds a project, whose row is the number of those added before. It returns
// false, and adds nothing, when the history holds MostRecords.
func (h *History) Add(r Record) bool {
	if h.rows == MostRecords {
		return false
	}
	row := int32(h.rows)
	h.rows++
	h.classes = append(h.classes, r.Class)
	h.complexity = append(h.complexity, known(r.Complexity))
	h.size = append(h.size, known(r.size()))
	r.mix(func(input string, share float64) { h.mix.add(row, input, share) })
	addAll(&h.metrics, row, metricPrefix, r.Metrics)
	addAll(&h.attributes, row, attributePrefix, r.Attributes)
	h.teams = append(h.teams, TeamProject{Class: r.Class, Success: r.Success, Size: teamSize(r.TeamSize), Members: r.Team})
	h.uses = append(h.uses, r.Uses)
	h.counts = append(h.counts, float64(len(artifactsOf(r.Uses))))
	h.began, h.ended = append(h.began, min(r.Began, r.Ended)), append(h.ended, r.Ended)
	for i, v := range []float64{r.Success, r.Days, r.Cost} {
		h.outcomes[i] = append(h.outcomes[i], known(v))
	}
	return true
}

// Rows is the number of projects added.
func (h *History) Rows() int { return h.rows }

func teamSize(people float64) int {
	if people >= 1 && people < math.MaxInt32 {
		return int(people)
	}
	return 0
}

// artifactsOf are the keys of the artifacts used, each once.
func artifactsOf(uses []Use) []string {
	keys := make([]string, 0, len(uses))
	for _, u := range uses {
		keys = append(keys, u.Artifact)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// dataset makes the columns of what was gathered.
func (h *History) dataset() (*Dataset, *inputKinds, error) {
	kinds := &inputKinds{categories: make(map[string]bool)}
	columns := []Column{
		{Name: classInput, Texts: orEmpty(h.classes)},
		{Name: complexityInput, Numbers: orEmpty(h.complexity)},
		{Name: sizeInput, Numbers: orEmpty(h.size)},
		{Name: artifactsInput, Numbers: orEmpty(h.counts)},
		{Name: impactInput, Numbers: orEmpty(h.impacts())},
	}
	for _, name := range h.mix.chosen(math.MaxInt, 1) {
		c := h.mix.column(name, h.rows)
		if name != seniorInput {
			kinds.roles = append(kinds.roles, name)
			for i, team := range h.teams {
				if math.IsNaN(c.Numbers[i]) && len(team.Members) > 0 {
					c.Numbers[i] = 0 // a team without the role
				}
			}
		}
		columns = append(columns, c)
	}
	for _, name := range h.metrics.chosen(mostMetrics, fewWithInput) {
		columns = append(columns, h.metrics.column(name, h.rows))
	}
	room := min(mostInputs, mostCells/max(h.rows, 1)-len(columns))
	for _, name := range h.attributes.chosen(max(room, 0), fewWithInput) {
		c := h.attributes.column(name, h.rows)
		kinds.categories[name] = c.Texts != nil
		columns = append(columns, c)
	}
	d, err := NewDataset(columns...)
	return d, kinds, err
}

// orEmpty keeps a column of no rows a column.
func orEmpty[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}

// sheet holds columns that few projects may have a value in.
type sheet struct {
	columns map[string]*gaps
}

// gaps is one such column.
type gaps struct {
	rows    []int32
	numbers []float64 // NaN where the value is a text
	texts   []string  // nil while all values are numbers
}

// addAll adds a project's values. In which order only matters where there is no
// room for all their names.
func addAll[T any](s *sheet, row int32, prefix string, values map[string]T) {
	if len(s.columns)+len(values) <= mostNames {
		for name, v := range values {
			s.add(row, prefix+name, v)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s.add(row, prefix+name, values[name])
	}
}

func (s *sheet) add(row int32, name string, of any) {
	number, text, ok := value(of)
	if !ok {
		return
	}
	g := s.columns[name]
	if g == nil {
		if s.columns == nil {
			s.columns = make(map[string]*gaps)
		}
		if len(s.columns) == mostNames {
			return
		}
		g = new(gaps)
		s.columns[name] = g
	}
	if text != "" && g.texts == nil {
		g.texts = make([]string, len(g.rows))
	}
	g.rows, g.numbers = append(g.rows, row), append(g.numbers, number)
	if g.texts != nil {
		g.texts = append(g.texts, text)
	}
}

// chosen names at most limit columns that so many projects have: those that the
// most have, in the order of their names.
func (s *sheet) chosen(limit, least int) []string {
	var names []string
	for name, g := range s.columns {
		if len(g.rows) >= least {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(s.columns[b].rows), len(s.columns[a].rows)), cmp.Compare(a, b))
	})
	names = names[:min(len(names), limit)]
	slices.Sort(names)
	return names
}

// column is the column with its gaps. A column with a text in it is a category,
// and its numbers are the names of theirs.
func (s *sheet) column(name string, rows int) Column {
	g := s.columns[name]
	if g.texts == nil {
		numbers := make([]float64, rows)
		for i := range numbers {
			numbers[i] = math.NaN()
		}
		for k, row := range g.rows {
			numbers[row] = g.numbers[k]
		}
		return Column{Name: name, Numbers: numbers}
	}
	texts := make([]string, rows)
	for k, row := range g.rows {
		if texts[row] = g.texts[k]; texts[row] == "" {
			texts[row] = numberText(g.numbers[k])
		}
	}
	return Column{Name: name, Texts: texts}
}

// worth is what is known of artifacts by the scores of their uses. Sums are whole
// numbers of impactUnits, so that they are exact in any order.
type worth struct {
	sums   map[string]float64
	counts map[string]float64
	sum    float64
	count  float64
}

func newWorth() *worth {
	return &worth{sums: make(map[string]float64), counts: make(map[string]float64)}
}

func (w *worth) add(uses []Use) {
	for _, u := range uses {
		if math.IsNaN(u.Impact) {
			continue
		}
		impact := math.Round(u.Impact * impactUnits)
		w.sums[u.Artifact] += impact
		w.counts[u.Artifact]++
		w.sum += impact
		w.count++
	}
}

// impact is the mean worth of artifacts: each that of its scores and of
// priorImpacts more at the mean of all, which few scores cannot move far. It is
// NaN of none, and while there are no scores.
func (w *worth) impact(artifacts []string) float64 {
	if w.count == 0 || len(artifacts) == 0 {
		return math.NaN()
	}
	mean, all := w.sum/w.count, 0.0
	for _, key := range artifacts {
		all += (w.sums[key] + priorImpacts*mean) / (w.counts[key] + priorImpacts)
	}
	return all / float64(len(artifacts)) / impactUnits
}

// impacts is, for every project, what its artifacts were known to be worth when
// it began: by the scores of projects that had ended before. Scores of its own or
// of later ones would tell its outcome, which a score derived from success is.
func (h *History) impacts() []float64 {
	byBegin, byEnd := thinRows(h.rows, h.rows), thinRows(h.rows, h.rows)
	slices.SortStableFunc(byBegin, func(a, b int) int { return cmp.Compare(h.began[a], h.began[b]) })
	slices.SortStableFunc(byEnd, func(a, b int) int { return cmp.Compare(h.ended[a], h.ended[b]) })
	impacts := make([]float64, h.rows)
	w := newWorth()
	for _, row := range byBegin {
		for len(byEnd) > 0 && h.ended[byEnd[0]] < h.began[row] {
			w.add(h.uses[byEnd[0]])
			byEnd = byEnd[1:]
		}
		impacts[row] = w.impact(artifactsOf(h.uses[row]))
	}
	return impacts
}

// worth is what all uses together say.
func (h *History) worth() *worth {
	w := newWorth()
	for _, uses := range h.uses {
		w.add(uses)
	}
	return w
}

// shapes groups the teams of every problem class, and under "" of all.
func (h *History) shapes() map[string][]TeamGroup {
	byClass := make(map[string][]TeamProject)
	for _, team := range h.teams {
		byClass[team.Class] = append(byClass[team.Class], team)
	}
	shapes := map[string][]TeamGroup{"": TeamShape(h.teams, "")}
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		if class != "" {
			shapes[class] = TeamShape(byClass[class], class)
		}
	}
	return shapes
}
