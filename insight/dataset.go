package insight

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// largest is the greatest magnitude of an input or outcome: beyond it squares
// would overflow, and no measure of a project is there.
const largest = 1e100

// Column is one named input of the finished projects, one value a project.
// Exactly one of Numbers and Texts is set.
type Column struct {
	Name    string
	Numbers []float64 // NaN is missing
	Texts   []string  // a category; blank is missing
}

// Dataset is the inputs of finished projects: columns of equal length.
type Dataset struct {
	columns []column
	rows    int
}

// column is a Column made ready: categories are codes into sorted levels.
type column struct {
	name    string
	numbers []float64
	codes   []int32
	levels  []string
}

func (c *column) number(row int) float64 {
	if c.numbers == nil {
		return math.NaN()
	}
	return c.numbers[row]
}

func (c *column) code(row int) int32 {
	if c.codes == nil {
		return missingCode
	}
	return c.codes[row]
}

// Codes of categories that are no level of the column.
const (
	missingCode int32 = -1
	unseenCode  int32 = -2
)

// NewDataset checks the columns and makes a dataset of them. It is an
// *InputError when names repeat or are blank, lengths differ, or a number is
// infinite or beyond ±1e100.
func NewDataset(columns ...Column) (*Dataset, error) {
	d := &Dataset{columns: make([]column, 0, len(columns))}
	names := make(map[string]bool, len(columns))
	for i, c := range columns {
		if strings.TrimSpace(c.Name) == "" {
			return nil, wrong("", "column %d has no name", i+1)
		}
		if names[c.Name] {
			return nil, wrong(c.Name, "is there twice")
		}
		names[c.Name] = true
		if (c.Numbers == nil) == (c.Texts == nil) {
			return nil, wrong(c.Name, "must hold either numbers or texts")
		}
		n := max(len(c.Numbers), len(c.Texts))
		if i > 0 && n != d.rows {
			return nil, wrong(c.Name, "has %d values where the others have %d", n, d.rows)
		}
		d.rows = n
		if c.Numbers != nil {
			for _, v := range c.Numbers {
				if math.Abs(v) > largest {
					return nil, wrong(c.Name, "holds a number that is infinite or beyond 1e100")
				}
			}
			d.columns = append(d.columns, column{name: c.Name, numbers: c.Numbers})
			continue
		}
		codes, levels := encodeLevels(c.Texts)
		d.columns = append(d.columns, column{name: c.Name, codes: codes, levels: levels})
	}
	return d, nil
}

// Rows is the number of projects.
func (d *Dataset) Rows() int { return d.rows }

// Names returns the columns' names in their order.
func (d *Dataset) Names() []string {
	names := make([]string, len(d.columns))
	for i, c := range d.columns {
		names[i] = c.name
	}
	return names
}

func encodeLevels(texts []string) ([]int32, []string) {
	index := make(map[string]int32)
	for _, text := range texts {
		if text = strings.TrimSpace(text); text != "" {
			index[text] = 0
		}
	}
	levels := make([]string, 0, len(index))
	for text := range index {
		levels = append(levels, text)
	}
	slices.Sort(levels)
	for i, text := range levels {
		index[text] = int32(i)
	}
	codes := make([]int32, len(texts))
	for i, text := range texts {
		codes[i] = missingCode
		if text = strings.TrimSpace(text); text != "" {
			codes[i] = index[text]
		}
	}
	return codes, levels
}

// subset returns the rows named, in that order.
func (d *Dataset) subset(rows []int) *Dataset {
	part := &Dataset{columns: make([]column, len(d.columns)), rows: len(rows)}
	for i, c := range d.columns {
		to := column{name: c.name, levels: c.levels}
		if c.numbers != nil {
			to.numbers = make([]float64, len(rows))
			for k, r := range rows {
				to.numbers[k] = c.numbers[r]
			}
		} else {
			to.codes = make([]int32, len(rows))
			for k, r := range rows {
				to.codes[k] = c.codes[r]
			}
		}
		part.columns[i] = to
	}
	return part
}

// canonicalOrder sorts the rows by outcome and then by every input, so that
// nothing that follows can depend on the order in which the projects came.
func (d *Dataset) canonicalOrder(outcomes []float64, rows []int) {
	slices.SortStableFunc(rows, func(a, b int) int {
		if c := cmp.Compare(outcomes[a], outcomes[b]); c != 0 {
			return c
		}
		for i := range d.columns {
			var c int
			if col := &d.columns[i]; col.numbers != nil {
				c = cmp.Compare(col.numbers[a], col.numbers[b])
			} else {
				c = cmp.Compare(col.codes[a], col.codes[b])
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

// Inputs are what is known of one project, by column name. A name that is
// absent, a NaN and a blank text are missing; a name that the history does not
// have is ignored.
type Inputs struct {
	Numbers    map[string]float64
	Categories map[string]string
}

// record is one project in the order of a dataset's columns.
type record struct {
	numbers []float64
	codes   []int32
}

// at returns a row of the dataset as a record.
func (d *Dataset) at(row int) record {
	r := d.blank()
	for i := range d.columns {
		r.numbers[i], r.codes[i] = d.columns[i].number(row), d.columns[i].code(row)
	}
	return r
}

func (d *Dataset) blank() record {
	r := record{numbers: make([]float64, len(d.columns)), codes: make([]int32, len(d.columns))}
	for i := range r.numbers {
		r.numbers[i], r.codes[i] = math.NaN(), missingCode
	}
	return r
}

// read turns inputs into a record. A number given for a category, or a text for
// a number, is an *InputError, as is a number that is infinite.
func (d *Dataset) read(in Inputs) (record, error) {
	r := d.blank()
	for i, c := range d.columns {
		number, isNumber := in.Numbers[c.name]
		text, isText := in.Categories[c.name]
		text = strings.TrimSpace(text)
		switch {
		case isNumber && isText:
			return record{}, wrong(c.name, "is given both as a number and as a category")
		case isNumber && math.Abs(number) > largest:
			return record{}, wrong(c.name, "is infinite or beyond 1e100")
		case isNumber && c.numbers == nil && !math.IsNaN(number):
			return record{}, wrong(c.name, "is a category in the history, not a number")
		case isText && c.numbers != nil && text != "":
			return record{}, wrong(c.name, "is a number in the history, not a category")
		case c.numbers != nil && isNumber:
			r.numbers[i] = number
		case c.numbers == nil && text != "":
			r.codes[i] = unseenCode
			if at, found := slices.BinarySearch(c.levels, text); found {
				r.codes[i] = int32(at)
			}
		}
	}
	return r, nil
}

// thinRows returns the indexes of at most limit of n rows, evenly spread.
func thinRows(n, limit int) []int {
	rows := make([]int, min(n, limit))
	for k := range rows {
		rows[k] = k * n / len(rows)
	}
	return rows
}
