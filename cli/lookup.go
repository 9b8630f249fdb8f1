package cli

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
	"maestro/tenancy"
)

// pageSize is what lists ask for at once: as much as they can have.
const pageSize = 500

// isID reports whether an argument is an id and not a name.
func isID(text string) bool {
	_, err := tenancy.ParseID(text)
	return err == nil
}

// find returns the first item that fits, or NotFound.
func find[T any](items iter.Seq2[T, error], kind, name string, fits func(*T) bool) (T, error) {
	for item, err := range items {
		if err != nil || fits(&item) {
			return item, err
		}
	}
	var none T
	return none, problem.New(problem.NotFound, "There is no %s %q.", kind, name)
}

// collect returns up to limit items; all for 0.
func collect[T any](items iter.Seq2[T, error], limit int) (all []T, err error) {
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		all = append(all, item)
		if len(all) == limit {
			break
		}
	}
	return all, nil
}

// findProject returns the project that has that id or name.
func findProject(ctx context.Context, c *client.Client, ref string) (client.Project, error) {
	if isID(ref) {
		return c.GetProject(ctx, ref)
	}
	return find(c.AllProjects(ctx, client.ListProjectsParams{Limit: pageSize, Sort: "name"}), "project", ref,
		func(p *client.Project) bool { return p.Name == ref })
}

// findTenant returns the tenant that has that id or slug.
func findTenant(ctx context.Context, c *client.Client, ref string) (client.Tenant, error) {
	if isID(ref) {
		return c.GetTenant(ctx, ref)
	}
	return find(c.AllTenants(ctx, client.ListTenantsParams{Limit: pageSize, Sort: "slug"}), "tenant", ref,
		func(t *client.Tenant) bool { return t.Slug == ref })
}

// findUser returns the user that has that id or e-mail.
func findUser(ctx context.Context, c *client.Client, ref string) (client.User, error) {
	if isID(ref) {
		return c.GetUser(ctx, ref)
	}
	return find(c.AllUsers(ctx, client.ListUsersParams{Limit: pageSize}), "user", ref,
		func(u *client.User) bool { return strings.EqualFold(u.Email, ref) })
}

// findMember returns the member of a project that has that id or name.
func findMember(ctx context.Context, c *client.Client, project, ref string) (client.Member, error) {
	return find(c.AllMembers(ctx, project, client.ListMembersParams{Limit: pageSize}), "member", ref,
		func(m *client.Member) bool { return m.ID == ref || m.Name == ref })
}

// findArtifact returns the artifact that has that id, or NAME@VERSION, or the
// latest version of NAME.
func findArtifact(ctx context.Context, c *client.Client, ref string) (client.Artifact, error) {
	if isID(ref) {
		return c.GetArtifact(ctx, ref)
	}
	name, version := ref, ""
	if at := strings.LastIndexByte(ref, '@'); at > 0 {
		name, version = ref[:at], ref[at+1:]
	}
	return find(c.AllArtifacts(ctx, client.ListArtifactsParams{Limit: pageSize, Sort: "-created_at", Name: name}), "artifact", ref,
		func(a *client.Artifact) bool { return version == "" || a.Version == version })
}

// completionPatience bounds how long a shell waits for names.
const completionPatience = 2 * time.Second

// completeNames completes the first argument with names that the server has.
func completeNames[T any](a *app, items func(context.Context, *client.Client) iter.Seq2[T, error], name func(*T) string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		c, err := a.connect(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		var names []string
		for item, err := range items(ctx, c) {
			if err != nil || len(names) == pageSize {
				break
			}
			if n := name(&item); strings.HasPrefix(n, prefix) {
				names = append(names, n)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) completeProjects() cobra.CompletionFunc {
	return completeNames(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.Project, error] {
		return c.AllProjects(ctx, client.ListProjectsParams{Limit: pageSize, Sort: "name"})
	}, func(p *client.Project) string { return p.Name })
}

func (a *app) completeTenants() cobra.CompletionFunc {
	return completeNames(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.Tenant, error] {
		return c.AllTenants(ctx, client.ListTenantsParams{Limit: pageSize, Sort: "slug"})
	}, func(t *client.Tenant) string { return t.Slug })
}

func (a *app) completeUsers() cobra.CompletionFunc {
	return completeNames(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.User, error] {
		return c.AllUsers(ctx, client.ListUsersParams{Limit: pageSize})
	}, func(u *client.User) string { return u.Email })
}

func (a *app) completeArtifacts() cobra.CompletionFunc {
	return completeNames(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.Artifact, error] {
		return c.AllArtifacts(ctx, client.ListArtifactsParams{Limit: pageSize})
	}, func(x *client.Artifact) string { return x.Name + "@" + x.Version })
}
