package main

import (
	"context"

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
	pocketbase, other, err := l.servePeer(ctx, p.set, false)
	if err != nil {
		return nil, err
	}
	defer l.stopping(pocketbase, &err)
	asItComes, same, err := l.servePeer(ctx, p.set, true)
	if err != nil {
		return nil, err
	}
	defer l.stopping(asItComes, &err)

	pairs := []struct {
		what   string
		target *report.Target
		legs   [2]leg
	}{
		{"view", peerViewTarget, [2]leg{
			overHTTP("view, maestro", server, clients, viewProject(p.tenants)),
			overHTTP("view, pocketbase", pocketbase, clients, other.View()),
		}},
		{"list", peerListTarget, [2]leg{
			overHTTP("list, maestro", server, clients, listProjects(p.tenants)),
			overHTTP("list, pocketbase", pocketbase, clients, other.List()),
		}},
		{"create", peerCreateTarget, [2]leg{
			overHTTP("create, maestro", server, clients, createProject(p.tenants)),
			overHTTP("create, pocketbase", asItComes, clients, same.Create()),
		}},
		{"create without its log", nil, [2]leg{
			overHTTP("create, maestro again", server, clients, createProject(p.tenants)),
			overHTTP("create, pocketbase without log", pocketbase, clients, other.Create()),
		}},
	}
	for _, pair := range pairs {
		all, err := l.interleave(ctx, "peer", pair.legs[:]...)
		if err != nil {
			return lines, err
		}
		lines = append(lines, report.Line{Measure: pair.what + " against PocketBase", Value: all[0].over(all[1], rate), Unit: report.Ratio, Target: pair.target})
	}
	return lines, nil
}
