package insight

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// TableOptions say how the columns of a table are meant.
type TableOptions struct {
	Target      string   // the column to predict
	Ignore      []string // columns that are not inputs
	Categorical []string // columns whose numbers are codes of categories
}

// FromTable reads a table of finished projects: a header and rows of texts, as
// a CSV file has them. Every column but the target and the ignored is an input;
// an empty cell is missing; a column is numeric when all its cells are numbers.
// Rows without an outcome are left out.
//
// It is an *InputError when a column named by the options is not there, a name
// repeats, a row's length differs from the header's, or an outcome is no finite
// number.
func FromTable(header []string, rows [][]string, options TableOptions) (*Dataset, Target, error) {
	header = slices.Clone(header)
	for i, name := range header {
		header[i] = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
	}
	for _, name := range slices.Concat([]string{options.Target}, options.Ignore, options.Categorical) {
		if !slices.Contains(header, name) {
			return nil, Target{}, wrong(name, "is no column of the table")
		}
	}
	if slices.Contains(options.Ignore, options.Target) {
		return nil, Target{}, wrong(options.Target, "cannot be both the target and ignored")
	}
	for i, row := range rows {
		if len(row) != len(header) {
			return nil, Target{}, wrong("", "row %d has %d cells where the header has %d", i+1, len(row), len(header))
		}
	}

	at := slices.Index(header, options.Target)
	target := Target{Name: options.Target}
	var finished [][]string
	for i, row := range rows {
		cell := strings.TrimSpace(row[at])
		if cell == "" {
			continue
		}
		value, err := strconv.ParseFloat(cell, 64)
		if err != nil || math.IsNaN(value) || math.Abs(value) > largest {
			return nil, Target{}, wrong(options.Target, "row %d has no finite number", i+1)
		}
		target.Values = append(target.Values, value)
		finished = append(finished, row)
	}

	var columns []Column
	for i, name := range header {
		if i == at || slices.Contains(options.Ignore, name) {
			continue
		}
		cells := make([]string, len(finished))
		for k, row := range finished {
			cells[k] = row[i]
		}
		columns = append(columns, readColumn(name, cells, slices.Contains(options.Categorical, name)))
	}
	d, err := NewDataset(columns...)
	if err != nil {
		return nil, Target{}, err
	}
	d.rows = len(finished)
	return d, target, nil
}

// readColumn is numeric when every cell that is not empty is a number. The words
// for no number are missing values, as they are in files that others wrote.
func readColumn(name string, cells []string, categorical bool) Column {
	numbers := make([]float64, len(cells))
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		if cell == "" || strings.EqualFold(cell, "nan") || strings.EqualFold(cell, "na") || cell == "?" {
			numbers[i] = math.NaN()
			continue
		}
		value, err := strconv.ParseFloat(cell, 64)
		if err != nil || categorical {
			return Column{Name: name, Texts: missingAsBlank(cells)}
		}
		numbers[i] = value
	}
	if categorical {
		return Column{Name: name, Texts: missingAsBlank(cells)}
	}
	return Column{Name: name, Numbers: numbers}
}

func missingAsBlank(cells []string) []string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		if cell != "?" {
			texts[i] = cell
		}
	}
	return texts
}
