package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
)

// storageLimitHelp says of max-storage-bytes what tenancy.Limits does.
const storageLimitHelp = "how many bytes it may hold: of content, the same counted once, and, by an estimate, of points of metrics, usages, team members, runs and predictions"

var tenantFields = []field{
	{flag: "name", member: "name", unit: "NAME", help: "its name"},
	{flag: "max-users", member: "max_users", kind: countField, unit: "N", help: "how many users it may hold"},
	{flag: "max-projects", member: "max_projects", kind: countField, unit: "N", help: "how many projects it may hold"},
	{flag: "max-artifacts", member: "max_artifacts", kind: countField, unit: "N", help: "how many artifacts it may hold"},
	{flag: "max-storage-bytes", member: "max_storage_bytes", kind: countField, unit: "BYTES", help: storageLimitHelp},
	{flag: "metadata", member: "metadata", kind: objectField, unit: "JSON", help: "free JSON object"},
}

var tenantColumns = []column[client.Tenant]{
	{name: "slug", value: func(t *client.Tenant) any { return t.Slug }},
	{name: "name", value: func(t *client.Tenant) any { return t.Name }},
	{name: "is_active", value: func(t *client.Tenant) any { return t.IsActive }},
	{name: "users", value: func(t *client.Tenant) any { return share{t.Use.Users, t.MaxUsers} }},
	{name: "projects", value: func(t *client.Tenant) any { return share{t.Use.Projects, t.MaxProjects} }},
	{name: "artifacts", value: func(t *client.Tenant) any { return share{t.Use.Artifacts, t.MaxArtifacts} }},
	{name: "storage_bytes", value: func(t *client.Tenant) any { return byteCount(t.Use.StorageBytes) }},
	{name: "max_storage_bytes", value: func(t *client.Tenant) any { return byteCount(t.MaxStorageBytes) }, extra: true},
	{name: "metadata", value: func(t *client.Tenant) any { return t.Metadata }, extra: true},
	{name: "created_at", value: func(t *client.Tenant) any { return instant(t.CreatedAt) }},
	{name: "id", value: func(t *client.Tenant) any { return t.ID }},
}

// share is how much of a limit is used.
type share struct{ used, limit int64 }

func (s share) String() string { return fmt.Sprintf("%d/%d", s.used, s.limit) }

func (a *app) tenantCommand() *cobra.Command {
	return remote(a.group("tenant", "Manage the installation's tenants (operator)",
		a.tenantList(), a.tenantShow(), a.tenantCreate(), a.tenantUpdate(),
		a.tenantActivity("suspend", "Suspend a tenant: its tokens stop at once and nobody can log in", false),
		a.tenantActivity("resume", "Resume a suspended tenant", true), a.tenantDelete()))
}

func (a *app) tenantList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List tenants", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		tenants, err := collect(c.AllTenants(cmd.Context(), client.ListTenantsParams{Limit: pageSize, Sort: "slug"}), 0)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, tenantColumns, tenants)
	}}
}

func (a *app) tenantShow() *cobra.Command {
	return &cobra.Command{Use: "show [TENANT]", Short: "Show a tenant by slug or id, or your own", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeTenants(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			var t client.Tenant
			if len(args) == 0 {
				t, err = c.GetOwnTenant(cmd.Context())
			} else {
				t, err = findTenant(cmd.Context(), c, args[0])
			}
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, tenantColumns, t)
		}}
}

func (a *app) tenantCreate() *cobra.Command {
	var adminEmail, adminName string
	var passwordStdin bool
	c := &cobra.Command{Use: "create SLUG", Short: "Create a tenant, and its first tenant_admin if asked to", Args: cobra.ExactArgs(1),
		Example: "  maestro tenant create acme --name 'Acme Ltd' --admin-email ann@acme.example --admin-password-stdin < password",
		RunE: func(cmd *cobra.Command, args []string) error {
			members, err := readFields(cmd, tenantFields)
			if err != nil {
				return err
			}
			members["slug"] = args[0]
			if _, named := members["name"]; !named {
				members["name"] = args[0]
			}
			if adminEmail != "" {
				if adminName == "" {
					adminName, _, _ = strings.Cut(adminEmail, "@")
				}
				password, err := a.password(passwordStdin, "Password of "+adminEmail+": ")
				if err != nil {
					return err
				}
				members["admin"] = map[string]any{"email": adminEmail, "name": adminName, "password": password}
			}
			body, err := decodeFields[client.NewTenant](members)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			t, err := c.CreateTenant(cmd.Context(), body)
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, tenantColumns, t)
		}}
	addFields(c, tenantFields)
	c.Flags().StringVar(&adminEmail, "admin-email", "", "e-mail of its first tenant_admin")
	c.Flags().StringVar(&adminName, "admin-name", "", "name of its first tenant_admin")
	c.Flags().BoolVar(&passwordStdin, "admin-password-stdin", false, "read that user's password from standard input")
	return c
}

func (a *app) tenantUpdate() *cobra.Command {
	fields := append([]field{{flag: "slug", member: "slug", unit: "SLUG", help: "its new slug"}}, tenantFields...)
	c := &cobra.Command{Use: "update TENANT", Short: "Change a tenant's name, slug or limits", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeTenants(),
		RunE: func(cmd *cobra.Command, args []string) error {
			patch, err := readPatch[client.TenantFieldsPatch](cmd, fields)
			if err != nil {
				return err
			}
			return a.changeTenant(cmd, args[0], patch)
		}}
	addFields(c, fields)
	return c
}

func (a *app) tenantActivity(name, short string, active bool) *cobra.Command {
	return &cobra.Command{Use: name + " TENANT", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeTenants(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeTenant(cmd, args[0], client.TenantFieldsPatch{IsActive: &active})
		}}
}

func (a *app) changeTenant(cmd *cobra.Command, ref string, patch client.TenantFieldsPatch) error {
	c, err := a.connect(cmd)
	if err != nil {
		return err
	}
	t, err := findTenant(cmd.Context(), c, ref)
	if err != nil {
		return err
	}
	if t, err = c.UpdateTenant(cmd.Context(), t.ID, client.UpdateTenantParams{}, patch); err != nil {
		return err
	}
	return printOne(a.out, a.form, tenantColumns, t)
}

func (a *app) tenantDelete() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "delete TENANT", Short: "Delete a tenant and everything it owns", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeTenants(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			t, err := findTenant(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if !yes {
				if !isTerminal(a.in) {
					return usage("deleting a tenant cannot be undone: confirm it with --yes")
				}
				a.note("This deletes %s with %d users, %d projects and %d artifacts.", t.Slug, t.Use.Users, t.Use.Projects, t.Use.Artifacts)
				typed, err := a.ask("Its slug, to confirm: ")
				if err != nil {
					return err
				}
				if typed != t.Slug {
					return usage("that is not its slug: nothing was deleted")
				}
			}
			return c.DeleteTenant(cmd.Context(), t.ID, client.DeleteTenantParams{})
		}}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}
