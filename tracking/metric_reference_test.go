package tracking

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"maestro/problem"
)

// referencePoints is DecodePoints written plainly over encoding/json: the
// points, or the code of the problem and the places of the violations.
func referencePoints(body []byte) (points []Point, code problem.Code, places map[string]bool) {
	elements, err := referenceElements(body)
	if err != nil {
		return nil, problem.Malformed, nil
	}
	if len(elements) > MaxBatchPoints {
		return nil, problem.Validation, map[string]bool{"body": true}
	}
	points, places = []Point{}, map[string]bool{}
	for i, element := range elements {
		points = append(points, referencePoint(element, fmt.Sprintf("body[%d]", i), places))
	}
	if len(places) > 0 {
		return nil, problem.Validation, places
	}
	return points, "", nil
}

func referenceElements(body []byte) (elements []json.RawMessage, err error) {
	if !utf8.Valid(body) {
		return nil, errors.New("not UTF-8")
	}
	switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
	case bytes.HasPrefix(trimmed, []byte("[")):
		return elements, json.Unmarshal(body, &elements)
	case !bytes.HasPrefix(trimmed, []byte("{")):
		return nil, errors.New("neither array nor object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		before := d.InputOffset()
		var element json.RawMessage
		if err := d.Decode(&element); err == io.EOF {
			return elements, nil
		} else if err != nil {
			return nil, err
		}
		begin := d.InputOffset() - int64(len(element))
		if len(elements) > 0 && !bytes.Contains(body[before:begin], []byte("\n")) {
			return nil, errors.New("two on one line")
		}
		elements = append(elements, element)
	}
}

func referencePoint(element json.RawMessage, place string, places map[string]bool) (p Point) {
	d := json.NewDecoder(bytes.NewReader(element))
	if opening, _ := d.Token(); opening != json.Delim('{') {
		places[place] = true
		return p
	}
	fields := map[string]any{"project_id": &p.ProjectID, "metric_type": &p.MetricType, "metric_value": &p.MetricValue, "timestamp": &p.Timestamp, "metadata": &p.Metadata}
	seen, given := map[string]bool{}, map[string]bool{}
	for d.More() {
		token, _ := d.Token()
		name := token.(string)
		var value json.RawMessage
		_ = d.Decode(&value)
		field, known := fields[name]
		switch {
		case name == "":
			places[place] = true
		case !known:
			places[place+"."+shorten(name)] = true
		case seen[name]:
			places[place+"."+name] = true
		case string(value) == "null":
		default:
			given[name] = true
			if json.Unmarshal(value, field) != nil || name != "metadata" && hasHalfSurrogate(value) {
				places[place+"."+name] = true
			}
		}
		seen[name] = true
	}
	for _, name := range []string{"project_id", "metric_type", "metric_value"} {
		if !given[name] {
			places[place+"."+name] = true
		}
	}
	var c problem.Checks
	p.Check(&c, place)
	var invalid *problem.Error
	if errors.As(c.Err(), &invalid) {
		for _, v := range invalid.Violations {
			places[v.Location] = true
		}
	}
	return p
}

var (
	otherEscape   = regexp.MustCompile(`\\[^u]`)
	surrogatePair = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	surrogate     = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// hasHalfSurrogate looks at the spelling of a JSON string.
func hasHalfSurrogate(text []byte) bool {
	text = otherEscape.ReplaceAll(text, nil)
	return surrogate.Match(surrogatePair.ReplaceAll(text, nil))
}
