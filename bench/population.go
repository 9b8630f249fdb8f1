package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"maestro/bench/child"
	"maestro/bench/load"
	"maestro/tenancy"
)

// The first operator of every data directory, and everybody's password.
const (
	adminEmail    = "operator@example.com"
	adminPassword = "correct horse battery staple"
)

// provisioners is how many requests at once make tenants and log in: passwords are
// hashed, which is bound by the processor.
const provisioners = 4

// renewBefore is how long a token must still hold when a workload starts.
const renewBefore = 5 * time.Minute

// population is a seeded data directory and who lives in it.
type population struct {
	set     dataSet // scaled
	dir     string
	tenants []*tenant
	deep    *tenant // nil unless the set has one
	library *tenant
}

// tenant is one tenant with its admin's session and the ids of what it holds.
type tenant struct {
	session
	id        tenancy.ID
	slug      string
	email     string // of its admin
	users     int
	projects  []tenancy.ID
	artifacts []tenancy.ID

	predictions int
}

// everybody returns all tenants, the special ones included.
func (p *population) everybody() []*tenant {
	all := slices.Clone(p.tenants)
	for _, t := range []*tenant{p.deep, p.library} {
		if t != nil {
			all = append(all, t)
		}
	}
	return all
}

// newPopulation lays out a set: how many of what each tenant will hold.
func newPopulation(set dataSet, dir string) *population {
	p := &population{set: set, dir: dir}
	resident := func(slug string, users, projects, artifacts int) *tenant {
		return &tenant{
			slug: slug, email: slug + "@example.com", users: users,
			projects: make([]tenancy.ID, projects), artifacts: make([]tenancy.ID, artifacts),
		}
	}
	for i := range set.tenants {
		t := resident(fmt.Sprintf("tenant-%d", i), set.users, set.projects, set.artifacts)
		t.predictions = set.predictions
		p.tenants = append(p.tenants, t)
	}
	if set.deep > 0 {
		p.deep = resident("deep", 1, set.deep, 0)
	}
	if set.library > 0 {
		p.library = resident("library", 1, 0, set.library)
	}
	return p
}

// open starts the product on a data set, which is seeded when it is first asked for,
// and logs the tenants' admins in.
func (l *lab) open(ctx context.Context, set dataSet) (*child.Process, *population, error) {
	p, err := l.seeded(ctx, set)
	if err != nil {
		return nil, nil, err
	}
	server, _, err := l.serveMaestro(ctx, p.dir)
	if err != nil {
		return nil, nil, err
	}
	tenants := p.everybody()
	err = forEach(ctx, len(tenants), provisioners, func(i int) (err error) {
		t := tenants[i]
		if time.Until(t.expires) > renewBefore {
			return nil
		}
		conn := load.NewConn(server.Addr, callLimit)
		defer conn.Close()
		t.session, err = login(conn, t.email, adminPassword, t.slug)
		return err
	})
	if err != nil {
		return nil, nil, errors.Join(err, l.stop(server))
	}
	return server, p, nil
}

// seeded returns a data set, which is made when it is first asked for.
func (l *lab) seeded(ctx context.Context, set dataSet) (*population, error) {
	if p := l.sets[set.name]; p != nil {
		return p, nil
	}
	p, err := l.seed(ctx, set.scaled(l.scale))
	if err != nil {
		return nil, fmt.Errorf("seed the %s set: %w", set.name, err)
	}
	l.sets[set.name] = p
	return p, nil
}

// seed makes a data set: the tenants and their users through the running product, as
// an operator would, then the rows through the engine with the product stopped.
func (l *lab) seed(ctx context.Context, set dataSet) (*population, error) {
	p := newPopulation(set, filepath.Join(l.dir, set.name))
	l.say("seed the %s set: tenants", set.name)
	server, _, err := l.serveMaestro(ctx, p.dir, "MAESTRO_ADMIN_EMAIL="+adminEmail, "MAESTRO_ADMIN_PASSWORD="+adminPassword)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(provision(ctx, server.Addr, p.everybody()), l.stop(server)); err != nil {
		return nil, err
	}
	l.say("seed the %s set: rows", set.name)
	return p, l.fill(ctx, p)
}

// provision makes the tenants, with limits that the workloads do not reach, and their
// users. Users but the admin are invited: nobody logs in as them.
func provision(ctx context.Context, addr string, tenants []*tenant) error {
	conn := load.NewConn(addr, callLimit)
	defer conn.Close()
	operator, err := login(conn, adminEmail, adminPassword, "")
	if err != nil {
		return err
	}
	return forEach(ctx, len(tenants), provisioners, func(i int) error {
		conn := load.NewConn(addr, callLimit)
		defer conn.Close()
		t := tenants[i]
		const unlimited = 1 << 40
		var made struct {
			ID tenancy.ID `json:"id"`
		}
		err := call(conn, "POST", "/tenants", operator.token, map[string]any{
			"name": t.slug, "slug": t.slug, "max_users": unlimited, "max_projects": unlimited, "max_artifacts": unlimited,
			"admin": map[string]string{"email": t.email, "name": t.slug, "password": adminPassword},
		}, &made)
		if err != nil {
			return err
		}
		t.id = made.ID
		if t.users == 1 {
			return nil
		}
		if t.session, err = login(conn, t.email, adminPassword, t.slug); err != nil {
			return err
		}
		for n := 1; n < t.users; n++ {
			user := map[string]any{"email": fmt.Sprintf("user%d@%s.example.com", n, t.slug), "name": fmt.Sprintf("User %d", n), "roles": []string{"data_scientist"}}
			if err := call(conn, "POST", "/users", t.token, user, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// forEach calls f for 0..n-1, some at once, until one fails.
func forEach(ctx context.Context, n, atOnce int, f func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var working sync.WaitGroup
	for range min(n, atOnce) {
		working.Go(func() {
			for i := range numbers {
				if err := f(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	working.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
