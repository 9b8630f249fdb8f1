package main

import (
	"context"

	"maestro/bench/report"
)

// What a keyset list of 50 projects has to reach of the rate of bare gin encoding the
// same list from structs.
var listTarget = report.AtLeast(0.55, 1.0)

// list reads the newest 50 projects of one of a hundred tenants.
func list(ctx context.Context, l *lab) ([]report.Line, error) {
	return againstBare(ctx, l, "list", listTarget)
}
