package cli

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"

	"maestro/insight"
)

// Measures of the plot, in SVG units.
const (
	plotSize   = 640
	plotMargin = 72
)

// plotAxis maps values to the plot, the same on both sides, so that a perfect
// prediction lies on the diagonal.
type plotAxis struct {
	log       bool
	low, high float64 // on the axis's own scale
}

func newPlotAxis(projects []insight.Judged) plotAxis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range projects {
		low, high = min(low, p.Actual, p.Predicted, p.Low), max(high, p.Actual, p.Predicted, p.High)
	}
	axis := plotAxis{log: low > 0 && high/low > 10}
	axis.low, axis.high = axis.scale(low), axis.scale(high)
	if axis.high <= axis.low {
		axis.low, axis.high = axis.low-1, axis.high+1
	}
	return axis
}

func (a plotAxis) scale(v float64) float64 {
	if a.log {
		return math.Log10(v)
	}
	return v
}

func (a plotAxis) x(v float64) float64 {
	return plotMargin + (a.scale(v)-a.low)/(a.high-a.low)*(plotSize-2*plotMargin)
}

func (a plotAxis) y(v float64) float64 { return plotSize - a.x(v) }

// ticks are round values within the axis: powers of ten on a logarithmic one.
func (a plotAxis) ticks() []float64 {
	var ticks []float64
	if a.log {
		for power := math.Ceil(a.low); power <= a.high; power++ {
			ticks = append(ticks, math.Pow(10, power))
		}
		return ticks
	}
	step := math.Pow(10, math.Floor(math.Log10(a.high-a.low)))
	if (a.high-a.low)/step < 3 {
		step /= 4
	}
	for v := math.Ceil(a.low/step) * step; v <= a.high; v += step {
		ticks = append(ticks, v)
	}
	return ticks
}

// plotEvaluation draws every project's prediction against what happened, with its
// interval; those outside of it are drawn hollow, so that colour is not the only
// sign.
func plotEvaluation(e insight.Evaluation, target string) []byte {
	axis := newPlotAxis(e.Projects)
	var title bytes.Buffer
	_ = xml.EscapeText(&title, []byte(target)) // a buffer takes everything
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", plotSize, plotSize)
	fmt.Fprintf(&out, "<title>%s: predicted against actual</title>\n", title.String())
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotSize, plotSize)
	for _, tick := range axis.ticks() {
		at, label := axis.x(tick), strconv.FormatFloat(tick, 'g', 4, 64)
		fmt.Fprintf(&out, `<path d="M%.1f %d V%d M%d %.1f H%d" stroke="#ddd"/>`, at, plotMargin, plotSize-plotMargin, plotMargin, plotSize-at, plotSize-plotMargin)
		fmt.Fprintf(&out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			at, plotSize-plotMargin+18, label, plotMargin-8, plotSize-at+4, label)
	}
	fmt.Fprintf(&out, `<path d="M%d %d L%d %d" stroke="#666" stroke-dasharray="4 4"/>`+"\n", plotMargin, plotSize-plotMargin, plotSize-plotMargin, plotMargin)
	for _, p := range e.Projects {
		fill := "#1d4ed8"
		if p.Actual < p.Low || p.Actual > p.High {
			fill = "#fff"
		}
		fmt.Fprintf(&out, `<path d="M%.1f %.1f V%.1f" stroke="#93b4f5"/>`, axis.x(p.Actual), axis.y(p.Low), axis.y(p.High))
		fmt.Fprintf(&out, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s" stroke="#1d4ed8"/>`+"\n", axis.x(p.Actual), axis.y(p.Predicted), fill)
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">actual %s</text>`+"\n", plotSize/2, plotSize-20, title.String())
	fmt.Fprintf(&out, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">predicted, with %.4g %% intervals</text>`+"\n", plotSize/2, 100*e.Level)
	fmt.Fprintf(&out, `<text x="%d" y="28">%d projects, standardised accuracy %.3f, coverage %.1f %% (hollow: outside)</text>`+"\n</svg>\n", plotMargin, e.N, e.SA, 100*e.Coverage)
	return out.Bytes()
}
