package cli

import (
	"context"
	"io"
	"net/url"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"maestro/storage"
	"maestro/storage/archive"
)

var tenantReportColumns = []column[storage.TenantReport]{
	{name: "tenant", value: func(r *storage.TenantReport) any { return r.Slug }},
	{name: "name", value: func(r *storage.TenantReport) any { return r.Name }},
	{name: "id", value: func(r *storage.TenantReport) any { return r.ID.String() }},
	{name: "source_id", value: func(r *storage.TenantReport) any { return r.Source.String() }},
	{name: "exported_at", value: func(r *storage.TenantReport) any { return instant(r.ExportedAt.String()) }},
	{name: "version", value: func(r *storage.TenantReport) any { return r.Version }},
	{name: "encrypted", value: func(r *storage.TenantReport) any { return r.Encrypted }},
	{name: "users", value: func(r *storage.TenantReport) any { return r.Rows["users"] }},
	{name: "password_hashes", value: func(r *storage.TenantReport) any { return r.PasswordHashes }},
	{name: "costly_hashes", value: func(r *storage.TenantReport) any { return r.CostlyHashes }},
	{name: "projects", value: func(r *storage.TenantReport) any { return r.Rows["projects"] }},
	{name: "artifacts", value: func(r *storage.TenantReport) any { return r.Rows["artifacts"] }},
	{name: "usages", value: func(r *storage.TenantReport) any { return r.Rows["artifact_usage"] }},
	{name: "points", value: func(r *storage.TenantReport) any { return r.Rows["points"] }},
	{name: "predictions", value: func(r *storage.TenantReport) any { return r.Rows["predictions"] }},
	{name: "audit_events", value: func(r *storage.TenantReport) any { return r.Rows["audit_events"] }},
	{name: "contents", value: func(r *storage.TenantReport) any { return r.Contents }},
	{name: "content_bytes", value: func(r *storage.TenantReport) any { return byteCount(r.ContentBytes) }},
	{name: "record_bytes", value: func(r *storage.TenantReport) any { return byteCount(r.RecordBytes) }},
	{name: "max_users", value: func(r *storage.TenantReport) any { return r.Limits.MaxUsers }},
	{name: "max_projects", value: func(r *storage.TenantReport) any { return r.Limits.MaxProjects }},
	{name: "max_artifacts", value: func(r *storage.TenantReport) any { return r.Limits.MaxArtifacts }},
	{name: "max_storage_bytes", value: func(r *storage.TenantReport) any { return byteCount(r.Limits.MaxStorageBytes) }},
	{name: "api_tokens_left_behind", value: func(r *storage.TenantReport) any { return r.LeftBehind.APITokens }},
	{name: "hooks_left_behind", value: func(r *storage.TenantReport) any { return r.LeftBehind.Hooks }},
	{name: "digest", value: func(r *storage.TenantReport) any { return r.Digest }},
}

func (a *app) exportCommand() *cobra.Command {
	var out string
	var recipients []string
	var hashes bool
	c := &cobra.Command{Use: "export TENANT", Short: "Write one tenant to an archive for another installation, while its server runs or not", Args: cobra.ExactArgs(1),
		Long: "TENANT is a slug or an id. Its rows, content and audit trail go to one file, as they were at one moment, which is read again and\n" +
			"checked before it gets its name: maestro import tenant makes it a tenant of another installation. It is a tar file of JSON lines.\n\n" +
			"Sessions, API tokens, one-time links and hooks stay: they are credentials of this installation. So do the hashes of passwords,\n" +
			"unless --password-hashes says otherwise: without them everybody needs a new password there. Nothing is deleted here.",
		Example: "  maestro export acme --data /var/lib/maestro --out acme.tar\n  maestro export acme --out acme.tar.age --recipient age1… --password-hashes",
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := archive.Recipients(recipients)
			if err != nil {
				return usage(err.Error())
			}
			dir, err := a.dataDir(cmd)
			if err != nil {
				return err
			}
			report, err := a.export(cmd.Context(), dir, args[0], out, keys, hashes)
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, tenantReportColumns, report)
		}}
	a.addDataFlags(c)
	c.Flags().StringVar(&out, "out", "", "the file to write; it must not exist")
	_ = c.MarkFlagRequired("out") // the flag is there
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "public key of age to encrypt for; may be given several times")
	c.Flags().BoolVar(&hashes, "password-hashes", false, "let the hashes of the users' passwords go along; encrypt the archive then")
	c.AddCommand(a.exportVerify())
	return c
}

func (a *app) export(ctx context.Context, dir, tenant, out string, recipients []age.Recipient, hashes bool) (report storage.TenantReport, err error) {
	query := url.Values{"tenant": {tenant}}
	if hashes {
		query.Set("password_hashes", "true")
	}
	self := func(w io.Writer) error {
		return storage.ExportTenantDir(ctx, dir, tenant, w, storage.ExportOptions{Version: Version(), PasswordHashes: hashes})
	}
	err = a.archiveOf(ctx, dir, "/export?"+query.Encode(), "exporting", self, func(write func(io.Writer) error) (err error) {
		report, err = storage.WriteTenantFile(ctx, out, recipients, "", write)
		return err
	})
	return report, err
}

func (a *app) exportVerify() *cobra.Command {
	var identity string
	c := &cobra.Command{Use: "verify FILE", Short: "Check every byte and row of a tenant's archive, and the audit trail in it", Args: cobra.ExactArgs(1),
		Long: "It ends with 65 when the trail is broken. A tenant whose slug is verify is exported by its id.",
		RunE: func(cmd *cobra.Command, args []string) error {
			identities, err := readIdentities(identity)
			if err != nil {
				return err
			}
			report, err := storage.VerifyTenantFile(cmd.Context(), args[0], identities, "")
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, tenantReportColumns, report)
		}}
	addIdentityFlag(c, &identity)
	return c
}
