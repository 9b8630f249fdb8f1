package cli

import (
	"github.com/spf13/cobra"

	"maestro/client"
)

var keyColumns = []column[client.SigningKey]{
	{name: "kid", value: func(k *client.SigningKey) any { return k.Kid }},
	{name: "created_at", value: func(k *client.SigningKey) any { return instant(k.CreatedAt) }},
	{name: "retired_at", value: func(k *client.SigningKey) any { return instantOf(k.RetiredAt) }},
}

func (a *app) keysCommand() *cobra.Command {
	return remote(a.group("keys", "Rotate the keys that sign access tokens (operator)", a.keysList(), a.keysRotate(), a.keysRetire()))
}

func (a *app) keysList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the keys that access tokens are verified with, the one that signs first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			keys, err := c.ListSigningKeys(cmd.Context())
			if err != nil {
				return err
			}
			return printList(a.out, a.form, keyColumns, keys.Items)
		}}
}

func (a *app) keysRotate() *cobra.Command {
	return &cobra.Command{Use: "rotate", Short: "Sign with a new key from now on", Args: cobra.NoArgs,
		Long: "No session ends: the old key verifies until the last token that it signed has expired, and is then deleted. The server\n" +
			"does the same by itself every --key-rotation.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			key, err := c.RotateSigningKeys(cmd.Context())
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, keyColumns, key)
		}}
}

func (a *app) keysRetire() *cobra.Command {
	return &cobra.Command{Use: "retire KID", Short: "Refuse a key's access tokens at once, because others may know it", Args: cobra.ExactArgs(1),
		Long: "Sessions stay: clients refresh and get a token of the key that signs. That key itself must be rotated first.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			return c.RetireSigningKey(cmd.Context(), args[0])
		}}
}
