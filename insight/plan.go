package insight

import (
	"math"
	"strconv"
	"strings"
)

// Plan is what is known of a project while it is not finished: what the
// predictor learns from, and predicts for.
type Plan struct {
	Class      string             // problem class; empty when not known
	Complexity float64            // NaN when not known
	TeamSize   float64            // people; NaN takes the number of members
	Team       []Member           // nil when not known
	Artifacts  []string           // keys of the artifacts used or planned, each once; nil when not known
	Metrics    map[string]float64 // mean so far, by type of metric
	Attributes map[string]any     // float64, string or bool
}

// The names of the inputs. Metrics, attributes and the roles of a team are
// inputs each, with the group's name in front: attributes.function_points.
const (
	classInput      = "problem_class"
	complexityInput = "complexity_score"
	sizeInput       = "team_size"
	seniorInput     = "team.senior" // share of senior and principal people
	artifactsInput  = "artifacts"   // how many
	impactInput     = "artifacts.impact"
	teamPrefix      = "team." // and a role: its share of the team
	metricPrefix    = "metrics."
	attributePrefix = "attributes."
)

// size is the number of people; NaN when it is not known.
func (p *Plan) size() float64 {
	if math.IsNaN(p.TeamSize) && len(p.Team) > 0 {
		return float64(len(p.Team))
	}
	return p.TeamSize
}

// mix calls each for the share of every role in the team, and of its senior
// people where their experience is known: by hours where every member's are
// recorded, else by heads.
func (p *Plan) mix(each func(input string, share float64)) {
	if len(p.Team) == 0 {
		return
	}
	byHours, all := true, 0.0
	for _, m := range p.Team {
		byHours = byHours && m.Hours > 0
		all += m.Hours
	}
	// Hours without end have no shares.
	byHours = byHours && all <= largest
	if !byHours {
		all = float64(len(p.Team))
	}
	shares := make(map[string]float64)
	for _, m := range p.Team {
		weight := 1.0
		if byHours {
			weight = m.Hours
		}
		shares[m.Role] += weight / all
	}
	for role, share := range shares {
		if role != "" {
			each(teamPrefix+role, share)
		}
	}
	team := TeamProject{Members: p.Team}
	if senior, known := team.seniority(); known && senior >= 0 {
		each(seniorInput, senior)
	}
}

// value is an attribute as a number, or else as a category; none for what is
// neither. Numbers beyond what can be learned from count as missing.
func value(of any) (number float64, text string, ok bool) {
	switch v := of.(type) {
	case float64:
		return v, "", usable(v)
	case bool:
		return math.NaN(), strconv.FormatBool(v), true
	case string:
		text = strings.TrimSpace(v)
		return math.NaN(), text, text != ""
	}
	return math.NaN(), "", false
}

func usable(v float64) bool { return math.Abs(v) <= largest } // false for NaN

// known is v, or NaN where nothing can be learned from it.
func known(v float64) float64 {
	if !usable(v) {
		return math.NaN()
	}
	return v
}

// inputs are the plan's values by name. The kinds of the history's columns decide
// how an attribute is taken: a number there may be a category here.
func (h *inputKinds) inputs(p *Plan, impact float64) Inputs {
	in := Inputs{Numbers: make(map[string]float64), Categories: make(map[string]string)}
	in.Categories[classInput] = p.Class
	in.Numbers[complexityInput] = p.Complexity
	in.Numbers[sizeInput] = p.size()
	if len(p.Team) > 0 {
		for _, role := range h.roles {
			in.Numbers[role] = 0
		}
		p.mix(func(input string, share float64) { in.Numbers[input] = share })
	}
	if p.Artifacts != nil {
		in.Numbers[artifactsInput] = float64(len(p.Artifacts))
	}
	in.Numbers[impactInput] = impact
	for name, v := range p.Metrics {
		in.Numbers[metricPrefix+name] = v
	}
	for name, v := range p.Attributes {
		h.attribute(in, attributePrefix+name, v)
	}
	return in
}

// inputKinds says how the columns of a history are to be filled.
type inputKinds struct {
	roles      []string        // inputs of the team's roles
	categories map[string]bool // attributes that are categories
}

func (h *inputKinds) attribute(in Inputs, name string, of any) {
	number, isNumber := of.(float64)
	_, text, ok := value(of)
	switch {
	case isNumber && h.categories[name]:
		in.Categories[name] = numberText(number)
	case isNumber:
		in.Numbers[name] = number
	case ok:
		if parsed, err := strconv.ParseFloat(text, 64); err == nil && !h.categories[name] {
			in.Numbers[name] = parsed
			return
		}
		in.Categories[name] = text
	}
}

// numberText is how a number is called among categories.
func numberText(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
