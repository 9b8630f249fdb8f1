package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"maestro/bench/report"
)

// What it may take to authenticate and authorise a request whose token was seen
// before: microseconds and allocations.
var (
	authenticateTarget = report.AtMost(3, 1)
	allocationsTarget  = report.AtMost(5, 1)
)

// authenticate prints what package auth's own benchmark of that says.
func authenticate(ctx context.Context, l *lab) ([]report.Line, error) {
	command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkAuthenticate$", "-benchmem", "./auth")
	command.Dir = l.source
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	nanoseconds, allocations, err := parseBenchmark(string(output))
	if err != nil {
		return nil, err
	}
	return []report.Line{
		{Measure: "time", Value: nanoseconds / 1000, Unit: report.Micros, Target: authenticateTarget},
		{Measure: "allocations", Value: allocations, Unit: report.Count, Target: allocationsTarget},
	}, nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^BenchmarkAuthenticate\S*\s+\d+\s+([0-9.]+) ns/op\s.*?(\d+) allocs/op`)

// parseBenchmark reads the line of BenchmarkAuthenticate in the output of go test.
func parseBenchmark(output string) (nanoseconds, allocations float64, err error) {
	found := benchmarkLine.FindStringSubmatch(output)
	if found == nil {
		return 0, 0, fmt.Errorf("no BenchmarkAuthenticate in package auth: %s", output)
	}
	if nanoseconds, err = strconv.ParseFloat(found[1], 64); err != nil {
		return 0, 0, err
	}
	allocations, err = strconv.ParseFloat(found[2], 64)
	return nanoseconds, allocations, err
}
