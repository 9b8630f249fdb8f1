package storage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	sqlite3 "modernc.org/sqlite/lib"

	"maestro/problem"
	"maestro/tenancy"
)

// portableKind says how a value stands in a line: always in one way, so that a
// line that is read and written again is the same.
type portableKind int

const (
	asID          portableKind = iota // a UUID
	asText                            // any text
	asInt                             // a whole number from 0 to maxWhole
	asCount                           // a whole number from 1 to maxWhole: what each write raises by one
	asFloat                           // a finite number
	asBool                            // true or false
	asTime                            // RFC 3339 in UTC with six decimals, from tenancy.MinTime to before tenancy.EndTime
	asHash                            // a SHA-256 in hexadecimal
	asTexts                           // a list of texts
	asObject                          // an object within the bounds of tenancy.Object
	asLargeObject                     // an object within those of a line
)

// maxWhole bounds the whole numbers of an archive: what JSON carries exactly
// (RFC 8259, section 6), and far below what one addition makes no integer of SQLite's.
const maxWhole = 1 << 53

// maxLine bounds a line, in bytes, and with it what an import holds of a row. The
// largest fields of a row, all at their bounds, have less than a tenth of that.
const maxLine = 4 << 20

// appendRow appends the line of a row that the table's statement yields.
func (t *portableTable) appendRow(b []byte, r row) ([]byte, error) {
	begin := len(b)
	values := make([]any, len(t.columns))
	for i := range t.columns {
		value, err := t.columns[i].of(r, i)
		if err != nil {
			return b, fmt.Errorf("%s: %s %w", t.describe(r), t.columns[i].name, err)
		}
		values[i] = value
	}
	b = append(t.appendValues(b, values), '\n')
	if len(b)-begin > maxLine {
		return b, fmt.Errorf("%s: the row has more than %d bytes", t.describe(r), maxLine)
	}
	return b, nil
}

// describe names a row for an error.
func (t *portableTable) describe(r row) string {
	var key []string
	for i := range t.key {
		if value, err := t.columns[i].of(r, i); err == nil {
			key = append(key, fmt.Sprint(value))
		}
	}
	return t.name + " " + strings.Join(key, " ")
}

// appendValues appends a line without its end.
func (t *portableTable) appendValues(b []byte, values []any) []byte {
	for i := range t.columns {
		if i == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), t.columns[i].member()...), '"', ':')
		b = t.columns[i].append(b, values[i])
	}
	return append(b, '}')
}

// of reads a column of a row of the database.
func (c *portableColumn) of(r row, i int) (any, error) {
	if r.null(i) {
		if !c.null {
			return nil, errors.New("is null")
		}
		return nil, nil
	}
	switch c.kind {
	case asID:
		if r.s.columnType(r.at+i) != sqlite3.SQLITE_BLOB || len(r.s.columnBytes(r.at+i)) != len(tenancy.ID{}) {
			return nil, errors.New("is no id")
		}
		return r.id(i), nil
	case asInt, asCount:
		return r.int(i), nil
	case asFloat:
		return r.float(i), nil
	case asBool:
		return r.bool(i), nil
	case asTime:
		return r.time(i), nil
	}
	text := r.text(i)
	if !utf8.ValidString(text) {
		return nil, errors.New("is no UTF-8")
	}
	switch c.kind {
	case asTexts, asObject, asLargeObject:
		if !json.Valid([]byte(text)) {
			return nil, errors.New("is no JSON")
		}
		if strings.ContainsAny(text, "\n\r") { // of an older system; a line has none
			var b bytes.Buffer
			if err := json.Compact(&b, []byte(text)); err != nil {
				return nil, err
			}
			text = b.String()
		}
	}
	return text, nil
}

// append appends a value as it stands in a line.
func (c *portableColumn) append(b []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case tenancy.ID:
		return v.AppendJSON(b)
	case int64:
		return fmt.Appendf(b, "%d", v)
	case float64:
		return tenancy.AppendJSONFloat(b, v)
	case bool:
		return fmt.Appendf(b, "%t", v)
	case tenancy.Time:
		return v.AppendJSON(b)
	case string:
		switch c.kind {
		case asTexts, asObject, asLargeObject:
			return append(b, v...)
		}
		return tenancy.AppendJSONString(b, v)
	}
	panic(fmt.Sprintf("storage: a %T in a portable row", value))
}

// parse reads a line, without its end. What it refuses it names.
func (t *portableTable) parse(line []byte) (portableRow, error) {
	row := portableRow{table: t, line: line, values: make([]any, len(t.columns))}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil || members == nil {
		return row, errors.New("is no JSON object")
	}
	for i := range t.columns {
		c := &t.columns[i]
		raw, there := members[c.member()]
		if !there {
			return row, fmt.Errorf("has no %s", c.member())
		}
		delete(members, c.member())
		var err error
		if row.values[i], err = c.parse(raw); err != nil {
			return row, fmt.Errorf("%s %w", c.member(), err)
		}
	}
	for name := range members {
		return row, fmt.Errorf("has %.64q, which no row of %s has", name, t.name)
	}
	if !bytes.Equal(t.appendValues(make([]byte, 0, len(line)), row.values), line) {
		return row, errors.New("is not written as an export writes it: a member twice, out of order, or otherwise spelt")
	}
	if t.check != nil {
		if err := t.check(row); err != nil {
			return row, errors.New(strings.ReplaceAll(reasonsOf(err), "body.", ""))
		}
	}
	return row, nil
}

// reasonsOf says what is wrong with values, without saying the values.
func reasonsOf(err error) string {
	var e *problem.Error
	if !errors.As(err, &e) || len(e.Violations) == 0 {
		return err.Error()
	}
	var reasons []string
	for _, v := range e.Violations {
		reasons = append(reasons, v.Location+" "+v.Message)
	}
	return strings.Join(reasons, ", ")
}

var errKind = map[portableKind]error{
	asID: errors.New("is no id"), asText: errors.New("is no text"), asInt: errors.New("is no whole number from 0 to 2^53"), asFloat: errors.New("is no finite number"),
	asCount: errors.New("is no whole number from 1 to 2^53"),
	asBool:  errors.New("is neither true nor false"), asTime: errors.New("is no time from 1970 to 2199"), asHash: errors.New("is no SHA-256"),
	asTexts: errors.New("is no list of texts"), asObject: errors.New("is no object that may be kept"), asLargeObject: errors.New("is no object"),
}

func (c *portableColumn) parse(raw json.RawMessage) (any, error) {
	if string(raw) == "null" {
		if !c.null {
			return nil, errors.New("is null")
		}
		return nil, nil
	}
	value, ok := c.kind.parse(raw)
	if !ok {
		return nil, errKind[c.kind]
	}
	return value, nil
}

func (k portableKind) parse(raw json.RawMessage) (value any, ok bool) {
	switch k {
	case asID:
		var id tenancy.ID
		ok = json.Unmarshal(raw, &id) == nil
		return id, ok
	case asInt, asCount:
		var n int64
		ok = json.Unmarshal(raw, &n) == nil && n <= maxWhole
		return n, ok && (n > 0 || n == 0 && k == asInt)
	case asFloat:
		var f float64
		ok = json.Unmarshal(raw, &f) == nil
		return f, ok && !math.IsInf(f, 0)
	case asBool:
		var b bool
		ok = json.Unmarshal(raw, &b) == nil
		return b, ok
	case asTexts:
		var texts []string
		ok = json.Unmarshal(raw, &texts) == nil && texts != nil
		return string(raw), ok
	case asObject:
		var c problem.Checks
		tenancy.Object(raw).Check(&c, "")
		return string(raw), raw[0] == '{' && c.Err() == nil
	case asLargeObject:
		return string(raw), raw[0] == '{'
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil, false
	}
	switch k {
	case asTime:
		at, err := time.Parse("2006-01-02T15:04:05.000000Z", text)
		return tenancy.TimeOf(at), err == nil && isTime(tenancy.TimeOf(at))
	case asHash:
		return text, isSHA256(text)
	}
	return text, true
}

// isTime reports whether an input could name a time.
func isTime(at tenancy.Time) bool { return at >= tenancy.MinTime && at < tenancy.EndTime }

// compare orders rows by their keys.
func (t *portableTable) compare(a, b []any) int {
	for i := range t.key {
		var order int
		switch v := a[i].(type) {
		case tenancy.ID:
			w := b[i].(tenancy.ID)
			order = bytes.Compare(v[:], w[:])
		case string:
			order = cmp.Compare(v, b[i].(string))
		case int64:
			order = cmp.Compare(v, b[i].(int64))
		case tenancy.Time:
			order = cmp.Compare(v, b[i].(tenancy.Time))
		}
		if order != 0 {
			return order
		}
	}
	return 0
}
