package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"maestro/bench/report"
)

// What the product may take: milliseconds to start, MB of memory when idle, MB of
// stripped binary.
var (
	startTarget  = report.AtMost(100, 40)
	fullTarget   = report.AtMost(300, 100) // with a million projects
	idleTarget   = report.AtMost(40, 25)
	binaryTarget = report.AtMost(45, 30)
)

const starts = 5

// footprint measures what the product takes while it does nothing.
func footprint(ctx context.Context, l *lab) (lines []report.Line, err error) {
	binary, err := os.Stat(l.maestro)
	if err != nil {
		return nil, err
	}
	var times, rss, anon []float64
	for i := range starts {
		server, took, err := l.serveMaestro(ctx, filepath.Join(l.dir, fmt.Sprintf("fresh-%d", i)))
		if err != nil {
			return nil, err
		}
		times = append(times, float64(took)/float64(time.Millisecond))
		select {
		case <-time.After(l.seconds): // what a start leaves to collect is collected by then
		case <-ctx.Done():
		}
		memory, err := server.Memory()
		if err := errors.Join(err, l.stop(server)); err != nil {
			return nil, err
		}
		anon, rss = append(anon, megabytes(memory.Anon)), append(rss, megabytes(memory.RSS))
	}
	many, err := l.seeded(ctx, wideSet)
	if err != nil {
		return nil, err
	}
	var full []float64
	for range starts {
		server, took, err := l.serveMaestro(ctx, many.dir)
		if err != nil {
			return nil, err
		}
		if err := l.stop(server); err != nil {
			return nil, err
		}
		full = append(full, float64(took)/float64(time.Millisecond))
	}
	return []report.Line{
		{Measure: "start to ready, empty directory", Value: median(times), Unit: report.Millis, Target: startTarget},
		{Measure: fmt.Sprintf("start to ready, %d projects", many.rows()), Value: median(full), Unit: report.Millis, Target: fullTarget},
		{Measure: "idle memory", Value: median(anon), Unit: report.MB, Target: idleTarget,
			Note: fmt.Sprintf("RssAnon; VmRSS, with the pages of files, is %.1f MB", median(rss))},
		{Measure: "stripped binary", Value: megabytes(binary.Size()), Unit: report.MB, Target: binaryTarget},
	}, nil
}
