package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"maestro/client"
)

// version is set by the linker: make build.
var version string

// Version returns the program's version, as the build or the module says.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// Main runs the program with the arguments, streams and signals of the process
// and returns its exit code. The first SIGINT or SIGTERM asks it to end; the
// second ends it.
func Main() int {
	ctx, stop := untilSignal()
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv, environment: os.Environ()}
	return a.run(ctx, os.Args[1:])
}

// untilSignal returns a context that ends at the first SIGINT or SIGTERM, which is its
// cause, or with stop. Once it has ended the next signal has its own effect again:
// with signal.NotifyContext one that came at once was lost.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, end := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case came := <-signals:
			signal.Stop(signals)
			end(fmt.Errorf("%v signal received: %w", came, context.Canceled))
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() { end(nil) }
}

// app is one run of the program.
type app struct {
	in          *os.File
	out         io.Writer
	err         *os.File
	lookup      func(string) (string, bool) // in the environment
	environment []string

	form    string // of the data on out
	started bool   // a command was found, and its arguments fit
}

// run runs a command and says on err what went wrong.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		err = &usageError{err}
	}
	code := exitCode(err)
	if err != nil {
		fmt.Fprintln(a.err, "maestro: "+visibleLines(err.Error()))
		if code == exitUsage {
			fmt.Fprintln(a.err, "See maestro --help.")
		}
	}
	return code
}

// visibleLines is visible, but keeps line ends.
func visibleLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "maestro",
		Short: "The ML platform server that fits in one file",
		Long: "Maestro keeps the record of a team's ML projects, its library of reusable artifacts, and its process metrics.\n" +
			"maestro serve starts the server; the other commands speak to a running one.\n\n" +
			"Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 authentication, 5 conflict, 6 limit, 7 network;\n" +
			"audit verify: 65 broken trail; serve: 75 data directory in use, 76 database of a newer version, 78 bad configuration.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.begin(cmd) },
		Args:              cobra.ArbitraryArgs,
		RunE:              a.help,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.AddGroup(&cobra.Group{ID: "server", Title: "Server:"}, &cobra.Group{ID: "session", Title: "Session:"},
		&cobra.Group{ID: "data", Title: "Data:"}, &cobra.Group{ID: "other", Title: "Other:"})
	root.PersistentFlags().StringVarP(&a.form, "output", "o", formTable, "form of the data on standard output: "+strings.Join(forms, ", "))
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("server", a.serveCommand(), a.backupCommand(), a.restoreCommand(), a.exportCommand(), a.migrateCommand(), a.configCommand(), a.doctorCommand(), a.supportCommand(), a.adminCommand(), a.keysCommand(), a.certCommand(), a.healthCommand(), a.demoCommand(), a.checkRevocationsCommand())
	add("session", a.loginCommand(), a.logoutCommand(), a.whoamiCommand())
	add("data", a.projectCommand(), a.memberCommand(), a.artifactCommand(), a.metricCommand(), a.importCommand(), a.collectCommand(), a.hookCommand(), a.predictCommand(), a.recommendCommand(), a.similarCommand(),
		a.tenantCommand(), a.userCommand(), a.tokenCommand(), a.auditCommand())
	add("other", a.docsCommand(), a.manCommand())
	add("other", a.versionCommand())
	return root
}

// begin runs once the command and its arguments are known to fit.
func (a *app) begin(cmd *cobra.Command) error {
	if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
		return err
	}
	if !slices.Contains(forms, a.form) {
		return fmt.Errorf("--output must be one of %s", strings.Join(forms, ", "))
	}
	a.started = true
	return nil
}

// help is what a command does that only groups others.
func (a *app) help(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return usage(text)
	}
	return cmd.Help()
}

// group is a command that only groups others.
func (a *app) group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: a.help}
	c.AddCommand(commands...)
	return c
}

// remote gives a command that speaks to a server the flags for that.
func remote(c *cobra.Command) *cobra.Command {
	addFlags(c.PersistentFlags(), clientOptions)
	return c
}

// clientSettings reads what flags and environment say of the server. What is
// wrong there is wrong use of the command.
func (a *app) clientSettings(cmd *cobra.Command) (clientSettings, error) {
	settings, err := load(cmd.Context(), clientOptions, cmd.Flags(), a.lookup, layer{})
	var failure *ConfigError
	if err != nil && !(errors.As(err, &failure) && failure.Later) {
		err = &usageError{err}
	}
	return settings, err
}

// connect returns a client of the server that the flags, the environment or the
// last login name.
func (a *app) connect(cmd *cobra.Command) (*client.Client, error) {
	settings, err := a.clientSettings(cmd)
	if err != nil {
		return nil, err
	}
	dir, err := findProfileDir()
	if err != nil {
		return nil, err
	}
	options := client.Options{URL: settings.url, UserAgent: "maestro/" + Version()}
	roots := settings.roots
	if settings.token != "" {
		options.Credential = client.Token(settings.token)
	}
	if options.URL == "" || options.Credential == nil || roots == "" {
		p, err := dir.read()
		if err != nil {
			return nil, err
		}
		if p != nil && options.URL == "" {
			options.URL = p.URL
		}
		// A session's tokens go to the server that gave them and to no other.
		if p != nil && options.Credential == nil && options.URL == p.URL {
			options.Credential = &session{dir: dir, url: p.URL}
		}
		if p != nil && roots == "" && options.URL == p.URL {
			roots = p.Roots
		}
	}
	if options.URL == "" {
		options.URL = defaultURL
	}
	if options.Roots, err = rootsOf(roots); err != nil {
		return nil, err
	}
	c, err := client.New(options)
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// note tells a person something on standard error.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, visibleLines(fmt.Sprintf(format, args...)))
}
