package tracking

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"maestro/problem"
	"maestro/tenancy"
)

// minPointBytes is the length of the shortest point that has what it must have.
const minPointBytes = len(`{"project_id":"00000000-0000-0000-0000-000000000000","metric_type":"x","metric_value":0}`)

// DecodePoints reads a batch: a JSON array of points, or one point after the
// other, each beginning on a line of its own (NDJSON). It keeps nothing of body.
//
// It is stricter than encoding/json: names are told apart by case, each stands
// once, and none is unknown. Every value that is wrong is named with its place,
// body[17].metric_value, in a Validation problem; so is a batch of more than
// MaxBatchPoints. A body that is not JSON, or neither array nor objects, is a
// Malformed problem that says where.
func DecodePoints(body []byte) ([]Point, error) {
	d := pointDecoder{scanner: scanner{data: body}, types: map[string]metricType{}}
	d.points = make([]Point, 0, min(MaxBatchPoints, len(body)/minPointBytes+1))
	if at := invalidUTF8(body); at >= 0 {
		d.fail(at, "it is not UTF-8")
		return nil, d.malformed()
	}
	d.space()
	switch d.peek() {
	case '[':
		d.array()
	case '{':
		d.lines()
	default:
		d.shapeless()
	}
	switch {
	case d.failed():
		return nil, d.malformed()
	case d.index > MaxBatchPoints:
		var c problem.Checks
		c.Refuse("body", "must have at most %d points", MaxBatchPoints)
		return nil, c.Err()
	}
	if err := d.checks.Err(); err != nil {
		return nil, err
	}
	return d.points, nil
}

// pointDecoder is the state of one DecodePoints.
type pointDecoder struct {
	scanner
	points []Point
	checks problem.Checks
	index  int    // of the point being read
	inside bool   // a point is being read
	field  string // of that point; empty between fields

	types   map[string]metricType // every metric type seen, held once
	lastID  [36]byte              // the text that gave id
	id      tenancy.ID
	times   []tenancy.Time // room for timestamps, so that each is not allocated alone
	project bool           // lastID and id are set
}

type metricType struct {
	name  string
	valid bool
}

// place names the value being read.
func (d *pointDecoder) place() string {
	switch {
	case !d.inside:
		return "body"
	case d.field == "":
		return fmt.Sprintf("body[%d]", d.index)
	default:
		return fmt.Sprintf("body[%d].%s", d.index, d.field)
	}
}

func (d *pointDecoder) refuse(format string, args ...any) {
	d.checks.Refuse(d.place(), format, args...)
}

func (d *pointDecoder) malformed() error {
	line, column := d.line(d.failedAt)
	return &problem.Error{
		Code:       problem.Malformed,
		Detail:     fmt.Sprintf("The body cannot be read as JSON: line %d, column %d (byte %d): %s.", line, column, d.failedAt, d.failure),
		Violations: []problem.Violation{{Location: d.place(), Message: "cannot be read: " + d.failure}},
	}
}

func (d *pointDecoder) shapeless() {
	switch {
	case d.pos == len(d.data):
		d.fail(d.pos, "it is empty")
	case bytes.HasPrefix(d.data[d.pos:], []byte("\ufeff")):
		d.fail(d.pos, "it begins with a byte order mark")
	default:
		d.unexpected("an array of points, or one point per line,")
	}
}

// array reads [point, …] and nothing behind it.
func (d *pointDecoder) array() {
	d.pos++
	d.space()
	if d.peek() == ']' {
		d.pos++
	} else {
		for !d.failed() {
			d.element()
			if d.index > MaxBatchPoints {
				return
			}
			d.space()
			if d.peek() == ']' {
				d.pos++
				break
			}
			d.accept(',', "a comma or ]")
			d.space()
		}
	}
	d.space()
	if d.pos < len(d.data) {
		d.unexpected("the end")
	}
}

// lines reads point, line end, point, …
func (d *pointDecoder) lines() {
	for {
		d.element()
		if d.failed() || d.index > MaxBatchPoints {
			return
		}
		end := d.pos
		d.space()
		if d.pos == len(d.data) {
			return
		}
		if bytes.IndexByte(d.data[end:d.pos], '\n') < 0 {
			d.unexpected("a line end")
			return
		}
	}
}

// element reads one point and counts it.
func (d *pointDecoder) element() {
	d.inside = true
	switch {
	case d.index == MaxBatchPoints: // not read: the batch is refused
	case d.peek() == '{':
		d.point()
	default:
		d.refuse("must be an object")
		d.skip(&shape{})
	}
	if !d.failed() {
		d.index++
		d.inside = false
	}
}

// The fields of a point, as a set.
const (
	fieldProjectID = 1 << iota
	fieldMetricType
	fieldMetricValue
	fieldTimestamp
	fieldMetadata
)

var pointFields = [...]struct {
	name     string
	bit      int
	required bool
}{
	{"project_id", fieldProjectID, true},
	{"metric_type", fieldMetricType, true},
	{"metric_value", fieldMetricValue, true},
	{"timestamp", fieldTimestamp, false},
	{"metadata", fieldMetadata, false},
}

func (d *pointDecoder) point() {
	var p Point
	var seen, given int // fields that stood there; that had a value other than null
	d.pos++
	d.space()
	for first := true; ; first = false {
		if first && d.peek() == '}' {
			break
		}
		bit := d.name()
		d.space()
		d.accept(':', "a colon")
		d.space()
		if d.failed() {
			return
		}
		switch {
		case bit == 0:
			d.refuse("is not a field of a point")
			d.skip(&shape{})
		case seen&bit != 0:
			d.refuse("is given twice")
			d.skip(&shape{})
		case d.peek() == 'n':
			d.literal("null")
		default:
			given |= bit
			d.value(&p, bit)
		}
		if d.failed() {
			return
		}
		seen |= bit
		d.field = ""
		d.space()
		if d.peek() == '}' {
			break
		}
		d.accept(',', "a comma or }")
		d.space()
	}
	d.pos++
	for _, field := range pointFields {
		if field.required && given&field.bit == 0 {
			d.field = field.name
			d.refuse("is required")
		}
	}
	d.field = ""
	d.points = append(d.points, p)
}

// name reads a field's name and returns its bit, 0 for one that is unknown.
func (d *pointDecoder) name() (bit int) {
	if d.peek() != '"' {
		d.unexpected("a name in quotes")
		return 0
	}
	name, _ := d.text()
	for _, field := range pointFields {
		if string(name) == field.name {
			d.field = field.name
			return field.bit
		}
	}
	d.field = shorten(string(name))
	return 0
}

// shorten bounds a name that stands in the answer.
func shorten(name string) string {
	runes := 0
	for i := range name {
		if runes == MaxMetricTypeRunes {
			return name[:i] + "…"
		}
		runes++
	}
	return name
}

// value reads the value of a field of p.
func (d *pointDecoder) value(p *Point, bit int) {
	switch bit {
	case fieldProjectID:
		if text, ok := d.stringValue(); ok {
			p.ProjectID = d.projectID(text)
		}
	case fieldMetricType:
		if text, ok := d.stringValue(); ok {
			p.MetricType = d.metricType(text)
		}
	case fieldMetricValue:
		p.MetricValue = d.float()
	case fieldTimestamp:
		if text, ok := d.stringValue(); ok {
			p.Timestamp = d.timestamp(text)
		}
	case fieldMetadata:
		p.Metadata = d.object()
	}
}

// stringValue reads a string; anything else is refused and skipped.
func (d *pointDecoder) stringValue() (text []byte, ok bool) {
	if d.peek() != '"' {
		d.refuse("must be a string")
		d.skip(&shape{})
		return nil, false
	}
	text, whole := d.text()
	if !whole {
		d.refuse("must not contain half of a surrogate pair")
		return nil, false
	}
	return text, !d.failed()
}

// projectID parses an id. Most batches are of one project.
func (d *pointDecoder) projectID(text []byte) tenancy.ID {
	if d.project && bytes.Equal(text, d.lastID[:]) {
		return d.id
	}
	var id tenancy.ID
	if err := id.UnmarshalText(text); err != nil {
		d.refuse("is %s", err)
		return id
	}
	if id.IsZero() {
		d.refuse("is required")
		return id
	}
	copy(d.lastID[:], text)
	d.id, d.project = id, true
	return id
}

// metricType returns the name, held once however often it stands in the batch.
func (d *pointDecoder) metricType(text []byte) string {
	known, ok := d.types[string(text)]
	if !ok {
		var c problem.Checks
		known.name = string(text)
		tenancy.CheckLabel(&c, "", known.name, MaxMetricTypeRunes)
		known.valid = c.Err() == nil
		d.types[known.name] = known
	}
	if !known.valid {
		tenancy.CheckLabel(&d.checks, d.place(), known.name, MaxMetricTypeRunes)
	}
	return known.name
}

func (d *pointDecoder) float() float64 {
	switch c := d.peek(); {
	case c == '-' || c >= '0' && c <= '9':
	case c == '"' || c == '{' || c == '[' || c == 't' || c == 'f':
		d.refuse("must be a number")
		d.skip(&shape{})
		return 0
	default:
		d.unexpected("a number")
		return 0
	}
	spelling := d.number()
	if d.failed() {
		return 0
	}
	f, err := strconv.ParseFloat(string(spelling), 64)
	if err != nil { // the only error of a well-formed number
		d.refuse("must be a finite number")
	}
	return f
}

func (d *pointDecoder) timestamp(text []byte) *tenancy.Time {
	if len(d.times) == cap(d.times) {
		d.times = make([]tenancy.Time, 0, 512)
	}
	d.times = append(d.times, 0)
	t := &d.times[len(d.times)-1]
	if t.UnmarshalText(text) != nil {
		d.refuse(timeRule)
	}
	return t
}

// object reads metadata. One that needs no change is copied; any other goes the
// long way, which also says what is wrong with it.
func (d *pointDecoder) object() tenancy.Object {
	start := d.pos
	var found shape
	d.skip(&found)
	if d.failed() {
		return nil
	}
	raw := d.data[start:d.pos]
	if raw[0] == '{' && !found.spaced && !found.escaped && found.deepest <= tenancy.MaxObjectDepth && len(raw) <= tenancy.MaxObjectBytes {
		return bytes.Clone(raw)
	}
	var o tenancy.Object
	if err := o.UnmarshalJSON(raw); err != nil {
		d.refuse("is %s", err)
	}
	o.Check(&d.checks, d.place())
	return o
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; ; {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
}
