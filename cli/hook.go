package cli

import (
	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
	"maestro/tracking"
)

var hookColumns = []column[client.Hook]{
	{name: "name", value: func(h *client.Hook) any { return h.Name }},
	{name: "provider", value: func(h *client.Hook) any { return h.Provider }},
	{name: "deliveries", value: func(h *client.Hook) any { return h.Deliveries }},
	{name: "last_delivery_at", value: func(h *client.Hook) any { return instantOf(h.LastDeliveryAt) }},
	{name: "deployment_workflow", value: func(h *client.Hook) any { return h.DeploymentWorkflow }, extra: true},
	{name: "path", value: func(h *client.Hook) any { return h.Path }, extra: true},
	{name: "id", value: func(h *client.Hook) any { return h.ID }},
}

var newHookColumns = []column[client.NewHook]{
	{name: "secret", value: func(h *client.NewHook) any { return h.Secret }},
	{name: "name", value: func(h *client.NewHook) any { return h.Name }},
	{name: "provider", value: func(h *client.NewHook) any { return h.Provider }},
	{name: "deployment_workflow", value: func(h *client.NewHook) any { return h.DeploymentWorkflow }, extra: true},
	{name: "id", value: func(h *client.NewHook) any { return h.ID }},
}

func (a *app) hookCommand() *cobra.Command {
	return remote(a.group("hook", "Keep the hooks that take deliveries from CI systems", a.hookCreate(), a.hookList(), a.hookDelete()))
}

func (a *app) hookCreate() *cobra.Command {
	var fields client.HookFields
	c := a.onProject("create PROJECT NAME", "Make a hook, whose secret is shown once", cobra.ExactArgs(2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		fields.Name = args[0]
		made, err := c.CreateHook(cmd.Context(), p.ID, fields)
		if err != nil {
			return err
		}
		url := column[client.NewHook]{name: "url", value: func(h *client.NewHook) any { return c.URL() + h.Path }}
		return printOne(a.out, a.form, append([]column[client.NewHook]{url}, newHookColumns...), made)
	})
	c.Long = "Makes an address that takes a CI system's deliveries for a project, and shows it with the secret that the CI system signs them\n" +
		"with. What to enter where stands in `maestro docs pipelines`."
	c.Flags().StringVar(&fields.Provider, "provider", "", "who sends the deliveries: github, gitlab, gitea, forgejo or generic")
	c.Flags().StringVar(&fields.DeploymentWorkflow, "deployment-workflow", "", "the workflow whose runs are deployments to production, by file name or name")
	_ = c.MarkFlagRequired("provider") // the flag is there
	_ = c.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(tracking.HookProviders[:], cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) hookList() *cobra.Command {
	return a.onProject("list PROJECT", "List a project's hooks, without their secrets", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, p client.Project, _ []string) error {
		hooks, err := collect(c.AllHooks(cmd.Context(), p.ID, client.ListHooksParams{Limit: pageSize}), 0)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, hookColumns, hooks)
	})
}

func (a *app) hookDelete() *cobra.Command {
	return a.onProject("delete PROJECT HOOK", "Delete a hook, by name or id: its deliveries are refused at once", cobra.ExactArgs(2), func(cmd *cobra.Command, c *client.Client, p client.Project, args []string) error {
		id := ""
		for h, err := range c.AllHooks(cmd.Context(), p.ID, client.ListHooksParams{Limit: pageSize}) {
			switch {
			case err != nil:
				return err
			case h.ID != args[0] && h.Name != args[0]:
			case id != "":
				return problem.New(problem.Conflict, "Several hooks are named %q. Delete it by its id.", args[0])
			default:
				id = h.ID
			}
		}
		if id == "" {
			return problem.New(problem.NotFound, "The project has no hook %q.", args[0])
		}
		return c.DeleteHook(cmd.Context(), p.ID, id)
	})
}
