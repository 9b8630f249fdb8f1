package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"maestro/auth"
	"maestro/problem"
	"maestro/storage"
)

// adminCommand is for whoever controls the machine. Its commands open the data
// directory of a stopped server themselves: they need no credential, and work
// when nobody can log in.
func (a *app) adminCommand() *cobra.Command {
	c := a.group("admin", "Make operators and recover accounts in a stopped server's data directory", a.adminCreate(), a.adminReset(), a.adminUnlock())
	c.Long = "These commands work on the data directory of a server that is stopped, on the word of whoever may write there. While a server\n" +
		"runs they end with 75: use maestro user reset-password, maestro user unlock and maestro user update then."
	addFlags(c.PersistentFlags(), adminOptions)
	c.PersistentFlags().String("config", "", "configuration file [MAESTRO_CONFIG]")
	return c
}

// adminOptions are the settings of a server that its data directory is opened
// with.
var adminOptions = slices.Concat(optionsNamed("data", "password-length", "password-cost", "root-secret"), serveSourceOptions())

func optionsNamed(names ...string) []option[ServeSettings] {
	var found []option[ServeSettings]
	for _, name := range names {
		for _, o := range serveOptions {
			if o.name == name {
				found = append(found, o)
			}
		}
	}
	return found
}

func (a *app) adminCreate() *cobra.Command {
	var name string
	c := &cobra.Command{Use: "create EMAIL", Short: "Make an operator who is tenant_admin of the tenant default", Args: cobra.ExactArgs(1),
		Long: "Makes the data directory if it is missing. A user of that e-mail who is there already gets the password and the rights,\n" +
			"and is active again.",
		Example: "  maestro admin create ops@example.org\n  maestro admin create ops@example.org --password-file /run/secrets/ops",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.newPassword(cmd, args[0])
			if err != nil {
				return err
			}
			if name == "" {
				name, _, _ = strings.Cut(args[0], "@")
			}
			return a.offline(cmd, true, func(ctx context.Context, identity *auth.Service) error {
				user, err := identity.CreateOperator(ctx, auth.FirstOperator{Email: args[0], Name: name, Password: password}, true)
				if err != nil {
					return err
				}
				a.note("%s is an operator.", user.Email)
				return nil
			})
		}}
	c.Flags().StringVar(&name, "name", "", "the person's name; the e-mail's first part unless given")
	addPasswordFlags(c)
	return c
}

func (a *app) adminReset() *cobra.Command {
	var tenant string
	c := &cobra.Command{Use: "reset-password EMAIL", Short: "Set the password of an account and end its sessions", Args: cobra.ExactArgs(1),
		Long: "The account's API tokens stay: maestro user revoke ends them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.newPassword(cmd, args[0])
			if err != nil {
				return err
			}
			return a.offline(cmd, false, func(ctx context.Context, identity *auth.Service) error {
				user, err := identity.RecoverPassword(ctx, args[0], tenant, password)
				if err != nil {
					return err
				}
				a.note("%s has the new password, and no session.", user.Email)
				if !user.IsActive {
					a.note("The account is deactivated: maestro admin unlock %s", user.Email)
				}
				return nil
			})
		}}
	addTenantFlag(c, &tenant)
	addPasswordFlags(c)
	return c
}

func (a *app) adminUnlock() *cobra.Command {
	var tenant string
	c := &cobra.Command{Use: "unlock EMAIL", Short: "Make a deactivated account active again", Args: cobra.ExactArgs(1),
		Long: "Delays after failed logins are no lock and are kept in memory only: starting the server ends them, and while it runs an\n" +
			"operator does with maestro user unlock.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.offline(cmd, false, func(ctx context.Context, identity *auth.Service) error {
				user, err := identity.Reactivate(ctx, args[0], tenant)
				if err != nil {
					return err
				}
				a.note("%s is active.", user.Email)
				return nil
			})
		}}
	addTenantFlag(c, &tenant)
	return c
}

func addTenantFlag(c *cobra.Command, tenant *string) {
	c.Flags().StringVar(tenant, "tenant", "", "the tenant's slug, when the e-mail has accounts in several tenants")
}

// offline opens the data directory that flags, environment and configuration file
// name, and closes it again. It fails with NotFound when there is none and it may
// not be made, and as Appliance.Run does while a server has it.
func (a *app) offline(cmd *cobra.Command, create bool, do func(context.Context, *auth.Service) error) (err error) {
	ctx := cmd.Context()
	file, err := a.configFile(cmd)
	if err != nil {
		return err
	}
	settings, err := load(cmd.Context(), adminOptions, cmd.Flags(), a.lookup, file)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(settings.Data, "keys")); errors.Is(err, fs.ErrNotExist) && !create {
		return problem.New(problem.NotFound, "There is no installation in %s.", settings.Data)
	}
	if err := os.MkdirAll(settings.Data, 0o700); err != nil {
		return err
	}
	lock, err := storage.LockDir(settings.Data)
	if err != nil {
		return fmt.Errorf("%w: stop the server first", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := storage.Open(ctx, storage.Options{Dir: settings.Data, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	check, err := checkRevocations()
	if err != nil {
		return err
	}
	appliance := &Appliance{Settings: settings, Log: log, CheckRevocations: check}
	identity, err := auth.Open(ctx, appliance.identityConfig(), store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, identity.Close(context.WithoutCancel(ctx))) }()
	return do(ctx, identity)
}
