package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"maestro/bench/report"
)

// clients is how many clients send requests at once where a workload does not say
// otherwise.
const clients = 64

// What an authenticated read of one project has to reach of bare gin's rate,
// returning the same bytes.
var viewTarget = report.AtLeast(0.45, 0.95)

// view reads one of a million projects, as one of a hundred tenants.
func view(ctx context.Context, l *lab) (lines []report.Line, err error) {
	return againstBare(ctx, l, "view", viewTarget)
}

// againstBare runs a read of the product against the same request to bare gin.
func againstBare(ctx context.Context, l *lab, workload string, target *report.Target) (lines []report.Line, err error) {
	server, p, err := l.open(ctx, wideSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	first := p.tenants[0]
	projectBody, err := fetch(server.Addr, projectPath(first.projects[0].String()), first.token)
	if err != nil {
		return nil, err
	}
	listBody, err := fetch(server.Addr, listPath, first.token)
	if err != nil {
		return nil, err
	}
	gin, err := l.serveBare(ctx, projectBody, listBody)
	if err != nil {
		return nil, err
	}
	defer l.stopping(gin, &err)
	if err := sameList(gin.Addr, listBody); err != nil {
		return nil, err
	}

	next := viewProject(p.tenants)
	if workload == "list" {
		next = listProjects(p.tenants)
	}
	all, err := l.interleave(ctx, workload, overHTTP("maestro", server, clients, next), overHTTP("bare gin", gin, clients, next))
	if err != nil {
		return nil, err
	}
	maestro, bare := all[0], all[1]
	return []report.Line{
		{Measure: "rate against bare gin", Value: maestro.over(bare, rate), Unit: report.Ratio, Target: target},
		{Measure: "server CPU against bare gin", Value: maestro.over(bare, serverCPU), Unit: report.Ratio},
	}, nil
}

// sameList checks that bare gin encodes the list that the product answered with, so
// that both do the same work.
func sameList(addr string, want []byte) error {
	got, err := fetch(addr, listPath, "")
	if err != nil {
		return err
	}
	var wantList, gotList struct {
		Items      []map[string]any `json:"items"`
		NextCursor *string          `json:"next_cursor"`
	}
	if err := json.Unmarshal(want, &wantList); err != nil {
		return err
	}
	if err := json.Unmarshal(got, &gotList); err != nil {
		return err
	}
	if len(wantList.Items) != pageSize || !reflect.DeepEqual(wantList, gotList) {
		return fmt.Errorf("bare gin does not list what the product lists: %.400s instead of %.400s", got, want)
	}
	return nil
}
