package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"maestro/storage"
)

func (a *app) importLegacy() *cobra.Command {
	o := storage.LegacyOptions{}
	c := &cobra.Command{Use: "legacy SOURCE", Short: "Import a database of the older Maestro ML, with the server stopped", Args: cobra.ExactArgs(1),
		Long: "SOURCE is an SQLite file or a postgres:// URL (a password in it is seen by every process: use PGPASSWORD or ~/.pgpass). It is only read.\n" +
			"Projects, artifacts, their uses, team members, metrics, predictions and users come into one tenant with their ids; users keep\n" +
			"their passwords and get the roles tenant_admin (admin), data_scientist (developer) or viewer.\n\n" +
			"What does not fit is reported line by line on standard error and kept in the table import_misfits. An import that is stopped\n" +
			"goes on where it was when it is started again. At the end every row is read again on both sides and compared.",
		Example: "  maestro import legacy maestro.sqlite --data /var/lib/maestro --dry-run\n  maestro import legacy postgres://maestro@127.0.0.1/maestro --data /var/lib/maestro --tenant acme",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onStoppedData(cmd, func(dir string) error {
				o.Dir, o.Source = dir, args[0]
				o.Misfit = func(m storage.LegacyMisfit) {
					if m.Field == "" {
						a.note("%s %s did not come in: %s", m.Table, m.Row, m.Reason)
						return
					}
					a.note("%s %s: %s %s", m.Table, m.Row, m.Field, m.Reason)
				}
				shown := &tableProgress{app: a}
				o.Progress = shown.say
				report, err := storage.ImportLegacy(cmd.Context(), o)
				shown.end()
				if err != nil {
					return err
				}
				return a.reportLegacy(report, o.DryRun)
			})
		}}
	flags := c.Flags()
	flags.StringVar(&o.Tenant, "tenant", "default", "slug of the tenant that the rows come to")
	flags.StringVar(&o.From, "from", "", "id of the source's tenant, when it has several")
	flags.BoolVar(&o.DryRun, "dry-run", false, "import into a copy that is thrown away, and report")
	a.addDataFlags(c)
	return c
}

var legacyColumns = []column[storage.LegacyTable]{
	{name: "table", value: func(t *storage.LegacyTable) any { return t.Name }},
	{name: "rows", value: func(t *storage.LegacyTable) any { return t.Rows }},
	{name: "imported", value: func(t *storage.LegacyTable) any { return t.Imported }},
	{name: "misfits", value: func(t *storage.LegacyTable) any { return t.Misfits }},
	{name: "equal", value: func(t *storage.LegacyTable) any { return t.Equal }},
	{name: "digest", value: func(t *storage.LegacyTable) any { return t.Digest }, extra: true},
}

func (a *app) reportLegacy(report []storage.LegacyTable, dry bool) error {
	if err := printList(a.out, a.form, legacyColumns, report); err != nil {
		return err
	}
	var failures []error
	for _, t := range report {
		if !t.Equal {
			failures = append(failures, fmt.Errorf("%s: the rows here are not those that were read", t.Name))
		}
	}
	if dry {
		a.note("Nothing was imported: this was a trial on a copy.")
	}
	return errors.Join(failures...)
}

// tableProgress shows a bar for each table.
type tableProgress struct {
	app  *app
	at   string
	done int64
	bar  *progress
}

func (t *tableProgress) say(table string, done, total int64) {
	if table != t.at {
		t.end()
		t.at, t.done, t.bar = table, 0, t.app.showProgress(table, total, false)
	}
	t.bar.add(int(done - t.done))
	t.done = done
}

func (t *tableProgress) end() {
	if t.bar != nil {
		t.bar.end()
	}
}
