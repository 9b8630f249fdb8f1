package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/storage"
	"maestro/storage/archive"
)

// dataOptions are the settings of a command that needs the data directory alone.
var dataOptions = optionsNamed("data")

var backupReportColumns = []column[storage.BackupReport]{
	{name: "created_at", value: func(r *storage.BackupReport) any { return instant(r.CreatedAt.String()) }},
	{name: "version", value: func(r *storage.BackupReport) any { return r.Version }},
	{name: "schema", value: func(r *storage.BackupReport) any { return r.Schema }},
	{name: "encrypted", value: func(r *storage.BackupReport) any { return r.Encrypted }},
	{name: "files", value: func(r *storage.BackupReport) any { return r.Files }},
	{name: "blobs", value: func(r *storage.BackupReport) any { return r.Blobs }},
	{name: "bytes", value: func(r *storage.BackupReport) any { return byteCount(r.Bytes) }},
}

var backupColumns = []column[client.Backup]{
	{name: "name", value: func(b *client.Backup) any { return b.Name }},
	{name: "status", value: func(b *client.Backup) any { return b.Status }},
	{name: "started_at", value: func(b *client.Backup) any { return instant(b.StartedAt) }},
	{name: "size_bytes", value: func(b *client.Backup) any { return byteCount(b.SizeBytes) }},
	{name: "encrypted", value: func(b *client.Backup) any { return b.Encrypted }},
	{name: "blobs", value: func(b *client.Backup) any { return b.Blobs }, extra: true},
	{name: "schema", value: func(b *client.Backup) any { return b.Schema }, extra: true},
	{name: "version", value: func(b *client.Backup) any { return b.Version }},
	{name: "detail", value: func(b *client.Backup) any { return b.Detail }},
}

func (a *app) backupCommand() *cobra.Command {
	var out string
	var recipients []string
	c := &cobra.Command{Use: "backup", Short: "Back up a data directory to one file, while its server runs or not", Args: cobra.NoArgs,
		Long: "Writes the database, the revocations, the keys, the certificates and all content to one file, as they were at one moment, and\n" +
			"reads and checks the file before it gets its name. Nobody waits for it. Without --recipient the file holds the keys in\n" +
			"clear: keep it as you keep the data directory. It is a tar file that sha256sum --check can check, too.",
		Example: "  maestro backup --data /var/lib/maestro --out /mnt/backups/maestro.tar\n  maestro backup --out maestro.tar.age --recipient age1…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := archive.Recipients(recipients)
			if err != nil {
				return usage(err.Error())
			}
			dir, err := a.dataDir(cmd)
			if err != nil {
				return err
			}
			report, err := a.backUp(cmd.Context(), dir, out, keys)
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, backupReportColumns, report)
		}}
	a.addDataFlags(c)
	c.Flags().StringVar(&out, "out", "", "the file to write; it must not exist")
	_ = c.MarkFlagRequired("out") // the flag is there
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "public key of age to encrypt for; may be given several times")
	c.AddCommand(a.backupVerify(), remote(a.backupList()), remote(a.backupStart()))
	return c
}

// addDataFlags gives a command the flags that dataDir reads.
func (a *app) addDataFlags(c *cobra.Command) {
	addFlags(c.Flags(), dataOptions)
	c.Flags().String("config", "", "configuration file [MAESTRO_CONFIG]")
}

// dataDir returns the data directory that flags, environment and configuration
// file name.
func (a *app) dataDir(cmd *cobra.Command) (string, error) {
	file, err := a.configFile(cmd)
	if err != nil {
		return "", err
	}
	settings, err := load(cmd.Context(), dataOptions, cmd.Flags(), a.lookup, file)
	if err != nil {
		return "", err
	}
	return filepath.Abs(settings.Data)
}

func (a *app) backUp(ctx context.Context, dir, out string, recipients []age.Recipient) (report storage.BackupReport, err error) {
	self := func(w io.Writer) error {
		_, err := storage.BackupDir(ctx, dir, w, storage.BackupOptions{Version: Version()})
		return err
	}
	err = a.archiveOf(ctx, dir, "/backup", "backing up", self, func(write func(io.Writer) error) (err error) {
		report, err = storage.WriteBackupFile(ctx, out, recipients, "", write)
		return err
	})
	return report, err
}

// addIdentityFlag lets a command read encrypted backups.
func addIdentityFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "identity", "", "file of the secret key of age, for an encrypted backup")
}

func readIdentities(name string) ([]age.Identity, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	identities, err := archive.Identities(io.LimitReader(file, maxSecretFileBytes))
	return identities, errors.Join(err, file.Close())
}

func (a *app) backupVerify() *cobra.Command {
	var identity string
	c := &cobra.Command{Use: "verify FILE", Short: "Check every byte of a backup, and the database in it", Args: cobra.ExactArgs(1),
		Long: "Unpacks the database to a temporary directory (TMPDIR), which needs room for it, and leaves nothing.",
		RunE: func(cmd *cobra.Command, args []string) error {
			identities, err := readIdentities(identity)
			if err != nil {
				return err
			}
			report, err := storage.VerifyBackup(cmd.Context(), args[0], identities, "")
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, backupReportColumns, report)
		}}
	addIdentityFlag(c, &identity)
	return c
}

func (a *app) backupList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the backups that a server keeps (operator)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			backups, err := collect(c.AllBackups(cmd.Context(), client.ListBackupsParams{Limit: pageSize}), 0)
			if err != nil {
				return err
			}
			return printList(a.out, a.form, backupColumns, backups)
		}}
}

func (a *app) backupStart() *cobra.Command {
	return &cobra.Command{Use: "start", Short: "Have a server make a backup in its data directory now (operator)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			backup, err := c.StartBackup(cmd.Context())
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, backupColumns, backup)
		}}
}

var restoreColumns = append([]column[storage.RestoreReport]{
	{name: "directory", value: func(r *storage.RestoreReport) any { return r.Directory }},
	{name: "previous", value: func(r *storage.RestoreReport) any { return r.Previous }},
	{name: "api_tokens_deleted", value: func(r *storage.RestoreReport) any { return r.APITokens }},
	{name: "hooks_deleted", value: func(r *storage.RestoreReport) any { return r.Hooks }},
	{name: "one_time_links_deleted", value: func(r *storage.RestoreReport) any { return r.Links }},
}, restored(backupReportColumns)...)

// restored makes columns of a backup columns of its restore.
func restored(columns []column[storage.BackupReport]) (of []column[storage.RestoreReport]) {
	for _, c := range columns {
		of = append(of, column[storage.RestoreReport]{name: c.name, value: func(r *storage.RestoreReport) any { return c.value(&r.BackupReport) }})
	}
	return of
}

func (a *app) restoreCommand() *cobra.Command {
	var identity string
	var keepTokens, keepHooks bool
	c := &cobra.Command{Use: "restore FILE", Short: "Make a backup a data directory", Args: cobra.ExactArgs(1),
		Long: "Unpacks and checks everything beside the data directory, and only then gives it its name. A directory that is there already\n" +
			"is renamed to DIR.before-restore-TIME, never removed; it must not be in use.\n\n" +
			"Nothing that was revoked since the backup comes back: every session ends, invitations and reset links go, and so do the API\n" +
			"tokens and the hooks, because nobody can know which of them were deleted since. A hook that is kept has no effect by what was\n" +
			"signed before the restore. Users are as they were: look at who was deactivated since.",
		Example: "  maestro restore maestro.tar --data /var/lib/maestro\n  maestro restore maestro.tar.age --identity key.txt --data /var/lib/maestro",
		RunE: func(cmd *cobra.Command, args []string) error {
			identities, err := readIdentities(identity)
			if err != nil {
				return err
			}
			dir, err := a.dataDir(cmd)
			if err != nil {
				return err
			}
			report, err := storage.Restore(cmd.Context(), args[0], dir, storage.RestoreOptions{Identities: identities, KeepAPITokens: keepTokens, KeepHooks: keepHooks})
			if err != nil {
				return err
			}
			if err := printOne(a.out, a.form, restoreColumns, report); err != nil {
				return err
			}
			a.note("Restored. Everybody logs in again; start it with: maestro serve --data %s", report.Directory)
			return nil
		}}
	a.addDataFlags(c)
	addIdentityFlag(c, &identity)
	c.Flags().BoolVar(&keepTokens, "keep-api-tokens", false, "keep the API tokens, also those that were deleted since the backup")
	c.Flags().BoolVar(&keepHooks, "keep-hooks", false, "keep the hooks, also those that were deleted since the backup")
	return c
}
