package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"maestro/bench/bare"
	"maestro/bench/child"
	"maestro/bench/peer"
	"maestro/bench/report"
)

// lab is what the workloads share: the options, a temporary directory, the built
// product, the data seeded so far, the servers that run, and the report.
type lab struct {
	options
	dir     string // temporary; on the disk of the source, since /tmp may be memory
	self    string // this program, to start children of
	maestro string // the built product
	sets    map[string]*population
	running []*child.Process
	started int                                      // servers so far: numbers their logs
	fill    func(context.Context, *population) error // writes a population's rows
	report  report.Report
}

// openLab makes the temporary directory and notes what the machine is. The product
// is still to be built.
func openLab(o options) (*lab, error) {
	l := &lab{options: o, sets: map[string]*population{}, fill: fillEngine}
	l.report.Started = time.Now().UTC()
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if l.source, err = filepath.Abs(o.source); err != nil {
		return nil, err
	}
	parent := filepath.Join(l.source, "bin")
	if err := os.Mkdir(parent, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if l.dir, err = os.MkdirTemp(parent, "bench-"); err != nil {
		return nil, err
	}
	syncTime, err := measureSync(l.dir)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.report.Setup = map[string]string{
		"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "cores": strconv.Itoa(runtime.NumCPU()),
		"seconds": l.seconds.String(), "rounds": strconv.Itoa(l.rounds), "scale": fmt.Sprint(l.scale), "fdatasync": syncTime.String(),
	}
	return l, nil
}

// build builds the product as a release is built and returns the binary's path.
func build(ctx context.Context, source, dir string) (string, error) {
	path := filepath.Join(dir, "maestro")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "nomsgpack", "-o", path, ".")
	command.Dir = source
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the product: %w\n%s", err, output)
	}
	return path, nil
}

// close ends every server that runs and removes the temporary directory.
func (l *lab) close() error {
	var errs []error
	for _, p := range slices.Clone(l.running) {
		errs = append(errs, l.stop(p))
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// stopping ends a server at the end of a workload, and adds an error of that to err.
func (l *lab) stopping(p *child.Process, err *error) { *err = errors.Join(*err, l.stop(p)) }

// stop ends a server.
func (l *lab) stop(p *child.Process) error {
	l.running = slices.DeleteFunc(l.running, func(running *child.Process) bool { return running == p })
	return p.Stop()
}

// serve starts a server on a free address and returns how long it took to be ready.
func (l *lab) serve(ctx context.Context, c child.Command) (*child.Process, time.Duration, error) {
	l.started++
	c.LogFile = filepath.Join(l.dir, fmt.Sprintf("%02d.log", l.started))
	p, took, err := child.Start(ctx, c)
	if err == nil {
		l.running = append(l.running, p)
	}
	return p, took, err
}

// serveMaestro starts the product on a data directory.
func (l *lab) serveMaestro(ctx context.Context, data string, env ...string) (*child.Process, time.Duration, error) {
	addr, err := child.FreeAddr()
	if err != nil {
		return nil, 0, err
	}
	env = append(env, "MAESTRO_RATE_ADDRESS=0", "MAESTRO_RATE_CREDENTIAL=0", "MAESTRO_RATE_TENANT=0") // the load is to reach the server
	return l.serve(ctx, child.Command{
		Name: "maestro", Path: l.maestro, Args: []string{"serve", "--data", data, "--listen", addr}, Env: env, Addr: addr, Ready: "/readyz",
	})
}

// serveBare starts bare gin on the bodies that the product answered with.
func (l *lab) serveBare(ctx context.Context, project, list []byte) (*child.Process, error) {
	dir, err := os.MkdirTemp(l.dir, "bare-")
	if err != nil {
		return nil, err
	}
	if err := bare.Prepare(dir, project, list); err != nil {
		return nil, err
	}
	addr, err := child.FreeAddr()
	if err != nil {
		return nil, err
	}
	p, _, err := l.serve(ctx, child.Command{Name: "bare gin", Path: l.self, Args: []string{serveBare, addr, dir}, Addr: addr, Ready: "/readyz"})
	return p, err
}

// servePeer starts PocketBase on data of its own, of the size of a set, with its log
// of requests or without.
func (l *lab) servePeer(ctx context.Context, set dataSet, log bool) (*child.Process, *peer.Population, error) {
	dir, err := os.MkdirTemp(l.dir, "peer-")
	if err != nil {
		return nil, nil, err
	}
	addr, err := child.FreeAddr()
	if err != nil {
		return nil, nil, err
	}
	p, _, err := l.serve(ctx, child.Command{
		Name: "pocketbase", Path: l.self, Args: []string{servePeer, addr, dir, strconv.Itoa(set.tenants), strconv.Itoa(set.projects), strconv.FormatBool(log)},
		Addr: addr, Ready: peer.ReadyPath,
	})
	if err != nil {
		return nil, nil, err
	}
	population, err := peer.ReadPopulation(dir)
	return p, population, err
}

// say tells a person who waits what happens.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(l.report.Started).Seconds(), fmt.Sprintf(format, args...))
}

// publish prints the report and writes its JSON where the options say.
func (l *lab) publish(w io.Writer) error {
	l.report.Elapsed = time.Since(l.report.Started).Seconds()
	if err := l.report.WriteTable(w); err != nil {
		return err
	}
	if l.out == "" {
		return nil
	}
	file, err := os.Create(l.out)
	if err != nil {
		return err
	}
	return errors.Join(l.report.WriteJSON(file), file.Close())
}
