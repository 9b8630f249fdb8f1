package insight

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
)

// AdviceKind is what a recommendation is about.
type AdviceKind string

// The kinds of advice.
const (
	AdviceReuse AdviceKind = "reuse" // an artifact that goes with success
	AdviceTeam  AdviceKind = "team"  // a shape of team that goes with success
	AdviceRisk  AdviceKind = "risk"  // something that speaks against the plan
)

// Recommendation is one sentence of advice and the numbers it stands on: every
// number in Text is in Evidence.
type Recommendation struct {
	Kind     AdviceKind
	Subject  string // the artifact's id, the team group's value, the input's name
	Text     string
	Evidence []Evidence
}

// Evidence is one number behind a recommendation.
type Evidence struct {
	Name  string // count_with, uplift, low, …
	Value float64
}

// leastUses is how many finished projects must stand on either side of a
// comparison before anything is said.
const leastUses = 3

// ArtifactRecord is what the history knows of an artifact's use.
type ArtifactRecord struct {
	ID      string
	Name    string
	With    int     // finished projects of the problem classes that used it
	Without int     // and that did not
	Uplift  float64 // difference of their mean success
	Low     float64 // the interval of the uplift at Level
	High    float64
	Level   float64
	Fit     float64 // 0 … 1: how well it fits the project asked about (text, type, class)
}

// ReuseAdvice recommends the artifacts whose uplift is above 0 beyond doubt: the
// lower end of its interval is, and would still be were the interval as wide as
// all the artifacts looked at need together (Bonferroni, on the normal
// distribution): of many artifacts some shine by chance. The order is by what can
// be counted on, the interval's lower end, times the fit. It is empty when the
// history supports nothing.
func ReuseAdvice(artifacts []ArtifactRecord, limit int) []Recommendation {
	var judged, good []ArtifactRecord
	for _, a := range artifacts {
		if a.With >= leastUses && a.Without >= leastUses && a.Level > 0 && a.Level < 1 {
			judged = append(judged, a)
		}
	}
	for _, a := range judged {
		wider := distuv.UnitNormal.Quantile(1-(1-a.Level)/2/float64(len(judged))) / distuv.UnitNormal.Quantile((1+a.Level)/2)
		if a.Low > 0 && a.Uplift-wider*(a.Uplift-a.Low) > 0 && a.Fit > 0 {
			good = append(good, a)
		}
	}
	slices.SortStableFunc(good, func(a, b ArtifactRecord) int {
		return cmp.Or(cmp.Compare(b.Low*b.Fit, a.Low*a.Fit), cmp.Compare(a.ID, b.ID))
	})
	var out []Recommendation
	for _, a := range good[:min(len(good), max(limit, 0))] {
		out = append(out, Recommendation{
			Kind: AdviceReuse, Subject: a.ID,
			Text: fmt.Sprintf("Reuse %s: the %d finished projects that used it score %.1f points more than the %d that did not (%.0f %% interval %.1f to %.1f).",
				a.Name, a.With, a.Uplift, a.Without, 100*a.Level, a.Low, a.High),
			Evidence: []Evidence{{"with", float64(a.With)}, {"without", float64(a.Without)}, {"uplift", a.Uplift}, {"low", a.Low}, {"high", a.High}, {"level", a.Level}, {"fit", a.Fit}},
		})
	}
	return out
}

// TeamAdvice recommends the shapes of team that go with success beyond doubt, and
// warns of those that go with failure, the clearest first. The planned team's own
// shape is told as support or as a risk; others as what the history supports.
func TeamAdvice(groups []TeamGroup, planned TeamProject, limit int) []Recommendation {
	var clear []TeamGroup
	for _, g := range groups {
		if g.Compared && (g.LiftLow > 0 || g.LiftHigh < 0 && g.has(planned)) {
			clear = append(clear, g)
		}
	}
	slices.SortStableFunc(clear, func(a, b TeamGroup) int { return cmp.Compare(b.certain(), a.certain()) })
	var out []Recommendation
	for _, g := range clear[:min(len(clear), max(limit, 0))] {
		r := Recommendation{
			Kind: AdviceTeam, Subject: g.Value,
			Evidence: []Evidence{{"with", float64(g.Count)}, {"without", float64(g.Others)}, {"mean", g.Mean}, {"uplift", g.Uplift}, {"low", g.LiftLow}, {"high", g.LiftHigh}, {"level", g.LiftLevel}},
		}
		opening, direction := "The history supports", "more"
		switch {
		case g.LiftHigh < 0:
			r.Kind, opening, direction = AdviceRisk, "The plan has", "less"
		case g.has(planned):
			opening = "The plan rightly has"
		}
		r.Text = fmt.Sprintf("%s %s: %d finished projects with one score %.1f on average, %.1f points %s than the %d others (%.1f %% interval of the difference %.1f to %.1f).",
			opening, g.Describe(), g.Count, g.Mean, math.Abs(g.Uplift), direction, g.Others, 100*g.LiftLevel, g.LiftLow, g.LiftHigh)
		out = append(out, r)
	}
	return out
}

// certain is how far the interval of the difference stays from 0.
func (g TeamGroup) certain() float64 { return max(g.LiftLow, -g.LiftHigh) }

// has tells whether a team belongs to the group.
func (g TeamGroup) has(p TeamProject) bool {
	for _, t := range traitsOf([]TeamProject{p}) {
		if t.dimension == g.Dimension && t.value == g.Value {
			has, _ := t.of(p)
			return has
		}
	}
	return false
}

// RiskAdvice tells what the prediction of success says against a plan: an interval
// below what half of the history achieved, inputs that cost points, as far as the
// plan has them, and similar projects that were abandoned. Base rates carry no risk
// of their own.
func RiskAdvice(success Prediction, similar []SimilarOutcome, limit int) []Recommendation {
	var out []Recommendation
	if success.Note == "" && success.Basis > 0 && success.High < success.Base {
		out = append(out, Recommendation{
			Kind: AdviceRisk, Subject: "success",
			Text: fmt.Sprintf("Success is predicted below what is typical: %.0f (%.0f to %.0f with %.0f %% certainty) where the %d finished projects come to %.0f.",
				success.Value, success.Low, success.High, 100*success.Level, success.Basis, success.Base),
			Evidence: []Evidence{{"predicted", success.Value}, {"low", success.Low}, {"high", success.High}, {"level", success.Level}, {"basis", float64(success.Basis)}, {"typical", success.Base}},
		})
	}
	for _, d := range success.Drivers {
		if d.Input != "" && d.Effect < 0 && -d.Effect >= (success.High-success.Low)/4 {
			out = append(out, Recommendation{
				Kind: AdviceRisk, Subject: d.Name,
				Text:     fmt.Sprintf("%s = %s takes %.1f points off the predicted success of %.0f.", d.Name, d.Input, -d.Effect, success.Value),
				Evidence: []Evidence{{"effect", d.Effect}, {"predicted", success.Value}},
			})
		}
	}
	var abandoned []string
	for _, s := range similar {
		if s.Abandoned {
			abandoned = append(abandoned, s.Name)
		}
	}
	if len(abandoned) >= leastUses || len(abandoned) > 0 && 2*len(abandoned) >= len(similar) && len(similar) >= leastUses {
		out = append(out, Recommendation{
			Kind: AdviceRisk, Subject: "abandoned",
			Text:     fmt.Sprintf("%d of the %d most similar projects were abandoned: %s.", len(abandoned), len(similar), strings.Join(abandoned, ", ")),
			Evidence: []Evidence{{"abandoned", float64(len(abandoned))}, {"similar", float64(len(similar))}},
		})
	}
	return out[:min(len(out), max(limit, 0))]
}

// SimilarOutcome is how a similar project ended.
type SimilarOutcome struct {
	Name      string
	Abandoned bool
}
