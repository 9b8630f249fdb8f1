package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"maestro/problem"
	"maestro/tenancy"
	"maestro/tracking"
)

// Lengths of the calendar's units in days: the Gregorian calendar's means, so
// that a duration stays the same wherever in the year it begins.
var unitDays = map[string]float64{"days": 1, "weeks": 7, "months": 146097.0 / 4800, "years": 146097.0 / 400}

var unitNames = []string{"days", "weeks", "months", "years"}

// importFields are what a column can be mapped to: what a caller sets of a
// project, and its duration.
var importFields = []string{"name", "description", "problem_class", "status", "complexity_score", "team_size", "start_date", "completion_date",
	"model_performance", "compute_cost", "business_impact", "duration"}

// importPlan says how the rows of a table become projects.
type importPlan struct {
	mapping map[string]string // field to column
	ignored []string          // columns that are left out
	missing []string          // values that mean that there is none, besides the empty one
	name    string            // template of the name
	class   string            // template of the problem class
	start   *time.Time        // when projects began whose dates are not known
	unit    string            // of durations
	status  string            // "" for completed when there is a completion date, and planned otherwise
}

// plannedProject is a row that became a project.
type plannedProject struct {
	line   int // of the file
	fields tracking.ProjectFields
}

// rowErrors says everything that is wrong with a table, line by line.
type rowErrors []string

func (e rowErrors) Error() string {
	const most = 20
	text := fmt.Sprintf("%d rows cannot be projects; nothing was imported", len(e))
	for _, line := range e[:min(len(e), most)] {
		text += "\n  " + line
	}
	if len(e) > most {
		text += fmt.Sprintf("\n  and %d more", len(e)-most)
	}
	return text
}

var placeholder = regexp.MustCompile(`\{([^{}]+)\}`)

// read turns a CSV table with a header into projects. It fails with rowErrors
// when a row cannot be one, after it has looked at all of them.
func (p *importPlan) read(r io.Reader) ([]plannedProject, error) {
	table := csv.NewReader(r)
	table.ReuseRecord = true
	header, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	header = slices.Clone(header)
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	if err := p.checkColumns(header); err != nil {
		return nil, err
	}
	var projects []plannedProject
	var failures rowErrors
	names := make(map[string]int)
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // names the line
		}
		line, _ := table.FieldPos(0)
		cells := make(map[string]string, len(row))
		for i, text := range row {
			if text = strings.TrimSpace(text); !slices.Contains(p.missing, text) {
				cells[header[i]] = text
			}
		}
		fields, err := p.project(cells, len(projects)+len(failures)+1)
		if err == nil && names[fields.Name] != 0 {
			err = fmt.Errorf("name %q stands in line %d already", fields.Name, names[fields.Name])
		}
		if err != nil {
			failures = append(failures, fmt.Sprintf("line %d: %v", line, err))
			continue
		}
		names[fields.Name] = line
		projects = append(projects, plannedProject{line: line, fields: fields})
	}
	if len(failures) > 0 {
		return nil, failures
	}
	if len(projects) == 0 {
		return nil, errors.New("the table has a header and no row")
	}
	return projects, nil
}

// checkColumns says which columns the plan names that the table does not have,
// and which are there twice.
func (p *importPlan) checkColumns(header []string) error {
	for i, name := range header {
		if name == "" {
			return fmt.Errorf("line 1: column %d has no name", i+1)
		}
		if slices.Contains(header[:i], name) {
			return fmt.Errorf("line 1: column %s is there twice", name)
		}
	}
	var used []string
	for _, column := range p.mapping {
		used = append(used, column)
	}
	used = append(used, p.ignored...)
	for _, template := range []string{p.name, p.class} {
		for _, match := range placeholder.FindAllStringSubmatch(template, -1) {
			if match[1] != "row" {
				used = append(used, match[1])
			}
		}
	}
	slices.Sort(used)
	for _, column := range used {
		if !slices.Contains(header, column) {
			return usage(fmt.Sprintf("the table has no column %s; the nearest is %s", column, nearest(column, header)))
		}
	}
	if p.mapping["duration"] != "" && p.mapping["start_date"] == "" && p.mapping["completion_date"] == "" && p.start == nil {
		return usage("a duration alone has no place in time: map start_date or completion_date too, or say with --start when all projects began")
	}
	return nil
}

// fill puts a row's values into a template.
func fill(template string, cells map[string]string, row int) string {
	return placeholder.ReplaceAllStringFunc(template, func(match string) string {
		name := match[1 : len(match)-1]
		if name == "row" {
			return fmt.Sprintf("%03d", row)
		}
		return cells[name]
	})
}

// project makes a project of a row. Its error names everything that is wrong.
func (p *importPlan) project(cells map[string]string, row int) (f tracking.ProjectFields, err error) {
	c := &cellReader{cells: cells, mapping: p.mapping}
	f.Name = c.text("name")
	if f.Name == "" {
		f.Name = fill(p.name, cells, row)
	}
	f.Description = c.text("description")
	class := c.text("problem_class")
	if class == "" {
		class = fill(p.class, cells, row)
	}
	if class != "" {
		f.ProblemClass = &class
	}
	f.ComplexityScore, f.ModelPerformance = c.number("complexity_score"), c.number("model_performance")
	f.ComputeCost, f.BusinessImpact = c.number("compute_cost"), c.number("business_impact")
	if size := c.number("team_size"); size != nil {
		c.require(*size == math.Trunc(*size) && *size < tracking.MaxTeamSize+1, "team_size", "must be a whole number")
		whole := int64(*size)
		f.TeamSize = &whole
	}
	f.StartDate, f.CompletionDate = p.dates(c)
	switch status := c.text("status"); {
	case status != "":
		f.Status = tracking.Status(status)
	case p.status != "":
		f.Status = tracking.Status(p.status)
	case f.CompletionDate != nil:
		f.Status = tracking.Completed
	default:
		f.Status = tracking.Planned
	}
	f.Attributes = p.attributes(cells)
	if len(c.failures) > 0 {
		return f, errors.New(strings.Join(c.failures, "; "))
	}
	return f, c.located(f.Validate())
}

// dates places the project in time by its dates, or by one of them and its
// duration.
func (p *importPlan) dates(c *cellReader) (start, completion *tenancy.Time) {
	begin, end, days := c.time("start_date", false), c.time("completion_date", true), c.number("duration")
	if days != nil {
		*days *= unitDays[p.unit]
		c.require(*days >= 0 && *days < 100_000, "duration", "must be positive and shorter than 100 000 days")
		if begin == nil && end == nil {
			begin = p.start
		}
		length := time.Duration(math.Round(*days*24*3600)) * time.Second
		switch {
		case len(c.failures) > 0: // what is wrong is said, and the row refused
		case begin != nil && end == nil:
			t := begin.Add(length)
			end = &t
		case end != nil && begin == nil:
			t := end.Add(-length)
			begin = &t
		}
	}
	return stored(begin), stored(end)
}

// stored is a time as projects hold it.
func stored(t *time.Time) *tenancy.Time {
	if t == nil {
		return nil
	}
	held := tenancy.TimeOf(*t)
	return &held
}

// attributes are the columns that nothing else was made of.
func (p *importPlan) attributes(cells map[string]string) tracking.Attributes {
	attributes := tracking.Attributes{}
	for name, text := range cells {
		mapped := false
		for _, column := range p.mapping {
			mapped = mapped || column == name
		}
		if text != "" && !mapped && !slices.Contains(p.ignored, name) {
			attributes[name] = attributeValue(text)
		}
	}
	return attributes
}

// cellReader reads the cells that fields are mapped to and keeps what is wrong
// with them.
type cellReader struct {
	cells    map[string]string
	mapping  map[string]string
	failures []string
}

func (c *cellReader) text(field string) string { return c.cells[c.mapping[field]] }

func (c *cellReader) require(ok bool, field, text string) {
	if !ok {
		c.failures = append(c.failures, fmt.Sprintf("column %s, %s, %s", c.mapping[field], field, text))
	}
}

func (c *cellReader) number(field string) *float64 {
	text := c.text(field)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	ok := err == nil && n-n == 0
	c.require(ok, field, "must be a number")
	if !ok {
		return nil
	}
	return &n
}

// time reads RFC 3339, a date, or a year of four or two digits: its first day,
// or its last where an end is asked for. Two digits are of the twentieth
// century from 70 on, which is where the times that are kept begin.
func (c *cellReader) time(field string, end bool) *time.Time {
	text := c.text(field)
	if text == "" {
		return nil
	}
	if year, err := strconv.Atoi(text); err == nil && (len(text) == 2 || len(text) == 4) {
		switch {
		case len(text) == 2 && year >= 70:
			year += 1900
		case len(text) == 2:
			year += 2000
		}
		t := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		if end {
			t = time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
		}
		return &t
	}
	parsed, err := tenancy.ParseTime(text)
	c.require(err == nil, field, "must be a date, a time in RFC 3339, or a year")
	if err != nil {
		return nil
	}
	t := parsed.Std()
	return &t
}

// located names columns in place of the members that the server would name.
func (c *cellReader) located(err error) error {
	var p *problem.Error
	if !errors.As(err, &p) {
		return err
	}
	var all []string
	for _, v := range p.Violations {
		field := strings.TrimPrefix(v.Location, "body.")
		if column := c.mapping[field]; column != "" {
			field = "column " + column + ", " + field + ","
		}
		all = append(all, field+" "+v.Message)
	}
	return errors.New(strings.Join(all, "; "))
}
