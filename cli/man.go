package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{Use: "man [COMMAND]...", Short: "Print the manual page of the program, or of a command", Args: cobra.ArbitraryArgs,
		Long:              "Prints a page for man(1): without a command, one that has all of them.",
		Example:           "  maestro man | man -l -\n  maestro man backup | man -l -\n  maestro man > /usr/share/man/man1/maestro.1",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage(fmt.Sprintf("there is no command %q", strings.Join(args, " ")))
			}
			return writeManual(a.out, c, c == root)
		}}
}

// writeManual writes the page of a command, in the macros of man(7), and all that
// it groups where asked.
func writeManual(w io.Writer, c *cobra.Command, all bool) error {
	p := &page{}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	p.macro("TH", strings.ToUpper(name), "1", "", "Maestro "+Version(), "Maestro Manual")
	p.macro("SH", "NAME")
	p.text(name + " - " + c.Short)
	p.macro("SH", "SYNOPSIS")
	p.macro("B", c.UseLine())
	p.macro("SH", "DESCRIPTION")
	p.text(description(c))
	p.options("OPTIONS", c.NonInheritedFlags())
	p.options("OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	p.example(c)
	if subcommands := shown(c); len(subcommands) > 0 {
		p.macro("SH", "COMMANDS")
		for _, sub := range subcommands {
			p.command(sub, all)
		}
	}
	if p.macro("SH", "SEE ALSO"); c.HasParent() {
		p.text(strings.ReplaceAll(c.Parent().CommandPath(), " ", "-") + "(1), and the manual: maestro docs")
	} else {
		p.text("The manual is in the program: maestro docs")
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// command writes what belongs to a command on the page of another; with everything,
// its options and all that it groups as well.
func (p *page) command(c *cobra.Command, everything bool) {
	if !everything {
		p.macro("TP")
		p.macro("B", c.CommandPath())
		p.text(c.Short)
		return
	}
	p.macro("SS", strings.TrimPrefix(c.UseLine(), c.Root().Name()+" "))
	p.text(description(c))
	p.flags(c.NonInheritedFlags())
	p.example(c)
	for _, sub := range shown(c) {
		p.command(sub, true)
	}
}

func description(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

// shown lists what a command groups, without what people do not call.
func shown(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool { return sub.Hidden || sub.Name() == "help" })
}

// page is a text in roff, as the macros of man(7) make one.
type page struct{ strings.Builder }

// roff writes a text so that it means itself.
var roff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`)

// macro begins a line with a macro. An argument may have spaces.
func (p *page) macro(name string, arguments ...string) {
	p.WriteString("." + name)
	for _, argument := range arguments {
		fmt.Fprintf(p, ` "%s"`, strings.ReplaceAll(roff.Replace(argument), `"`, `\(dq`))
	}
	p.WriteByte('\n')
}

// text writes paragraphs. No line of it is a macro.
func (p *page) text(text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line == "" {
			p.macro("PP")
			continue
		}
		p.line(line)
	}
}

func (p *page) line(text string) {
	if strings.HasPrefix(text, ".") {
		p.WriteString(`\&`)
	}
	p.WriteString(roff.Replace(text) + "\n")
}

func (p *page) options(title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		p.macro("SH", title)
		p.flags(flags)
	}
}

func (p *page) flags(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		unit, help := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		p.macro("TP")
		p.macro("B", strings.TrimSpace(name+" "+unit))
		p.line(help)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0s" && f.DefValue != "0" {
			p.line("Default: " + f.DefValue)
		}
	})
}

func (p *page) example(c *cobra.Command) {
	if c.Example == "" {
		return
	}
	p.macro("PP")
	p.macro("EX")
	for line := range strings.SplitSeq(c.Example, "\n") {
		p.line(line)
	}
	p.macro("EE")
}
