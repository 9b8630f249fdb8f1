package main

import (
	"context"

	"maestro/bench/load"
	"maestro/bench/report"
)

// How many times the peer's rate, on the same machine with the same rows and load.
var (
	peerViewTarget   = report.AtLeast(6, 15)
	peerListTarget   = report.AtLeast(10, 20)
	peerCreateTarget = report.AtLeast(8, 12)
)

// againstPeer runs the same requests against Maestro and PocketBase.
func againstPeer(ctx context.Context, l *lab) (lines []report.Line, err error) {
	if !l.peer {
		return []report.Line{report.Skip("", "-peer=false")}, nil
	}
	server, p, err := l.open(ctx, bigSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	l.say("seed the peer")
	pocketbase, population, err := l.servePeer(ctx, p.set, true)
	if err != nil {
		return nil, err
	}
	defer l.stopping(pocketbase, &err)
	l.say("seed the peer without its log")
	unlogged, unloggedPopulation, err := l.servePeer(ctx, p.set, false)
	if err != nil {
		return nil, err
	}
	defer l.stopping(unlogged, &err)

	pairs := []struct {
		what                   string
		target                 *report.Target
		ours, theirs, unlogged load.Next
	}{
		{"view", peerViewTarget, viewProject(p.tenants), population.View(), unloggedPopulation.View()},
		{"list", peerListTarget, listProjects(p.tenants), population.List(), unloggedPopulation.List()},
		{"create", peerCreateTarget, createProject(p.tenants), population.Create(), unloggedPopulation.Create()},
	}
	for _, pair := range pairs {
		all, err := l.interleave(ctx, "peer",
			overHTTP(pair.what+", maestro", server, clients, pair.ours),
			overHTTP(pair.what+", pocketbase", pocketbase, clients, pair.theirs),
			overHTTP(pair.what+", pocketbase without log", unlogged, clients, pair.unlogged),
		)
		if err != nil {
			return lines, err
		}
		lines = append(lines,
			report.Line{Measure: pair.what + " against PocketBase", Value: all[0].over(all[1], rate), Unit: report.Ratio, Target: pair.target},
			report.Line{Measure: pair.what + " against PocketBase without its log", Value: all[0].over(all[2], rate), Unit: report.Ratio})
	}
	return lines, nil
}
