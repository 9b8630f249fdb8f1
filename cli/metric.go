package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/tenancy"
	"maestro/tracking"
)

var pointColumns = []column[client.Point]{
	{name: "timestamp", value: func(p *client.Point) any { return instantOf(p.Timestamp) }},
	{name: "metric_type", value: func(p *client.Point) any { return p.MetricType }},
	{name: "metric_value", value: func(p *client.Point) any { return p.MetricValue }},
	{name: "metadata", value: func(p *client.Point) any { return p.Metadata }, extra: true},
}

func (a *app) metricCommand() *cobra.Command {
	return remote(a.group("metric", "Record and show process metrics", a.metricAdd(), a.metricImport(), a.metricShow()))
}

func (a *app) metricAdd() *cobra.Command {
	var at string
	c := a.onProject("add PROJECT TYPE VALUE", "Record one measurement", cobra.ExactArgs(3), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		value, err := strconv.ParseFloat(args[1], 64)
		if err != nil || value-value != 0 {
			return usage("VALUE must be a number")
		}
		point := client.Point{ProjectID: p.ID, MetricType: args[0], MetricValue: value}
		if at != "" {
			point.Timestamp = &at
		}
		stored, err := c.RecordMetric(cmd.Context(), client.RecordMetricParams{}, point)
		if err != nil {
			return err
		}
		return printOne(a.out, a.form, pointColumns, stored)
	})
	c.Flags().StringVar(&at, "at", "", "when it was measured (default now)")
	return c
}

func (a *app) metricImport() *cobra.Command {
	c := a.onProject("import PROJECT FILE", "Record the measurements of a file", cobra.ExactArgs(2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		var points []client.Point
		if filepath.Ext(args[0]) == ".csv" {
			points, err = readPointsCSV(file)
		} else {
			points, err = readPointsNDJSON(file)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		for i := range points {
			points[i].ProjectID = p.ID
		}
		if err := postPoints(cmd.Context(), c, points); err != nil {
			return err
		}
		a.note("Recorded %d points.", len(points))
		return nil
	})
	c.Long = "Records the measurements of a file, .csv with a header, otherwise one JSON object a line. Its columns or members are\n" +
		"metric_type, metric_value, timestamp (default now) and, in JSON, metadata. The whole file is read before anything is sent;\n" +
		"10 000 points at a time are then recorded all or not at all."
	return c
}

// maxLineBytes bounds a line of NDJSON: the metadata's limit with room.
const maxLineBytes = 64 << 10

func readPointsNDJSON(r io.Reader) (points []client.Point, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		var p client.Point
		if err := decoder.Decode(&p); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		points = append(points, p)
	}
	return points, lines.Err()
}

func readPointsCSV(r io.Reader) (points []client.Point, err error) {
	table := csv.NewReader(r)
	header, err := table.Read()
	if err != nil {
		return nil, err
	}
	for _, name := range header {
		if name != "metric_type" && name != "metric_value" && name != "timestamp" {
			return nil, fmt.Errorf("line 1: column %s is none of metric_type, metric_value, timestamp", name)
		}
	}
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			return points, nil
		}
		if err != nil {
			return nil, err // names the line
		}
		line, _ := table.FieldPos(0)
		var p client.Point
		for i, text := range row {
			switch header[i] {
			case "metric_type":
				p.MetricType = text
			case "metric_value":
				if p.MetricValue, err = strconv.ParseFloat(text, 64); err != nil || p.MetricValue-p.MetricValue != 0 {
					return nil, fmt.Errorf("line %d: metric_value must be a number", line)
				}
			case "timestamp":
				if text != "" {
					p.Timestamp = &text
				}
			}
		}
		points = append(points, p)
	}
}

// postPoints records points, as many at once as the server takes.
func postPoints(ctx context.Context, c *client.Client, points []client.Point) error {
	for start := 0; start < len(points); start += tracking.MaxBatchPoints {
		var lines bytes.Buffer
		encoder := json.NewEncoder(&lines)
		for _, p := range points[start:min(start+tracking.MaxBatchPoints, len(points))] {
			if err := encoder.Encode(p); err != nil {
				return err
			}
		}
		if _, err := c.RecordMetrics(ctx, client.RecordMetricsParams{}, "application/x-ndjson", bytes.NewReader(lines.Bytes())); err != nil {
			return fmt.Errorf("points from number %d on: %w", start+1, err)
		}
	}
	return nil
}

var summaryColumns = []column[client.MetricSummary]{
	{name: "metric_type", value: func(s *client.MetricSummary) any { return s.MetricType }},
	{name: "count", value: func(s *client.MetricSummary) any { return s.Count }},
	{name: "min", value: func(s *client.MetricSummary) any { return s.Min }},
	{name: "mean", value: func(s *client.MetricSummary) any { return s.Mean }},
	{name: "max", value: func(s *client.MetricSummary) any { return s.Max }},
	{name: "latest", value: func(s *client.MetricSummary) any { return s.Latest }},
	{name: "last_time", value: func(s *client.MetricSummary) any { return instant(s.LastTime) }},
}

func (a *app) metricShow() *cobra.Command {
	var params client.ListMetricsParams
	var limit int
	c := a.onProject("show PROJECT [TYPE]", "Summarise a project's metrics, or show the points of one type", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		if len(args) == 0 {
			summaries, err := collect(c.AllSummarizeMetrics(cmd.Context(), p.ID, client.SummarizeMetricsParams{Limit: pageSize}), limit)
			if err != nil {
				return err
			}
			return printList(a.out, a.form, summaryColumns, summaries)
		}
		params.MetricType, params.Limit = args[0], pageSize
		points, err := collect(c.AllMetrics(cmd.Context(), p.ID, params), limit)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, pointColumns, points)
	})
	c.Flags().StringVar(&params.From, "from", "", "only at this time or later")
	c.Flags().StringVar(&params.Until, "until", "", "only before this time")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many (default all)")
	return c
}

// parseInstant reads a time or a date; the zero time for "".
func parseInstant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := tenancy.ParseTime(text)
	return t.Std(), err
}

// timestamp is a time as the API takes it.
func timestamp(t time.Time) *string {
	text := t.UTC().Format(time.RFC3339Nano)
	return &text
}
