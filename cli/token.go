package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
)

var tokenColumns = []column[client.APIToken]{
	{name: "name", value: func(t *client.APIToken) any { return t.Name }},
	{name: "scopes", value: func(t *client.APIToken) any { return t.Scopes }},
	{name: "expires_at", value: func(t *client.APIToken) any { return instant(t.ExpiresAt) }},
	{name: "last_used_at", value: func(t *client.APIToken) any { return instantOf(t.LastUsedAt) }},
	{name: "user_id", value: func(t *client.APIToken) any { return t.UserID }, extra: true},
	{name: "created_by", value: func(t *client.APIToken) any { return t.CreatedBy }, extra: true},
	{name: "created_at", value: func(t *client.APIToken) any { return instant(t.CreatedAt) }, extra: true},
	{name: "id", value: func(t *client.APIToken) any { return t.ID }},
}

var newTokenColumns = []column[client.NewAPIToken]{
	{name: "token", value: func(t *client.NewAPIToken) any { return t.Token }},
	{name: "name", value: func(t *client.NewAPIToken) any { return t.Name }},
	{name: "scopes", value: func(t *client.NewAPIToken) any { return t.Scopes }},
	{name: "expires_at", value: func(t *client.NewAPIToken) any { return instant(t.ExpiresAt) }},
	{name: "user_id", value: func(t *client.NewAPIToken) any { return t.UserID }},
	{name: "id", value: func(t *client.NewAPIToken) any { return t.ID }},
}

func (a *app) tokenCommand() *cobra.Command {
	return remote(a.group("token", "Manage API tokens, for training jobs and CI", a.tokenCreate(), a.tokenList(), a.tokenRevoke()))
}

func (a *app) tokenCreate() *cobra.Command {
	var scopes []string
	var expires, user string
	c := &cobra.Command{Use: "create NAME", Short: "Make an API token, which is shown once", Args: cobra.ExactArgs(1),
		Long: "The token stands for you or, with --user, for a service account, and has those of its scopes that its user holds at the\n" +
			"moment of each request. Give it to a job as MAESTRO_TOKEN, as Bearer, or as the password of HTTP Basic.",
		Example: "  maestro token create 'nightly training' --scope projects:view,metrics:create --expires 30d\n" +
			"  maestro user create robot@example.org --service --role data_scientist\n" +
			"  maestro token create ci --user robot@example.org --scope artifacts:view --expires 2027-01-31",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(scopes) == 0 {
				return usage("--scope: name at least one; GET /api/v1/permissions lists them")
			}
			fields := client.APITokenFields{Name: args[0], Scopes: scopes}
			var err error
			if fields.ExpiresAt, err = expiry(expires, time.Now()); err != nil {
				return &usageError{err}
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			if user != "" {
				owner, err := findUser(cmd.Context(), c, user)
				if err != nil {
					return err
				}
				fields.UserID = owner.ID
			}
			made, err := c.CreateAPIToken(cmd.Context(), fields)
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, newTokenColumns, made)
		}}
	c.Flags().StringSliceVar(&scopes, "scope", nil, "a permission such as projects:view, or 'operator'; may be given several times")
	c.Flags().StringVar(&expires, "expires", "", "days such as 30d, or a date or time; at most 366 days ahead, 90 unless given")
	c.Flags().StringVar(&user, "user", "", "the service account that it stands for, by e-mail or id")
	return c
}

// expiry reads when a token is to expire: days from now, or what the API takes.
func expiry(text string, now time.Time) (string, error) {
	digits, days := strings.CutSuffix(text, "d")
	if !days {
		return text, nil
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 366 {
		return "", errors.New("--expires: must be 1d to 366d, or a date or time")
	}
	return now.AddDate(0, 0, n).UTC().Format(time.RFC3339), nil
}

func (a *app) tokenList() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list", Short: "List API tokens, without their text", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		tokens, err := collect(c.AllAPITokens(cmd.Context(), client.ListAPITokensParams{Limit: pageSize, All: &all}), 0)
		if err != nil {
			return err
		}
		return printList(a.out, a.form, tokenColumns, tokens)
	}}
	c.Flags().BoolVar(&all, "all", false, "those of everybody in the tenant")
	return c
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{Use: "revoke TOKEN", Short: "End an API token of yours at once, by name or id, or another account's by id", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			id, err := findToken(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return c.DeleteAPIToken(cmd.Context(), id)
		}}
}

// findToken returns the id of the caller's token that has that id or name. It
// fails with Conflict when several have the name.
func findToken(ctx context.Context, c *client.Client, ref string) (id string, err error) {
	if isID(ref) {
		return ref, nil
	}
	for token, err := range c.AllAPITokens(ctx, client.ListAPITokensParams{Limit: pageSize}) {
		switch {
		case err != nil:
			return "", err
		case token.Name != ref:
		case id != "":
			return "", problem.New(problem.Conflict, "Several API tokens are named %q. Revoke it by its id.", ref)
		default:
			id = token.ID
		}
	}
	if id == "" {
		return "", problem.New(problem.NotFound, "You have no API token %q.", ref)
	}
	return id, nil
}
