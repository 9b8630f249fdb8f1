package tracking

// Score is a derived number with what it was made of, so that people can see
// why it is what it is.
type Score struct {
	Score   *float64    `json:"score" doc:"0 to 100; null while there is nothing to derive it from"`
	Formula string      `json:"formula" doc:"Name and version of the formula; the version rises when the formula changes"`
	Parts   []ScorePart `json:"parts" doc:"What the score is made of: the sum of weight × value over the parts that are there"`
}

// ScorePart is one term of a score.
type ScorePart struct {
	Name   string   `json:"name"`
	Weight float64  `json:"weight" minimum:"0" maximum:"1" doc:"Share of the score, as it was counted"`
	Value  *float64 `json:"value" minimum:"0" maximum:"100" doc:"0 to 100; null when the part is absent"`
	Input  *float64 `json:"input" doc:"The number that the value was made of, before any bounds"`
	Absent string   `json:"absent,omitempty" doc:"Why the part is absent"`
}

// Latest holds the newest value, by timestamp, of each of a project's metric
// types.
type Latest map[string]float64

// absent returns a part that is not there, and why.
func absent(name string, weight float64, why string) ScorePart {
	return ScorePart{Name: name, Weight: weight, Absent: why}
}

// share returns the part that rises from 0 to 100 as input rises from 0 to
// full, and is bounded outside.
func share(name string, weight, input, full float64) ScorePart {
	value := 100 * clamp(input/full, 0, 1)
	return ScorePart{Name: name, Weight: weight, Value: &value, Input: &input}
}

// shareOf is share of the latest value of a metric.
func (l Latest) shareOf(metricType, name string, weight, full float64) ScorePart {
	input, ok := l[metricType]
	if !ok {
		return absent(name, weight, "no metric of type "+metricType+" has been recorded")
	}
	return share(name, weight, input, full)
}

// sum returns the score of parts whose weights are fixed: an absent part adds
// nothing and takes nothing. known says whether there is any input at all.
func sum(formula string, known bool, parts ...ScorePart) Score {
	s := Score{Formula: formula, Parts: parts}
	if !known {
		return s
	}
	total := 0.0
	for _, part := range parts {
		if part.Value != nil {
			total += part.Weight * *part.Value
		}
	}
	total = clamp(total, 0, 100)
	s.Score = &total
	return s
}

// clamp bounds x; NaN becomes low.
func clamp(x, low, high float64) float64 {
	switch {
	case x >= high:
		return high
	case x > low:
		return x
	default:
		return low
	}
}
