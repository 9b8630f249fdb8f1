package tracking

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"maestro/tenancy"
)

// ScanJSON reads a JSON object onto f in one pass and reports whether it did.
// What it has read is exactly what encoding/json makes of it, several times
// faster. It does not read what is rarely written: an attribute twice or null, a
// name in other letters, half a surrogate pair, a number that its field does not
// hold, white space in the metadata, or what is no JSON. Then f may hold a part of
// it, and encoding/json is to decide.
func (f *ProjectFields) ScanJSON(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	s := fieldScanner{scanner: scanner{data: data}}
	s.space()
	s.object(func(name []byte) bool { return s.projectField(f, name) })
	s.space()
	return !s.failed() && s.pos == len(data)
}

// fieldScanner is a scanner that fails at every value that is not of the usual
// form. Nobody asks why it failed.
type fieldScanner struct{ scanner }

func (s *fieldScanner) unusual() { s.fail(s.pos, "not of the usual form") }

// object reads an object: each is called at each value with its name, which is
// good until the value is read, and reports whether it knows the name.
func (s *fieldScanner) object(each func(name []byte) bool) {
	s.accept('{', "an object")
	s.space()
	if s.peek() == '}' {
		s.pos++
		return
	}
	for !s.failed() {
		name := s.usualText()
		s.space()
		s.accept(':', "a colon")
		s.space()
		if !s.failed() && !each(name) {
			s.unusual()
		}
		s.space()
		if s.peek() == '}' {
			s.pos++
			return
		}
		s.accept(',', "a comma")
		s.space()
	}
}

func (s *fieldScanner) projectField(f *ProjectFields, name []byte) bool {
	if s.peek() == 'n' {
		s.literal("null")
		return f.clear(string(name))
	}
	switch string(name) {
	case "name":
		f.Name = string(s.usualText())
	case "description":
		f.Description = string(s.usualText())
	case "problem_class":
		f.ProblemClass = new(string(s.usualText()))
	case "status":
		f.Status = Status(s.usualText())
	case "complexity_score":
		f.ComplexityScore = new(s.float())
	case "team_size":
		f.TeamSize = new(s.integer())
	case "start_date":
		f.StartDate = new(s.time())
	case "completion_date":
		f.CompletionDate = new(s.time())
	case "model_performance":
		f.ModelPerformance = new(s.float())
	case "compute_cost":
		f.ComputeCost = new(s.float())
	case "business_impact":
		f.BusinessImpact = new(s.float())
	case "attributes":
		f.Attributes = s.attributes()
	case "metadata":
		f.Metadata = s.metadata()
	default:
		return false
	}
	return true
}

// clear sets a field to what encoding/json makes of null, and reports whether there
// is one of that name: texts stay what they are.
func (f *ProjectFields) clear(name string) bool {
	switch name {
	case "name", "description", "status":
	case "problem_class":
		f.ProblemClass = nil
	case "complexity_score":
		f.ComplexityScore = nil
	case "team_size":
		f.TeamSize = nil
	case "start_date":
		f.StartDate = nil
	case "completion_date":
		f.CompletionDate = nil
	case "model_performance":
		f.ModelPerformance = nil
	case "compute_cost":
		f.ComputeCost = nil
	case "business_impact":
		f.BusinessImpact = nil
	case "attributes":
		f.Attributes = nil
	case "metadata":
		f.Metadata = nil
	default:
		return false
	}
	return true
}

// usualText reads a string. The bytes are good until the next one is read.
func (s *fieldScanner) usualText() []byte {
	if s.peek() != '"' {
		s.unusual()
		return nil
	}
	text, whole := s.text()
	if !whole {
		s.unusual()
	}
	return text
}

func (s *fieldScanner) float() float64 {
	v, err := strconv.ParseFloat(string(s.number()), 64)
	if err != nil {
		s.unusual()
	}
	return v
}

func (s *fieldScanner) integer() int64 {
	v, err := strconv.ParseInt(string(s.number()), 10, 64)
	if err != nil {
		s.unusual()
	}
	return v
}

// time reads a time; one that is none is NoTime, as tenancy.Time says.
func (s *fieldScanner) time() tenancy.Time {
	t, err := tenancy.ParseTime(string(s.usualText()))
	if err != nil {
		return tenancy.NoTime
	}
	return t
}

func (s *fieldScanner) attributes() Attributes {
	a := make(Attributes)
	s.object(func(bytes []byte) bool {
		name := string(bytes)
		if _, twice := a[name]; twice {
			return false
		}
		switch s.peek() {
		case '"':
			a[name] = string(s.usualText())
		case 't':
			s.literal("true")
			a[name] = true
		case 'f':
			s.literal("false")
			a[name] = false
		default:
			a[name] = s.float()
		}
		return true
	})
	return a
}

func (s *fieldScanner) metadata() tenancy.Object {
	start := s.pos
	var found shape
	if s.peek() != '{' {
		s.unusual()
		return nil
	}
	s.skip(&found)
	if found.spaced {
		s.unusual()
	}
	return bytes.Clone(s.data[start:s.pos])
}
