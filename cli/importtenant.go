package cli

import (
	"github.com/spf13/cobra"

	"maestro/storage"
)

func (a *app) importTenant() *cobra.Command {
	var o storage.ImportTenantOptions
	var identity string
	limits := []struct {
		flag, help string
		given      int64
		into       **int64
	}{
		{"max-users", "how many users it may have here", 0, &o.Limits.MaxUsers},
		{"max-projects", "how many projects it may have here", 0, &o.Limits.MaxProjects},
		{"max-artifacts", "how many artifacts it may have here", 0, &o.Limits.MaxArtifacts},
		{"max-storage-bytes", storageLimitHelp, 0, &o.Limits.MaxStorageBytes},
	}
	c := &cobra.Command{Use: "tenant FILE", Short: "Make a tenant of an archive of another installation, with the server stopped", Args: cobra.ExactArgs(1),
		Long: "FILE is what maestro export wrote. All of it is checked before anything is written, and the tenant is there whole or not at all:\n" +
			"what an import leaves that was stopped, nobody sees, and the next start removes it. The tenant keeps its id if it is free, and its\n" +
			"limits unless others are given; with more than they admit it is refused (6).\n\n" +
			"Nobody who comes is an operator here. Without password hashes in the archive, everybody needs a new password:\n" +
			"maestro admin reset-password, or maestro user reset-password. --dry-run also works while a server runs.",
		Example: "  maestro import tenant acme.tar --data /var/lib/maestro --dry-run\n  maestro import tenant acme.tar.age --identity key.txt --data /var/lib/maestro --slug acme-2 --name 'Acme 2'",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Identities, err = readIdentities(identity); err != nil {
				return err
			}
			for i, l := range limits {
				if cmd.Flags().Changed(l.flag) {
					*l.into = &limits[i].given
				}
			}
			o.File = args[0]
			run := func(dir string) error {
				o.Dir = dir
				shown := &tableProgress{app: a}
				o.Progress = shown.say
				report, err := storage.ImportTenant(cmd.Context(), o)
				shown.end()
				if err != nil {
					return err
				}
				return a.reportTenant(report)
			}
			if !o.DryRun {
				return a.onStoppedData(cmd, run)
			}
			dir, err := a.dataDir(cmd)
			if err == nil {
				err = requireInstallation(dir)
			}
			if err != nil {
				return err
			}
			return run(dir)
		}}
	a.addDataFlags(c)
	addIdentityFlag(c, &identity)
	flags := c.Flags()
	flags.StringVar(&o.Slug, "slug", "", "slug of the tenant here; that in the archive unless given")
	flags.StringVar(&o.Name, "name", "", "name of the tenant here; that in the archive unless given")
	flags.BoolVar(&o.DryRun, "dry-run", false, "check everything, and change nothing")
	for i, l := range limits {
		flags.Int64Var(&limits[i].given, l.flag, 0, l.help+"; the archive's limit unless given")
	}
	return c
}

func (a *app) reportTenant(report storage.TenantReport) error {
	if err := printOne(a.out, a.form, tenantReportColumns, report); err != nil {
		return err
	}
	if !report.Imported {
		a.note("Nothing was imported: this was a trial.")
		return nil
	}
	if !report.PasswordHashes && report.Rows["users"] > 0 {
		a.note("The archive has no password hashes: each user needs a new password (maestro admin reset-password EMAIL --tenant %s).", report.Slug)
	}
	if report.CostlyHashes > 0 {
		a.note("%d password hashes cost more than an import takes and were left out: these users need a new password (maestro admin reset-password EMAIL --tenant %s).",
			report.CostlyHashes, report.Slug)
	}
	if left := report.LeftBehind; left.APITokens+left.Hooks > 0 {
		a.note("%d API tokens and %d hooks did not come along: make them anew.", left.APITokens, left.Hooks)
	}
	return nil
}
