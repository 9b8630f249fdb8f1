package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"maestro/storage"
)

// The outcomes of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is what one check found.
type finding struct {
	Group  string `json:"group"`
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"` // what to do about it
	Fixed  bool   `json:"fixed,omitempty"`  // and --fix did

	fix func() error // what --fix does; nil where a person must decide
}

// patient is an installation that is looked at.
type patient struct {
	dir        string
	settings   ServeSettings
	configured error // what is wrong with the configuration
	unread     []unread
	pid        int // of the process that has the directory; 0 when it cannot be told
	running    bool

	now       func() time.Time
	freeDisk  func(dir string) (int64, error)
	openFiles func() (limit uint64, err error)
	revoked   func(path string) error // looks for damage in the file of revocations
}

// examine runs every check. With fix it does what can be done, and looks again.
func examine(ctx context.Context, p *patient, fix bool) []finding {
	var all []finding
	for _, c := range checks {
		f := c.examine(ctx, p)
		if fix && f.Status != checkOK && f.fix != nil {
			if err := f.fix(); err != nil {
				f.Detail += "; it could not be mended: " + err.Error()
			} else {
				f = c.examine(ctx, p)
				f.Fixed = f.Status == checkOK
			}
		}
		f.Group, f.Check = c.group, c.name
		all = append(all, f)
	}
	return all
}

// diagnose examines the installation that a command's flags name.
func (a *app) diagnose(cmd *cobra.Command, fix bool) ([]finding, error) {
	p := &patient{now: time.Now, freeDisk: storage.FreeDisk, openFiles: openFileLimit}
	file, err := a.configFile(cmd)
	if err == nil {
		var problems []string
		p.settings, p.unread, problems = loadAll(cmd.Context(), serveOptions, cmd.Flags(), a.lookup, file)
		switch {
		case len(problems) > 0:
			err = &ConfigError{Problems: problems}
		case len(p.unread) == 0: // without one of them, the settings do not fit together
			err = p.settings.check()
		}
	}
	p.configured = err
	if p.settings.Data == "" {
		p.settings.Data = presetOf("data")
	}
	if p.dir, err = filepath.Abs(p.settings.Data); err != nil {
		return nil, err
	}
	if p.revoked, err = checkRevocations(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(p.dir, "lock")); err == nil { // a server ran here before
		var used *storage.LockedError
		switch lock, err := storage.LockDir(p.dir); {
		case errors.As(err, &used):
			p.running, p.pid = true, used.PID
		case err == nil:
			defer func() { _ = lock.Unlock() }() // nothing was written through it
		}
	}
	return examine(cmd.Context(), p, fix), nil
}

func presetOf(name string) string {
	return optionsNamed(name)[0].preset
}

func (a *app) doctorCommand() *cobra.Command {
	var fix, asJSON bool
	c := &cobra.Command{Use: "doctor", Short: "Look for what is, or may soon be, wrong with an installation", Args: cobra.NoArgs,
		Long: "Looks at the configuration and the data directory, whether a server runs or not. Ends with 1 when a check fails. It changes\n" +
			"nothing unless --fix, which mends the modes of files and removes what a crash left, and never touches data.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := a.diagnose(cmd, fix)
			if err != nil {
				return err
			}
			if asJSON {
				a.form = formJSON
			}
			if a.form == formTable {
				printFindings(a.out, findings)
			} else if err := printList(a.out, a.form, findingColumns, findings); err != nil {
				return err
			}
			failed := 0
			for _, f := range findings {
				if f.Status == checkFail {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d checks fail", failed)
			}
			return nil
		}}
	a.addServeFlags(c)
	c.Flags().BoolVar(&fix, "fix", false, "mend what can be mended without a decision")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, as -o json does")
	return c
}

var findingColumns = []column[finding]{
	{name: "group", value: func(f *finding) any { return f.Group }},
	{name: "check", value: func(f *finding) any { return f.Check }},
	{name: "status", value: func(f *finding) any { return f.Status }},
	{name: "detail", value: func(f *finding) any { return f.Detail }},
	{name: "advice", value: func(f *finding) any { return f.Advice }},
	{name: "fixed", value: func(f *finding) any { return f.Fixed }},
}

// printFindings draws the tree.
func printFindings(w io.Writer, findings []finding) {
	for i, f := range findings {
		if i == 0 || findings[i-1].Group != f.Group {
			fmt.Fprintln(w, f.Group)
		}
		branch := "├─"
		if i == len(findings)-1 || findings[i+1].Group != f.Group {
			branch = "└─"
		}
		text := visible(f.Detail)
		if f.Fixed {
			text += " (mended)"
		}
		fmt.Fprintf(w, "%s %-4s  %s: %s\n", branch, f.Status, f.Check, text)
		if f.Advice != "" && f.Status != checkOK {
			fmt.Fprintf(w, "          → %s\n", visible(f.Advice))
		}
	}
}
