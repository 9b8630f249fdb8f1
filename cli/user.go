package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
)

var userFields = []field{
	{flag: "name", member: "name", unit: "NAME", help: "the person's name"},
	{flag: "role", member: "roles", kind: listField, help: "a role; may be given several times", words: []string{"viewer", "data_scientist", "ml_engineer", "tenant_admin"}},
	{flag: "active", member: "is_active", kind: boolField, help: "--active=false stops the user's tokens at once"},
	{flag: "operator", member: "is_operator", kind: boolField, help: "runs the installation; only an operator may grant it"},
	{flag: "metadata", member: "metadata", kind: objectField, unit: "JSON", help: "free JSON object"},
}

var userColumns = []column[client.User]{
	{name: "email", value: func(u *client.User) any { return u.Email }},
	{name: "name", value: func(u *client.User) any { return u.Name }},
	{name: "roles", value: func(u *client.User) any { return u.Roles }},
	{name: "is_operator", value: func(u *client.User) any { return u.IsOperator }},
	{name: "is_active", value: func(u *client.User) any { return u.IsActive }},
	{name: "last_login_at", value: func(u *client.User) any { return instantOf(u.LastLoginAt) }},
	{name: "metadata", value: func(u *client.User) any { return u.Metadata }, extra: true},
	{name: "created_at", value: func(u *client.User) any { return instant(u.CreatedAt) }, extra: true},
	{name: "id", value: func(u *client.User) any { return u.ID }},
}

func (a *app) userCommand() *cobra.Command {
	return remote(a.group("user", "Manage your tenant's users",
		a.userList(), a.userShow(), a.userCreate(), a.userUpdate(), a.userRevoke(), a.userReset(), a.userUnlock(), a.userDelete()))
}

func (a *app) userList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List users", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		users, err := collect(c.AllUsers(cmd.Context(), client.ListUsersParams{Limit: pageSize}), 0)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, userColumns, users)
	}}
}

// onUser is a command on one user, named by e-mail or id.
func (a *app) onUser(use, short string, do func(cmd *cobra.Command, c *client.Client, u client.User) error) *cobra.Command {
	return &cobra.Command{Use: use + " USER", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeUsers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			u, err := findUser(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return do(cmd, c, u)
		}}
}

func (a *app) userShow() *cobra.Command {
	return a.onUser("show", "Show a user, by e-mail or id", func(_ *cobra.Command, _ *client.Client, u client.User) error {
		return printOne(a.out, a.form, userColumns, u)
	})
}

func (a *app) userCreate() *cobra.Command {
	var passwordStdin, service bool
	c := &cobra.Command{Use: "create EMAIL", Short: "Create a user with a password, or invite one", Args: cobra.ExactArgs(1),
		Long: "With --password-stdin the user has that password. Without it the answer holds an invitation, shown once, with which\n" +
			"the person sets a password at /redeem of the server. A service account has no password: maestro token create --user.",
		Example: "  maestro user create ann@example.org --name 'Ann Lee' --role data_scientist\n" +
			"  maestro user create robot@example.org --service --role data_scientist",
		RunE: func(cmd *cobra.Command, args []string) error {
			members, err := readFields(cmd, userFields)
			if err != nil {
				return err
			}
			members["email"] = args[0]
			if _, named := members["name"]; !named {
				members["name"], _, _ = strings.Cut(args[0], "@")
			}
			if _, given := members["roles"]; !given {
				members["roles"] = []string{"viewer"}
			}
			members["is_service"] = service
			if passwordStdin {
				if members["password"], err = a.password(true, ""); err != nil {
					return err
				}
			}
			body, err := decodeFields[client.NewUser](members)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			u, err := c.CreateUser(cmd.Context(), body)
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, invitedColumns, invited{u, redeemLink(c, u.Invitation)})
		}}
	addFields(c, userFields)
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the user's password from standard input")
	c.Flags().BoolVar(&service, "service", false, "a service account, which acts through API tokens only")
	return c
}

// redeemLink is the page of the web UI that takes an invitation or a reset. The
// secret stands behind the #, which browsers send to nobody.
func redeemLink(c *client.Client, secret string) string {
	if secret == "" {
		return ""
	}
	return c.URL() + "/redeem#" + secret
}

// invited is a new user with the link for the person.
type invited struct {
	client.Invited
	Link string `json:"link,omitempty"`
}

var invitedColumns = []column[invited]{
	{name: "email", value: func(u *invited) any { return u.User.Email }},
	{name: "name", value: func(u *invited) any { return u.User.Name }},
	{name: "roles", value: func(u *invited) any { return u.User.Roles }},
	{name: "invitation", value: func(u *invited) any { return u.Invitation }},
	{name: "link", value: func(u *invited) any { return u.Link }},
	{name: "id", value: func(u *invited) any { return u.User.ID }},
}

func (a *app) userUpdate() *cobra.Command {
	fields := append([]field{{flag: "email", member: "email", unit: "EMAIL", help: "the new e-mail"}}, userFields...)
	c := a.onUser("update", "Change a user", func(cmd *cobra.Command, c *client.Client, u client.User) error {
		patch, err := readPatch[client.UserFieldsPatch](cmd, fields)
		if err != nil {
			return err
		}
		if u, err = c.UpdateUser(cmd.Context(), u.ID, client.UpdateUserParams{}, patch); err != nil {
			return err
		}
		return printOne(a.out, a.form, userColumns, u)
	})
	addFields(c, fields)
	return c
}

func (a *app) userRevoke() *cobra.Command {
	return a.onUser("revoke", "End all sessions and tokens of a user", func(cmd *cobra.Command, c *client.Client, u client.User) error {
		return c.RevokeUser(cmd.Context(), u.ID)
	})
}

func (a *app) userReset() *cobra.Command {
	return a.onUser("reset-password", "Make a one-time link with which a user sets a new password", func(cmd *cobra.Command, c *client.Client, u client.User) error {
		reset, err := c.ResetPassword(cmd.Context(), u.ID)
		if err != nil {
			return err
		}
		return printOne(a.out, a.form, resetColumns, passwordReset{reset, redeemLink(c, reset.Token)})
	})
}

func (a *app) userUnlock() *cobra.Command {
	return &cobra.Command{Use: "unlock EMAIL", Short: "Forget the failed logins counted on an e-mail (operator)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			return c.UnlockLogin(cmd.Context(), client.UnlockRequest{Email: args[0]})
		}}
}

// passwordReset is a reset with the link for the person.
type passwordReset struct {
	client.PasswordReset
	Link string `json:"link"`
}

var resetColumns = []column[passwordReset]{
	{name: "token", value: func(r *passwordReset) any { return r.Token }},
	{name: "link", value: func(r *passwordReset) any { return r.Link }},
	{name: "expires_at", value: func(r *passwordReset) any { return instant(r.ExpiresAt) }},
}

func (a *app) userDelete() *cobra.Command {
	return a.onUser("delete", "Delete a user", func(cmd *cobra.Command, c *client.Client, u client.User) error {
		return c.DeleteUser(cmd.Context(), u.ID, client.DeleteUserParams{})
	})
}
