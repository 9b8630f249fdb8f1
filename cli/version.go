package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"maestro/storage"
)

// build is what the program knows of itself.
type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	SQLite   string `json:"sqlite"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the program's version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := build{Version: Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, SQLite: storage.SQLiteVersion}
			if a.form == formTable {
				_, err := fmt.Fprintf(a.out, "maestro %s (%s, %s, SQLite %s)\n", b.Version, b.Go, b.Platform, b.SQLite)
				return err
			}
			return printOne(a.out, a.form, []column[build]{
				{name: "version", value: func(b *build) any { return b.Version }},
				{name: "go", value: func(b *build) any { return b.Go }},
				{name: "platform", value: func(b *build) any { return b.Platform }},
				{name: "sqlite", value: func(b *build) any { return b.SQLite }},
			}, b)
		},
	}
}
