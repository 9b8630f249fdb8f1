package main

import (
	"context"

	"maestro/bench/report"
)

// The 95th percentile of a search while typing, in milliseconds.
var searchTarget = report.AtMost(50, 10)

// typists is how many people type at once, each asking again as soon as the last
// answer is there: far more than people do.
const typists = 4

// search asks for prefixes of words among 500 000 artifacts of one tenant.
func search(ctx context.Context, l *lab) (lines []report.Line, err error) {
	server, p, err := l.open(ctx, wideSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	all, err := l.interleave(ctx, "search", overHTTP("as you type", server, typists, searchArtifacts([]*tenant{p.library})))
	if err != nil {
		return nil, err
	}
	return []report.Line{
		{Measure: "p50", Value: all[0].median(quantile(0.50)), Unit: report.Millis},
		{Measure: "p95", Value: all[0].median(quantile(0.95)), Unit: report.Millis, Target: searchTarget},
	}, nil
}
