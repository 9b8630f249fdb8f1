package main

import (
	"context"
	"math/rand/v2"
	"time"

	"maestro/bench/load"
	"maestro/bench/report"
)

// How many metric points a second have to become durable over HTTP.
var metricsTarget = report.AtLeast(120_000, 400_000)

const (
	batchPoints   = 1000
	batchTypes    = 10 // a batch holds as many points of each type
	metricClients = 8
)

// metrics sends batches of 1 000 points. Every client measures a project of its own.
func metrics(ctx context.Context, l *lab) (lines []report.Line, err error) {
	server, p, err := l.open(ctx, smallSet)
	if err != nil {
		return nil, err
	}
	defer l.stopping(server, &err)
	all, err := l.interleave(ctx, "metrics", overHTTP("batches of 1 000", server, metricClients, sendBatches(p.tenants, metricClients)))
	if err != nil {
		return nil, err
	}
	points := all[0].median(func(r round) float64 { return r.Rate() * batchPoints })
	return []report.Line{
		{Measure: "points", Value: points, Unit: report.PerSecond, Target: metricsTarget},
		{Measure: "p99 of a batch", Value: all[0].median(quantile(0.99)), Unit: report.Millis},
		{Measure: "server CPU of a point", Value: all[0].median(serverCPU) / batchPoints, Unit: report.Micros},
	}, nil
}

// sendBatches sends each client's points, one second apart, on and on in time.
func sendBatches(tenants []*tenant, clients int) load.Next {
	batches := make([]*batch, clients)
	for i := range batches {
		t := tenants[i%len(tenants)]
		batches[i] = newBatch(t.token, t.projects[i%len(t.projects)].String())
	}
	return func(client int, random *rand.Rand, buf []byte) []byte {
		return append(buf, batches[client].next()...)
	}
}

// batch is a rendered POST /metrics/batch. Making its JSON anew each time would cost
// the generator more than the server; only the times change, and they keep their
// length.
type batch struct {
	request []byte
	times   []int // where in request each time stands
	hour    time.Time
}

const timeLayout = "2006-01-02T15:04:05Z"

func newBatch(token, project string) *batch {
	b := &batch{hour: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	types := [batchTypes]string{
		"commits_per_week", "pipeline_success_rate", "active_branches", "contributors", "commits_per_contributor",
		"training_loss", "validation_loss", "accuracy", "gpu_utilisation", "rows_processed",
	}
	type point struct {
		ProjectID   string  `json:"project_id"`
		MetricType  string  `json:"metric_type"`
		MetricValue float64 `json:"metric_value"`
		Timestamp   string  `json:"timestamp"`
	}
	var body []byte
	for i := range batchPoints {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		body = append(body, separator)
		body = append(body, encode(point{project, types[i%batchTypes], float64(i*37%1000) / 1000, timeLayout})...)
		b.times = append(b.times, len(body)-len(timeLayout)-len(`"}`))
	}
	body = append(body, ']')
	b.request = load.AppendRequest(nil, "POST", api+"/metrics/batch", token, body)
	for i := range b.times {
		b.times[i] += len(b.request) - len(body)
	}
	return b
}

// next returns the batch for the next hour. It is valid until the one after.
func (b *batch) next() []byte {
	for i, at := range b.times {
		b.hour.Add(time.Duration(i/batchTypes)*time.Second).AppendFormat(b.request[at:at], timeLayout)
	}
	b.hour = b.hour.Add(time.Hour)
	return b.request
}
