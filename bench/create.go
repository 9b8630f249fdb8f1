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
// before it is acknowledged. Bare gin, which reads the same request and keeps nothing,
// shows how near any HTTP server could come to the engine here.
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
	first := p.tenants[0]
	projectBody, err := fetch(server.Addr, projectPath(first.projects[0].String()), first.token)
	if err != nil {
		return nil, err
	}
	gin, err := l.serveBare(ctx, projectBody, []byte("{}"))
	if err != nil {
		return nil, err
	}
	defer l.stopping(gin, &err)
	all, err := l.interleave(ctx, "create",
		overHTTP("maestro", server, clients, createProject(p.tenants)),
		overHTTP("bare gin", gin, clients, createProject(p.tenants)),
		leg{name: "engine", run: func(ctx context.Context, d time.Duration) (*load.Result, error) {
			return load.Loop(ctx, clients, d, engine.creator(ctx))
		}},
	)
	if err != nil {
		return nil, err
	}
	http, bare, inProcess := all[0], all[1], all[2]
	return []report.Line{
		{Measure: "rate against the engine in-process", Value: http.over(inProcess, rate), Unit: report.Ratio, Target: createTarget},
		{Measure: "rate against bare gin keeping nothing", Value: http.over(bare, rate), Unit: report.Ratio},
		{Measure: "bare gin against the engine", Value: bare.over(inProcess, rate), Unit: report.Ratio},
		{Measure: "p50", Value: http.median(quantile(0.50)), Unit: report.Millis},
		{Measure: "p99", Value: http.median(quantile(0.99)), Unit: report.Millis, Target: createP99Target},
	}, nil
}
