// Command bench measures Maestro against its limits (bare gin, its own storage
// engine) and against its peer (PocketBase), and judges the numbers against the
// targets. See README.md for what each line means.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"maestro/bench/bare"
	"maestro/bench/peer"
	"maestro/bench/report"
)

// The hidden commands that make this program one of the servers under test.
const (
	serveBare = "serve-bare" // ADDR DIR
	servePeer = "serve-peer" // ADDR DIR TENANTS PROJECTS LOG
)

func init() {
	// The children die with the thread that started them; the main goroutine starts
	// them all, on the main thread, which lives as long as the program.
	runtime.LockOSThread()
}

func main() {
	if err := serveAsChild(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	options, err := parseFlags(os.Args[1:])
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, options.timeout)
	defer cancel()
	debug.SetGCPercent(400) // the generator's collector should not compete with the server
	if err := run(ctx, options); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// serveAsChild serves and never returns when the arguments ask for a hidden command,
// but for an error.
func serveAsChild(args []string) error {
	switch {
	case len(args) == 3 && args[0] == serveBare:
		return bare.Serve(args[1], args[2])
	case len(args) == 6 && args[0] == servePeer:
		tenants, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		projects, err := strconv.Atoi(args[4])
		if err != nil {
			return err
		}
		log, err := strconv.ParseBool(args[5])
		if err != nil {
			return err
		}
		return peer.Serve(args[1], args[2], tenants, projects, log)
	}
	return nil
}

// options are what the flags say.
type options struct {
	run     *regexp.Regexp // workloads
	seconds time.Duration  // of one leg in one round
	rounds  int
	scale   float64 // of the data, 0..1
	peer    bool
	out     string // file for the JSON, or empty
	source  string // the directory of the product's module
	timeout time.Duration
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	pattern := flags.String("run", "", "run only the workloads whose name matches this `regexp`")
	seconds := flags.Float64("seconds", 3, "length of one leg in one round, in seconds")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of a workload: its legs take turns, A B A B")
	flags.Float64Var(&o.scale, "scale", 1, "share of the data to seed, above 0 and up to 1; below 1 the verdicts are not the targets'")
	flags.BoolVar(&o.peer, "peer", true, "compare with PocketBase")
	flags.StringVar(&o.out, "o", "", "write the measurements as JSON to this `file`")
	flags.StringVar(&o.source, "source", "..", "`directory` of the product's source")
	flags.DurationVar(&o.timeout, "timeout", 20*time.Minute, "give up after this long")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	o.run, err = regexp.Compile(*pattern)
	o.seconds = time.Duration(*seconds * float64(time.Second))
	switch {
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.seconds <= 0 || o.rounds < 1:
		err = fmt.Errorf("-seconds and -rounds must be above 0")
	case o.scale <= 0 || o.scale > 1:
		err = fmt.Errorf("-scale must be above 0 and at most 1")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return o, err
}

// workload is one thing that is measured. Its name is what -run matches.
type workload struct {
	name    string
	measure func(context.Context, *lab) ([]report.Line, error)
}

// workloads run in this order: those that only read come before those that write
// into the same data.
var workloads = []workload{
	{"footprint", footprint},
	{"authenticate", authenticate},
	{"view", view},
	{"list", list},
	{"depth", depth},
	{"search", search},
	{"create", create},
	{"metrics", metrics},
	{"peer", againstPeer},
	{"noisy", noisy},
	{"mixed", mixed},
}

// run builds, measures and prints. A workload that could not be measured makes it an
// error; a missed target does not.
func run(ctx context.Context, o options) (err error) {
	lab, err := openLab(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.close()) }()
	lab.say("build")
	if lab.maestro, err = build(ctx, lab.source, lab.dir); err != nil {
		return err
	}
	if err := lab.measure(ctx); err != nil {
		return err
	}
	if err := lab.publish(os.Stdout); err != nil {
		return err
	}
	if lab.report.Failed() {
		return errors.New("some workloads could not be measured")
	}
	return nil
}

// measure runs the workloads that were asked for. One that fails does not stop the
// others.
func (l *lab) measure(ctx context.Context) error {
	for _, w := range workloads {
		if !l.run.MatchString(w.name) {
			continue
		}
		l.say("%s", w.name)
		lines, err := w.measure(ctx, l)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", w.name, context.Cause(ctx))
		}
		if err != nil {
			lines = append(lines, report.Fail("", err))
		}
		for _, line := range lines {
			line.Workload = w.name
			l.report.Lines = append(l.report.Lines, line.Judge())
		}
	}
	return nil
}
