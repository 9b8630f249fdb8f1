package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"maestro/secrets"
)

func (a *app) serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: "Runs the server until SIGINT or SIGTERM: it then finishes the requests under way and closes the data directory. A second\n" +
			"signal ends it at once; what was acknowledged is on disk in any case. SIGHUP reads the configuration again and takes over the\n" +
			"level of the log, the metrics token and the TLS certificate. Under systemd it tells when it is ready, gives signs of life, and takes a socket that was opened for it.\n\n" +
			"A setting comes from its flag, else from its variable (in brackets), else from the file that the variable with _FILE behind\n" +
			"it names, else from the configuration file (maestro.toml, .yaml or .json in the working directory, or --config).\n" +
			"MAESTRO_ADMIN_EMAIL and MAESTRO_ADMIN_PASSWORD_FILE make the first operator without a person.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.configFile(cmd)
			if err != nil {
				return err
			}
			settings, err := load(cmd.Context(), serveOptions, cmd.Flags(), a.lookup, file)
			if err != nil {
				return err
			}
			return a.serve(cmd, settings, file)
		},
	}
	addFlags(c.Flags(), serveOptions)
	c.Flags().String("config", "", "configuration file [MAESTRO_CONFIG]")
	return c
}

// Go's collector runs when the heap has grown by collectAt percent. What a server
// holds is some ten megabytes, so the usual 100 would run it dozens of times a
// second under load; the soft limit keeps a heap that is large anyway from
// growing fivefold. GOGC and GOMEMLIMIT, where they are set, are left to decide.
const (
	collectAt       = 400
	softMemoryLimit = 256 << 20 // bytes
)

func tuneCollector(lookup func(string) (string, bool)) {
	if _, set := lookup("GOGC"); !set {
		debug.SetGCPercent(collectAt)
	}
	if _, set := lookup("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(softMemoryLimit)
	}
}

// waitingForDisk is how many threads mostly wait for the disk inside a system call
// while writes are heavy: the writer's, and the one that copies its log into the
// database.
const waitingForDisk = 2

// spareProcessors lets requests run on all cores beside those threads. Go gives a
// thread's processor away only some time into its system call, and the writer,
// back from the disk, would queue for one behind the requests that it answered.
// The readers and the hashing of passwords are sized before; the workers that learn
// (package insight) are two more for it. GOMAXPROCS, where it is set, is left to
// decide. Go does not follow a changed CPU quota of the container any more.
func spareProcessors(lookup func(string) (string, bool)) {
	if text, _ := lookup("GOMAXPROCS"); text == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + waitingForDisk)
	}
}

func (a *app) serve(cmd *cobra.Command, settings ServeSettings, file layer) (err error) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // at once: unheard, it would end the program
	defer signal.Stop(hangups)
	tuneCollector(a.lookup)
	level := new(slog.LevelVar)
	level.Set(settings.LogLevel)
	log := newLog(a.err, settings.LogFormat, level)
	for _, warning := range unknownVariables(a.environment) {
		log.Warn(warning)
	}
	a.logSources(cmd, file, log)
	if absolute, err := filepath.Abs(settings.Data); err == nil {
		settings.Data = absolute
	}
	var sample *demo
	if settings.Demo {
		if sample, err = prepareDemo(&settings); err != nil {
			return err
		}
	}
	check, err := checkRevocations()
	if err != nil {
		return err
	}
	passed, err := passedListener(a.lookup)
	if err != nil {
		return err
	}
	above := newSupervisor(a.lookup)
	appliance := &Appliance{Settings: settings, Log: log, CheckRevocations: check, Listener: passed}
	defer func() { err = errors.Join(err, appliance.Close()) }()
	if err := appliance.Run(cmd.Context()); err != nil {
		return err
	}
	spareProcessors(a.lookup)
	if sample != nil {
		if err := sample.fill(cmd.Context(), a, appliance.URL()); err != nil {
			return err
		}
	}
	appliance.Describe(a.out)
	if sample != nil {
		if err := a.printDemo(appliance.URL(), sample.logins); err != nil {
			return err
		}
	}
	if settings.InsecureHTTP {
		log.Warn("no TLS: everybody on the way reads passwords and tokens", "listen", settings.Listen)
	}
	if err := above.tell("READY=1\nSTATUS=Serving " + appliance.URL()); err != nil {
		log.Warn("the supervisor was not told", "error", err)
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	go above.watch(ctx, appliance.Alive)
	go a.reloadOnHangup(ctx, cmd, appliance, level, hangups)
	err = appliance.Wait(cmd.Context())
	log.Info("stopping")
	_ = above.tell("STOPPING=1") // it is stopped in any case
	return err
}

// reloadOnHangup reads the configuration again at every SIGHUP and takes over what
// can change while the server runs: the level of the log, the token for the
// metrics, and what the files of the TLS certificate hold. Secrets are read from
// their sources again. What does not hold, or cannot be read, changes nothing.
func (a *app) reloadOnHangup(ctx context.Context, cmd *cobra.Command, appliance *Appliance, level *slog.LevelVar, hangups <-chan os.Signal) {
	log := appliance.Log
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		file, err := a.configFile(cmd)
		if err == nil {
			var settings ServeSettings
			if settings, err = load(cmd.Context(), serveOptions, cmd.Flags(), a.lookup, file); err == nil {
				level.Set(settings.LogLevel)
				if err := appliance.Reload(settings); err != nil {
					log.Error("the new TLS certificate cannot be served; the old one stays", "cause", err)
				}
				a.logSources(cmd, file, log)
				log.Log(ctx, max(slog.LevelInfo, settings.LogLevel), "read the configuration again", "log_level", settings.LogLevel)
				continue
			}
		}
		log.Error("the configuration was read again and does not hold: everything stays as it was", "error", err)
	}
}

// logSources says which secrets were read, and from where: who has read them is for
// the source's own records.
func (a *app) logSources(cmd *cobra.Command, file layer, log *slog.Logger) {
	texts, _ := resolve(serveOptions, cmd.Flags(), a.lookup, file) // which held a moment ago
	for _, o := range serveOptions {
		if text := texts[o.name].text; o.secret && secrets.IsReference(text) {
			log.Info("read a secret", "option", o.name, "from", text)
		}
	}
}

func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
