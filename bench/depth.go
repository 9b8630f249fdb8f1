package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"maestro/bench/load"
	"maestro/bench/report"
)

// How many times as long as the first page, and as a list among 10 000 rows, the same
// list may take far into a list and among 1 000 000.
var (
	deepTarget = report.AtMost(2, 1.2)
	rowsTarget = report.AtMost(2, 1.3)
)

// depth shows that a list costs the same wherever the page and however many the rows.
func depth(ctx context.Context, l *lab) (lines []report.Line, err error) {
	small, few, err := l.open(ctx, smallSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(small, &err)
	wide, many, err := l.open(ctx, wideSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(wide, &err)
	page := min(1000, len(many.deep.projects)/pageSize)
	deepPath, err := pathOfPage(wide.Addr, many.deep.token, page)
	if err != nil {
		return nil, err
	}
	deep := []*tenant{many.deep}
	all, err := l.interleave(ctx, "depth",
		overHTTP("page 1", wide, clients, listProjects(deep)),
		overHTTP(fmt.Sprintf("page %d", page), wide, clients, repeated(load.AppendRequest(nil, "GET", deepPath, many.deep.token, nil))),
		overHTTP(fmt.Sprintf("%d rows", few.rows()), small, clients, listProjects(few.tenants)),
		overHTTP(fmt.Sprintf("%d rows", many.rows()), wide, clients, listProjects(many.tenants)),
	)
	if err != nil {
		return nil, err
	}
	first, last, fewRows, manyRows := all[0], all[1], all[2], all[3]
	return []report.Line{
		{Measure: fmt.Sprintf("time of page %d against page 1", page), Value: first.over(last, rate), Unit: report.Ratio, Target: deepTarget},
		{Measure: fmt.Sprintf("time among %d rows against %d", many.rows(), few.rows()), Value: fewRows.over(manyRows, rate), Unit: report.Ratio, Target: rowsTarget},
	}, nil
}

// rows returns how many projects the tenants hold, the special ones left out.
func (p *population) rows() int {
	n := 0
	for _, t := range p.tenants {
		n += len(t.projects)
	}
	return n
}

// pathOfPage walks a list to its n-th page and returns that page's path.
func pathOfPage(addr, token string, n int) (string, error) {
	path := listPath
	for page := 1; page < n; page++ {
		body, err := fetch(addr, path, token)
		if err != nil {
			return "", err
		}
		var list struct {
			NextCursor *string `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &list); err != nil {
			return "", err
		}
		if list.NextCursor == nil {
			return "", fmt.Errorf("the list ends with page %d", page)
		}
		path = listPath + "&cursor=" + url.QueryEscape(*list.NextCursor)
	}
	return path, nil
}
