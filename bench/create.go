package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"maestro/bench/load"
	"maestro/bench/report"
)

// What a durable create over HTTP has to reach of the rate of the engine's own group
// commit in-process, and its 99th percentile in milliseconds.
var (
	createTarget    = report.AtLeast(0.75, 0.95)
	createP99Target = report.AtMost(30, 12)
)

// create creates projects with 64 clients, over HTTP and in-process, each durable
// before it is acknowledged.
func create(ctx context.Context, l *lab) (lines []report.Line, err error) {
	server, p, err := l.open(ctx, smallSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	engine, err := openEngine(ctx, filepath.Join(l.dir, "engine"), smallSet.scaled(l.scale))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.close()) }()
	all, err := l.interleave(ctx, "create",
		overHTTP("maestro", server, clients, createProject(p.tenants)),
		leg{name: "engine", run: func(ctx context.Context, d time.Duration) (*load.Result, error) {
			return load.Loop(ctx, clients, d, engine.creator(ctx))
		}},
	)
	if err != nil {
		return nil, err
	}
	http, inProcess := all[0], all[1]
	return []report.Line{
		{Measure: "rate against the engine in-process", Value: http.over(inProcess, rate), Unit: report.Ratio, Target: createTarget},
		{Measure: "p50", Value: http.median(quantile(0.50)), Unit: report.Millis},
		{Measure: "p99", Value: http.median(quantile(0.99)), Unit: report.Millis, Target: createP99Target},
	}, nil
}
