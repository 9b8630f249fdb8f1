// Command fill puts one large tenant into the data directory of a stopped server:
// what the web UI's bars are measured on (make bars). It works on the first tenant
// that it finds, raises its limits, and goes on where an earlier run stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"maestro/registry"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking"
)

// writers is how many commits are asked for at once: what they wait for is the disk.
const writers = 64

// size says how much is filled in.
type size struct{ projects, artifacts, curves, steps int }

func main() {
	dir := flag.String("data", "", "the data directory")
	var s size
	flag.IntVar(&s.projects, "projects", 100_000, "projects")
	flag.IntVar(&s.artifacts, "artifacts", 500_000, "artifacts")
	flag.IntVar(&s.curves, "curves", 50, "projects with a metric of -steps points; they are named Curve 1 and so on")
	flag.IntVar(&s.steps, "steps", 10_000, "points of each")
	flag.Parse()
	if err := fill(context.Background(), *dir, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fill(ctx context.Context, dir string, s size) (err error) {
	lock, err := storage.LockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	store, err := storage.Open(ctx, storage.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	tenants, err := store.Tenants(ctx, storage.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(tenants.Items) == 0 {
		return errors.New("no tenant: set the installation up first")
	}
	t, err := store.UpdateTenant(ctx, tenants.Items[0].ID, nil, func(f *tenancy.TenantFields) error {
		f.MaxProjects, f.MaxArtifacts = int64(2*s.projects), int64(2*s.artifacts)
		return nil
	})
	if err != nil {
		return err
	}
	tenant := store.Tenant(tenancy.Issue(t.ID, tenancy.Actor{}))

	start := time.Now()
	err = each(int(t.Use.Projects)-s.curves, s.projects-s.curves, func(i int) error {
		_, _, err := tenant.CreateProject(ctx, project(i), storage.Idempotency{})
		return err
	})
	if err != nil {
		return fmt.Errorf("projects: %w", err)
	}
	fmt.Printf("%d projects after %v\n", s.projects, time.Since(start).Round(time.Second))
	err = each(int(t.Use.Artifacts), s.artifacts, func(i int) error {
		_, _, err := tenant.CreateArtifact(ctx, artifact(i), storage.Idempotency{})
		return err
	})
	if err != nil {
		return fmt.Errorf("artifacts: %w", err)
	}
	fmt.Printf("%d artifacts after %v\n", s.artifacts, time.Since(start).Round(time.Second))
	if t.Use.Projects > 0 {
		return nil // the curves are there
	}
	for n := range s.curves {
		p, _, err := tenant.CreateProject(ctx, tracking.ProjectFields{Name: fmt.Sprintf("Curve %d", n+1), Status: tracking.Active}, storage.Idempotency{})
		if err != nil {
			return err
		}
		for first := 0; first < s.steps; first += 5000 {
			if _, err := tenant.AddPoints(ctx, curve(p.ID, n, first, min(first+5000, s.steps)), storage.Idempotency{}); err != nil {
				return fmt.Errorf("metrics: %w", err)
			}
		}
	}
	fmt.Printf("%d curves after %v\n", s.curves, time.Since(start).Round(time.Second))
	return nil
}

// each calls do with from … to-1, of which some run at once.
func each(from, to int, do func(int) error) error {
	var next atomic.Int64
	next.Store(int64(max(0, from)))
	var wg sync.WaitGroup
	failed := make([]error, writers)
	for w := range writers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(to) && failed[w] == nil; i = next.Add(1) - 1 {
				failed[w] = do(int(i))
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

var (
	classes = []string{"classification", "regression", "nlp", "forecasting", "recommendation", "vision", "clustering"}
	things  = []string{"Churn", "Demand", "Fraud", "Routing", "Pricing", "Wear", "Clauses", "Yield", "Intent", "Outage", "Basket", "Shelf", "Claims"}
	places  = []string{"Europe", "North", "retail", "pilot", "mobile", "Nordics", "wholesale", "APAC", "night shift", "line 4", "rework"}
)

func project(i int) tracking.ProjectFields {
	complexity, team, model := float64(1+i%100), int64(1+i%12), float64((i*7919)%1000)/1000
	return tracking.ProjectFields{
		Name: fmt.Sprintf("%s %s %d", things[i%len(things)], places[i%len(places)], i), Description: "From the first look at the data to something that people use every day.",
		ProblemClass: &classes[i%len(classes)], Status: []tracking.Status{tracking.Planned, tracking.Active, tracking.Active, tracking.Abandoned}[i%4],
		ComplexityScore: &complexity, TeamSize: &team, ModelPerformance: &model,
	}
}

func artifact(i int) registry.ArtifactFields {
	return registry.ArtifactFields{
		Name: fmt.Sprintf("%s_%s", things[i%len(things)], places[(i/3)%len(places)]), Type: registry.ArtifactTypes[i%len(registry.ArtifactTypes)],
		Version: fmt.Sprintf("1.%d.0", i), Description: "Made by one project for the next.", Tags: []string{classes[i%len(classes)], places[i%len(places)]}, IsActive: true,
	}
}

// curve returns steps of a loss that falls, no two alike.
func curve(project tenancy.ID, n, from, to int) []tracking.Point {
	points := make([]tracking.Point, 0, to-from)
	start := time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC)
	for i := from; i < to; i++ {
		at := tenancy.TimeOf(start.Add(time.Duration(i) * time.Second * time.Duration(1+n%3)))
		value := 0.1 + 0.01*float64(n) + 2*math.Exp(-float64(i)/float64(800+40*n)) + 0.05*math.Sin(float64(i*(n+3))/7)
		points = append(points, tracking.Point{ProjectID: project, MetricType: "train/loss", MetricValue: value, Timestamp: &at})
	}
	return points
}
