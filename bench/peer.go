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
	pocketbase, other, err := l.servePeer(ctx, p.set, true)
	if err != nil {
		return nil, err
	}
	defer l.stopping(pocketbase, &err)
	l.say("seed the peer without its log")
	silent, same, err := l.servePeer(ctx, p.set, false)
	if err != nil {
		return nil, err
	}
	defer l.stopping(silent, &err)

	pairs := []struct {
		what                 string
		target               *report.Target
		ours, theirs, silent load.Next // silent: for the peer without its log
	}{
		{"view", peerViewTarget, viewProject(p.tenants), other.View(), same.View()},
		{"list", peerListTarget, listProjects(p.tenants), other.List(), same.List()},
		{"create", peerCreateTarget, createProject(p.tenants), other.Create(), same.Create()},
	}
	for _, pair := range pairs {
		all, err := l.interleave(ctx, "peer",
			overHTTP(pair.what+", maestro", server, clients, pair.ours),
			overHTTP(pair.what+", pocketbase", pocketbase, clients, pair.theirs),
			overHTTP(pair.what+", pocketbase without log", silent, clients, pair.silent),
		)
		if err != nil {
			return lines, err
		}
		lines = append(lines,
			report.Line{Measure: pair.what + " against PocketBase", Value: all[0].over(all[1], rate), Unit: report.Ratio, Target: pair.target},
			report.Line{Measure: pair.what + " against it without its log", Value: all[0].over(all[2], rate), Unit: report.Ratio})
	}
	return lines, nil
}
