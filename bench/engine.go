package main

import (
	"context"
	"errors"
	"fmt"

	"maestro/bench/load"
	"maestro/storage"
	"maestro/tenancy"
	"maestro/tracking"
)

// This file is the only one that knows the product's storage engine. It is used to
// seed more rows than HTTP could in a bearable time, and as the limit of a durable
// create.

// seeders is how many writes the seeding keeps in flight, for the engine to group.
const seeders = 256

// fillEngine writes the population's rows into its data directory, which no server
// may have open, and notes their ids.
func fillEngine(ctx context.Context, p *population) (err error) {
	store, err := storage.Open(ctx, storage.Options{Dir: p.dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return errors.Join(fillProjects(ctx, store, p.everybody()), fillArtifacts(ctx, store, p.everybody()), fillPredictions(ctx, store, p.everybody()))
}

// runLength is how many rows of one tenant are seeded before the next tenant's turn. Tenants
// so come to lie side by side in the file, as in life; turns of single rows would do
// that too, but each commit would then touch every tenant's pages: 4 600 rows a second
// instead of 16 000.
const runLength = 500

// fillProjects writes the tenants' projects, tenant after tenant a run of them, again
// and again.
func fillProjects(ctx context.Context, store *storage.Store, tenants []*tenant) error {
	return inRuns(ctx, tenants, func(t *tenant) int { return len(t.projects) }, func(t *tenant, n int) error {
		fields := project(n)
		if t.predictions > 0 && n%completedEvery == 0 {
			fields = completed(n)
		}
		made, _, err := store.Tenant(systemScope(t.id)).CreateProject(ctx, fields, storage.Idempotency{})
		t.projects[n] = made.ID
		return err
	})
}

// fillPredictions writes the tenants' predictions likewise, each of a model that
// learned from the tenant's completed projects.
func fillPredictions(ctx context.Context, store *storage.Store, tenants []*tenant) error {
	return inRuns(ctx, tenants, func(t *tenant) int { return t.predictions }, func(t *tenant, n int) error {
		_, _, err := store.Tenant(systemScope(t.id)).Predict(ctx, planned(n), storage.Idempotency{})
		return err
	})
}

// fillArtifacts writes the tenants' artifacts likewise.
func fillArtifacts(ctx context.Context, store *storage.Store, tenants []*tenant) error {
	return inRuns(ctx, tenants, func(t *tenant) int { return len(t.artifacts) }, func(t *tenant, n int) error {
		made, _, err := store.Tenant(systemScope(t.id)).CreateArtifact(ctx, artifact(n), storage.Idempotency{})
		t.artifacts[n] = made.ID
		return err
	})
}

// inRuns calls write for each of the rows that each tenant is to have.
func inRuns(ctx context.Context, tenants []*tenant, rows func(*tenant) int, write func(t *tenant, n int) error) error {
	type place struct {
		tenant *tenant
		n      int
	}
	var order []place
	for from, more := 0, true; more; from += runLength {
		more = false
		for _, t := range tenants {
			for n := from; n < min(from+runLength, rows(t)); n++ {
				order = append(order, place{t, n})
			}
			more = more || from+runLength < rows(t)
		}
	}
	return forEach(ctx, len(order), seeders, func(i int) error { return write(order[i].tenant, order[i].n) })
}

func systemScope(tenant tenancy.ID) tenancy.Scope {
	return tenancy.Issue(tenant, tenancy.Actor{Kind: tenancy.ActorSystem})
}

// engine is the storage engine in this process, with a data directory of its own.
type engine struct {
	store   *storage.Store
	tenants []*tenant
}

// openEngine seeds a new data directory with a set's tenants and projects.
func openEngine(ctx context.Context, dir string, set dataSet) (*engine, error) {
	store, err := storage.Open(ctx, storage.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	e := &engine{store: store, tenants: newPopulation(set, dir).tenants}
	for _, t := range e.tenants {
		fields := tenancy.NewTenantFields(t.slug, t.slug)
		fields.MaxProjects = 1 << 40
		made, err := store.CreateTenant(ctx, fields, nil)
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		t.id = made.ID
	}
	if err := fillProjects(ctx, store, e.tenants); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return e, nil
}

func (e *engine) close() error { return e.store.Close() }

// creator returns a client that creates projects, tenant after tenant, each durable
// before the next.
func (e *engine) creator(ctx context.Context) func(client int) (load.Op, func()) {
	return func(client int) (load.Op, func()) {
		turn := client
		return func() error {
			t := e.tenants[turn%len(e.tenants)]
			turn++
			_, _, err := e.store.Tenant(systemScope(t.id)).CreateProject(ctx, newProject(), storage.Idempotency{})
			return err
		}, func() {}
	}
}

// newProject returns a project whose name no other has.
func newProject() tracking.ProjectFields {
	return createdProject(created.Add(1))
}

// createdProject returns the n-th project that the workloads create.
func createdProject(n int64) tracking.ProjectFields {
	fields := project(int(n))
	fields.Name = fmt.Sprint(createdName, n)
	return fields
}
