package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"maestro/secrets"
)

// effective is an option with the value that it has, and why.
type effective struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// redacted stands for a secret that is set.
const redacted = "(set)"

// effectiveSettings returns the value of every option of a server. Secrets are not
// among what it shows, unless they are asked for; a reference is none, and is not
// followed.
func (a *app) effectiveSettings(cmd *cobra.Command, shown bool) ([]effective, error) {
	file, err := a.configFile(cmd)
	if err != nil {
		return nil, err
	}
	texts, problems := resolve(serveOptions, cmd.Flags(), a.lookup, file)
	if len(problems) > 0 {
		return nil, &ConfigError{Problems: problems}
	}
	var all []effective
	for _, o := range serveOptions {
		found := texts[o.name]
		e := effective{Name: o.name, Value: found.text, Source: found.source}
		if e.Source == "" {
			e.Source = "the preset"
		}
		if o.secret && e.Value != "" && !shown && secrets.Check(e.Value) != nil {
			e.Value = redacted
		}
		all = append(all, e)
	}
	return all, nil
}

func (a *app) configCommand() *cobra.Command {
	return a.group("config", "Look at the configuration of a server", a.configCheck(), a.configPrint())
}

func (a *app) addServeFlags(c *cobra.Command) {
	addFlags(c.Flags(), serveOptions)
	c.Flags().String("config", "", "configuration file [MAESTRO_CONFIG]")
}

func (a *app) configCheck() *cobra.Command {
	c := &cobra.Command{Use: "check", Short: "Say everything that is wrong with the configuration, by the exit code too (78)", Args: cobra.NoArgs,
		Long: "Reads flags, environment, configuration file and the sources of secrets as maestro serve does, and starts nothing. Ends with\n" +
			"7 when nothing is wrong but that a source of secrets gives no answer.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.configFile(cmd)
			if err != nil {
				return err
			}
			settings, err := load(cmd.Context(), serveOptions, cmd.Flags(), a.lookup, file)
			if err == nil {
				err = settings.check()
			}
			if err != nil {
				return err
			}
			for _, warning := range unknownVariables(a.environment) {
				a.note("%s", warning)
			}
			a.note("The configuration holds.")
			return nil
		}}
	a.addServeFlags(c)
	return c
}

func (a *app) configPrint() *cobra.Command {
	var redact bool
	c := &cobra.Command{Use: "print", Short: "Print the value of every option of a server, and where it is from", Args: cobra.NoArgs,
		Long: "Secrets are shown as " + redacted + ", unless --redact=false; references to secrets as they are. No source is asked.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.effectiveSettings(cmd, !redact)
			if err != nil {
				return err
			}
			return printList(a.out, a.form, []column[effective]{
				{name: "name", value: func(e *effective) any { return e.Name }},
				{name: "value", value: func(e *effective) any { return e.Value }},
				{name: "source", value: func(e *effective) any { return e.Source }},
			}, all)
		}}
	a.addServeFlags(c)
	c.Flags().BoolVar(&redact, "redact", true, "do not show secrets")
	return c
}

// OptionsPage returns the manual's page of every option of a server.
func OptionsPage() string {
	var page strings.Builder
	page.WriteString("# Configuration\n\n" +
		"<!-- Written by go test ./cli -run TestTheManualListsEveryOption -update; cli/options.go has the table. -->\n\n" +
		"`maestro serve` takes each option from its flag `--name`, else from the variable `MAESTRO_NAME`, else from the file that the variable\n" +
		"`MAESTRO_NAME_FILE` names, else from the configuration file's `name` (`maestro.toml`, `.yaml` or `.json` in the working directory, or\n" +
		"`--config`), else the preset. In variables and in the file, hyphens are underscores. Secrets have no flag, because others can see\n" +
		"the arguments of a process; their values may be references to where they are ([secrets](secrets.md)). A key that no option has is refused:\n" +
		"with the nearest name where it looks like a slip, else by line and column alone, because it may be a secret. So is\n" +
		"an option that the file sets twice, in whichever spelling. `maestro config check` says everything that is\n" +
		"wrong at once, `maestro config print` what holds and why.\n\n" +
		"| option | preset | value | |\n|---|---|---|---|\n")
	for _, o := range serveOptions {
		preset, unit := "", o.unit
		if o.preset != "" {
			preset = "`" + o.preset + "`"
		}
		switch {
		case o.boolean:
			unit = "true or false"
		case o.secret:
			unit = "secret"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", o.name, preset, unit, strings.ReplaceAll(o.help, "|", "\\|"))
	}
	return page.String()
}
